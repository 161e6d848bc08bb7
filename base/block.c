/* SPDX-License-Identifier: Apache-2.0 */
/* Shared runs of bytes, and the growing buffer that makes them. The count is the only thing that
   threads share; a buffer has one owner. */
#include "base/block.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"

#define BUFFER_FIRST ((size_t)256)

struct block *block_new(size_t capacity)
{
    struct block *b;
    size_t total;

    if (!size_add(sizeof *b, capacity, &total))
        return NULL;
    b = mem_aligned(_Alignof(struct block), total);
    if (!b)
        return NULL;
    atomic_init(&b->refs, 1);
    b->size = 0;
    b->capacity = capacity;
    return b;
}

struct block *block_ref(struct block *b)
{
    unsigned before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);

    assert(before > 0 && before < UINT32_MAX);
    (void)before;
    return b;
}

void block_unref(struct block *b)
{
    /* Release and acquire: what other owners read from the bytes happens before the free. */
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        mem_free(b);
}

void buffer_init(struct buffer *b, size_t limit)
{
    *b = (struct buffer){.limit = limit};
}

void buffer_done(struct buffer *b)
{
    block_unref(b->block);
    b->block = NULL;
}

unsigned char *buffer_room(struct buffer *b, size_t n)
{
    size_t size = buffer_size(b), need, capacity;
    struct block *larger;

    if (!size_add(size, n, &need) || need > b->limit)
        return NULL;
    if (b->block && need <= b->block->capacity)
        return b->block->data + size;
    capacity = b->block ? b->block->capacity : BUFFER_FIRST / 2;
    capacity = capacity < b->limit / 2 ? capacity * 2 : b->limit;
    if (capacity < need)
        capacity = need;
    larger = block_new(capacity);
    if (!larger)
        return NULL;
    if (size)
        memcpy(larger->data, b->block->data, size);
    larger->size = size;
    block_unref(b->block);
    b->block = larger;
    return larger->data + size;
}

int buffer_add(struct buffer *b, const void *data, size_t n)
{
    unsigned char *to;

    if (!n)
        return 0;
    to = buffer_room(b, n);
    if (!to)
        return -1;
    memcpy(to, data, n);
    b->block->size += n;
    return 0;
}

void buffer_drop(struct buffer *b, size_t n)
{
    size_t left = buffer_size(b) - n;

    if (!b->block)
        return;
    memmove(b->block->data, b->block->data + n, left);
    b->block->size = left;
}

size_t buffer_size(const struct buffer *b)
{
    return b->block ? b->block->size : 0;
}

const unsigned char *buffer_data(const struct buffer *b)
{
    return b->block ? b->block->data : NULL;
}

struct block *buffer_take(struct buffer *b)
{
    struct block *taken = b->block;

    b->block = NULL;
    return taken;
}
