/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of dhe share. There is no table: k hash values of an id, scaled to numbers around
   0, go through six linear layers, of which the first five are normalised (with statistics that
   lookups and pushes leave alone) and bent by mish. */
#pragma once

#include <math.h>

#include "methods/plan.h"

#define DHE_LAYERS 6
#define DHE_HIDDEN 5    /* layers with normalisation and mish */
#define DHE_MOST 16384  /* k and width: a row of all layers has room on the stack */
#define DHE_HASHES 1024 /* k and m of the authors */
#define DHE_MODULUS 1000000

enum {
    DHE_K,
    DHE_M,
    DHE_ARITH,
    DHE_DIST,
    DHE_WIDTH,
    DHE_BN_EPS,
    DHE_BN_MOMENTUM,
    DHE_NORM_EPS,
    DHE_ACT
};
enum { DHE_U64, DHE_I32_TRUNC, DHE_I32_FLOOR };
enum { DHE_UNIFORM, DHE_NORMAL };

/* Places of the tensors; layers are counted from 0. */
enum { DHE_A, DHE_B, DHE_P, DHE_MLP, DHE_BN = DHE_MLP + 2 * DHE_LAYERS };
enum { DHE_GAMMA, DHE_BETA, DHE_MEAN, DHE_VAR, DHE_OF_BN };
static inline unsigned dhe_weight(unsigned layer)
{
    return DHE_MLP + 2 * layer;
}
static inline unsigned dhe_bias(unsigned layer)
{
    return DHE_MLP + 2 * layer + 1;
}
static inline unsigned dhe_bn(unsigned layer, unsigned which)
{
    return DHE_BN + DHE_OF_BN * layer + which;
}
static inline float *dhe_floats(const struct parameters *p, unsigned tensor)
{
    return p->tensor[tensor].data;
}
static inline size_t dhe_width(const struct parameters *p)
{
    return (size_t)p->tensor[dhe_weight(0)].shape[1];
}
/* What goes into a layer and what comes out. */
static inline size_t dhe_in(const struct parameters *p, unsigned layer)
{
    return (size_t)p->tensor[dhe_weight(layer)].shape[0];
}
static inline size_t dhe_out(const struct parameters *p, unsigned layer)
{
    return (size_t)p->tensor[dhe_weight(layer)].shape[1];
}
/* 1 over the deviation that a column is divided by. */
static inline float dhe_inverse(float var, double eps)
{
    return (float)(1 / sqrt((double)var + eps));
}

/* The hash value t of an id by the setting's arithmetic. With i32_trunc it may be negative. */
int64_t dhe_hash(const struct parameters *p, size_t t, uint64_t id);
/* The constants as doubles, for moduli small enough that their hashes are computed in doubles:
   a, b, p and 1 / p, [4][k]. NULL where they are not, or none of the other arithmetics. Yours. */
MUST_CHECK enum status dhe_small(const struct parameters *p, double **small, struct error *e);
/* The k inputs of the network for an id. `small` as dhe_small() gave it. */
void dhe_inputs(const struct parameters *p, const double *small, uint64_t id, float *z);

/* Columns of a hidden layer's product x: x * scale + shift is normalised, scaled and shifted. */
void dhe_fold(const struct parameters *p, unsigned layer, float *scale, float *shift);

/* Draw the hash constants: a and b below m, p prime and just above it. ST_INVALID if there is no
   prime between m and what the arithmetic allows. */
struct init;
MUST_CHECK enum status dhe_draw(const struct init *init, struct parameters *p, struct error *e);
/* What of m, k and N no file may hold. */
MUST_CHECK enum status dhe_check_settings(const struct value *value, uint64_t rows,
                                          struct error *e);

/* The methods' functions. */
void dhe_rows(const struct parameters *p, const uint64_t *row, size_t n, void *out);
void dhe_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                  struct gradients *out);
size_t dhe_gradient_scratch(const struct parameters *p, size_t rows);
size_t dhe_touched(const struct parameters *p, unsigned tensor, size_t rows);
MUST_CHECK enum status dhe_plan(struct plan *plan, struct error *e);
MUST_CHECK enum status dhe_share(struct layout *l, struct error *e);
double dhe_author_words(const struct plan *plan);
MUST_CHECK enum status dhe_init(const struct init *init, struct parameters *p, struct error *e);
