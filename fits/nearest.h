/* SPDX-License-Identifier: Apache-2.0 */
/* The nearest of a set of vectors, for many queries: by squared distance, of equal ones the lowest
   number. The same bits at every level of the kernels. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct nearest {
    size_t width, count, most;
    float *tiles; /* as kernels->f32_nearest() wants them; NULL for vectors of one number */
    struct nearest_number {
        float value;
        uint32_t number;
    } * sorted; /* [distinct] of one number each: by value, without repetition */
    size_t distinct;
};

/* Room for up to `most` vectors. Release with nearest_close(), also after a failure. */
MUST_CHECK enum status nearest_open(struct nearest *n, size_t width, size_t most, struct error *e);
void nearest_close(struct nearest *n);
/* The vectors to choose from from now on, [count][width], 1 <= count <= most. Not kept. */
void nearest_set(struct nearest *n, const float *vectors, size_t count);
/* For each of the queries x [queries][width] the number of the nearest vector, and its squared
   distance. */
void nearest_find(const struct nearest *n, const float *x, size_t queries, uint32_t *number,
                  float *distance);
