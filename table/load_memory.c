/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing a table's bytes into memory. In a shared mapping the file may change under us at any
   time, so whatever forms addresses is copied out before it is checked; so is what lies unaligned,
   and the default row. */
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "table/load.h"

#define PRIVATE_ALIGN ((size_t)64)

enum status load_progress(struct loading *l, double done, struct error *e)
{
    const struct table_options *o = l->options;

    if (o->progress && !o->progress(o->context, done))
        return error_set(e, ST_CANCELLED, "loading was stopped");
    return ST_OK;
}

/* All of the data area at once; what is checked is read as it is checked, see load_values(). */
static enum status read_data(struct loading *l, struct error *e)
{
    bool hashed = l->options->overlay && !l->trusted;
    struct hasher *hasher = hashed ? hasher_new() : NULL;
    struct table *t = l->t;
    enum status st = ST_OK;
    size_t offset, n;

    if (hashed && !hasher)
        return error_memory(e, "table");
    for (size_t i = 0; st == ST_OK && i < region_chunks(t->region); i++) {
        region_chunk(t->region, i, &offset, &n);
        st = file_pread(l->fd, t->region->data + offset, n, t->header.data_offset + offset, e);
        if (st == ST_OK && hasher)
            hasher_add(hasher, t->region->data + offset, n);
        if (st == ST_OK)
            st = load_progress(l, 0.5 * (double)(offset + n) / (double)t->region->size, e);
    }
    if (st == ST_OK && hasher)
        t->checksum = hasher_value(hasher);
    hasher_free(hasher);
    return st;
}

/* Private memory holds the data area alone, which so begins aligned whatever the header's length.
 */
static enum status take_memory(struct loading *l, struct error *e)
{
    struct table *t = l->t;
    enum status st;

    if (t->header.data_bytes > SIZE_MAX)
        return error_memory(e, "table");
    st = region_private(&t->region, (size_t)t->header.data_bytes, t->memory, e);
    l->unread = !l->trusted && !l->options->overlay;
    return st != ST_OK || l->unread ? st : read_data(l, e);
}

/* What is copied out for its alignment is so for good; and locked memory is there at once. */
static bool may_borrow(const struct loading *l)
{
    return l->options->borrow && l->trusted && l->t->memory == REGION_COPY &&
           l->t->header.data_bytes <= SIZE_MAX && l->t->header.data_offset % PRIVATE_ALIGN == 0;
}

static bool must_copy(const struct loading *l, size_t i)
{
    const struct file_tensor *ft = &l->t->header.tensor[i];
    bool mapped = l->t->memory == REGION_MAP;
    uint64_t place = ft->offset - (mapped ? 0 : l->t->header.data_offset);

    if (l->use[i].role == USE_KEYS || l->use[i].role == USE_TOUCHED)
        return false; /* the index has its own copy of each key */
    if (place % dtype_size(ft->tensor.dtype))
        return true;
    return mapped && (l->use[i].role == USE_DEFAULT || (l->use[i].flags & TENSOR_ADDRESS));
}

/* Take room for `bytes` in the private memory to come. */
static bool take_room(size_t *offset, size_t *total, size_t bytes)
{
    *offset = *total;
    return size_add(*total, bytes, total) && size_add(*total, PRIVATE_ALIGN - 1, total) &&
           (*total &= ~(PRIVATE_ALIGN - 1), true);
}

static enum status make_private(struct loading *l, struct error *e)
{
    struct table *t = l->t;
    size_t total = 0;
    bool fits = true;

    l->fallback_offset = SIZE_MAX;
    for (size_t i = 0; i < t->header.tensor_count; i++) {
        l->use[i].private_offset = SIZE_MAX;
        if (must_copy(l, i))
            fits = fits &&
                   take_room(&l->use[i].private_offset, &total, t->header.tensor[i].tensor.bytes);
    }
    if (!header_tensor(&t->header, "default"))
        fits = fits && take_room(&l->fallback_offset, &total, sizeof(float) * t->dim);
    if (!fits)
        return error_memory(e, "table");
    return total ? region_private(&t->private, total,
                                  t->memory == REGION_LOCK ? REGION_LOCK : REGION_COPY, e)
                 : ST_OK;
}

/* Point every tensor at its bytes, copying first where it must be. */
static void place(struct loading *l)
{
    struct table *t = l->t;

    if (l->fallback_offset != SIZE_MAX)
        t->fallback = (const float *)(t->private->data + l->fallback_offset);
    for (size_t i = 0; i < t->header.tensor_count; i++) {
        const struct file_tensor *ft = &t->header.tensor[i];
        struct use *u = &l->use[i];

        u->data = (void *)table_tensor(t, ft);
        if (u->private_offset != SIZE_MAX) {
            unsigned char *copy = t->private->data + u->private_offset;

            if (ft->tensor.bytes && !l->unread)
                memcpy(copy, u->data, ft->tensor.bytes);
            u->data = copy;
        }
        if (u->target)
            u->target->data = u->data;
        if (u->role == USE_DEFAULT)
            t->fallback = u->data;
        if (u->role == USE_FREQUENCY)
            t->frequency = u->data;
    }
}

enum status load_memory(struct loading *l, struct error *e)
{
    struct table *t = l->t;
    enum status st;

    if (t->identity.size > SIZE_MAX)
        return error_memory(e, "table");
    if (t->memory == REGION_MAP)
        st = region_map(&t->region, l->fd, (size_t)t->identity.size, e);
    else if (may_borrow(l))
        st = region_borrow(&t->region, l->fd, t->header.data_offset, (size_t)t->header.data_bytes,
                           e);
    else
        st = take_memory(l, e);
    if (st == ST_OK && l->options->overlay)
        st = load_overlay(l, e);
    if (st == ST_OK)
        st = make_private(l, e);
    if (st == ST_OK)
        place(l);
    return st;
}
