/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of alpt share: integers `q` [N,D] of 8 or 16 bits, with a scale for each row that
   is learned along. */
#pragma once

#include "methods/plan.h"

enum { ALPT_DIGIT, ALPT_MIDDLE, ALPT_SCALE_LR, ALPT_SETTINGS };
enum { ALPT_Q, ALPT_SCALE, ALPT_TENSORS };

#define ALPT_SCALE_LEAST 1e-8f /* a step of the scale does not lead below */

/* The lowest and the highest integer. */
static inline int alpt_low(const struct parameters *p)
{
    return -(1 << (p->value[ALPT_DIGIT].i - 1));
}
static inline int alpt_high(const struct parameters *p)
{
    return (1 << (p->value[ALPT_DIGIT].i - 1)) - 1;
}
void alpt_store(const struct parameters *p, uint64_t i, int q);

void alpt_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                   struct gradients *out);
MUST_CHECK enum status alpt_trainable(const struct parameters *p, struct error *e);
void alpt_unit_load(const struct parameters *p, unsigned tensor, uint64_t unit, float *out);
void alpt_unit_store(const struct parameters *p, const struct unit_change *c, struct patch *patch);
