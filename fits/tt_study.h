/* SPDX-License-Identifier: Apache-2.0 */
/* What a trained table says of the settings of tt: fitter->study. */
#pragma once

#include "fits/fit.h"

/* Choose the two ranks of each part, and the order of the digits, where they are open and there is
   a budget. */
MUST_CHECK enum status tt_study(const struct fit *fit, struct layout *l, struct error *e);
