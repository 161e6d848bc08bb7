/* SPDX-License-Identifier: Apache-2.0 */
/* What the cases of mgqe and dpq share: codes and codebooks, a bit and an element at a time. */
#pragma once

#include "tests/unit/method_case.h"

/* The code of a part of a row, in a plain array and in a packed one of codes below k. */
uint64_t codes_case_plain(const struct tensor *codes, uint64_t row, uint64_t part);
uint64_t codes_case_packed(const struct tensor *codes, uint64_t row, uint64_t part, uint64_t k);
/* Random codes below k for `rows` rows, and zeros behind them. */
void codes_case_fill(const struct parameters *p, const struct tensor *codes, uint64_t rows,
                     uint64_t k, bool packed, struct random *r);

typedef uint64_t codes_case_code(const struct parameters *p, uint64_t id, uint64_t part);
/* method_case.row and exact_row; k is the vectors of each part. */
void codes_case_row(const struct parameters *p, uint64_t id, codes_case_code *code, uint64_t k,
                    float *out);
void codes_case_exact(const struct parameters *p, double *const *value, uint64_t id,
                      codes_case_code *code, uint64_t k, double *out);
