/* SPDX-License-Identifier: Apache-2.0 */
/* New bytes, collected before any is written. One thread. */
#include "methods/gradient.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"

#define ALIGNMENT 8

enum status patch_reserve(struct patch *p, size_t pieces, size_t bytes, struct error *e)
{
    size_t padding;

    p->count = p->used = 0;
    p->kept = p->saturated = 0;
    if (!size_mul(pieces, ALIGNMENT - 1, &padding) || !size_add(bytes, padding, &bytes) ||
        !(p->piece = mem_room(p->piece, &p->capacity, pieces, sizeof *p->piece)) ||
        !(p->data = mem_room(p->data, &p->room, bytes, 1)))
        return error_memory(e, "a patch");
    return ST_OK;
}

void patch_done(struct patch *p)
{
    mem_free(p->piece);
    mem_free(p->data);
    memset(p, 0, sizeof *p);
}

void *patch_add(struct patch *p, void *to, size_t bytes)
{
    struct patch_piece *piece = &p->piece[p->count];

    assert(p->count < p->capacity && bytes <= p->room - p->used);
    *piece = (struct patch_piece){.to = to, .bytes = bytes, .from = p->used};
    p->count++;
    p->used += (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    return p->data + piece->from;
}

/* Pieces are asked for this many pieces before their turn. */
#define AHEAD 8

void patch_write(const struct patch *p)
{
    for (size_t i = 0; i < p->count; i++) {
        if (i + AHEAD < p->count)
            for (size_t at = 0; at < p->piece[i + AHEAD].bytes && at < 512; at += 64)
                __builtin_prefetch(p->piece[i + AHEAD].to + at, 1);
        memcpy(p->piece[i].to, p->data + p->piece[i].from, p->piece[i].bytes);
    }
}
