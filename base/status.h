/* SPDX-License-Identifier: Apache-2.0 */
/* One error vocabulary from kernel to wire: the codes are gRPC's, with gRPC's numbers. The function
   that fails writes the sentence that a person will read; callers pass it on unchanged. */
#pragma once

#include <stddef.h>

enum status {
    ST_OK = 0,
    ST_CANCELLED = 1,
    ST_UNKNOWN = 2,
    ST_INVALID = 3,
    ST_DEADLINE = 4,
    ST_NOT_FOUND = 5,
    ST_EXISTS = 6,
    ST_PERMISSION = 7,
    ST_EXHAUSTED = 8,
    ST_PRECONDITION = 9,
    ST_ABORTED = 10,
    ST_RANGE = 11,
    ST_UNIMPLEMENTED = 12,
    ST_INTERNAL = 13,
    ST_UNAVAILABLE = 14,
    ST_DATA_LOSS = 15,
    ST_UNAUTHENTICATED = 16,
    ST_COUNT
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))

/* The sentence that goes with a status other than ST_OK; undefined while the status is ST_OK.
   Text from outside (names, paths, file contents) is put in quoted, see text_quote(). */
struct error {
    char text[512];
};

/* Write the sentence (cut to the room there is, never in the middle of a UTF-8 character) and
   return `st`, so that a failing function can `return error_set(e, ST_INVALID, "…")`. `e` may be
   NULL. */
enum status error_set(struct error *e, enum status st, const char *format, ...) PRINTF_LIKE(3, 4);

/* Put "prefix: " before the sentence in `e` and return `st`: used by callers that know which file,
   table or item the sentence is about. */
enum status error_prefix(struct error *e, enum status st, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* The sentence for a failed allocation: ST_EXHAUSTED, "out of memory (<what>)". */
enum status error_memory(struct error *e, const char *what);

/* The sentence for a failed system call: "<what>: <strerror>", with the status that fits errno:
   ENOENT -> ST_NOT_FOUND, EACCES and EPERM -> ST_PERMISSION, ENOSPC, EDQUOT, ENOMEM, EMFILE ->
   ST_EXHAUSTED, others ST_UNAVAILABLE. */
enum status error_errno(struct error *e, int error_number, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* The gRPC name, such as "NOT_FOUND"; "UNKNOWN" for a number outside the enum. Never NULL. */
const char *status_name(enum status st);
