/* SPDX-License-Identifier: Apache-2.0 */
/* Cores to begin training with. No state. */
#include <math.h>

#include "methods/init.h"
#include "methods/tt.h"

/* The variance of a normal number of which those beyond 2 were drawn again:
   1 - 4 phi(2) / (2 Phi(2) - 1). */
#define VARIANCE_CUT 0.7737413035499232

/* An element of a row is a sum of r1 r2 products of three numbers, so with numbers of variance v it
   has the variance r1 r2 v^3. Without a wish the authors' scale is kept, which does not look at the
   ranks. */
static double scale_for(const struct tt_shape *s, double deviation)
{
    double ids = (double)s->n[0] * (double)s->n[1] * (double)s->n[2];

    if (!(deviation > 0))
        return cbrt(1 / sqrt(ids / 3));
    return cbrt(deviation / sqrt((double)s->r[1] * (double)s->r[2])) / sqrt(VARIANCE_CUT);
}

enum status tt_init(const struct init *init, struct parameters *p, struct error *e)
{
    struct tt_shape s = tt_shape(p->value);
    double scale = scale_for(&s, init->deviation);

    (void)e;
    for (unsigned t = 0; t < 3; t++) {
        struct draws d = draws_of(init, p->tensor[t].name);

        for (size_t i = 0; i < p->tensor[t].count; i++) {
            double z = draw_normal(&d, i);

            /* Places of later attempts lie beyond those of any tensor. */
            for (uint64_t turn = 1; fabs(z) >= 2; turn++)
                z = draw_normal(&d, i + (turn << 48));
            ((float *)p->tensor[t].data)[i] = (float)(scale * z);
        }
    }
    return ST_OK;
}
