/* SPDX-License-Identifier: Apache-2.0 */
/* The shapes in which each method is put through the conformance tests. A new method joins with a
   few lines here and its formula in conformance_reference.c. */
#pragma once

#include "methods/method.h"

struct variant {
    const char *method;
    const char *settings; /* "key=value key=value"; the plan chooses the rest */
    uint64_t rows;
    uint32_t dim;
    uint64_t budget; /* bytes; 0: none */
    /* The stated error: what fit_measure() may find as `relative` on a table of normal numbers. */
    double relative;
};

/* Half a step of rounding, squared: 2^-22 and 2^-18. Integers: a twelfth of the squared step, from
   a range of about eight times the deviation at most. hash: 1 - H/N. compo: what chance leaves,
   with a margin. */
static const struct variant variants[] = {
    {"full", "", 100, 24, 0, 0},
    {"full", "", 3, 1, 0, 0},
    {"full", "", 0, 5, 0, 0},

    {"fp16", "", 100, 24, 0, 0x1p-22},
    {"fp16", "", 40, 35, 0, 0x1p-22},
    {"fp16", "", 0, 5, 0, 0},

    {"bf16", "", 100, 24, 0, 0x1p-18},
    {"bf16", "", 40, 35, 0, 0x1p-18},
    {"bf16", "", 0, 5, 0, 0},

    {"int8", "", 100, 24, 0, 1e-4},
    {"int8", "signed=true qparam=row", 50, 37, 0, 1e-4},
    {"int8", "qparam=table", 300, 24, 0, 3e-4},
    {"int8", "signed=false qparam=table", 50, 37, 0, 3e-4},
    {"int8", "signed=false scale=0.03 middle=-0.25 digit=8", 50, 16, 0, 3e-4},
    {"int8", "signed=true scale=0.03 middle=0.125", 50, 16, 0, 3e-4},
    {"int8", "", 20, 1, 0, 0},
    {"int8", "", 0, 5, 0, 0},

    {"int16", "", 100, 24, 0, 2e-9},
    {"int16", "signed=true qparam=row", 50, 37, 0, 2e-9},
    {"int16", "qparam=table", 300, 24, 0, 1e-8},
    {"int16", "signed=false qparam=table digit=16", 50, 37, 0, 1e-8},
    {"int16", "signed=true scale=0.0002 middle=0.5", 50, 16, 0, 1e-8},
    {"int16", "", 0, 5, 0, 0},

    {"hash", "", 400, 16, 100 * 16 * 4, 0.8},
    {"hash", "", 400, 3, 7 * 3 * 4, 1},
    {"hash", "", 90, 8, 0, 0},
    {"hash", "", 0, 5, 0, 0},

    {"compo", "collisions=10", 600, 16, 0, 0.86},
    {"compo", "op=add collisions=10", 600, 19, 0, 0.92},
    {"compo", "op=concat collisions=10", 600, 17, 0, 0.96},
    {"compo", "", 1000, 8, 100 * 8 * 4, 0.9},
    {"compo", "op=mult quotient=f32div collisions=7", 100, 16, 0, 0.8},
    {"compo", "op=add pool=pool_first collisions=200", 100, 16, 0, 1e-12},
    {"compo", "op=mult pool=pool_first collisions=10", 600, 16, 0, 0.86},
    {"compo", "op=concat pool=pool_first quotient=f32div collisions=10", 300, 17, 0, 0.96},
    {"compo", "op=concat collisions=1", 40, 2, 0, 0.7},
    {"compo", "", 0, 5, 0, 0},
};

/* The row of an id by the formula of the method alone, and a touch-up of random parameters that the
   formula needs (may be NULL). */
struct reference {
    const char *method;
    void (*row)(const struct parameters *p, uint64_t id, float *out);
    void (*adjust)(struct parameters *p);
};

const struct reference *reference_find(const char *method); /* NULL if there is none */
