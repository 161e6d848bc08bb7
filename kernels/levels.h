/* SPDX-License-Identifier: Apache-2.0 */
/* The levels that are compiled in; for kernels/ alone. */
#pragma once

#include "kernels/kernels.h"

extern const struct kernels kernels_scalar;
#ifdef KERNELS_X86
extern const struct kernels kernels_avx2;
extern const struct kernels kernels_avx512;
#endif
