/* SPDX-License-Identifier: Apache-2.0 */
/* A queue of messages with a place in it. */
#include "client/body.h"

#include <assert.h>
#include <string.h>

void body_add(struct body *b, struct parcel *p)
{
    p->next = NULL;
    if (b->last)
        b->last->next = p;
    else
        b->first = p;
    b->last = p;
    if (!b->at) {
        b->at = p;
        b->piece = b->offset = 0;
    }
}

struct parcel *body_take(struct body *b)
{
    struct parcel *p = b->first;

    assert(p && p != b->at);
    b->first = p->next;
    if (!b->first)
        b->last = NULL;
    return p;
}

void body_rewind(struct body *b)
{
    b->at = b->first;
    b->piece = b->offset = 0;
}

size_t body_read(struct body *b, void *out, size_t room)
{
    unsigned char *to = out;

    while (room && b->at) {
        const struct bytes *piece = &b->at->piece[b->piece];
        size_t n = piece->size - b->offset;

        n = n < room ? n : room;
        if (n)
            memcpy(to, (const unsigned char *)piece->data + b->offset, n);
        to += n;
        room -= n;
        b->offset += n;
        if (b->offset < piece->size)
            break;
        b->offset = 0;
        if (++b->piece == b->at->pieces) {
            b->piece = 0;
            b->at = b->at->next;
        }
    }
    return (size_t)(to - (unsigned char *)out);
}

bool body_sent(const struct body *b, const struct parcel *p)
{
    for (const struct parcel *left = b->at; left; left = left->next)
        if (left == p)
            return false;
    return true;
}
