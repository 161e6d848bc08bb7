/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting product codes: k-means, part by part. One thread. */
#include "methods/dpq.h"

#include "fits/codes.h"

static enum status fit(const struct fit *from, struct parameters *p, struct error *e)
{
    struct code_array codes = dpq_codes(p);
    struct code_fit c = {
        .fit = from,
        .book = dpq_codebook(p),
        .k = (size_t)p->value[DPQ_K].i,
        .k_low = (size_t)p->value[DPQ_K].i,
        .stream = {code_stream_of(&codes)},
    };

    return codes_fit(&c, e);
}

const struct fitter fitter_dpq = {.fit = fit};
