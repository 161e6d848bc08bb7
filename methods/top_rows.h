/* SPDX-License-Identifier: Apache-2.0 */
/* The most important rows: those of the largest weight, of equal ones the first. Found without
   sorting, and told one by one on a walk over all rows. No state beside the walk's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A walk over the rows in their order. */
struct top_rows {
    uint32_t least; /* the smallest key that is taken … */
    uint64_t ties;  /* … from so many more rows; all rows above it are */
};

/* Weights as integers of the same order; what is not above 0 counts as 0. */
static inline uint32_t top_key(float weight)
{
    uint32_t bits;

    memcpy(&bits, &weight, sizeof bits);
    return weight > 0 ? bits : 0;
}

/* Begin a walk that takes `count` of the `n` rows; `weight` NULL: the first ones. */
struct top_rows top_rows(const float *weight, uint64_t n, uint64_t count);

/* Whether the next row is one of them. */
static inline bool top_take(struct top_rows *t, float weight)
{
    uint32_t key = top_key(weight);

    if (key != t->least || !t->ties)
        return key > t->least;
    t->ties--;
    return true;
}
