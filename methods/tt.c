/* SPDX-License-Identifier: Apache-2.0 */
/* TT-Rec: settings, tensors and the loader's rules. Lookup, budget, gradients, start and
   explanations are in files of their own. */
#include "methods/tt.h"

#include <inttypes.h>

static const struct setting settings[] = {
    [TT_N] = {"n", SETTING_INTS, .min = 1, .max = INT64_MAX,
              .help = "three numbers of slices, whose product is at least N"},
    [TT_D] = {"d", SETTING_INTS, .min = 1, .max = TT_COLUMNS_MAX,
              .help = "three numbers of columns, whose product is at least D"},
    [TT_R] = {"r", SETTING_INTS, .min = 1, .max = TT_RANK_MAX,
              .help = "1, the two ranks between the cores, 1"},
    [TT_DIGIT_ORDER] = {"digit_order", SETTING_CHOICE, .choices = "little big",
                        .help = "whether core 0 takes the least or the most significant digit"},
};

/* The widths follow from d and r, which are lists, so check() holds them against those. */
static const struct tensor_decl tensors[] = {
    [TT_CORE0] = {"core.0", DT(F32), "N0 W0", .flags = TENSOR_TRAINED | TENSOR_ELEMENTWISE,
                  .help = "slices [d0][r1]"},
    [TT_CORE1] = {"core.1", DT(F32), "N1 W1", .flags = TENSOR_TRAINED | TENSOR_ELEMENTWISE,
                  .help = "slices [r1][d1][r2]"},
    [TT_CORE2] = {"core.2", DT(F32), "N2 W2", .flags = TENSOR_TRAINED | TENSOR_ELEMENTWISE,
                  .help = "slices [r2][d2]"},
    [TT_CACHE_IDS] = {"cache.ids", DT(I64), "K", .flags = TENSOR_OPTIONAL | TENSOR_ADDRESS,
                      .help = "ids whose rows are in cache.weight, ascending"},
    [TT_CACHE_WEIGHT] = {"cache.weight", DT(F32), "K D", .flags = TENSOR_OPTIONAL | TENSOR_TRAINED,
                         .help = "their rows"},
};

struct tt_shape tt_shape(const struct value *value)
{
    struct tt_shape s = {.big = value[TT_DIGIT_ORDER].i == TT_BIG};

    for (unsigned t = 0; t < 3; t++) {
        s.n[t] = (uint64_t)value[TT_N].list[t];
        s.d[t] = (uint64_t)value[TT_D].list[t];
    }
    for (unsigned t = 0; t < 4; t++)
        s.r[t] = (uint64_t)value[TT_R].list[t];
    return s;
}

uint64_t tt_core_floats(const struct tt_shape *s, unsigned core)
{
    uint64_t width = s->r[core] * s->d[core] * s->r[core + 1], floats; /* at most 2^41 */

    return __builtin_mul_overflow(width, s->n[core], &floats) ? UINT64_MAX : floats;
}

uint64_t tt_floats(const struct tt_shape *s)
{
    uint64_t floats = 0;

    for (unsigned t = 0; t < 3; t++)
        if (__builtin_add_overflow(floats, tt_core_floats(s, t), &floats))
            return UINT64_MAX;
    return floats;
}

uint64_t tt_work(const struct tt_shape *s)
{
    return s->d[0] * s->d[1] * s->r[2] * (s->r[1] + s->d[2]);
}

/* The product of three; false past 64 bits. */
static bool product(const int64_t *list, uint64_t *out)
{
    uint64_t all;

    return !__builtin_mul_overflow((uint64_t)list[0], (uint64_t)list[1], &all) &&
           !__builtin_mul_overflow(all, (uint64_t)list[2], out);
}

static enum status length_check(const struct value *v, const char *name, size_t n, struct error *e)
{
    if (!v->set || v->n == n)
        return ST_OK;
    return error_set(e, ST_INVALID, "%s must have %zu numbers, not %zu", name, n, v->n);
}

enum status tt_settings_check(const struct value *value, uint64_t rows, uint32_t dim,
                              struct error *e)
{
    const int64_t *n = value[TT_N].list, *d = value[TT_D].list, *r = value[TT_R].list;
    enum status st;
    uint64_t all;

    if ((st = length_check(&value[TT_N], "n", 3, e)) != ST_OK ||
        (st = length_check(&value[TT_D], "d", 3, e)) != ST_OK ||
        (st = length_check(&value[TT_R], "r", 4, e)) != ST_OK)
        return st;
    if (value[TT_N].set && !product(n, &all))
        return error_set(e, ST_INVALID, "n multiplies past 64 bits");
    if (value[TT_N].set && all < rows)
        return error_set(e, ST_INVALID,
                         "n multiplies to %" PRIu64 " ids; the table has %" PRIu64 " rows", all,
                         rows);
    if (value[TT_D].set && (!product(d, &all) || all > (uint64_t)TT_COLUMNS_MAX))
        return error_set(e, ST_INVALID, "d multiplies to more than %" PRId64 " columns",
                         TT_COLUMNS_MAX);
    if (value[TT_D].set && all < dim)
        return error_set(e, ST_INVALID,
                         "d multiplies to %" PRIu64 " columns; the table has %" PRIu32, all, dim);
    if (value[TT_R].set && (r[0] != 1 || r[3] != 1))
        return error_set(e, ST_INVALID,
                         "r begins and ends with 1, not with %" PRId64 " and %" PRId64, r[0], r[3]);
    if (value[TT_D].set && value[TT_R].set) {
        struct tt_shape s = {.d = {(uint64_t)d[0], (uint64_t)d[1], (uint64_t)d[2]},
                             .r = {1, (uint64_t)r[1], (uint64_t)r[2], 1}};

        if (tt_work(&s) > TT_WORK_MAX)
            return error_set(e, ST_INVALID,
                             "d and r make a row cost %" PRIu64
                             " multiply-adds; the most is %" PRIu64,
                             tt_work(&s), TT_WORK_MAX);
    }
    return ST_OK;
}

static enum status cache_check(const struct parameters *p, struct error *e)
{
    const struct tensor *ids = &p->tensor[TT_CACHE_IDS];
    const int64_t *id = ids->data;

    if (!id != !p->tensor[TT_CACHE_WEIGHT].data)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" is missing: cache.ids and cache.weight go "
                         "together",
                         id ? "cache.weight" : "cache.ids");
    for (size_t i = 0; id && i < ids->count; i++) {
        if (id[i] < 0 || (uint64_t)id[i] >= p->rows)
            return error_set(e, ST_INVALID,
                             "tensor \"cache.ids\" holds %" PRId64
                             " at %zu; ids are below %" PRIu64,
                             id[i], i, p->rows);
        if (i && id[i] <= id[i - 1])
            return error_set(e, ST_INVALID,
                             "tensor \"cache.ids\" is not ascending at %zu: %" PRId64
                             " after %" PRId64,
                             i, id[i], id[i - 1]);
    }
    return ST_OK;
}

static enum status check(struct parameters *p, struct error *e)
{
    enum status st = tt_settings_check(p->value, p->rows, p->dim, e);
    struct tt_shape s;

    if (st != ST_OK)
        return st;
    s = tt_shape(p->value);
    for (unsigned t = 0; t < 3; t++) {
        const uint64_t *shape = p->tensor[t].shape;
        uint64_t width = s.r[t] * s.d[t] * s.r[t + 1];

        if (shape[0] != s.n[t] || shape[1] != width)
            return error_set(e, ST_INVALID,
                             "tensor \"core.%u\" has the shape [%" PRIu64 ", %" PRIu64
                             "]; n, d and r make it [%" PRIu64 ", %" PRIu64 "]",
                             t, shape[0], shape[1], s.n[t], width);
    }
    return cache_check(p, e);
}

bool tt_cached(const struct parameters *p, uint64_t id, uint64_t *place)
{
    const int64_t *ids = p->tensor[TT_CACHE_IDS].data;
    size_t low = 0, high = ids ? p->tensor[TT_CACHE_IDS].count : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if ((uint64_t)ids[middle] == id) {
            *place = middle;
            return true;
        }
        if ((uint64_t)ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static uint64_t work(const struct parameters *p)
{
    struct tt_shape s = tt_shape(p->value);

    return tt_work(&s);
}

const struct method method_tt = {
    .name = "tt",
    .title = "TT-Rec (tensor train)",
    .source = "Yin et al., MLSys 2021",
    .per_field = true,
    .fit_extension = true,
    .settings = settings,
    .settings_count = sizeof settings / sizeof settings[0],
    .tensors = tensors,
    .tensors_count = sizeof tensors / sizeof tensors[0],
    .check = check,
    .keep = tt_keep,
    .rows = tt_rows,
    .work = work,
    .gradient = tt_gradient,
    .gradient_scratch = tt_gradient_scratch,
    .plan = tt_plan,
    .share = tt_share,
    .author_words = tt_author_words,
    .init = tt_init,
    .explain = tt_explain,
    .grows = true,
};
