/* SPDX-License-Identifier: Apache-2.0 */
/* Checks a LookupResponse while it arrives, in pieces cut anywhere, without keeping it: one result
   for each table, with its dim, the rows that were asked for, their bytes in the format that was
   asked for, and as a whole exactly as long as protobuf makes such a message. What the rows hold is
   not looked at. */
#pragma once

#include "client/load/plan.h"
#include "proto/lookup_coding.h"

struct reply_check {
    const struct load_plan *plan;
    const uint32_t *rows; /* that each table must answer with */

    /* Where the parser stands. Places count bytes from the beginning of the message. */
    int state;
    uint64_t at, end, result_end; /* result_end: 0 outside of a result */
    uint32_t field;
    uint64_t number;
    unsigned digits;
    uint64_t left; /* to be skipped */

    size_t results;              /* complete */
    struct table_vectors result; /* the one that is being read: what it says and has */
    uint64_t lsn;
    size_t canonical; /* bytes that the complete results take as protobuf writes them */
    uint64_t missing; /* over all tables */
};

/* A message of `length` bytes begins, which answers a request with these rows. */
void reply_check_begin(struct reply_check *c, const struct load_plan *plan, const uint32_t *rows,
                       uint32_t length);
/* ST_INTERNAL if it is not the answer, as far as it can be seen. */
MUST_CHECK enum status reply_check_add(struct reply_check *c, const unsigned char *data, size_t n,
                                       struct error *e);
MUST_CHECK enum status reply_check_end(struct reply_check *c, struct error *e);
