/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a table as blocks, and finding those that are the same bit by bit. One thread. */
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "fits/dedup.h"

enum status dedup_bands_open(struct dedup_bands *b, const struct dedup_work *k, double from,
                             double to, struct error *e)
{
    uint64_t most = k->cut.bx < k->fit->rows ? k->cut.bx : k->fit->rows;
    enum status st;

    *b = (struct dedup_bands){.work = k};
    b->rows = mem_zero(most * k->fit->dim, sizeof *b->rows);
    if (!b->rows)
        return error_memory(e, "a row of blocks");
    if ((st = scan_open(&b->scan, k->fit, e)) == ST_OK)
        scan_start(&b->scan, from, to);
    return st;
}

void dedup_bands_close(struct dedup_bands *b)
{
    scan_close(&b->scan);
    mem_free(b->rows);
}

enum status dedup_bands_next(struct dedup_bands *b, struct error *e)
{
    uint64_t first = b->down * b->work->cut.bx, left;
    size_t dim = b->work->fit->dim, want;

    if (b->n)
        first = ++b->down * b->work->cut.bx;
    left = b->down < b->work->cut.nbx ? b->work->fit->rows - first : 0;
    want = left < b->work->cut.bx ? (size_t)left : (size_t)b->work->cut.bx;
    b->n = 0;
    while (b->n < want || !want) {
        size_t more;
        enum status st;

        if (b->used == b->scan.n) {
            if ((st = scan_next(&b->scan, e)) != ST_OK)
                return st;
            b->used = 0;
            if (!want)
                return ST_OK;
        }
        more = b->scan.n - b->used < want - b->n ? b->scan.n - b->used : want - b->n;
        memcpy(b->rows + b->n * dim, b->scan.rows + b->used * dim, more * dim * sizeof *b->rows);
        b->n += more;
        b->used += more;
    }
    return ST_OK;
}

void dedup_block(const struct dedup_bands *b, uint64_t across, float *out)
{
    const struct dedup_cut *cut = &b->work->cut;
    size_t dim = b->work->fit->dim, at = across * cut->by;
    size_t width = dim - at < cut->by ? dim - at : (size_t)cut->by;

    if (b->n < cut->bx || width < cut->by)
        memset(out, 0, b->work->size * sizeof *out);
    for (size_t t = 0; t < b->n; t++)
        memcpy(out + t * cut->by, b->rows + t * dim + at, width * sizeof *out);
}

enum status dedup_tell(struct dedup_work *k, double done, struct error *e)
{
    k->told = done > k->told ? done : k->told;
    return fit_progress(k->fit, k->told, e);
}

/* ---- Different blocks ---- */

struct seen {
    uint32_t *bucket; /* block + 1, open addressing */
    size_t last;
};

/* The block of the store that is the same as the next one behind it, or that one itself. */
static size_t find_same(struct dedup_work *k, struct seen *s)
{
    const float *block = k->store + k->count * k->size;
    size_t bytes = k->size * sizeof *block, at = hash_bytes(block, bytes) & s->last;

    for (; s->bucket[at]; at = (at + 1) & s->last)
        if (!memcmp(k->store + (s->bucket[at] - 1) * k->size, block, bytes))
            return s->bucket[at] - 1;
    s->bucket[at] = (uint32_t)k->count + 1;
    return k->count;
}

static enum status read_blocks(struct dedup_work *k, struct seen *s, double to, struct error *e)
{
    struct dedup_bands b;
    enum status st = dedup_bands_open(&b, k, 0, to, e);

    while (st == ST_OK && (st = dedup_bands_next(&b, e)) == ST_OK && b.n)
        for (uint64_t across = 0; across < k->cut.nby; across++) {
            size_t found;

            dedup_block(&b, across, k->store + k->count * k->size);
            found = find_same(k, s);
            if (found == k->count) {
                memset(k->weight + found * k->cut.bx, 0, k->cut.bx * sizeof *k->weight);
                k->place[found] = (uint32_t)(b.down * k->cut.nby + across);
                k->owner[k->count++] = (uint32_t)found;
            }
            for (size_t t = 0; t < b.n; t++)
                k->weight[found * k->cut.bx + t] += dedup_weight(k, b.down * k->cut.bx + t);
            k->entry[b.down * k->cut.nby + across] = (uint32_t)found;
        }
    k->entries = k->count;
    dedup_bands_close(&b);
    return st;
}

enum status dedup_read(struct dedup_work *k, double to, struct error *e)
{
    size_t floats, weights, bytes;
    struct seen s = {.last = 1};
    enum status st;

    while (s.last < 2 * k->places)
        s.last *= 2;
    /* one block more, where the next one is read to; only memory that is used is taken */
    if (k->places >= UINT32_MAX || !size_mul(k->places + 1, k->size, &floats) ||
        !size_mul(floats, sizeof(float), &bytes) || !size_mul(k->places + 1, k->cut.bx, &weights) ||
        !size_mul(weights, sizeof(double), &weights))
        return error_set(e, ST_EXHAUSTED, "so many blocks are larger than memory");
    k->store = mem_alloc(bytes);
    k->weight = mem_alloc(weights);
    k->entry = mem_zero(k->places, sizeof *k->entry);
    k->owner = mem_zero(k->places, sizeof *k->owner);
    k->place = mem_zero(k->places, sizeof *k->place);
    s.bucket = mem_zero(s.last--, sizeof *s.bucket);
    if (!k->store || !k->weight || !k->entry || !k->owner || !k->place || !s.bucket)
        st = error_memory(e, "the table's blocks");
    else
        st = read_blocks(k, &s, to, e);
    k->told = to;
    mem_free(s.bucket);
    return st;
}

void dedup_work_done(struct dedup_work *k)
{
    mem_free(k->entry);
    mem_free(k->owner);
    mem_free(k->store);
    mem_free(k->weight);
    mem_free(k->place);
}

void dedup_compact(struct dedup_work *k, uint32_t *to)
{
    size_t kept = 0;

    for (size_t i = 0; i < k->entries; i++)
        k->owner[i] = to[k->owner[i]];
    for (size_t i = 0; i < k->count; i++) {
        if (to[i] != i)
            continue;
        if (kept != i) {
            memcpy(k->store + kept * k->size, k->store + i * k->size, k->size * sizeof *k->store);
            memcpy(k->weight + kept * k->cut.bx, k->weight + i * k->cut.bx,
                   k->cut.bx * sizeof *k->weight);
            k->place[kept] = k->place[i];
        }
        to[i] = (uint32_t)kept++; /* its new number; nobody asks for the others any more */
    }
    for (size_t i = 0; i < k->entries; i++)
        k->owner[i] = to[k->owner[i]];
    k->count = kept;
}
