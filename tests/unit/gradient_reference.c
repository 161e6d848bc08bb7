/* SPDX-License-Identifier: Apache-2.0 */
/* See gradient_reference.h. */
#include "tests/unit/gradient_reference.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/method_kit.h"

/* full, halves and integers: the row is what the unit stands for. */
static void own_row(const struct parameters *p, double *const *value, uint64_t id, double *out)
{
    unsigned t = 0;

    while (!value[t])
        t++;
    memcpy(out, value[t] + id * p->dim, p->dim * sizeof *out);
}

static void hash_row(const struct parameters *p, double *const *value, uint64_t id, double *out)
{
    memcpy(out, value[0] + id % p->tensor[0].shape[0] * p->dim, p->dim * sizeof *out);
}

static void compo_compose(const struct parameters *p, const double *q, const double *r, double *out)
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

static const double *compo_q(const struct parameters *p, double *const *value, uint64_t id)
{
    uint64_t collisions = (uint64_t)kit_setting(p, "collisions")->i, quotient = id / collisions;

    if (kit_setting(p, "quotient")->i == 1)
        quotient = (uint64_t)((float)id / (float)collisions);
    return value[0] + quotient * p->tensor[0].shape[1];
}

static const double *compo_r(const struct parameters *p, double *const *value, uint64_t id)
{
    return value[1] + id % (uint64_t)kit_setting(p, "collisions")->i * p->tensor[1].shape[1];
}

static void compo_row(const struct parameters *p, double *const *value, uint64_t id, double *out)
{
    compo_compose(p, compo_q(p, value, id), compo_r(p, value, id), out);
}

static void compo_bag(const struct parameters *p, double *const *value, const uint64_t *id,
                      const float *weight, size_t n, double divisor, double *out)
{
    double *q = calloc(2 * p->dim, sizeof *q), *r = q + p->dim;

    for (size_t i = 0; i < n; i++) {
        const double *from_q = compo_q(p, value, id[i]), *from_r = compo_r(p, value, id[i]);
        double w = (weight ? weight[i] : 1.0) / divisor;

        for (uint64_t j = 0; j < p->tensor[0].shape[1]; j++)
            q[j] += w * from_q[j];
        for (uint64_t j = 0; j < p->tensor[1].shape[1]; j++)
            r[j] += w * from_r[j];
    }
    compo_compose(p, q, r, out);
    free(q);
}

static const struct exact exacts[] = {
    {"full", own_row, NULL},         {"fp16", own_row, NULL},  {"bf16", own_row, NULL},
    {"int8", own_row, NULL},         {"int16", own_row, NULL}, {"hash", hash_row, NULL},
    {"compo", compo_row, compo_bag},
};

const struct exact *exact_find(const char *method)
{
    for (size_t i = 0; i < sizeof exacts / sizeof exacts[0]; i++)
        if (strcmp(exacts[i].method, method) == 0)
            return &exacts[i];
    return NULL;
}
