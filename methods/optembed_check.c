/* SPDX-License-Identifier: Apache-2.0 */
/* Holding optembed's tensors against each other, and what lookups and training need counted
   beforehand. */
#include "methods/optembed.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"

static const char *name_of(const struct parameters *p, unsigned tensor)
{
    return p->tensor[tensor].name ? p->tensor[tensor].name : p->method->tensors[tensor].name;
}

void optembed_release(struct parameters *p)
{
    struct optembed_state *state = p->state;

    mem_free(state->rank);
    mem_free(state->widest);
    mem_free(state);
}

static enum status check_candidate(const struct parameters *p, struct error *e)
{
    const struct tensor *t = &p->tensor[OPTEMBED_CANDIDATE];
    uint64_t fields = p->fields.count ? p->fields.count : 1;
    const int32_t *candidate = t->data;

    if (t->shape[0] != fields)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" has the shape [%" PRIu64 "]; it must be [fields = %" PRIu64
                         "]",
                         name_of(p, OPTEMBED_CANDIDATE), t->shape[0], fields);
    for (uint64_t f = 0; f < fields; f++)
        if (candidate[f] < 0 || (uint32_t)candidate[f] >= p->dim)
            return error_set(e, ST_INVALID,
                             "tensor \"%s\": field %" PRIu64 " has %" PRId32
                             "; it must be from 0 to D - 1 = %" PRIu32,
                             name_of(p, OPTEMBED_CANDIDATE), f, candidate[f], p->dim - 1);
    return ST_OK;
}

static enum status check_remap(const struct parameters *p, struct error *e)
{
    const int32_t *remap = p->tensor[OPTEMBED_REMAP].data;
    uint64_t kept = p->tensor[OPTEMBED_EMB].shape[0];

    if (p->tensor[OPTEMBED_EMB].shape[1] != p->dim)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" has %" PRIu64
                         " columns; with form=remap it must have %" PRIu32,
                         name_of(p, OPTEMBED_EMB), p->tensor[OPTEMBED_EMB].shape[1], p->dim);
    for (uint64_t i = 0; i < p->rows; i++)
        if (remap[i] < -1 || (remap[i] >= 0 && (uint64_t)remap[i] >= kept))
            return error_set(e, ST_INVALID,
                             "tensor \"%s\": id %" PRIu64 " has row %" PRId32
                             "; it must be -1 or below %" PRIu64,
                             name_of(p, OPTEMBED_REMAP), i, remap[i], kept);
    return check_candidate(p, e);
}

/* The widest user of each row of emb, where ids of several fields may share rows: the unit of the
   optimizers, which must hold the gradients of all of them. Rows without users are never touched.
 */
static enum status find_widest(const struct parameters *p, struct optembed_state *state,
                               struct error *e)
{
    const int32_t *remap = p->tensor[OPTEMBED_REMAP].data;
    const int32_t *candidate = p->tensor[OPTEMBED_CANDIDATE].data;
    uint64_t fields = p->tensor[OPTEMBED_CANDIDATE].shape[0];
    bool differ = false;

    for (uint64_t f = 0; f < fields; f++) {
        differ = differ || candidate[f] != candidate[0];
        if ((uint32_t)candidate[f] >= state->most)
            state->most = (uint32_t)candidate[f] + 1;
    }
    if (!differ)
        return ST_OK;
    state->widest = mem_zero(p->tensor[OPTEMBED_EMB].shape[0], sizeof *state->widest);
    if (!state->widest)
        return error_memory(e, "widths of the rows");
    for (uint64_t f = 0; f < fields; f++)
        for (uint64_t i = p->fields.first[f]; i < p->fields.first[f + 1]; i++)
            if (remap[i] >= 0 && state->widest[remap[i]] < candidate[f])
                state->widest[remap[i]] = (uint16_t)candidate[f]; /* below 65536 */
    return ST_OK;
}

/* Count the bitmap, block by block. */
static enum status count_kept(const struct parameters *p, struct optembed_state *state,
                              struct error *e)
{
    const unsigned char *kept = p->tensor[OPTEMBED_KEPT].data;
    uint64_t bytes = p->tensor[OPTEMBED_KEPT].shape[0], count = 0, block = OPTEMBED_BLOCK / 8;

    state->rank = mem_zero(bytes / block + 1, sizeof *state->rank);
    if (!state->rank)
        return error_memory(e, "ranks of the rows");
    for (uint64_t i = 0; i < bytes; i++) {
        if (i % block == 0)
            state->rank[i / block] = count;
        count += (uint64_t)__builtin_popcount(kept[i]);
    }
    if (count != p->tensor[OPTEMBED_EMB].shape[0])
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" has %" PRIu64 " bits set, and \"%s\" %" PRIu64
                         " rows; they must be as many",
                         name_of(p, OPTEMBED_KEPT), count, name_of(p, OPTEMBED_EMB),
                         p->tensor[OPTEMBED_EMB].shape[0]);
    return ST_OK;
}

static enum status check_compact(const struct parameters *p, struct error *e)
{
    const struct tensor *kept = &p->tensor[OPTEMBED_KEPT];
    uint64_t width = p->tensor[OPTEMBED_EMB].shape[1], bytes = optembed_bitmap(p->rows);

    if (width < 1 || width > p->dim)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" has %" PRIu64
                         " columns; it must have from 1 to D = %" PRIu32,
                         name_of(p, OPTEMBED_EMB), width, p->dim);
    if (kept->shape[0] != bytes)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" has the shape [%" PRIu64 "]; it must be [N / 8, rounded up "
                         "= %" PRIu64 "]",
                         name_of(p, OPTEMBED_KEPT), kept->shape[0], bytes);
    if (p->rows % 8 && ((const unsigned char *)kept->data)[bytes - 1] >> p->rows % 8)
        return error_set(e, ST_INVALID, "tensor \"%s\" has bits set beyond the last id",
                         name_of(p, OPTEMBED_KEPT));
    return ST_OK;
}

enum status optembed_check(struct parameters *p, struct error *e)
{
    bool remap = p->value[OPTEMBED_FORM].i == OPTEMBED_REMAP_FORM;
    struct optembed_state *state;
    enum status st;

    if (remap && p->of_field)
        return error_set(e, ST_INVALID,
                         "form=remap is for a whole table; a field by itself has form=compact");
    if ((st = remap ? check_remap(p, e) : check_compact(p, e)) != ST_OK)
        return st;
    state = mem_zero(1, sizeof *state);
    if (!state)
        return error_memory(e, "the method's state");
    p->state = state;
    st = remap ? find_widest(p, state, e) : count_kept(p, state, e);
    if (st != ST_OK) {
        optembed_release(p);
        p->state = NULL;
    }
    return st;
}
