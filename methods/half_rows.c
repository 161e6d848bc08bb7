/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of two-byte floats: their fit and their gradient. One thread. */
#include "methods/half_rows.h"

#include "methods/gradient.h"
#include "methods/scan.h"

enum status half_fit(const struct fit *fit, struct parameters *p, float largest,
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

void half_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                   struct gradients *out)
{
    (void)p;
    gradient_add(out, 0, row, n, grad);
}
