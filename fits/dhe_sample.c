/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which rows are trained. A pass over the table takes its rows in a random order that
   needs no memory; with weights its places are spread evenly over their sum, so that a row comes as
   often as its weight says, and one that weighs as much as several comes several times. No state.
 */
#include "fits/dhe.h"
#include "methods/init.h"

#define ROUNDS 4

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* A permutation of [0, n): a Feistel network over as many bits as n needs, repeated until the
   result is within. */
static uint64_t permuted(uint64_t x, uint64_t n, uint64_t key)
{
    unsigned half = 1;
    uint64_t mask;

    while (half < 32 && (n - 1) >> 2 * half)
        half++;
    mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t left = x >> half, right = x & mask;

        for (uint64_t r = 0; r < ROUNDS; r++) {
            uint64_t next = left ^ (mix(right + key + r * 0x9e3779b97f4a7c15) & mask);

            left = right;
            right = next;
        }
        x = left << half | right;
    } while (x >= n);
    return x;
}

uint64_t dhe_order_row(const struct dhe_order *o, uint64_t i)
{
    struct draws d = {.key = o->key};
    uint64_t pass = i / o->rows, place = permuted(i % o->rows, o->rows, draw_bits(&d, 2 * pass));
    uint64_t low = 0, high = o->rows - 1;
    double at;

    if (!o->sum)
        return place;
    at = ((double)place + draw_uniform(&d, 2 * pass + 1)) / (double)o->rows * o->sum[high];
    while (low < high) { /* the first row whose sum is above */
        uint64_t middle = low + (high - low) / 2;

        if (o->sum[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
