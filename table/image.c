/* SPDX-License-Identifier: Apache-2.0 */
/* Which blocks changed is the writer's own. What an open image still wants (`pending`) is shared by
   the writer and the saver, and with it the right to look at a block's memory:

     pending   the saver may read it, the writer may not write it yet
     not       the writer may write it, the saver does not look at it

   Whoever clears the bit has copied the block, under the mutex of its stripe. A stripe guards every
   STRIPES-th region of 256 KiB, the most that is copied while a mutex is held; no word of the
   bitmap belongs to two regions. */
#include "table/image.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/memory.h"

#define WORD_BLOCKS ((uint64_t)64)
#define REGION_WORDS ((uint64_t)8)
#define REGION_BLOCKS (REGION_WORDS * WORD_BLOCKS)
#define STRIPES ((unsigned)64)

/* A block as it was at the image's instant, copied because the writer had to go on. */
struct side {
    struct side *next;
    uint64_t index;
    unsigned char data[BLOCK_BYTES];
};

struct stripe {
    _Alignas(64) pthread_mutex_t lock;
    struct side *side;
};

struct blocks {
    struct stripe stripe[STRIPES];
    unsigned made; /* stripes with a mutex */
    const unsigned char *data;
    size_t size;
    uint64_t count;
    size_t words;                /* of each bitmap */
    uint64_t *changed[LINEAGES]; /* the writer's; no bit at or beyond `count` */
    uint64_t changed_count[LINEAGES];
    uint64_t *before;  /* the writer's; what had changed when the image began */
    uint64_t *pending; /* shared, by stripe */
    struct image *image;
    atomic_uint_fast64_t sides; /* blocks copied and not taken yet */
};

struct image {
    struct blocks *b;
    unsigned lineage;
    uint64_t count;
    atomic_bool broken;
    /* The saver's. */
    uint64_t region;   /* all regions before it were gone through */
    unsigned stripe;   /* then all stripes before it have no side copies, and get none any more */
    struct side *side; /* fetched from a stripe */
};

static uint64_t count_bits(const uint64_t *word, size_t words)
{
    uint64_t n = 0;

    for (size_t i = 0; i < words; i++)
        n += (uint64_t)__builtin_popcountll(word[i]);
    return n;
}

/* Every block, and no bit behind the last one. */
static void set_all(const struct blocks *b, uint64_t *word)
{
    memset(word, 0xff, b->words * sizeof *word);
    if (b->count % WORD_BLOCKS)
        word[b->words - 1] = ((uint64_t)1 << b->count % WORD_BLOCKS) - 1;
}

enum status blocks_new(struct blocks **out, const unsigned char *data, size_t size, struct error *e)
{
    struct blocks *b = mem_aligned(_Alignof(struct blocks), sizeof *b);

    if (!b)
        return error_memory(e, "record of changes");
    memset(b, 0, sizeof *b);
    b->data = data;
    b->size = size;
    b->count = size / BLOCK_BYTES + (size % BLOCK_BYTES > 0);
    b->words = (size_t)((b->count + WORD_BLOCKS - 1) / WORD_BLOCKS);
    atomic_init(&b->sides, 0);
    while (b->made < STRIPES && !pthread_mutex_init(&b->stripe[b->made].lock, NULL))
        b->made++;
    for (unsigned i = 0; i < LINEAGES; i++)
        b->changed[i] = mem_zero(b->words, sizeof *b->changed[i]);
    b->before = mem_zero(b->words, sizeof *b->before);
    b->pending = mem_zero(b->words, sizeof *b->pending);
    if (b->made < STRIPES || !b->changed[0] || !b->changed[1] || !b->before || !b->pending) {
        blocks_free(b);
        return error_memory(e, "record of changes");
    }
    *out = b;
    return ST_OK;
}

void blocks_free(struct blocks *b)
{
    if (!b)
        return;
    assert(!b->image);
    for (unsigned i = 0; i < b->made; i++)
        pthread_mutex_destroy(&b->stripe[i].lock);
    for (unsigned i = 0; i < LINEAGES; i++)
        mem_free(b->changed[i]);
    mem_free(b->before);
    mem_free(b->pending);
    mem_free(b);
}

uint64_t blocks_bytes(const struct blocks *b)
{
    return sizeof *b + (LINEAGES + 2) * b->words * sizeof *b->pending +
           atomic_load_explicit(&b->sides, memory_order_relaxed) * sizeof(struct side);
}

uint64_t blocks_changed(const struct blocks *b, unsigned lineage)
{
    return b->changed_count[lineage];
}

void blocks_reset(struct blocks *b, unsigned lineage, bool changed)
{
    if (changed)
        set_all(b, b->changed[lineage]);
    else
        memset(b->changed[lineage], 0, b->words * sizeof *b->changed[lineage]);
    b->changed_count[lineage] = changed ? b->count : 0;
}

static struct stripe *stripe_of(struct blocks *b, uint64_t index)
{
    return &b->stripe[index / REGION_BLOCKS % STRIPES];
}

/* The last block may be short. */
static void copy_block(const struct blocks *b, uint64_t index, unsigned char *to)
{
    size_t at = (size_t)index * BLOCK_BYTES, n = b->size - at;

    if (n >= BLOCK_BYTES) {
        memcpy(to, b->data + at, BLOCK_BYTES);
        return;
    }
    memcpy(to, b->data + at, n);
    memset(to + n, 0, BLOCK_BYTES - n);
}

/* The writer is about to write a block of which the open image may want the old bytes. */
static void keep_old(struct blocks *b, uint64_t index)
{
    struct stripe *s = stripe_of(b, index);
    uint64_t *word = &b->pending[index / WORD_BLOCKS];
    uint64_t bit = (uint64_t)1 << index % WORD_BLOCKS;
    struct image *i = b->image;
    struct side *side;

    pthread_mutex_lock(&s->lock);
    if (*word & bit) {
        *word &= ~bit;
        side = NULL;
        if (!atomic_load_explicit(&i->broken, memory_order_relaxed) &&
            !FAILPOINT("image.keep.copy"))
            side = mem_alloc(sizeof *side);
        if (side) {
            side->index = index;
            copy_block(b, index, side->data);
            side->next = s->side;
            s->side = side;
            atomic_fetch_add_explicit(&b->sides, 1, memory_order_relaxed);
        } else {
            atomic_store(&i->broken, true);
        }
    }
    pthread_mutex_unlock(&s->lock);
}

void blocks_keep(struct blocks *b, const unsigned char *at, size_t bytes)
{
    size_t from = (size_t)(at - b->data);

    if (!bytes)
        return;
    assert(from < b->size && bytes <= b->size - from);
    for (uint64_t i = from / BLOCK_BYTES; i <= (from + bytes - 1) / BLOCK_BYTES; i++) {
        uint64_t bit = (uint64_t)1 << i % WORD_BLOCKS;

        if (b->image)
            keep_old(b, i);
        for (unsigned k = 0; k < LINEAGES; k++) {
            uint64_t *word = &b->changed[k][i / WORD_BLOCKS];

            b->changed_count[k] += !(*word & bit);
            *word |= bit;
        }
    }
}

enum status image_begin(struct image **out, struct blocks *b, unsigned lineage, bool whole,
                        struct error *e)
{
    size_t bytes = b->words * sizeof *b->before;
    struct image *i = mem_zero(1, sizeof *i);
    uint64_t *changed;

    assert(!b->image && lineage < LINEAGES);
    if (!i)
        return error_memory(e, "image");
    i->b = b;
    i->lineage = lineage;
    i->count = whole ? b->count : b->changed_count[lineage];
    atomic_init(&i->broken, false);
    /* What changes from now on is for the snapshot after this one. */
    changed = b->changed[lineage];
    b->changed[lineage] = b->before;
    b->before = changed;
    memset(b->changed[lineage], 0, bytes);
    b->changed_count[lineage] = 0;
    if (whole)
        set_all(b, b->pending);
    else
        memcpy(b->pending, b->before, bytes);
    b->image = i;
    *out = i;
    return ST_OK;
}

uint64_t image_blocks(const struct image *i)
{
    return i->count;
}

bool image_broken(const struct image *i)
{
    return atomic_load(&i->broken);
}

/* Copy pending blocks of a region, with its stripe locked. True when none is left. */
static bool take_region(struct image *i, uint64_t *index, unsigned char *data, size_t most,
                        size_t *n)
{
    struct blocks *b = i->b;
    size_t first = (size_t)(i->region * REGION_WORDS), end = first + REGION_WORDS;

    if (end > b->words)
        end = b->words;
    for (size_t w = first; w < end; w++)
        while (b->pending[w]) {
            if (*n == most)
                return false;
            index[*n] = w * WORD_BLOCKS + (uint64_t)__builtin_ctzll(b->pending[w]);
            copy_block(b, index[*n], data + *n * BLOCK_BYTES);
            b->pending[w] &= b->pending[w] - 1;
            ++*n;
        }
    return true;
}

/* Hand out what was fetched from a stripe. */
static size_t take_sides(struct image *i, uint64_t *index, unsigned char *data, size_t most)
{
    size_t n = 0;

    for (; i->side && n < most; n++) {
        struct side *side = i->side;

        index[n] = side->index;
        memcpy(data + n * BLOCK_BYTES, side->data, BLOCK_BYTES);
        i->side = side->next;
        mem_free(side);
        atomic_fetch_sub_explicit(&i->b->sides, 1, memory_order_relaxed);
    }
    return n;
}

static struct side *fetch_sides(struct stripe *s)
{
    struct side *side = s->side;

    s->side = NULL;
    return side;
}

size_t image_take(struct image *i, uint64_t *index, unsigned char *data, size_t most)
{
    uint64_t regions = (i->b->words + REGION_WORDS - 1) / REGION_WORDS;
    size_t n = 0;

    for (;;) {
        bool through = i->region == regions;
        struct stripe *s;

        n += take_sides(i, index + n, data + n * BLOCK_BYTES, most - n);
        if (n == most || i->stripe == STRIPES || image_broken(i))
            return image_broken(i) ? 0 : n;
        s = through ? &i->b->stripe[i->stripe] : &i->b->stripe[i->region % STRIPES];
        pthread_mutex_lock(&s->lock);
        if (!through)
            i->region += take_region(i, index, data, most, &n);
        else
            i->stripe++; /* nothing is pending any more: its list is the last one */
        i->side = fetch_sides(s);
        pthread_mutex_unlock(&s->lock);
    }
}

static void free_sides(struct blocks *b, struct side *side)
{
    while (side) {
        struct side *next = side->next;

        mem_free(side);
        atomic_fetch_sub_explicit(&b->sides, 1, memory_order_relaxed);
        side = next;
    }
}

void image_end(struct image *i, bool kept)
{
    struct blocks *b = i->b;
    uint64_t *changed = b->changed[i->lineage];

    /* The other thread is done, but its last word may not have come through a lock of ours. */
    for (unsigned k = 0; k < STRIPES; k++) {
        pthread_mutex_lock(&b->stripe[k].lock);
        free_sides(b, fetch_sides(&b->stripe[k]));
        pthread_mutex_unlock(&b->stripe[k].lock);
    }
    free_sides(b, i->side);
    memset(b->pending, 0, b->words * sizeof *b->pending);
    for (size_t w = 0; !kept && w < b->words; w++)
        changed[w] |= b->before[w];
    if (!kept)
        b->changed_count[i->lineage] = count_bits(changed, b->words);
    b->image = NULL;
    mem_free(i);
}
