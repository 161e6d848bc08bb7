/* SPDX-License-Identifier: Apache-2.0 */
/* Lookup and training of narrow rows. No state. */
#include "methods/projected.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "methods/explain.h"
#include "methods/gradient.h"
#include "methods/init.h"

#define BLOCK 96 /* rows whose gradients are made at a time */

const struct setting projected_settings[PROJECTED_SETTINGS] = {
    [PROJECTED_DIMS] = {"dims", SETTING_INTS, .min = 1, .max = METHOD_DIM_MAX, .optional = true,
                        .by_field = true,
                        .help = "columns of emb, for each field: what the shapes say too"},
};

static const char *name_of(const struct parameters *p, unsigned tensor)
{
    return p->tensor[tensor].name ? p->tensor[tensor].name : p->method->tensors[tensor].name;
}

uint64_t projected_width(const struct parameters *p)
{
    return p->tensor[PROJECTED_EMB].shape[1];
}

enum status projected_check(struct parameters *p, struct error *e)
{
    const struct value *dims = &p->value[PROJECTED_DIMS];
    uint64_t width = projected_width(p);

    if (width < 1 || width > p->dim)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" has %" PRIu64
                         " columns; it must have from 1 to D = %" PRIu32,
                         name_of(p, PROJECTED_EMB), width, p->dim);
    if (!p->tensor[PROJECTED_PROJ].data && width != p->dim)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" has %" PRIu64 " columns of %" PRIu32
                         ", and the tensor \"proj\" is missing",
                         name_of(p, PROJECTED_EMB), width, p->dim);
    if (dims->set && (dims->n != 1 || (uint64_t)dims->list[0] != width))
        return error_set(e, ST_INVALID, "dims must be [%" PRIu64 "], the columns of \"%s\"", width,
                         name_of(p, PROJECTED_EMB));
    return ST_OK;
}

void projected_rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    const float *emb = p->tensor[PROJECTED_EMB].data, *proj = p->tensor[PROJECTED_PROJ].data;
    const float *bias = p->tensor[PROJECTED_BIAS].data;

    if (proj)
        kernels->f32_rows_product(out, emb, projected_width(p), row, n, proj, p->dim);
    else
        kernels->f32_rows(out, emb, p->dim, row, n);
    for (size_t i = 0; bias && i < n; i++)
        kernels->f32_add((unsigned char *)out + i * p->dim * sizeof *bias, bias, p->dim);
}

uint64_t projected_work(const struct parameters *p)
{
    return p->tensor[PROJECTED_PROJ].data ? projected_width(p) * p->dim : 0;
}

/* The sums of all units of a tensor, one after the other: units lie in the order of first touch,
   and no one else touches these. */
static float *whole(struct gradients *out, unsigned tensor, uint64_t units)
{
    struct gradient *g = &out->tensor[tensor];

    for (uint64_t u = g->count; u < units; u++)
        (void)gradient_at(out, tensor, u);
    return g->value;
}

void projected_gradient(const struct parameters *p, const uint64_t *row, size_t n,
                        const float *grad, struct gradients *out)
{
    const float *emb = p->tensor[PROJECTED_EMB].data, *proj = p->tensor[PROJECTED_PROJ].data;
    uint64_t width = projected_width(p);
    float *of_proj, *of_bias = NULL;

    if (!n)
        return;
    if (p->tensor[PROJECTED_BIAS].data)
        of_bias = whole(out, PROJECTED_BIAS, p->dim);
    for (size_t i = 0; of_bias && i < n; i++)
        kernels->f32_add(of_bias, grad + i * p->dim, p->dim);
    if (!proj) {
        gradient_add(out, PROJECTED_EMB, row, n, grad);
        return;
    }
    of_proj = whole(out, PROJECTED_PROJ, width);
    for (size_t m; n; n -= m, row += m, grad += m * p->dim) {
        float *narrow = out->scratch, *of_narrow = narrow + (n < BLOCK ? n : BLOCK) * width;

        m = n < BLOCK ? n : BLOCK;
        kernels->f32_rows(narrow, emb, width, row, m);
        kernels->f32_outer_add(of_proj, p->dim, narrow, grad, m, width, p->dim);
        memset(of_narrow, 0, m * width * sizeof *of_narrow);
        kernels->f32_dots_add(of_narrow, grad, proj, p->dim, m, width, p->dim);
        gradient_add(out, PROJECTED_EMB, row, m, of_narrow);
    }
}

size_t projected_gradient_scratch(const struct parameters *p, size_t rows)
{
    return p->tensor[PROJECTED_PROJ].data ? 2 * (rows < BLOCK ? rows : BLOCK) * projected_width(p)
                                          : 0;
}

size_t projected_touched(const struct parameters *p, unsigned tensor, size_t rows)
{
    if (tensor == PROJECTED_EMB || !rows)
        return rows;
    return p->tensor[tensor].shape[0]; /* what all ids share */
}

/* The elements of a row are sums of `width` products: with a projection of deviation
   1 / sqrt(width) they deviate as those of emb do. The bias begins at 0. */
enum status projected_init(const struct init *init, struct parameters *p, struct error *e)
{
    (void)e;
    init_normal(init, &p->tensor[PROJECTED_EMB], init_deviation(init));
    if (p->tensor[PROJECTED_PROJ].data)
        init_normal(init, &p->tensor[PROJECTED_PROJ], 1 / sqrt((double)projected_width(p)));
    return ST_OK;
}

void projected_explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    uint64_t width = projected_width(p);

    explain_number(x, "width", (int64_t)width);
    explain_cells(x, p, PROJECTED_EMB, row, 0, width, 0);
    if (p->tensor[PROJECTED_PROJ].data)
        explain_cells(x, p, PROJECTED_PROJ, 0, 0, width * p->dim, p->rows - 1);
    if (p->tensor[PROJECTED_BIAS].data)
        explain_cells(x, p, PROJECTED_BIAS, 0, 0, p->dim, p->rows - 1);
}

uint64_t projected_floats(uint64_t rows, uint32_t dim, uint64_t width, bool proj, bool bias)
{
    uint64_t floats, shared = (proj ? width * dim : 0) + (bias ? dim : 0); /* at most 2^33 */

    if (__builtin_mul_overflow(rows, width, &floats) ||
        __builtin_add_overflow(floats, shared, &floats))
        return UINT64_MAX;
    return floats;
}

uint64_t projected_bytes(uint64_t floats)
{
    return floats > UINT64_MAX / sizeof(float) ? UINT64_MAX : floats * sizeof(float);
}

enum status projected_settled(const struct plan *plan, uint64_t *width, struct error *e)
{
    const struct value *dims = &plan->value[PROJECTED_DIMS];

    *width = 0;
    if (!dims->set) {
        (void)symbols_get(&plan->size, "W", 1, width);
        return ST_OK;
    }
    if (dims->n != 1)
        return error_set(e, ST_INVALID,
                         "dims has %zu entries; one is for a table without parts of its own",
                         dims->n);
    if (dims->list[0] < 1 || dims->list[0] > plan->dim)
        return error_set(e, ST_INVALID, "dims must be from 1 to D = %" PRIu32 ", not %" PRId64,
                         plan->dim, dims->list[0]);
    *width = (uint64_t)dims->list[0];
    return ST_OK;
}

enum status projected_size(struct plan *plan, uint64_t width, bool proj, struct error *e)
{
    plan->with[PROJECTED_PROJ] = proj;
    return plan_size(plan, "W", width, e);
}
