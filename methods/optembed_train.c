/* SPDX-License-Identifier: Apache-2.0 */
/* Training optembed: which rows and columns are there stays as it is, the rest of the gradient is
   dropped. */
#include "methods/optembed.h"

#include <string.h>

#include "kernels/kernels.h"
#include "methods/gradient.h"
#include "methods/init.h"

void optembed_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                       struct gradients *out)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t place = optembed_place(p, row[i]);

        if (place != OPTEMBED_PRUNED)
            kernels->f32_add(gradient_at(out, OPTEMBED_EMB, place), grad + i * p->dim,
                             optembed_width(p, row[i]));
    }
}

size_t optembed_unit_most(const struct parameters *p, unsigned tensor)
{
    const struct optembed_state *state = p->state;

    return state && state->most ? state->most : unit_width(&p->tensor[tensor]);
}

void optembed_unit_place(const struct parameters *p, unsigned tensor, uint64_t unit,
                         uint64_t *first, size_t *n)
{
    const struct optembed_state *state = p->state;

    *first = unit * unit_width(&p->tensor[tensor]);
    *n = state && state->widest ? (size_t)state->widest[unit] + 1 : optembed_unit_most(p, tensor);
}

static uint32_t score_bits(float score)
{
    uint32_t bits;

    memcpy(&bits, &score, sizeof bits);
    return bits & 0x7fffffff; /* -0 is 0 */
}

/* A byte of the numbers at a time: bits of floats >= 0 are in the order of the floats. */
struct cutoff cutoff_find(const float *score, uint64_t n, uint64_t k)
{
    struct cutoff c = {.ties = k < n ? k : n};
    uint32_t mask = 0;

    for (int shift = 24; shift >= 0; shift -= 8) {
        uint64_t count[256] = {0};
        uint32_t byte = 255;

        for (uint64_t i = 0; i < n; i++) {
            uint32_t bits = score_bits(score[i]);

            count[bits >> shift & 255] += (bits & mask) == c.bits;
        }
        for (; byte && count[byte] < c.ties; byte--)
            c.ties -= count[byte];
        c.bits |= byte << shift;
        mask |= (uint32_t)255 << shift;
    }
    return c;
}

bool cutoff_keeps(struct cutoff *c, float score)
{
    uint32_t bits = score_bits(score);

    if (bits == c->bits && c->ties) {
        c->ties--;
        return true;
    }
    return bits > c->bits;
}

void optembed_mark(struct parameters *p, uint64_t row, uint64_t place)
{
    int32_t *remap = p->tensor[OPTEMBED_REMAP].data;
    unsigned char *kept = p->tensor[OPTEMBED_KEPT].data;

    if (remap)
        remap[row] = place == OPTEMBED_PRUNED ? -1 : (int32_t)place;
    else if (place != OPTEMBED_PRUNED)
        kept[row / 8] |= (unsigned char)(1 << row % 8);
}

void optembed_all_columns(struct parameters *p)
{
    const struct tensor *t = &p->tensor[OPTEMBED_CANDIDATE];

    for (uint64_t f = 0; t->data && f < t->shape[0]; f++)
        ((int32_t *)t->data)[f] = (int32_t)p->dim - 1;
}

/* Where there are not rows for all, the most important ids have them, or the first. */
enum status optembed_init(const struct init *init, struct parameters *p, struct error *e)
{
    uint64_t most = p->tensor[OPTEMBED_EMB].shape[0], place = 0;
    struct cutoff cutoff = {.ties = 0};

    (void)e;
    if (init->weight)
        cutoff = cutoff_find(init->weight, p->rows, most);
    for (uint64_t i = 0; i < p->rows; i++) {
        bool keeps = init->weight ? cutoff_keeps(&cutoff, init->weight[i]) : place < most;

        optembed_mark(p, i, keeps ? place++ : OPTEMBED_PRUNED);
    }
    optembed_all_columns(p);
    init_normal(init, &p->tensor[OPTEMBED_EMB], init_deviation(init));
    return ST_OK;
}
