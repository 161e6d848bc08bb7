/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas: a list of heap blocks that double in size, the newest of which has the free room. One
   thread at a time. */
#include "base/arena.h"

#include <string.h>

#include "base/memory.h"

#define ALIGN ((size_t)16)
#define BLOCK_FIRST ((size_t)4096)    /* enough for most requests */
#define BLOCK_MOST ((size_t)1 << 20)  /* growth by doubling ends here */
#define BLOCK_KEPT ((size_t)64 << 10) /* a larger first block is not kept between requests */

struct arena_block {
    struct arena_block *next; /* older */
    size_t size;              /* with this header */
    unsigned char data[] __attribute__((aligned(16)));
};

void arena_init(struct arena *a, size_t cap)
{
    *a = (struct arena){.cap = cap};
}

static void use_block(struct arena *a, struct arena_block *b)
{
    a->next = b->data;
    a->end = (unsigned char *)b + b->size;
}

void arena_done(struct arena *a)
{
    struct arena_block *b, *older;

    for (b = a->blocks; b; b = older) {
        older = b->next;
        mem_free(b);
    }
    arena_init(a, a->cap);
}

void arena_reset(struct arena *a)
{
    struct arena_block *b = a->blocks, *older;

    if (!b)
        return;
    for (; b->next; b = older) {
        older = b->next;
        a->used -= b->size;
        mem_free(b);
    }
    a->blocks = b;
    if (b->size > BLOCK_KEPT)
        arena_done(a);
    else
        use_block(a, b);
}

/* Add a block with room for `n` bytes: a generous one if the cap allows, else an exact one. */
static int add_block(struct arena *a, size_t n)
{
    size_t need, size = a->blocks ? a->blocks->size : BLOCK_FIRST / 2;
    struct arena_block *b;

    if (!size_add(n, sizeof *b, &need) || need > a->cap - a->used)
        return -1;
    size = size < BLOCK_MOST ? size * 2 : BLOCK_MOST;
    if (size < need)
        size = need;
    if (size > a->cap - a->used)
        size = a->cap - a->used;
    b = mem_alloc(size);
    if (!b)
        return -1;
    b->next = a->blocks;
    b->size = size;
    a->blocks = b;
    a->used += size;
    use_block(a, b);
    return 0;
}

void *arena_alloc(struct arena *a, size_t count, size_t bytes)
{
    unsigned char *p;
    size_t n;

    if (!size_mul(count, bytes, &n) || !size_add(n, ALIGN - 1, &n))
        return NULL;
    n &= ~(ALIGN - 1);
    if (!n)
        n = ALIGN; /* so that every allocation has an address of its own */
    if (n > (size_t)(a->end - a->next) && add_block(a, n) < 0)
        return NULL;
    p = a->next;
    a->next += n;
    return p;
}

void *arena_zero(struct arena *a, size_t count, size_t bytes)
{
    void *p = arena_alloc(a, count, bytes);

    if (p && count && bytes)
        memset(p, 0, count * bytes); /* arena_alloc() has checked the product */
    return p;
}

char *arena_text(struct arena *a, const char *s, size_t n)
{
    size_t total;
    char *copy;

    if (!size_add(n, 1, &total) || !(copy = arena_alloc(a, total, 1)))
        return NULL;
    if (n)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}
