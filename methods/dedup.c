/* SPDX-License-Identifier: Apache-2.0 */
/* Block deduplication: rows are put together from blocks that several places of the table share.
   Budget, start and explanation are in files of their own. */
#include "methods/dedup.h"

#include <inttypes.h>
#include <string.h>

#include "base/prefetch.h"
#include "kernels/kernels.h"
#include "methods/gradient.h"

#define BATCH 256 /* pieces of rows found before the first is copied */

static const struct setting settings[] = {
    [DEDUP_BX] = {"bx", SETTING_INT, .min = 1, .max = INT64_MAX, .help = "rows of a block"},
    [DEDUP_BY] = {"by", SETTING_INT, .min = 1, .max = INT64_MAX, .help = "columns of a block"},
    [DEDUP_NBX] = {"nbx", SETTING_INT, .min = 0, .max = INT64_MAX, .optional = true,
                   .help = "blocks down the table, if it must be said: N / bx, rounded up"},
    [DEDUP_NBY] = {"nby", SETTING_INT, .min = 1, .max = INT64_MAX, .optional = true,
                   .help = "blocks across, if it must be said: D / by, rounded up"},
    [DEDUP_UPDATE] = {"update", SETTING_CHOICE, .choices = "shared frozen", .fallback = "shared",
                      .help = "whether a push trains a block for all that share it, or none"},
};

static const struct tensor_decl tensors[] = {
    [DEDUP_BLOCKS] = {"blocks", DT(F32), "U bx by", .flags = TENSOR_TRAINED,
                      .help = "the different blocks"},
    [DEDUP_MAP] = {"map", DT(I32), "B", .flags = TENSOR_ADDRESS,
                   .help = "which block stands at each place, row by row"},
};

struct dedup_cut dedup_cut(uint64_t rows, uint32_t dim, uint64_t bx, uint64_t by)
{
    return (struct dedup_cut){
        .bx = bx,
        .by = by,
        .nbx = rows / bx + (rows % bx != 0),
        .nby = dim / by + (dim % by != 0),
    };
}

struct dedup_cut dedup_cut_of(const struct parameters *p)
{
    return dedup_cut(p->rows, p->dim, (uint64_t)p->value[DEDUP_BX].i,
                     (uint64_t)p->value[DEDUP_BY].i);
}

static enum status check(struct parameters *p, struct error *e)
{
    uint64_t count = p->tensor[DEDUP_BLOCKS].shape[0], places;
    const struct tensor *map = &p->tensor[DEDUP_MAP];
    struct dedup_cut cut = dedup_cut_of(p);
    const int32_t *block = map->data;

    if (p->value[DEDUP_NBX].set && (uint64_t)p->value[DEDUP_NBX].i != cut.nbx)
        return error_set(e, ST_INVALID, "nbx is %" PRId64 "; it must be N / bx = %" PRIu64,
                         p->value[DEDUP_NBX].i, cut.nbx);
    if (p->value[DEDUP_NBY].set && (uint64_t)p->value[DEDUP_NBY].i != cut.nby)
        return error_set(e, ST_INVALID, "nby is %" PRId64 "; it must be D / by = %" PRIu64,
                         p->value[DEDUP_NBY].i, cut.nby);
    if (__builtin_mul_overflow(cut.nbx, cut.nby, &places) || map->shape[0] != places)
        return error_set(e, ST_INVALID,
                         "tensor \"map\" has %" PRIu64 " entries; it must have nbx * nby = %" PRIu64
                         " * %" PRIu64,
                         map->shape[0], cut.nbx, cut.nby);
    for (uint64_t i = 0; i < places; i++)
        if (block[i] < 0 || (uint64_t)block[i] >= count)
            return error_set(e, ST_INVALID,
                             "map[%" PRIu64 "] is %" PRId32 ", and tensor \"blocks\" has %" PRIu64,
                             i, block[i], count);
    return ST_OK;
}

/* A row within the blocks: row u is row u mod bx of block u / bx. These are the units of training
   too, since a push that asks for one row of a block does not touch the others. */
static uint64_t unit_of(const struct parameters *p, const struct dedup_cut *cut, uint64_t row,
                        uint64_t across)
{
    const int32_t *block = p->tensor[DEDUP_MAP].data;

    return (uint64_t)block[row / cut->bx * cut->nby + across] * cut->bx + row % cut->bx;
}

/* Rows of several pieces: pieces are found a batch at a time, across the ends of rows. */
static void piece_rows(const struct parameters *p, const struct dedup_cut *cut, const uint64_t *row,
                       size_t n, unsigned char *to)
{
    const float *blocks = p->tensor[DEDUP_BLOCKS].data, *from[BATCH];
    uint64_t i = 0, across = 0, at = 0;

    while (i < n) {
        size_t found = 0;

        for (; found < BATCH && i < n; found++) {
            from[found] = blocks + unit_of(p, cut, row[i], across) * cut->by;
            __builtin_prefetch(from[found]);
            if (++across == cut->nby) {
                across = 0;
                i++;
            }
        }
        for (size_t k = 0; k < found; k++) {
            size_t width = p->dim - at < cut->by ? p->dim - at : cut->by;

            memcpy(to, from[k], width * sizeof *blocks);
            to += width * sizeof *blocks;
            at = at + width == p->dim ? 0 : at + width;
        }
    }
}

static void rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    const int32_t *map = p->tensor[DEDUP_MAP].data;
    struct dedup_cut cut = dedup_cut_of(p);
    unsigned char *to = out;
    uint64_t unit[BATCH];

    if (cut.by != p->dim) {
        piece_rows(p, &cut, row, n, out);
        return;
    }
    while (n) {
        size_t m = n < BATCH ? n : BATCH;

        for (size_t i = 0; i < m; i++)
            __builtin_prefetch(map + row[i] / cut.bx);
        for (size_t i = 0; i < m; i++)
            unit[i] = unit_of(p, &cut, row[i], 0);
        kernels->f32_rows(to, p->tensor[DEDUP_BLOCKS].data, p->dim, unit, m);
        to += m * p->dim * sizeof(float);
        row += m;
        n -= m;
    }
}

/* ---- Training ---- */

static enum status trainable(const struct parameters *p, struct error *e)
{
    if (p->value[DEDUP_UPDATE].i == DEDUP_FROZEN)
        return error_set(e, ST_PRECONDITION,
                         "the blocks are frozen (update=frozen), so the table cannot be trained");
    return ST_OK;
}

static void gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                     struct gradients *out)
{
    const int32_t *map = p->tensor[DEDUP_MAP].data;
    struct dedup_cut cut = dedup_cut_of(p);

    for (size_t i = 0; i < n; i++) {
        if (n - i > PREFETCH_AHEAD)
            prefetch(map + row[i + PREFETCH_AHEAD] / cut.bx * cut.nby, cut.nby * sizeof *map);
        for (uint64_t across = 0, at = 0; across < cut.nby; across++, at += cut.by) {
            size_t width = p->dim - at < cut.by ? p->dim - at : cut.by;

            kernels->f32_add(gradient_at(out, DEDUP_BLOCKS, unit_of(p, &cut, row[i], across)),
                             grad + i * p->dim + at, width);
        }
    }
}

static size_t touched(const struct parameters *p, unsigned tensor, size_t rows)
{
    size_t units;

    (void)tensor;
    return __builtin_mul_overflow(rows, dedup_cut_of(p).nby, &units) ? SIZE_MAX : units;
}

static void place_of(const struct parameters *p, unsigned tensor, uint64_t unit, uint64_t *first,
                     size_t *n)
{
    (void)tensor;
    *n = (size_t)p->value[DEDUP_BY].i;
    *first = unit * *n;
}

static size_t widest(const struct parameters *p, unsigned tensor)
{
    (void)tensor;
    return (size_t)p->value[DEDUP_BY].i;
}

static uint64_t count_units(const struct parameters *p, unsigned tensor)
{
    (void)tensor;
    return p->tensor[DEDUP_BLOCKS].shape[0] * p->tensor[DEDUP_BLOCKS].shape[1];
}

const struct method method_dedup = {
    .name = "dedup",
    .title = "Dedup (block deduplication)",
    .source = "Zhou et al., PVLDB 2022",
    .per_field = true,
    .fit_extension = true, /* merging until the budget is met; fp alone is the authors' way */
    .settings = settings,
    .settings_count = sizeof settings / sizeof settings[0],
    .tensors = tensors,
    .tensors_count = sizeof tensors / sizeof tensors[0],
    .check = check,
    .rows = rows,
    .gradient = gradient,
    .trainable = trainable,
    .touched = touched,
    .unit_place = place_of,
    .unit_most = widest,
    .unit_count = count_units,
    .plan = dedup_plan,
    .author_words = dedup_author_words,
    .init = dedup_init,
    .explain = dedup_explain,
};
