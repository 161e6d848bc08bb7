/* SPDX-License-Identifier: Apache-2.0 */
/* What the cases of int8 and int16 share. */
#pragma once

#include "tests/unit/method_case.h"

void integer_case_row(const struct parameters *p, uint64_t id, float *out);
void integer_case_adjust(struct parameters *p, struct random *r);
