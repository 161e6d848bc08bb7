/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers by place, and the start that suits most methods. No state. */
#include "methods/init.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "kernels/kernels.h"
#include "methods/optimizer.h"
#include "base/philox.h"

struct draws draws_of(const struct init *init, const char *name)
{
    return (struct draws){.key = hash_seeded(name, strlen(name), init->seed)};
}

static void draw(const struct draws *d, uint64_t place, uint32_t out[4])
{
    uint32_t c[4] = {(uint32_t)place, (uint32_t)(place >> 32), 0, 0};

    philox(c, (uint32_t)d->key, (uint32_t)(d->key >> 32));
    memcpy(out, c, sizeof c);
}

uint64_t draw_bits(const struct draws *d, uint64_t place)
{
    uint32_t c[4];

    draw(d, place, c);
    return (uint64_t)c[1] << 32 | c[0];
}

double draw_uniform(const struct draws *d, uint64_t place)
{
    return (double)(draw_bits(d, place) >> 11) * 0x1p-53;
}

double draw_normal(const struct draws *d, uint64_t place)
{
    uint32_t c[4];
    double u, v;

    draw(d, place, c);
    u = ((double)(((uint64_t)c[1] << 32 | c[0]) >> 11) + 1) * 0x1p-53; /* (0, 1] */
    v = (double)(((uint64_t)c[3] << 32 | c[2]) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

double init_deviation(const struct init *init)
{
    return init->deviation > 0 ? init->deviation : INIT_DEVIATION;
}

static void fill_normal(const struct init *init, const struct tensor *t, double deviation,
                        size_t first, size_t end)
{
    struct draws d = draws_of(init, t->name);

    assert(t->dtype == DT_F32 || t->dtype == DT_F16 || t->dtype == DT_BF16);
    for (size_t i = first; i < end; i++) {
        float x = (float)(deviation * draw_normal(&d, i));

        if (t->dtype == DT_F32)
            ((float *)t->data)[i] = x;
        else
            ((uint16_t *)t->data)[i] = t->dtype == DT_F16 ? f16_from_f32(x) : bf16_from_f32(x);
    }
}

void init_normal(const struct init *init, const struct tensor *t, double deviation)
{
    fill_normal(init, t, deviation, 0, t->count);
}

void init_normal_row(const struct init *init, const struct tensor *t, double deviation,
                     uint64_t row)
{
    size_t width = t->count / t->shape[0];

    fill_normal(init, t, deviation, (size_t)row * width, ((size_t)row + 1) * width);
}

void init_float_row(const struct init *init, struct parameters *p, uint64_t row)
{
    init_normal_row(init, &p->tensor[0], init_deviation(init), row);
}

enum status init_parameters(const struct init *init, struct parameters *p, struct error *e)
{
    if (p->method->init)
        return p->method->init(init, p, e);
    for (unsigned k = 0; k < p->method->tensors_count; k++)
        if (tensor_trained(p, k))
            init_normal(init, &p->tensor[k], init_deviation(init));
    return ST_OK;
}
