/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting mgqe: which rows are frequent, then codebook and codes. Frequent are the rows of the
   largest weights or, where there are none, of the largest L2 norms. One thread. */
#include "methods/mgqe.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "fits/codes.h"
#include "fits/scan.h"

#define NORMS 0.02 /* the share of the fit that reading the norms is */

static enum status read_norms(const struct fit *from, float *norm, struct error *e)
{
    struct scan s;
    enum status st = scan_open(&s, from, e);

    if (st == ST_OK)
        scan_start(&s, 0, NORMS);
    while (st == ST_OK && (st = scan_next(&s, e)) == ST_OK && s.n)
        for (size_t i = 0; i < s.n; i++) {
            double sum = 0;

            for (uint32_t j = 0; j < from->dim; j++) {
                double x = (double)s.rows[i * from->dim + j];

                sum += x * x;
            }
            norm[s.first + i] = (float)sqrt(sum); /* infinite at worst, which is in order, too */
        }
    scan_close(&s);
    return st;
}

/* Weights may still be bad ones: the samples' scan will refuse them. */
static enum status mark_high(const struct fit *from, const struct parameters *p, unsigned char *map,
                             struct error *e)
{
    float *norm;
    enum status st;

    if (from->weight)
        return mgqe_mark_high(from->weight, from->rows, mgqe_high_of(p), map, e);
    if (!(norm = mem_zero(from->rows, sizeof *norm)))
        return error_memory(e, "norms of the rows");
    if ((st = read_norms(from, norm, e)) == ST_OK)
        st = mgqe_mark_high(norm, from->rows, mgqe_high_of(p), map, e);
    mem_free(norm);
    return st;
}

static enum status fit(const struct fit *from, struct parameters *p, struct error *e)
{
    bool packed = p->value[MGQE_PACKING].i == CODES_BITS;
    struct code_array low = mgqe_codes(p, false), high = mgqe_codes(p, true);
    unsigned char *map = mem_zero(from->rows / 8 + 1, 1);
    struct code_fit c = {
        .fit = from,
        .book = mgqe_codebook(p),
        .k = (size_t)p->value[MGQE_K_HIGH].i,
        .k_low = (size_t)p->value[MGQE_K_LOW].i,
        .map = map,
        .stream = {code_stream_of(&low), code_stream_of(&high)},
        .one_stream = !packed,
        .from = from->weight ? 0 : NORMS,
    };
    enum status st;

    if (!map)
        return error_memory(e, "marks of the rows");
    if ((st = mark_high(from, p, map, e)) == ST_OK)
        st = codes_fit(&c, e);
    if (st == ST_OK && packed)
        memcpy(p->tensor[MGQE_MAP].data, map, p->tensor[MGQE_MAP].bytes);
    mem_free(map);
    return st;
}

const struct fitter fitter_mgqe = {.fit = fit};
