/* SPDX-License-Identifier: Apache-2.0 */
/* NumPy's names of our types; between reader and writer of .npy. */
#pragma once

#include "methods/tensor.h"

/* By enum dtype; NULL for types that NumPy does not have. */
extern const char *const npy_types[DT_COUNT];
