/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. The network in float64, over float32's inputs. */
#include "tests/unit/method_case.h"

#include <stdlib.h>

/* What training leaves of random rows, with a margin. */
static const struct variant variants[] = {
    {"k=12 width=9", 300, 5, 0, 0.9, NULL},
    {"k=3 width=17 hash_arith=i32_trunc", 200, 19, 0, 0.88, NULL},
    {"k=7 width=5 hash_arith=i32_floor m=1000", 100, 3, 0, 0.94, NULL},
    {"k=10 width=7 dist=normal", 150, 4, 0, 0.88, NULL},
    {"k=18 width=4 dist=normal hash_arith=i32_trunc", 100, 2, 0, 0.85, NULL},
    {"k=9 width=6 m=1099511627776", 90, 7, 0, 0.87, NULL},
    {"k=5 width=4 m=2305843009213693952 bn_eps=0.01", 90, 1, 0, 0.87, NULL},
    {"", 500, 5, 6000, 0.87, NULL},
    {"k=4 width=3", 1, 6, 0, 1e-12, NULL},
    {"", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static int32_t floor_mod(int32_t x, int32_t y)
{
    return (x % y + y) % y;
}

/* By definition, with 128 bits throughout. */
static int64_t hash(const struct parameters *p, size_t t, uint64_t id)
{
    int64_t a = ((int64_t *)kit_tensor(p, "hash.a")->data)[t];
    int64_t b = ((int64_t *)kit_tensor(p, "hash.b")->data)[t];
    int64_t prime = ((int64_t *)kit_tensor(p, "hash.p")->data)[t];
    int64_t m = kit_setting(p, "m")->i;
    __int128 wide = (__int128)a * (__int128)id + b;
    int32_t narrow = (int32_t)(uint32_t)(unsigned __int128)wide;

    switch (kit_setting(p, "hash_arith")->i) {
    case 0:
        return (int64_t)(wide % prime % m);
    case 1:
        return narrow % (int32_t)prime % (int32_t)m;
    default:
        return floor_mod(floor_mod(narrow, (int32_t)prime), (int32_t)m);
    }
}

static void inputs(const struct parameters *p, uint64_t id, double *z)
{
    size_t k = kit_tensor(p, "hash.a")->count;
    float most = (float)(kit_setting(p, "m")->i - 1);
    double least = kit_setting(p, "norm_eps")->r;

    for (size_t t = 0; t < k; t++) {
        float u = (float)hash(p, t, id) / most;

        z[t] = (double)(kit_setting(p, "dist")->i ? u : 2 * u - 1);
    }
    for (size_t t = 0; kit_setting(p, "dist")->i && t < k; t += 2) {
        double length = sqrt(-2 * log(fmax(z[t], least))), angle = 2 * acos(-1) * z[t + 1];

        z[t] = length * cos(angle);
        z[t + 1] = length * sin(angle);
    }
}

static double mish(double y)
{
    return y * tanh(y > 20 ? y : log1p(exp(y)));
}

/* The tensors of layer l, in the order of the declarations: weight and bias of six, then scale,
   shift, mean and variance of five. Statistics are not trained, so they are the file's. */
static void exact_row(const struct parameters *p, double *const *value, uint64_t id, double *out)
{
    size_t k = p->tensor[3].shape[0], width = p->tensor[3].shape[1];
    double eps = kit_setting(p, "bn_eps")->r, *z = calloc(k + 2 * width + p->dim, sizeof *z);
    double *next = z + k + width;

    inputs(p, id, z);
    for (int l = 0; l < 6; l++) {
        size_t in = l ? width : k, columns = l < 5 ? width : p->dim;
        const double *weight = value[3 + 2 * l], *bias = value[4 + 2 * l];

        for (size_t j = 0; j < columns; j++) {
            next[j] = bias[j];
            for (size_t i = 0; i < in; i++)
                next[j] += z[i] * weight[i * columns + j];
        }
        for (size_t j = 0; l < 5 && j < width; j++) {
            const float *mean = p->tensor[17 + 4 * l].data, *var = p->tensor[18 + 4 * l].data;
            double y = (next[j] - (double)mean[j]) / sqrt((double)var[j] + eps);

            next[j] = mish(y * value[15 + 4 * l][j] + value[16 + 4 * l][j]);
        }
        memcpy(l < 5 ? z : out, next, columns * sizeof *next);
    }
    free(z);
}

static void row(const struct parameters *p, uint64_t id, float *out)
{
    double *value[METHOD_TENSORS_MAX] = {0}, *exact = calloc(p->dim, sizeof *exact);

    for (size_t t = 0; t < p->method->tensors_count; t++) {
        value[t] = calloc(p->tensor[t].count + 1, sizeof **value);
        for (size_t j = 0; p->tensor[t].dtype == DT_F32 && j < p->tensor[t].count; j++)
            value[t][j] = (double)((const float *)p->tensor[t].data)[j];
    }
    exact_row(p, value, id, exact);
    for (uint32_t j = 0; j < p->dim; j++)
        out[j] = (float)exact[j];
    for (size_t t = 0; t < p->method->tensors_count; t++)
        free(value[t]);
    free(exact);
}

/* Constants within the rules, and a network whose columns stay where mish bends. */
static void adjust(struct parameters *p, struct random *r)
{
    int64_t m = kit_setting(p, "m")->i;
    bool wide = kit_setting(p, "hash_arith")->i == 0;

    for (size_t t = 0; t < kit_tensor(p, "hash.a")->count; t++) {
        uint64_t most = wide ? (uint64_t)INT64_MAX : INT32_MAX, above = most - (uint64_t)m;
        uint64_t prime =
            (uint64_t)m + 1 + random_below(r, above < (uint64_t)m ? above : (uint64_t)m);
        uint64_t end = wide ? prime : (uint64_t)1 << 31;

        ((int64_t *)kit_tensor(p, "hash.p")->data)[t] = (int64_t)prime;
        ((int64_t *)kit_tensor(p, "hash.a")->data)[t] = (int64_t)random_below(r, end);
        ((int64_t *)kit_tensor(p, "hash.b")->data)[t] = (int64_t)random_below(r, end);
    }
    for (size_t t = 0; t < p->method->tensors_count; t++) {
        float *x = p->tensor[t].data;
        const char *name = p->method->tensors[t].name;

        for (size_t j = 0; p->tensor[t].dtype == DT_F32 && j < p->tensor[t].count; j++)
            if (strstr(name, "running_var"))
                x[j] = 0.5f + (float)random_below(r, 1000) / 500;
            else if (strncmp(name, "mlp", 3) == 0 && p->tensor[t].rank == 2)
                x[j] = random_normal(r) / sqrtf((float)p->tensor[t].shape[0]);
            else
                x[j] =
                    (strstr(name, "bn.") && strstr(name, "weight") ? 1 : 0) + random_normal(r) / 4;
    }
}

const struct method_case case_dhe = {
    .variants = variants,
    .row = row,
    .tolerance = 2e-5,
    .tolerance_fused = 2e-5,
    .adjust = adjust,
    .exact_row = exact_row,
};
