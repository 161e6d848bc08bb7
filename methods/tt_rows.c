/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups of tt. What costs is A B, the product of the first two slices. Where nobody trains the
   table and there is room for the products of all slices, they are kept. Else the ids of a batch
   are put into the order of the slices: ids with the same two share their product, and those with
   the same slice of core 1, the large one, find it near. The bits are the same either way. */
#include "methods/tt.h"

#include <string.h>

#include "base/memory.h"
#include "kernels/kernels.h"

#define BATCH 4096 /* ids that are put into order at a time */
#define LINE 64    /* of a cache: a vector that lies in two is fetched twice */
#define FEW 16     /* ids that are not worth it */
#define GROUP 128  /* ids that are made at a time, at most; of products that are not kept so few */
#define NEAR 16    /* that these stay in the first-level cache */

/* An id of a batch: its first two digits as one number, the last one, and its place. */
struct item {
    uint64_t pair;
    uint64_t last;
    size_t at;
};

/* By pair, the last byte first; equal ones stay in their order. */
static void sort(struct item *item, struct item *room, size_t n, uint64_t most)
{
    struct item *from = item, *to = room, *swap;

    for (unsigned shift = 0; shift < 64 && most >> shift; shift += 8) {
        size_t first[256] = {0}, sum = 0;

        for (size_t i = 0; i < n; i++)
            first[from[i].pair >> shift & 255]++;
        for (size_t b = 0; b < 256; b++) {
            size_t count = first[b];

            first[b] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++)
            to[first[from[i].pair >> shift & 255]++] = from[i];
        swap = from;
        from = to;
        to = swap;
    }
    if (from != item)
        memcpy(item, from, n * sizeof *item);
}

/* A row that the file brings as it is. */
static bool copy_cached(const struct parameters *p, uint64_t row, void *out)
{
    uint64_t place;

    if (!tt_cached(p, row, &place))
        return false;
    kernels->f32_rows(out, p->tensor[TT_CACHE_WEIGHT].data, p->dim, &place, 1);
    return true;
}

/* The ids that are not cached, in the order in which they are made. */
static size_t arrange(const struct parameters *p, const struct tt_shape *s, const uint64_t *row,
                      size_t n, unsigned char *out, struct item *item)
{
    struct item room[BATCH];
    uint64_t digit[3], most = 0;
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        if (copy_cached(p, row[i], out + i * p->dim * sizeof(float)))
            continue;
        tt_digits(s, row[i], digit);
        item[count] = (struct item){digit[1] * s->n[0] + digit[0], digit[2], i};
        most |= item[count++].pair;
    }
    if (count > FEW)
        sort(item, room, count, most);
    return count;
}

static struct tt_slices slices(const struct parameters *p, const struct tt_shape *s,
                               const struct item *item)
{
    uint64_t digit[3] = {item->pair % s->n[0], item->pair / s->n[0], item->last};

    return tt_slices(p, s, digit);
}

/* Elements [first * d2, (first + m) * d2) of `n` rows, those below `dim`, from m rows of A B. */
static void finish(const struct tt_shape *s, const float *const *tile, const float *const *c,
                   size_t n, size_t first, size_t m, uint32_t dim, unsigned char *const *row)
{
    size_t d2 = s->d[2], r2 = s->r[2], at = first * d2, whole, rest;
    const float *left[NEAR];
    void *out[NEAR] = {NULL};

    if (at >= dim)
        return; /* padding */
    whole = (dim - at) / d2;
    rest = whole < m ? (dim - at) % d2 : 0;
    whole = whole < m ? whole : m;
    for (size_t i = 0; i < n; i++)
        out[i] = row[i] + at * sizeof(float);
    kernels->f32_products(out, tile, c, n, d2, whole, r2, d2);
    for (size_t i = 0; rest && i < n; i++) {
        out[i] = row[i] + (at + whole * d2) * sizeof(float);
        left[i] = tile[i] + whole * r2;
    }
    if (rest)
        kernels->f32_products(out, left, c, n, d2, 1, r2, rest);
}

/* One row whose A B is too large to be in hand at once: a tile after the other. */
static void one(const struct parameters *p, const struct tt_shape *s, const struct tt_tile *t,
                const struct item *item, float *room, unsigned char *out)
{
    unsigned char *row = out + item->at * p->dim * sizeof(float);
    struct tt_slices x = slices(p, s, item);
    const float *tile = room;

    for (size_t a = 0; a < s->d[0]; a += t->a)
        for (size_t b = 0; b < s->d[1]; b += t->b) {
            size_t as = s->d[0] - a < t->a ? s->d[0] - a : t->a;
            size_t bs = s->d[1] - b < t->b ? s->d[1] - b : t->b;

            kernels->f32_product(room, x.a + a * s->r[1], x.b + b * s->r[2], s->d[1] * s->r[2], as,
                                 s->r[1], bs * s->r[2]);
            finish(s, &tile, &x.c, 1, a * s->d[1] + b, as * bs, p->dim, &row);
        }
}

/* Rows of a few ids: the different products first, then the rows. */
static void group(const struct parameters *p, const struct tt_shape *s, const struct item *item,
                  size_t n, float *room, unsigned char *out)
{
    size_t pairs = 0, rows = s->d[0] * s->d[1], columns = s->d[1] * s->r[2];
    const float *a[NEAR], *b[NEAR], *c[NEAR], *tile[NEAR];
    unsigned char *row[NEAR];
    void *product[NEAR];

    for (size_t i = 0; i < n; i++) {
        if (!i || item[i].pair != item[i - 1].pair) {
            struct tt_slices x = slices(p, s, &item[i]);

            a[pairs] = x.a;
            b[pairs] = x.b;
            product[pairs] = room + pairs * rows * s->r[2];
            pairs++;
        }
        tile[i] = product[pairs - 1];
        c[i] = (const float *)p->tensor[TT_CORE2].data + item[i].last * s->r[2] * s->d[2];
        row[i] = out + item[i].at * p->dim * sizeof(float);
    }
    kernels->f32_products(product, a, b, pairs, columns, s->d[0], s->r[1], columns);
    finish(s, tile, c, n, 0, rows, p->dim, row);
}

/* Floats of a kept product, and how many there are; 0 where none are kept. */
static size_t kept_floats(const struct tt_shape *s)
{
    return TURNED_FLOATS(s->d[0] * s->d[1], s->r[2]);
}

void tt_keep(struct parameters *p, size_t most)
{
    struct tt_shape s = tt_shape(p->value);
    size_t floats = kept_floats(&s), rows = s.d[0] * s.d[1], columns = s.d[1] * s.r[2], pairs, all;
    float room[TT_TILE] __attribute__((aligned(LINE))), *to;

    if (rows * s.r[2] > TT_TILE || p->dim % s.d[2] ||
        __builtin_mul_overflow(s.n[0], s.n[1], &pairs) ||
        __builtin_mul_overflow(pairs, floats * sizeof *to, &all) || all > most ||
        !(p->kept = to = mem_aligned(LINE, all)))
        return;
    p->kept_bytes = all;
    for (uint64_t pair = 0; pair < pairs; pair++, to += floats) {
        uint64_t digit[3] = {pair % s.n[0], pair / s.n[0], 0};
        struct tt_slices x = tt_slices(p, &s, digit);

        kernels->f32_product(room, x.a, x.b, columns, s.d[0], s.r[1], columns);
        kernels->f32_turn(to, room, rows, s.r[2]);
    }
}

static void from_kept(const struct parameters *p, const struct tt_shape *s, const uint64_t *row,
                      size_t n, unsigned char *out)
{
    size_t floats = kept_floats(s), d2 = s->d[2], r2 = s->r[2], count = 0;
    const float *kept = p->kept, *a[GROUP] = {NULL}, *c[GROUP] = {NULL};
    void *to[GROUP] = {NULL};
    uint64_t digit[3];

    for (size_t i = 0; i < n; i++, out += p->dim * sizeof(float)) {
        if (!copy_cached(p, row[i], out)) {
            tt_digits(s, row[i], digit);
            a[count] = kept + (digit[1] * s->n[0] + digit[0]) * floats;
            c[count] = tt_slices(p, s, digit).c;
            to[count++] = out;
        }
        if (count == GROUP || i + 1 == n) {
            kernels->f32_turned_products(to, a, c, count, d2, p->dim / d2, r2, d2);
            count = 0;
        }
    }
}

void tt_rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    struct tt_shape s = tt_shape(p->value);
    struct tt_tile t = tt_tile(&s);
    bool whole = t.a == s.d[0] && t.b == s.d[1]; /* one tile holds all of A B */
    size_t most = whole ? TT_TILE / (s.d[0] * s.d[1] * s.r[2]) : 1, few;
    unsigned char *to = out;
    struct item item[BATCH];
    float room[TT_TILE] __attribute__((aligned(LINE)));

    if (p->kept) {
        from_kept(p, &s, row, n, out);
        return;
    }
    most = most < NEAR ? most : NEAR;
    for (size_t m; n; n -= m, row += m, to += m * p->dim * sizeof(float)) {
        size_t count;

        m = n < BATCH ? n : BATCH;
        count = arrange(p, &s, row, m, to, item);
        for (size_t i = 0; i < count; i += few) {
            few = count - i < most ? count - i : most;
            if (whole)
                group(p, &s, item + i, few, room, to);
            else
                one(p, &s, &t, &item[i], room, to);
        }
    }
}
