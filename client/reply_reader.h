/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a LookupResponse while it arrives, in pieces cut anywhere, so that each float goes from the
   socket's buffer straight to where the caller wants it. Trusts nothing: what the message claims is
   held against its own length, the room there is and the question that was asked. */
#pragma once

#include <stdbool.h>

#include "client/embdclient.h"
#include "base/status.h"

/* One result, written into its lookup as it comes. Values of a lookup without `out` go to memory of
   the reader's. */
struct reply_result {
    embd_lookup *lookup;
    uint32_t dim, rows;
    uint64_t version;
    size_t value_bytes, missing_count;
    unsigned char *own; /* with lookup->out = NULL; mem_free */
    size_t own_room;
};

struct reply_reader {
    int format; /* EMBD_FORMAT_… that was asked for */
    struct reply_result *result;
    size_t result_count;
    size_t results; /* begun so far */

    /* Where the parser stands. Places count bytes from the beginning of the message. */
    int state;
    uint64_t at, end, result_end; /* result_end: 0 outside of a result */
    uint32_t field;
    unsigned type;
    uint64_t number;
    unsigned number_bytes;
    uint64_t left; /* of a run of bytes or a fixed-size number */
    int sink;      /* where a run of bytes goes */
    unsigned char word[4];
    unsigned word_bytes;
};

/* Prepare for one reply to `count` lookups; the results are the caller's and zeroed here (memory of
   an earlier reply is reused). */
void reply_reader_init(struct reply_reader *r, int format, struct reply_result *result,
                       size_t count);
/* A message of `length` bytes begins. */
void reply_reader_begin(struct reply_reader *r, uint32_t length);
/* Read on. ST_INTERNAL if the message is malformed or does not answer the question, ST_EXHAUSTED if
   the rows do not fit at `out` (the sentence names the need) or memory is short. */
MUST_CHECK enum status reply_reader_add(struct reply_reader *r, const unsigned char *data, size_t n,
                                        struct error *e);
/* The message is complete: check it as a whole and write dim, rows, version, missing_count, values
   and value_bytes to the lookups. */
MUST_CHECK enum status reply_reader_end(struct reply_reader *r, struct error *e);
