/* SPDX-License-Identifier: Apache-2.0 */
/* From an id to the inputs of the network: k hash values, and the numbers that they stand for. No
   state. */
#include "methods/dhe.h"

#include "base/memory.h"
#include "kernels/kernels.h"

/* What kernels->hash_small() asks for. */
#define SMALL_MODULUS ((int64_t)1 << 26)
#define SMALL_ID ((uint64_t)1 << 40)

struct constants {
    const int64_t *a, *b, *p;
    int64_t m;
};

static struct constants constants(const struct parameters *p)
{
    return (struct constants){
        .a = p->tensor[DHE_A].data,
        .b = p->tensor[DHE_B].data,
        .p = p->tensor[DHE_P].data,
        .m = p->value[DHE_M].i,
    };
}

/* The product of numbers below p, and a sum, have at most 126 bits, and 64 where p has 32. */
static int64_t hash_wide(const struct constants *c, size_t t, uint64_t id)
{
    uint64_t a = (uint64_t)c->a[t], b = (uint64_t)c->b[t], p = (uint64_t)c->p[t], x = id % p;
    uint64_t y = p >> 32 ? (uint64_t)(((unsigned __int128)a * x + b) % p) : (a * x + b) % p;

    return (int64_t)(y % (uint64_t)c->m);
}

/* a x + b wrapped as 32-bit hardware does; the conversion of the upper half is gcc's and clang's.
 */
static int32_t wrapped(const struct constants *c, size_t t, uint64_t id)
{
    return (int32_t)((uint32_t)c->a[t] * (uint32_t)id + (uint32_t)c->b[t]);
}

/* The remainder with the divisor's sign. */
static int32_t floor_mod(int32_t x, int32_t y)
{
    int32_t left = x % y;

    return left < 0 ? left + y : left;
}

int64_t dhe_hash(const struct parameters *p, size_t t, uint64_t id)
{
    struct constants c = constants(p);

    switch (p->value[DHE_ARITH].i) {
    case DHE_U64:
        return hash_wide(&c, t, id);
    case DHE_I32_TRUNC:
        return wrapped(&c, t, id) % (int32_t)c.p[t] % (int32_t)c.m;
    default:
        return floor_mod(floor_mod(wrapped(&c, t, id), (int32_t)c.p[t]), (int32_t)c.m);
    }
}

enum status dhe_small(const struct parameters *p, double **small, struct error *e)
{
    struct constants c = constants(p);
    size_t k = (size_t)p->value[DHE_K].i;
    double *s;

    *small = NULL;
    if (p->value[DHE_ARITH].i != DHE_U64)
        return ST_OK;
    for (size_t t = 0; t < k; t++)
        if (c.p[t] >= SMALL_MODULUS)
            return ST_OK;
    if (!(s = mem_alloc(4 * k * sizeof *s)))
        return error_memory(e, "hash constants");
    for (size_t t = 0; t < k; t++) {
        s[t] = (double)c.a[t];
        s[k + t] = (double)c.b[t];
        s[2 * k + t] = (double)c.p[t];
        s[3 * k + t] = 1 / (double)c.p[t];
    }
    *small = s;
    return ST_OK;
}

/* Pairs of uniform numbers to pairs of normal ones, in place. */
static void to_normal(float *u, size_t k, double least)
{
    for (size_t t = 0; t < k; t += 2) {
        double x = (double)u[t] > least ? (double)u[t] : least;
        double length = sqrt(-2 * log(x)), angle = 6.283185307179586 * (double)u[t + 1];

        u[t] = (float)(length * cos(angle));
        u[t + 1] = (float)(length * sin(angle));
    }
}

void dhe_inputs(const struct parameters *p, const double *small, uint64_t id, float *z)
{
    bool normal = p->value[DHE_DIST].i == DHE_NORMAL;
    float scale = normal ? 1 : 2, shift = normal ? 0 : -1;
    size_t k = (size_t)p->value[DHE_K].i;
    int64_t m = p->value[DHE_M].i;
    double unit = 1 / (double)(float)(m - 1);

    if (small && id < SMALL_ID)
        kernels->hash_small(z, (double)id, small, small + k, small + 2 * k, small + 3 * k,
                            (double)m, unit, scale, shift, k);
    else
        for (size_t t = 0; t < k; t++)
            z[t] = (float)((double)dhe_hash(p, t, id) * unit) * scale + shift;
    if (normal)
        to_normal(z, k, p->value[DHE_NORM_EPS].r);
}
