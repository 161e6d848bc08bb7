/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting mixed dimensions: the truncated singular value decomposition of each field. */
#include "fits/projected.h"

/* Any width below the dimension; with all columns the field is full. */
static uint64_t candidate(uint32_t dim, size_t i)
{
    return i + 1 < dim ? i + 1 : 0;
}

static enum status study(const struct fit *fit, struct layout *l, struct error *e)
{
    return projected_study(fit, l, candidate, false, e);
}

const struct fitter fitter_mde = {.study = study, .fit = projected_fit};
