/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting a hash table: each slot becomes the mean of its rows. One thread. */
#include "base/memory.h"
#include "fits/scan.h"

/* The weighted mean of each slot's rows, which no other row beats. */
static enum status fit(const struct fit *fit, struct parameters *p, struct error *e)
{
    uint64_t count = p->tensor[0].shape[0];
    float *table = p->tensor[0].data;
    double *sum, *weight;
    struct scan s = {0};
    enum status st;

    sum = mem_zero(p->tensor[0].count, sizeof *sum);
    weight = mem_zero(count, sizeof *weight);
    if (!sum || !weight) {
        st = error_memory(e, "sums of the slots");
        goto out;
    }
    if ((st = scan_open(&s, fit, e)) != ST_OK)
        goto out;
    while ((st = scan_next(&s, e)) == ST_OK && s.n)
        for (size_t i = 0; i < s.n; i++) {
            uint64_t slot = (s.first + i) % count;
            double w = fit_weight(fit, s.first + i);

            weight[slot] += w;
            for (uint32_t j = 0; j < p->dim; j++)
                sum[slot * p->dim + j] += w * s.rows[i * p->dim + j];
        }
    if (st != ST_OK)
        goto out;
    for (uint64_t h = 0; h < count; h++)
        for (uint32_t j = 0; j < p->dim; j++)
            table[h * p->dim + j] = weight[h] > 0 ? (float)(sum[h * p->dim + j] / weight[h]) : 0;
out:
    scan_close(&s);
    mem_free(weight);
    mem_free(sum);
    return st;
}

const struct fitter fitter_hash = {.fit = fit};
