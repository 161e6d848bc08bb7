/* SPDX-License-Identifier: Apache-2.0 */
/* The table as it is. One thread. */
#include <string.h>

#include "fits/scan.h"

static enum status fit(const struct fit *fit, struct parameters *p, struct error *e)
{
    float *weight = p->tensor[0].data;
    struct scan s;
    enum status st;

    if ((st = scan_open(&s, fit, e)) != ST_OK)
        return st;
    while ((st = scan_next(&s, e)) == ST_OK && s.n)
        memcpy(weight + s.first * p->dim, s.rows, s.n * p->dim * sizeof *weight);
    scan_close(&s);
    return st;
}

const struct fitter fitter_full = {.fit = fit};
