/* SPDX-License-Identifier: Apache-2.0 */
/* Which tensors the first snapshot of a trainable table has, and where their bytes come from. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "storage/snapshot_parts.h"
#include "table/optimizer_settings.h"

#define PREFIX "optimizer."
#define RESET "it can begin anew with reset_optimizer"

static bool is_state(const struct file_tensor *ft)
{
    return !strncmp(ft->tensor.name, PREFIX, strlen(PREFIX));
}

static enum status add(struct snapshot_pieces *p, struct snapshot_piece **out, struct error *e)
{
    if (p->count == p->room) {
        size_t more = p->room ? 2 * p->room : 16;
        struct snapshot_piece *grown = mem_resize(p->piece, more, sizeof *grown);

        if (!grown)
            return error_memory(e, "snapshot");
        p->piece = grown;
        p->room = more;
    }
    *out = &p->piece[p->count++];
    **out = (struct snapshot_piece){0};
    return ST_OK;
}

/* What is not state, in the source's order; *states is how many tensors are. */
static enum status add_others(struct snapshot_pieces *p, const struct table *source, size_t *states,
                              struct error *e)
{
    struct snapshot_piece *piece;

    *states = 0;
    for (size_t i = 0; i < source->header.tensor_count; i++) {
        const struct file_tensor *ft = &source->header.tensor[i];
        enum status st;

        if (is_state(ft)) {
            ++*states;
            continue;
        }
        st = add(p, &piece, e);
        if (st != ST_OK)
            return st;
        piece->tensor = ft->tensor;
        piece->from = ft;
    }
    return ST_OK;
}

/* No id was counted yet. */
static enum status add_frequency(struct snapshot_pieces *p, const struct table *source,
                                 struct error *e)
{
    struct snapshot_piece *piece;
    enum status st;

    if (header_tensor(&source->header, "frequency"))
        return ST_OK;
    st = add(p, &piece, e);
    if (st != ST_OK)
        return st;
    piece->tensor = (struct tensor){.name = "frequency",
                                    .dtype = DT_I64,
                                    .rank = 1,
                                    .shape = {source->rows},
                                    .count = (size_t)source->rows};
    return size_mul((size_t)source->rows, sizeof(int64_t), &piece->tensor.bytes)
               ? ST_OK
               : error_memory(e, "snapshot");
}

static bool same_shape(const struct tensor *a, const struct tensor *b)
{
    return a->rank == b->rank && !memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]);
}

/* State `i` of a tensor: its shape, or one value a unit. */
static enum status shape_state(struct snapshot_piece *piece, const struct optimizer *o, unsigned i,
                               const struct parameters *part, unsigned k, struct error *e)
{
    const struct tensor *of = &part->tensor[k];
    size_t room = strlen(PREFIX) + strlen(of->name) + 1 + strlen(o->state[i]) + 1;
    struct tensor *t = &piece->tensor;

    piece->name = mem_alloc(room);
    if (!piece->name)
        return error_memory(e, "snapshot");
    snprintf(piece->name, room, PREFIX "%s.%s", of->name, o->state[i]);
    *t = *of;
    t->name = piece->name;
    t->dtype = DT_F32;
    t->data = NULL;
    t->count = (size_t)optimizer_state_count(o, i, part, k);
    if (o->scalar && !tensor_element_wise(part, k)) {
        t->rank = 1;
        t->shape[0] = t->count;
    }
    return size_mul(t->count, sizeof(float), &t->bytes) ? ST_OK : error_memory(e, "snapshot");
}

static enum status add_states_of(struct snapshot_pieces *p, const struct table *source,
                                 const struct optimizer_settings *settings,
                                 const struct parameters *part, unsigned k, struct error *e)
{
    const struct optimizer *o = settings->optimizer;

    for (unsigned i = 0; i < OPTIMIZER_STATES && o->state[i]; i++) {
        const struct file_tensor *kept;
        struct snapshot_piece *piece;
        enum status st = add(p, &piece, e);

        if (st == ST_OK)
            st = shape_state(piece, o, i, part, k, e);
        if (st != ST_OK)
            return st;
        if (p->begun) { /* sums of squares where the settings say, moments at zero */
            piece->begin = strcmp(o->state[i], "sum") ? 0 : (float)settings->initial_accumulator;
            continue;
        }
        kept = header_tensor(&source->header, piece->name);
        if (!kept || !same_shape(&kept->tensor, &piece->tensor))
            return error_set(e, ST_INVALID,
                             "the table has optimizer state, but %s %s as %s needs it; " RESET,
                             kept ? "the shape of" : "not", QUOTE(piece->name), o->name);
        piece->from = kept;
    }
    return ST_OK;
}

static enum status add_states(struct snapshot_pieces *p, const struct table *source,
                              const struct optimizer_settings *settings, struct error *e)
{
    for (size_t i = 0; i < source->part_count; i++) {
        const struct parameters *part = &source->part[i];

        for (unsigned k = 0; k < part->method->tensors_count; k++) {
            enum status st;

            if (!part->tensor[k].data || !tensor_trained(part, k))
                continue;
            st = add_states_of(p, source, settings, part, k, e);
            if (st != ST_OK)
                return st;
        }
    }
    return ST_OK;
}

/* The sums of adagrad and of rowwise_adagrad have the same names: the settings tell. */
static enum status check_name(const struct table *source, const struct optimizer_settings *settings,
                              struct error *e)
{
    struct optimizer_settings own;
    const struct optimizer *kept;
    enum status st;

    if (!source->optimizer)
        return ST_OK;
    st = optimizer_settings_read(&own, source->optimizer, 0, e);
    if (st != ST_OK)
        return error_prefix(e, st, "embd.optimizer");
    kept = own.optimizer;
    optimizer_settings_done(&own);
    if (kept == settings->optimizer)
        return ST_OK;
    return error_set(e, ST_INVALID, "the table has the state of %s, not of %s; " RESET, kept->name,
                     settings->optimizer->name);
}

enum status snapshot_pieces_list(struct snapshot_pieces *p, const struct table *source,
                                 const struct snapshot_start *start, struct error *e)
{
    const struct optimizer_settings *settings = start->settings;
    size_t states, others;
    enum status st = ST_OK;

    *p = (struct snapshot_pieces){0};
    for (size_t i = 0; st == ST_OK && i < source->part_count; i++)
        st = optimizer_suits(settings, &source->part[i], e);
    if (st == ST_OK)
        st = add_others(p, source, &states, e);
    if (st == ST_OK && start->counts)
        st = add_frequency(p, source, e);
    if (st != ST_OK)
        return st;
    p->begun = start->reset || states == 0;
    others = p->count;
    if (!p->begun)
        st = check_name(source, settings, e);
    if (st == ST_OK)
        st = add_states(p, source, settings, e);
    if (st == ST_OK && !p->begun && p->count - others != states)
        st =
            error_set(e, ST_INVALID,
                      "the table has %zu tensors of optimizer state, of which %s keeps %zu; " RESET,
                      states, settings->optimizer->name, p->count - others);
    return st;
}

void snapshot_pieces_done(struct snapshot_pieces *p)
{
    for (size_t i = 0; i < p->count; i++)
        mem_free(p->piece[i].name);
    mem_free(p->piece);
    *p = (struct snapshot_pieces){0};
}
