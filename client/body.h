/* SPDX-License-Identifier: Apache-2.0 */
/* What a call sends: one message, or on a stream one after the other. A message is a list of
   pieces, so that large arrays are sent from where their owner has them. Belongs to the call.

     first .. (sent) .. at .. (to be sent) .. last */
#pragma once

#include <stdbool.h>

#include "proto/bytes.h"

/* A message with its prefix; its maker's, until it has left the body. */
struct parcel {
    struct parcel *next;
    const struct bytes *piece;
    size_t pieces;
};

struct body {
    struct parcel *first, *last;
    const struct parcel *at; /* NULL: all are sent */
    size_t piece, offset;    /* of `at`: where to go on */
    bool open;               /* more may be added */
};

void body_add(struct body *b, struct parcel *p);
/* Take the first parcel out; it must have been sent. */
struct parcel *body_take(struct body *b);
/* Begin again with the first parcel. */
void body_rewind(struct body *b);
/* Copy what comes next, at most `room` bytes; 0 if nothing is left for now. */
size_t body_read(struct body *b, void *out, size_t room);
/* Whether a parcel of the body was sent whole. */
bool body_sent(const struct body *b, const struct parcel *p);
