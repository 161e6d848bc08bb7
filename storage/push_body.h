/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a push in the log: what the push is to each of its tables, and the message as it
   came. Numbers are little-endian.

     names      of the tables, joined by commas, and a NUL; first, so that SQL can show them
     form       1 byte: 1
     trainer    1 byte: how long its name is, 0 if there is none
     0          2 bytes
     tables     4 bytes: how many
     sequence   8 bytes: 0 if and only if there is no trainer
     content    16 bytes: XXH3-128 of the message, low half first
     bytes      8 bytes: of the message
     for each table:
       generation 8 bytes, version 8 bytes, learning rate 4 bytes, flags 4 bytes
     trainer    its name, without a NUL
     message    to the end

   A body is as long as it says, or it is refused. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/registry.h"

/* A body that is read: the push, whose message is a view into it, and its tables one by one. */
struct push_body {
    struct push_row row; /* without lsn, time and the array of tables; trainer is the text below */
    char trainer[TRAINER_MAX + 1];
    const char *name;           /* of the next table */
    const unsigned char *entry; /* of the next table */
    size_t left;                /* tables that push_body_table() has not given */
};

/* True for `[A-Za-z0-9_.:-]{1,128}`: a trainer's name. */
bool trainer_valid(const char *name, size_t n);

/* How long the body of a push is; false if no size_t can say it. */
bool push_body_size(const struct push_row *row, size_t *out);
/* Write the body; there is room for push_body_size(). */
void push_body_write(void *out, const struct push_row *row);
/* False if the bytes are not the body of a push. */
bool push_body_read(struct push_body *body, const void *data, size_t n);
/* The next table; false after the last. */
bool push_body_table(struct push_body *body, struct push_table *table);
