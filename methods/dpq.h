/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of dpq share. All rows choose each part from the same k vectors. */
#pragma once

#include "methods/codes.h"

enum { DPQ_PARTS, DPQ_K, DPQ_SHARED, DPQ_MODE, DPQ_PACKING };
enum { DPQ_CODEBOOK, DPQ_COMMON_CODEBOOK, DPQ_CODES, DPQ_PACKED_CODES };

struct codebook dpq_codebook(const struct parameters *p);
struct code_array dpq_codes(const struct parameters *p);

/* Parts of the method. */
MUST_CHECK enum status dpq_plan(struct plan *plan, struct error *e);
MUST_CHECK enum status dpq_share(struct layout *l, struct error *e);
double dpq_author_words(const struct plan *plan);
