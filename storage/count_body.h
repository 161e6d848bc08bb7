/* SPDX-License-Identifier: Apache-2.0 */
/* The body of counts in the log: how often lookups named rows of one table.

     name NUL      the table
     form          1 byte: 1
     generation, version, count
     count times:  row (the first: itself; others: the distance from the one before, less one),
   times

   Numbers after the form are in groups of seven bits, the lowest first; the highest bit says that
   more follow (LEB128), no longer than they need to be. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/registry.h"

struct count_body {
    struct count_row row; /* without the array and the lsn; to be read by count_body_next() */
    const unsigned char *at, *end;
    size_t left; /* rows that were not given */
    uint64_t next;
};

/* The most bytes that the body takes. */
size_t count_body_most(const struct count_row *row);
/* Write it; there is room for count_body_most(). Returns its length. */
size_t count_body_write(void *out, const struct count_row *row);
/* False if the bytes, all of them, are not the body of counts. */
bool count_body_read(struct count_body *body, const void *data, size_t n);
/* The next row; false after the last. */
bool count_body_next(struct count_body *body, struct counted *out);
