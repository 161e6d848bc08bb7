/* SPDX-License-Identifier: Apache-2.0 */
/* See samples.h. The memory of a worker is a hash table with open addressing. */
#include "table/samples.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "table/table.h"

#define PLACES ((size_t)16384) /* a power of two; three quarters are SAMPLES_ROWS */

struct place {
    uint64_t row; /* + 1; 0: nothing */
    uint64_t times;
};

struct memory {
    uint64_t stride; /* one id of so many is counted, and counts for so many: 1, 2, 4, … */
    uint64_t skip;   /* ids to pass before the next one */
    uint64_t random;
    size_t rows;
    struct place place[];
};

struct worker_memory {
    _Alignas(64) _Atomic(struct memory *) memory; /* NULL: the worker is adding */
};

struct samples {
    unsigned workers;
    size_t last;          /* of the places: their number is a power of two */
    size_t most;          /* rows in them */
    struct memory *spare; /* the writer's: empty */
    struct hash_secret secret;
    struct worker_memory worker[];
};

static size_t memory_bytes(const struct samples *s)
{
    return sizeof(struct memory) + (s->last + 1) * sizeof(struct place);
}

static void begin(const struct samples *s, struct memory *m)
{
    uint64_t random = m->random;

    memset(m, 0, memory_bytes(s));
    m->stride = 1;
    m->random = random;
}

static struct memory *memory_new(const struct samples *s, unsigned number)
{
    struct memory *m = mem_alloc(memory_bytes(s));

    if (m) {
        m->random = s->secret.add + number;
        begin(s, m);
    }
    return m;
}

enum status samples_new(struct samples **out, uint64_t rows, unsigned workers, struct error *e)
{
    struct samples *s =
        mem_aligned(_Alignof(struct samples), sizeof *s + workers * sizeof s->worker[0]);
    size_t places = 16;

    if (!s)
        return error_memory(e, "counts of lookups");
    while (places < PLACES && places / 4 * 3 < rows)
        places *= 2;
    *s = (struct samples){.last = places - 1, .most = places / 4 * 3, .secret = hash_secret()};
    s->spare = memory_new(s, workers);
    for (bool good = s->spare; good && s->workers < workers; s->workers += good) {
        struct memory *m = memory_new(s, s->workers);

        atomic_init(&s->worker[s->workers].memory, m);
        good = m;
    }
    if (s->workers < workers || !s->spare) {
        samples_free(s);
        return error_memory(e, "counts of lookups");
    }
    *out = s;
    return ST_OK;
}

void samples_free(struct samples *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->workers; i++)
        mem_free(atomic_load(&s->worker[i].memory));
    mem_free(s->spare);
    mem_free(s);
}

uint64_t samples_bytes(const struct samples *s)
{
    return sizeof *s + s->workers * sizeof s->worker[0] + (s->workers + 1) * memory_bytes(s);
}

/* ---- The worker's ---- */

static uint64_t draw(struct memory *m)
{
    uint64_t x = m->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* The place of a row, or where it would be. */
static size_t find(const struct samples *s, const struct memory *m, uint64_t row)
{
    size_t i = hash_number(&s->secret, row) & s->last;

    while (m->place[i].row && m->place[i].row != row + 1)
        i = (i + 1) & s->last;
    return i;
}

/* Empty a place, and move up what stands behind it on its way from where it belongs. */
static void drop(const struct samples *s, struct memory *m, size_t hole)
{
    for (size_t i = (hole + 1) & s->last; m->place[i].row; i = (i + 1) & s->last) {
        size_t home = hash_number(&s->secret, m->place[i].row - 1) & s->last;

        if (((i - home) & s->last) < ((i - hole) & s->last))
            continue;
        m->place[hole] = m->place[i];
        hole = i;
    }
    m->place[hole] = (struct place){0};
    m->rows--;
}

/* Leave half of what was counted; what is left counts for twice as much. */
static void thin(const struct samples *s, struct memory *m)
{
    for (size_t i = 0; i <= s->last; i++) {
        uint64_t counted = m->place[i].times / m->stride, odd = counted & 1;

        if (m->place[i].row)
            m->place[i].times = (counted / 2 + (odd & draw(m) >> 63)) * 2 * m->stride;
    }
    m->stride *= 2;
    for (size_t i = 0; i <= s->last; i++)
        while (m->place[i].row && !m->place[i].times)
            drop(s, m, i);
}

static void count(const struct samples *s, struct memory *m, uint64_t row)
{
    uint64_t stride = m->stride;
    size_t i = find(s, m, row);

    if (!m->place[i].row) {
        while (m->rows == s->most)
            thin(s, m);
        /* This id is as any other of those that were counted so far. */
        if (stride != m->stride && draw(m) % (m->stride / stride))
            return;
        i = find(s, m, row);
        m->place[i].row = row + 1;
        m->rows++;
    }
    m->place[i].times += m->stride;
}

void samples_add(struct samples *s, unsigned worker, const uint64_t *row, size_t n)
{
    struct memory *m =
        atomic_exchange_explicit(&s->worker[worker].memory, NULL, memory_order_acquire);

    for (size_t i = 0; i < n; i++) {
        if (m->skip >= n - i) {
            m->skip -= n - i;
            break;
        }
        i += (size_t)m->skip;
        m->skip = 0;
        if (row[i] != ROW_UNKNOWN)
            count(s, m, row[i]);
        if (m->stride > 1)
            m->skip = draw(m) % (2 * m->stride - 1); /* stride - 1 in the mean */
    }
    atomic_store_explicit(&s->worker[worker].memory, m, memory_order_release);
}

/* ---- The writer's ---- */

static int by_row(const void *a, const void *b)
{
    uint64_t x = ((const struct counted *)a)->row, y = ((const struct counted *)b)->row;

    return x < y ? -1 : x > y;
}

/* Take the memory of a worker, unless it is just adding, for an empty one. */
static size_t take(struct samples *s, unsigned worker, struct counted *out)
{
    struct memory *m = atomic_load_explicit(&s->worker[worker].memory, memory_order_relaxed);
    size_t n = 0;

    if (!m || !atomic_compare_exchange_strong_explicit(&s->worker[worker].memory, &m, s->spare,
                                                       memory_order_acq_rel, memory_order_relaxed))
        return 0;
    for (size_t i = 0; i <= s->last; i++)
        if (m->place[i].row)
            out[n++] = (struct counted){m->place[i].row - 1, m->place[i].times};
    begin(s, m);
    s->spare = m;
    return n;
}

enum status samples_take(struct samples *s, struct counted **out, size_t *count, struct error *e)
{
    struct counted *all = mem_zero(s->workers * s->most, sizeof *all);
    size_t n = 0, kept = 0;

    *out = NULL;
    *count = 0;
    if (!all)
        return error_memory(e, "counts of lookups");
    for (unsigned i = 0; i < s->workers; i++)
        n += take(s, i, all + n);
    if (!n) {
        mem_free(all);
        return ST_OK;
    }
    qsort(all, n, sizeof *all, by_row);
    for (size_t i = 0; i < n; i++)
        if (kept && all[kept - 1].row == all[i].row)
            all[kept - 1].times += all[i].times;
        else
            all[kept++] = all[i];
    *out = all;
    *count = kept;
    return ST_OK;
}
