/* SPDX-License-Identifier: Apache-2.0 */
/* What the cases of the pruned methods share. */
#pragma once

#include "tests/unit/method_case.h"

void sparse_case_row(const struct parameters *p, uint64_t id, float *out);
void sparse_case_adjust(struct parameters *p, struct random *r);
void sparse_case_exact_row(const struct parameters *p, double *const *value, uint64_t id,
                           double *out);
