/* SPDX-License-Identifier: Apache-2.0 */
/* Which level runs: asked of the processor once, before other threads start. */
#include "kernels/levels.h"

#include <stdlib.h>
#include <string.h>
#ifdef KERNELS_X86
#include <cpuid.h>
#endif

#include "base/text.h"
#include "kernels/half.h"

const struct kernels *kernels;

/* From the plainest to the widest. */
const struct kernels *const kernels_levels[] = {
    &kernels_scalar,
#ifdef KERNELS_X86
    &kernels_avx2,
    &kernels_avx512,
#endif
    NULL,
};

#ifdef KERNELS_X86
/* AVX2 with what has come with it on every processor but a few. Not every compiler knows F16C by
   name in __builtin_cpu_supports(). That the system saves the registers follows from AVX2. */
static int has_avx2(void)
{
    unsigned a, b, c, d;

    return __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C &&
           c & bit_FMA;
}
#endif

int kernels_supported(const struct kernels *k)
{
#ifdef KERNELS_X86
    __builtin_cpu_init();
    if (k == &kernels_avx2)
        return has_avx2();
    if (k == &kernels_avx512)
        return has_avx2() && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
#endif
    return k == &kernels_scalar;
}

enum status kernels_init(const char *isa, struct error *e)
{
    const struct kernels *best = NULL;

    if (!isa && (isa = getenv("EMBD_ISA")) && !*isa)
        isa = NULL; /* EMBD_ISA= is the same as none */
    for (const struct kernels *const *k = kernels_levels; *k; k++) {
        if (isa && strcmp((*k)->isa, isa) != 0)
            continue;
        if (kernels_supported(*k))
            best = *k;
        else if (isa)
            return error_set(e, ST_INVALID, "this processor cannot run the instruction set %s",
                             (*k)->isa);
    }
    if (!best)
        return error_set(e, ST_INVALID, "unknown instruction set %s: it is one of scalar%s",
                         QUOTE(isa), kernels_levels[1] ? ", avx2, avx512" : "");
    kernels = best;
    return ST_OK;
}

uint16_t f16_from_f32(float x)
{
    return half_from_bits(float_bits(x));
}

float f32_from_f16(uint16_t h)
{
    return float_from_half(h);
}

uint16_t bf16_from_f32(float x)
{
    return brain_from_bits(float_bits(x));
}

float f32_from_bf16(uint16_t h)
{
    return float_from_bits((uint32_t)h << 16);
}
