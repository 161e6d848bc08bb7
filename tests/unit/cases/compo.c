/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/method_case.h"

#include <stdlib.h>

/* What chance leaves, with a margin. */
static const struct variant variants[] = {
    {"collisions=10", 600, 16, 0, 0.86, NULL},
    {"op=add collisions=10", 600, 19, 0, 0.92, NULL},
    {"op=concat collisions=10", 600, 17, 0, 0.96, NULL},
    {"", 1000, 8, 100 * 8 * 4, 0.9, NULL},
    {"op=mult quotient=f32div collisions=7", 100, 16, 0, 0.8, NULL},
    {"op=add pool=pool_first collisions=200", 100, 16, 0, 1e-12, NULL},
    {"op=mult pool=pool_first collisions=10", 600, 16, 0, 0.86, NULL},
    {"op=concat pool=pool_first quotient=f32div collisions=10", 300, 17, 0, 0.96, NULL},
    {"op=concat collisions=1", 40, 2, 0, 0.7, NULL},
    {"", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static void row(const struct parameters *p, uint64_t id, float *out)
{
    const struct tensor *q = kit_tensor(p, "q.weight"), *r = kit_tensor(p, "r.weight");
    uint64_t collisions = (uint64_t)kit_setting(p, "collisions")->i, quotient = id / collisions;
    const float *from_q, *from_r;

    if (kit_setting(p, "quotient")->i == 1) {
        float a = (float)(int64_t)id, b = (float)(int64_t)collisions, c = a / b;

        quotient = (uint64_t)(int64_t)c;
    }
    from_q = (const float *)q->data + quotient * q->shape[1];
    from_r = (const float *)r->data + id % collisions * r->shape[1];
    for (uint32_t j = 0; j < p->dim; j++) {
        switch (kit_setting(p, "op")->i) {
        case 0:
            out[j] = from_q[j] * from_r[j];
            break;
        case 1:
            out[j] = from_q[j] + from_r[j];
            break;
        default:
            out[j] = j < q->shape[1] ? from_q[j] : from_r[j - q->shape[1]];
        }
    }
}

static void compose_of(const struct parameters *p, const double *q, const double *r, double *out)
{
    size_t q_dim = p->tensor[0].shape[1];

    for (uint32_t j = 0; j < p->dim; j++)
        switch (kit_setting(p, "op")->i) {
        case 0:
            out[j] = q[j] * r[j];
            break;
        case 1:
            out[j] = q[j] + r[j];
            break;
        default:
            out[j] = j < q_dim ? q[j] : r[j - q_dim];
        }
}

static const double *q_of(const struct parameters *p, double *const *value, uint64_t id)
{
    uint64_t collisions = (uint64_t)kit_setting(p, "collisions")->i, quotient = id / collisions;

    if (kit_setting(p, "quotient")->i == 1)
        quotient = (uint64_t)((float)id / (float)collisions);
    return value[0] + quotient * p->tensor[0].shape[1];
}

static const double *r_of(const struct parameters *p, double *const *value, uint64_t id)
{
    return value[1] + id % (uint64_t)kit_setting(p, "collisions")->i * p->tensor[1].shape[1];
}

static void exact_row(const struct parameters *p, double *const *value, uint64_t id, double *out)
{
    compose_of(p, q_of(p, value, id), r_of(p, value, id), out);
}

static void exact_bag(const struct parameters *p, double *const *value, const uint64_t *id,
                      const float *weight, size_t n, double divisor, double *out)
{
    double *q = calloc(2 * p->dim, sizeof *q), *r = q + p->dim;

    for (size_t i = 0; i < n; i++) {
        const double *from_q = q_of(p, value, id[i]), *from_r = r_of(p, value, id[i]);
        double w = (weight ? weight[i] : 1.0) / divisor;

        for (uint64_t j = 0; j < p->tensor[0].shape[1]; j++)
            q[j] += w * from_q[j];
        for (uint64_t j = 0; j < p->tensor[1].shape[1]; j++)
            r[j] += w * from_r[j];
    }
    compose_of(p, q, r, out);
    free(q);
}

const struct method_case case_compo = {
    .variants = variants,
    .row = row,
    .exact_row = exact_row,
    .exact_bag = exact_bag,
};
