/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of two-byte floats: each value is cut to the largest finite one, then rounded to nearest
   even. One thread. */
#include "fits/scan.h"
#include "kernels/kernels.h"

static enum status half_fit(const struct fit *fit, struct parameters *p, float largest,
                            void (*convert)(void *out, const void *in, size_t n), struct error *e)
{
    uint16_t *weight = p->tensor[0].data;
    struct scan s;
    enum status st;

    if ((st = scan_open(&s, fit, e)) != ST_OK)
        return st;
    while ((st = scan_next(&s, e)) == ST_OK && s.n) {
        for (size_t i = 0; i < s.n * p->dim; i++) {
            float x = s.rows[i] < largest ? s.rows[i] : largest;

            s.rows[i] = x > -largest ? x : -largest;
        }
        convert(weight + s.first * p->dim, s.rows, s.n * p->dim);
    }
    scan_close(&s);
    return st;
}

static enum status fp16_fit(const struct fit *fit, struct parameters *p, struct error *e)
{
    return half_fit(fit, p, 65504, kernels->f32_to_f16, e);
}

static enum status bf16_fit(const struct fit *fit, struct parameters *p, struct error *e)
{
    return half_fit(fit, p, f32_from_bf16(0x7f7f), kernels->f32_to_bf16, e);
}

const struct fitter fitter_fp16 = {.fit = fp16_fit};
const struct fitter fitter_bf16 = {.fit = bf16_fit};
