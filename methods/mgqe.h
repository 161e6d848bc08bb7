/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of mgqe share. Frequent ("high") rows choose each part from k_high vectors of the
   codebook, rare ("low") ones from the first k_low of them, so that their codes are shorter. */
#pragma once

#include "methods/codes.h"

enum { MGQE_PARTS, MGQE_K_HIGH, MGQE_K_LOW, MGQE_SHARED, MGQE_PACKING };
enum { MGQE_CODEBOOK, MGQE_COMMON_CODEBOOK, MGQE_CODES, MGQE_MAP, MGQE_HIGH, MGQE_LOW };

struct codebook mgqe_codebook(const struct parameters *p);
/* The arrays of codes of high and of low rows; with packing=bytes both are `codes`. */
struct code_array mgqe_codes(const struct parameters *p, bool high);

/* How many rows are high where nothing else says it: the authors' ten percent, rounded up. */
static inline uint64_t mgqe_high_rows(uint64_t rows)
{
    return rows / 10 + (rows % 10 != 0);
}
/* The number of high rows of parameters whose shapes are known. */
uint64_t mgqe_high_of(const struct parameters *p);
/* Set the bits of the `high` rows with the largest keys (>= 0), of equal ones the first; key NULL:
   the first rows. `map` [(rows + 7) / 8] is zeroed. */
MUST_CHECK enum status mgqe_mark_high(const float *key, uint64_t rows, uint64_t high,
                                      unsigned char *map, struct error *e);

/* Parts of the method. */
MUST_CHECK enum status mgqe_plan(struct plan *plan, struct error *e);
MUST_CHECK enum status mgqe_share(struct layout *l, struct error *e);
double mgqe_author_words(const struct plan *plan);
MUST_CHECK enum status mgqe_init(const struct init *init, struct parameters *p, struct error *e);
