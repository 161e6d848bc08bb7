/* SPDX-License-Identifier: Apache-2.0 */
/* The trained table that compress reads: an array of float32, float16 or float64 with one row an
   id, and the lists that may go with it. */
#pragma once

#include "fits/fit.h"
#include "table/npy.h"

struct input {
    struct npy array;
    uint64_t rows;
    uint32_t dim;
    int64_t *frequency; /* [rows] or NULL */
    float *weight;      /* [rows]: frequency + 1, or NULL */
    int64_t *keys;      /* [rows] or NULL */
};

/* Open all that is given; `frequency` and `keys` are paths or NULL. Release with input_close(). */
MUST_CHECK enum status input_open(struct input *in, const char *path, const char *frequency,
                                  const char *keys, struct error *e);
void input_close(struct input *in);
/* Rows [first, first + n) as float32. */
MUST_CHECK enum status input_read(const struct input *in, uint64_t first, size_t n, float *out,
                                  struct error *e);
