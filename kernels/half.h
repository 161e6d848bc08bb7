/* SPDX-License-Identifier: Apache-2.0 */
/* Half precision and bfloat16 in integer arithmetic, on the bits of a float32: what the scalar
   loops use and what the instructions of the wider levels agree with. For kernels/ alone;
   everything here is static, so that no level's code can stand in for another's. */
#pragma once

#include <stdint.h>
#include <string.h>

static inline uint32_t float_bits(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float float_from_bits(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint16_t half_from_bits(uint32_t bits)
{
    uint32_t sign = bits >> 16 & 0x8000, a = bits & 0x7fffffff;

    if (a > 0x7f800000) /* NaN: quiet, with the upper bits of its payload */
        return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x1ff));
    if (a >= 0x477ff000) /* 65520, half way from the largest half to the next power of two */
        return (uint16_t)(sign | 0x7c00);
    if (a < 0x38800000) { /* below 2^-14: counted in units of 2^-24 */
        uint32_t shift = 126 - (a >> 23), m = (a & 0x7fffff) | 0x800000;

        if (shift > 24) /* below 2^-25, which itself is a tie and goes to the even 0 */
            return (uint16_t)sign;
        return (uint16_t)(sign | ((m + (1u << (shift - 1)) - 1 + (m >> shift & 1)) >> shift));
    }
    a -= 112u << 23; /* from the exponent's bias of 127 to 15; a carry may raise the exponent */
    return (uint16_t)(sign | ((a + 0xfff + (a >> 13 & 1)) >> 13));
}

static inline float float_from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, a = h & 0x7fff;

    if (a < 0x400) /* zero and subnormals: the product is exact */
        return float_from_bits(sign | float_bits((float)a * 0x1p-24f));
    if (a < 0x7c00)
        return float_from_bits(sign | ((a << 13) + (112u << 23)));
    return float_from_bits(sign | 0x7f800000 | (a & 0x3ff) << 13 | (a > 0x7c00 ? 0x400000 : 0));
}

static inline uint16_t brain_from_bits(uint32_t bits)
{
    uint32_t quiet = bits >> 16 | 0x40, rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;

    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
}
