/* SPDX-License-Identifier: Apache-2.0 */
/* Zipf's distribution over the ranks 1 .. n: rank k comes with a probability proportional to
   1 / k^s. Exact, in constant time and memory for any n. Read-only once made; any thread. */
#pragma once

#include <stdint.h>

#include "client/load/random.h"

#define ZIPF_EXPONENT_MAX 10.0

struct zipf {
    double n, exponent;
    double area_first, area_last; /* of the hat: see zipf.c */
    double sure;                  /* within this distance above x, k needs no second look */
};

/* `n` is at least 1, `exponent` above 0 and at most ZIPF_EXPONENT_MAX. */
void zipf_init(struct zipf *z, uint64_t n, double exponent);
/* A rank, 1 .. n. */
uint64_t zipf_draw(const struct zipf *z, struct random *r);
