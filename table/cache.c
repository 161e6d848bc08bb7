/* SPDX-License-Identifier: Apache-2.0 */
/* See cache.h. A set's marks are one cache line, its row numbers two, the rows lie apart. */
#include "table/cache.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "table/table.h"

#define WAYS CACHE_SET
#define ALL 0xffffu  /* a bit for each way */
#define YOUNG 3      /* ways of a full set that are young */
#define NAMED_MOST 3 /* times that are counted */
#define NO_PLACE SIZE_MAX

#define FRESH_FLOATS ((size_t)128 << 10) /* room for decoded rows, … */
#define FRESH_LEAST ((size_t)4)          /* … for at least so many */

#define LINE 64             /* bytes of a cache line */
#define PREFETCHED_MOST 512 /* bytes of a row; the processor guesses the rest */

struct set {
    _Alignas(LINE) uint8_t tag[WAYS]; /* eight bits of each row's hash */
    uint8_t named[WAYS];              /* how often it was named of late */
    uint8_t fresh[WAYS];              /* its place among the decoded rows, while it is due */
    uint16_t young, old;              /* ways that hold a row, by its age */
    uint16_t good;                    /* ways whose row is there */
    uint16_t due;                     /* ways whose row comes with cache_keep() */
    uint32_t epoch;                   /* of `good` */
    uint8_t young_hand, old_hand;
};
static_assert(sizeof(struct set) == LINE, "the marks of a set are one line");

struct cache {
    size_t sets, dim;
    struct set *set;
    uint64_t *number; /* [sets][WAYS] of the rows */
    float *row;       /* [sets][WAYS][dim] */
    float *fresh;     /* [fresh_most][dim]: decoded, not kept yet */
    size_t fresh_most, fresh_count;
    uint64_t wanted[CACHE_DECODE]; /* numbers of the rows in `fresh` */
    size_t place[CACHE_DECODE];    /* where they are to be kept, or NO_PLACE */
    uint64_t hash[CACHE_FIND];
    uint64_t moment;
    uint32_t epoch;
    struct hash_secret secret;
};

static size_t fresh_rows(uint32_t dim)
{
    size_t rows = FRESH_FLOATS / dim;

    return rows > CACHE_DECODE ? CACHE_DECODE : rows < FRESH_LEAST ? FRESH_LEAST : rows;
}

/* A whole number of lines; SIZE_MAX stays what it is. */
static size_t lines(size_t bytes)
{
    return bytes > SIZE_MAX - LINE ? SIZE_MAX : (bytes + LINE - 1) / LINE * LINE;
}

static size_t rows_bytes(size_t rows, uint32_t dim)
{
    size_t bytes;

    return size_mul(rows, sizeof(float) * dim, &bytes) ? lines(bytes) : SIZE_MAX;
}

size_t cache_bytes(size_t sets, uint32_t dim)
{
    size_t fixed = lines(sizeof(struct cache)) + rows_bytes(fresh_rows(dim), dim), ways, marks;

    if (!size_mul(sets, WAYS, &ways) || !size_mul(ways, sizeof(uint64_t), &marks) ||
        !size_add(marks, sets * sizeof(struct set), &marks) || !size_add(marks, fixed, &marks) ||
        !size_add(marks, rows_bytes(ways, dim), &marks))
        return SIZE_MAX;
    return marks;
}

struct cache *cache_new(size_t sets, uint32_t dim)
{
    size_t bytes = cache_bytes(sets, dim), fresh = fresh_rows(dim);
    unsigned char *at = bytes == SIZE_MAX ? NULL : mem_aligned(LINE, bytes);
    struct cache *c = (struct cache *)at;

    if (!c)
        return NULL;
    *c = (struct cache){.sets = sets, .dim = dim, .fresh_most = fresh, .secret = hash_secret()};
    at += lines(sizeof *c);
    c->set = (struct set *)at;
    at += sets * sizeof *c->set;
    c->number = (uint64_t *)at;
    at += sets * WAYS * sizeof *c->number;
    c->fresh = (float *)at;
    at += rows_bytes(fresh, dim);
    c->row = (float *)at; /* pages that no row came to are never touched */
    memset(c->set, 0, sets * sizeof *c->set);
    return c;
}

void cache_free(struct cache *c)
{
    mem_free(c);
}

void cache_begin(struct cache *c, uint64_t moment)
{
    if (c->moment == moment)
        return;
    c->moment = moment;
    if (++c->epoch == 0) /* it has been around: no set may take it for its own */
        for (size_t i = 0; i < c->sets; i++)
            c->set[i].good = 0;
}

/* ---- Ways ---- */

static size_t set_of(const struct cache *c, uint64_t hash)
{
    return (size_t)(((unsigned __int128)hash * c->sets) >> 64);
}

/* The way of a row in its set, or WAYS. Eight tags are compared at once: a byte of `equal` has its
   high bit if the tags are the same, and sometimes if not. */
static unsigned find_way(const struct cache *c, size_t set, uint8_t tag, uint64_t row)
{
    const uint64_t *number = c->number + set * WAYS;
    const struct set *s = &c->set[set];

    for (unsigned first = 0; first < WAYS; first += 8) {
        uint64_t tags, equal;

        memcpy(&tags, s->tag + first, sizeof tags);
        tags ^= tag * UINT64_C(0x0101010101010101);
        equal = (tags - UINT64_C(0x0101010101010101)) & ~tags & UINT64_C(0x8080808080808080);
        for (; equal; equal &= equal - 1) {
            unsigned way = first + (unsigned)__builtin_ctzll(equal) / 8;

            if ((s->young | s->old) >> way & 1 && number[way] == row)
                return way;
        }
    }
    return WAYS;
}

/* The next of these ways from the hand on, which goes past it. */
static unsigned pass(unsigned ways, uint8_t *hand)
{
    unsigned ahead = ways >> *hand << *hand;
    unsigned way = (unsigned)__builtin_ctz(ahead ? ahead : ways);

    *hand = (uint8_t)((way + 1) % WAYS);
    return way;
}

/* A way for a new row, as cache.h tells. */
static unsigned make_room(struct set *s)
{
    unsigned used = s->young | s->old, way;

    if (used != ALL)
        return (unsigned)__builtin_ctz(~used);
    for (;;) {
        if (__builtin_popcount(s->young) >= YOUNG) {
            way = pass(s->young, &s->young_hand);
            if (!s->named[way])
                return way;
            s->named[way] = 0;
            s->young &= (uint16_t) ~(1u << way);
            s->old |= (uint16_t)(1u << way);
        } else {
            way = pass(s->old, &s->old_hand);
            if (!s->named[way])
                return way;
            s->named[way]--;
        }
    }
}

/* The way that a row gets, or WAYS if it would take that of one that is just coming. */
static unsigned give_way(struct cache *c, size_t set, uint8_t tag, uint64_t row)
{
    struct set *s = &c->set[set];
    unsigned way = make_room(s), bit = 1u << way;

    if (s->due & bit)
        return WAYS;
    c->number[set * WAYS + way] = row;
    s->tag[way] = tag;
    s->named[way] = 0;
    s->young |= (uint16_t)bit;
    s->old &= (uint16_t)~bit;
    s->good &= (uint16_t)~bit;
    return way;
}

/* ---- Rows ---- */

static void prefetch(const void *at, size_t bytes)
{
    bytes = bytes < PREFETCHED_MOST ? bytes : PREFETCHED_MOST;
    for (size_t i = 0; i < bytes; i += LINE)
        __builtin_prefetch((const char *)at + i);
}

/* Where the row is, or will be once the wanted rows are decoded. */
static const float *find_row(struct cache *c, uint64_t hash, uint64_t row)
{
    size_t set = set_of(c, hash);
    uint8_t tag = (uint8_t)hash;
    struct set *s = &c->set[set];
    unsigned way = find_way(c, set, tag, row);

    if (s->epoch != c->epoch) {
        s->epoch = c->epoch;
        s->good = 0;
    }
    if (way < WAYS) {
        const float *kept = c->row + (set * WAYS + way) * c->dim;

        s->named[way] += s->named[way] < NAMED_MOST;
        if (s->good >> way & 1) {
            prefetch(kept, c->dim * sizeof *kept);
            return kept;
        }
        if (s->due >> way & 1)
            return c->fresh + s->fresh[way] * c->dim;
    } else {
        way = give_way(c, set, tag, row);
    }
    if (way < WAYS) {
        s->due |= (uint16_t)(1u << way);
        s->fresh[way] = (uint8_t)c->fresh_count;
    }
    c->place[c->fresh_count] = way < WAYS ? set * WAYS + way : NO_PLACE;
    c->wanted[c->fresh_count] = row;
    return c->fresh + c->fresh_count++ * c->dim;
}

size_t cache_find(struct cache *c, const struct table *t, const uint64_t *row, size_t n,
                  const float *at[CACHE_FIND], size_t *decoded)
{
    size_t found = 0;

    n = n < CACHE_FIND ? n : CACHE_FIND;
    for (size_t i = 0; i < n; i++) {
        size_t set;

        c->hash[i] = hash_number(&c->secret, row[i]);
        set = set_of(c, c->hash[i]);
        __builtin_prefetch(&c->set[set]);
        __builtin_prefetch(c->number + set * WAYS);
        __builtin_prefetch(c->number + set * WAYS + WAYS / 2);
    }
    for (; found < n && c->fresh_count < c->fresh_most; found++)
        at[found] =
            row[found] == ROW_UNKNOWN ? t->fallback : find_row(c, c->hash[found], row[found]);
    if (c->fresh_count)
        table_rows(t, c->wanted, c->fresh_count, c->fresh);
    *decoded += c->fresh_count;
    return found;
}

void cache_keep(struct cache *c)
{
    for (size_t i = 0; i < c->fresh_count; i++) {
        size_t place = c->place[i];
        struct set *s = &c->set[place / WAYS];
        uint16_t bit = (uint16_t)(1u << place % WAYS);

        if (place == NO_PLACE)
            continue;
        memcpy(c->row + place * c->dim, c->fresh + i * c->dim, c->dim * sizeof *c->row);
        s->due &= (uint16_t)~bit;
        s->good |= bit;
    }
    c->fresh_count = 0;
}
