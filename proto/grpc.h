/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's rules above HTTP/2: message prefix, time-outs, percent-encoded messages, content types. No
   I/O, no state; used by daemon and client. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define GRPC_PREFIX 5         /* bytes before each message: flag, length big-endian */
#define GRPC_MESSAGE_MAX 1024 /* bytes of an encoded grpc-message that we send */

void grpc_prefix_write(unsigned char prefix[GRPC_PREFIX], uint32_t length);
/* The length in a prefix that grpc_prefix_write() wrote. */
uint32_t grpc_prefix_length(const unsigned char prefix[GRPC_PREFIX]);
/* Read a prefix: ST_INTERNAL for a flag above 1 or a compressed message (only identity is spoken
   here), ST_EXHAUSTED for a length above `limit` (the text names both). */
MUST_CHECK enum status grpc_prefix_read(const unsigned char prefix[GRPC_PREFIX], uint64_t limit,
                                        uint32_t *length, struct error *e);

/* grpc-timeout: one to eight digits and a unit H M S m u n, into microseconds (rounded up, at most
   INT64_MAX). False if malformed. */
bool grpc_timeout_parse(const char *s, size_t n, uint64_t *us);
/* Write a time-out with the finest unit, from microseconds up, whose number fits eight digits;
   rounded up, and at most 99999999 hours. */
const char *grpc_timeout_format(char out[16], uint64_t us);

/* Percent-encode a UTF-8 sentence for grpc-message into `out`, NUL-terminated, cut to
   GRPC_MESSAGE_MAX at a character's end. A space at either end is encoded too, since HTTP/2 refuses
   a bare one there. Returns the length. */
size_t grpc_message_encode(char out[GRPC_MESSAGE_MAX + 1], const char *text);
/* Decode; malformed escapes stay as they are. `out` gets at most `room` - 1 bytes, cut at a
   character's end, and a NUL. Returns the length. */
size_t grpc_message_decode(char *out, size_t room, const char *text, size_t n);

/* True for "application/grpc", "application/grpc+proto" and either with parameters behind ';'. */
bool grpc_content_type_valid(const char *s, size_t n);
/* grpc-status: decimal 0 to 16 without leading zero, else ST_UNKNOWN. */
enum status grpc_status_parse(const char *s, size_t n);
/* What a reply without grpc-status means, from its HTTP status. */
enum status grpc_status_from_http(int http_status);
/* What a stream reset means to the caller, from its HTTP/2 error code. */
enum status grpc_status_from_reset(uint32_t error_code);
