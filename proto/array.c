/* SPDX-License-Identifier: Apache-2.0 */
/* Repeated numbers: notes where the pieces are in a first pass, copies them together in a second,
   and needs the second only for what no writer of ours produces. */
#include "proto/array.h"

#include <string.h>

bool wire_array_add(struct wire_array *a, const struct wire_field *f)
{
    bool element = f->type == (a->width == 8 ? WIRE_FIXED64 : WIRE_FIXED32);

    if (!element && (f->type != WIRE_BYTES || f->size % a->width))
        return false;
    if (f->size) {
        a->size += f->size; /* pieces lie apart in one message, so this cannot overflow */
        a->pieces++;
        a->data = f->data;
    }
    return true;
}

bool wire_array_join(struct wire_array *a, uint32_t number, const void *data, size_t n,
                     struct arena *arena)
{
    struct wire_reader r;
    struct wire_field f;
    unsigned char *whole, *next;

    if (a->pieces < 2)
        return true;
    whole = next = arena_alloc(arena, a->size, 1);
    if (!whole)
        return false;
    wire_reader_init(&r, data, n);
    while (wire_next(&r, &f)) {
        if (f.number != number)
            continue;
        memcpy(next, f.data, f.size);
        next += f.size;
    }
    a->data = whole;
    return true;
}
