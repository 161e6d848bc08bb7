/* SPDX-License-Identifier: Apache-2.0 */
/* What the cases of mde and autodim share. */
#pragma once

#include "tests/unit/method_case.h"

void projected_case_row(const struct parameters *p, uint64_t id, float *out);
void projected_case_exact_row(const struct parameters *p, double *const *value, uint64_t id,
                              double *out);
