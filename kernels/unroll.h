/* SPDX-License-Identifier: Apache-2.0 */
/* For kernels/ alone: loops that have to vanish before the compiler looks for arrays that can be
   registers. gcc wants to be told, clang does it by itself and does it too late when told. */
#pragma once

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
