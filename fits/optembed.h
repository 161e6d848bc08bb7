/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing how many rows and how many columns of each field optembed keeps. */
#pragma once

#include "fits/fit.h"

/* fitter->study of optembed. */
MUST_CHECK enum status optembed_study(const struct fit *fit, struct layout *l, struct error *e);
