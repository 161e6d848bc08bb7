/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting optembed: of the rows those with the most weight in the columns that are kept, as they
   are. No other choice of as many leaves less error. One thread; holds a number for each row. */
#include "fits/optembed.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "fits/scan.h"
#include "methods/optembed.h"

/* Root of the weighted sum of squares of the columns that a row would keep. */
static enum status find_scores(const struct fit *fit, uint64_t width, float *score, struct error *e)
{
    struct scan s;
    enum status st;

    if ((st = scan_open(&s, fit, e)) != ST_OK)
        return st;
    scan_start(&s, 0, 0.5);
    while ((st = scan_next(&s, e)) == ST_OK && s.n)
        for (size_t i = 0; i < s.n; i++) {
            double sum = 0, root;

            for (uint64_t j = 0; j < width; j++) {
                double x = (double)s.rows[i * fit->dim + j];

                sum += x * x;
            }
            root = sqrt(sum * (double)fit_weight(fit, s.first + i));
            score[s.first + i] = root < FLT_MAX ? (float)root : FLT_MAX;
        }
    scan_close(&s);
    return st;
}

/* Whether a row was kept; rows are asked for in order. */
static bool keeps(const struct parameters *p, uint64_t row)
{
    const int32_t *remap = p->tensor[OPTEMBED_REMAP].data;
    const unsigned char *kept = p->tensor[OPTEMBED_KEPT].data;

    return remap ? remap[row] >= 0 : kept[row / 8] >> row % 8 & 1;
}

static enum status copy_kept(const struct fit *fit, struct parameters *p, struct error *e)
{
    uint64_t width = p->tensor[OPTEMBED_EMB].shape[1];
    float *to = p->tensor[OPTEMBED_EMB].data;
    struct scan s;
    enum status st;

    if ((st = scan_open(&s, fit, e)) != ST_OK)
        return st;
    scan_start(&s, 0.5, 1);
    while ((st = scan_next(&s, e)) == ST_OK && s.n)
        for (size_t i = 0; i < s.n; i++)
            if (keeps(p, s.first + i)) {
                memcpy(to, s.rows + i * fit->dim, width * sizeof *to);
                to += width;
            }
    scan_close(&s);
    return st;
}

static enum status fit(const struct fit *fit, struct parameters *p, struct error *e)
{
    float *score = mem_zero(fit->rows, sizeof *score);
    enum status st;

    if (!score)
        return error_memory(e, "scores of the rows");
    st = find_scores(fit, p->tensor[OPTEMBED_EMB].shape[1], score, e);
    if (st == ST_OK) {
        optembed_keep(p, score);
        st = copy_kept(fit, p, e);
    }
    mem_free(score);
    return st;
}

const struct fitter fitter_optembed = {.study = optembed_study, .fit = fit};
