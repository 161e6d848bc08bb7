/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting AutoDim's serving form: the affine subspace nearest to the rows of each field. */
#include "fits/projected.h"
#include "methods/projected.h"

static enum status study(const struct fit *fit, struct layout *l, struct error *e)
{
    return projected_study(fit, l, autodim_candidate, true, e);
}

const struct fitter fitter_autodim = {.study = study, .fit = projected_fit};
