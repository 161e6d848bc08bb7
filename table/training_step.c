/* SPDX-License-Identifier: Apache-2.0 */
/* One push: gradients of rows become gradients of parameters, those become new bytes, and these are
   written in one go. Nothing here can fail, since the push is in the log. The writer's. */
#include <assert.h>
#include <string.h>

#include "base/failpoint.h"
#include "table/training_state.h"

/* The gradient of one row or bag, no longer than clip_norm. */
static const float *clip(struct training *t, const float *gradient)
{
    double limit = t->settings.clip_norm, norm;
    float factor;

    if (!(limit > 0))
        return gradient;
    norm = gradient_norm(gradient, t->table->dim);
    if (norm <= limit)
        return gradient;
    factor = (float)(limit / norm);
    for (size_t j = 0; j < t->table->dim; j++)
        t->clipped[j] = gradient[j] * factor;
    t->push.clipped++;
    return t->clipped;
}

static void collect_rows(struct training *t, const struct parameters *p,
                         const struct update_part *u, struct gradients *g)
{
    size_t dim = t->table->dim, first = 0;

    /* In runs of rows that need no clipping. */
    for (size_t i = 0; t->settings.clip_norm > 0 && i < u->rows; i++) {
        const float *gradient = clip(t, u->gradient + i * dim);

        if (gradient != t->clipped)
            continue;
        if (i > first)
            p->method->gradient(p, u->row + first, i - first, u->gradient + first * dim, g);
        p->method->gradient(p, u->row + i, 1, gradient, g);
        first = i + 1;
    }
    if (u->rows > first)
        p->method->gradient(p, u->row + first, u->rows - first, u->gradient + first * dim, g);
}

static void collect_bags(struct training *t, const struct parameters *p,
                         const struct update_part *u, struct gradients *g)
{
    for (size_t i = 0; i < u->bags; i++) {
        const struct update_bag *bag = &u->bag[i];

        p->method->pool_gradient(p, bag->row, bag->weight, bag->n, bag->divisor,
                                 clip(t, bag->gradient), g, t->scratch);
    }
}

/* New values of a unit's states, in the patch. */
static void copy_states(struct training *t, size_t part, unsigned k, uint64_t unit, uint64_t first,
                        size_t n, float *state[OPTIMIZER_STATES])
{
    bool scalar = state_is_scalar(t, &t->table->part[part], k);

    for (unsigned i = 0; i < OPTIMIZER_STATES; i++) {
        float *at = t->part[part].state[k][i];

        state[i] = NULL;
        if (!t->settings.optimizer->state[i])
            continue;
        at += scalar ? unit : first;
        state[i] = patch_add(&t->patch, at, (scalar ? 1 : n) * sizeof *at);
        memcpy(state[i], at, (scalar ? 1 : n) * sizeof *at);
    }
}

/* One tensor's units, in the order of first touch. */
static void step_tensor(struct training *t, const struct update *u, size_t part, unsigned k,
                        float rate, uint64_t version)
{
    const struct parameters *p = &t->table->part[part];
    const struct gradient *g = &t->part[part].gradients.tensor[k];
    const char *name = p->tensor[k].name;
    const struct rounding rounding = rounding_of(name, t->table->seed, version);
    struct unit_change change = {.tensor = k,
                                 .before = t->before,
                                 .after = t->after,
                                 .rounding = &rounding,
                                 .ids = u->ids,
                                 .scale_lr = (float)t->settings.scale_lr};
    struct optimizer_step step;

    optimizer_step_make(&step, &t->settings, name, tensor_element_wise(p, k), (double)rate,
                        t->settings.step + 1);
    for (size_t j = 0; j < g->count; j++) {
        float *state[OPTIMIZER_STATES];
        uint64_t first;

        change.unit = g->unit[j];
        change.gradient = g->value + j * g->width;
        unit_place(p, k, change.unit, &first, &change.n);
        if (!change.n)
            continue;
        unit_load(p, k, change.unit, t->before);
        memcpy(t->after, t->before, change.n * sizeof *t->after);
        copy_states(t, part, k, change.unit, first, change.n, state);
        t->patch.kept +=
            t->settings.optimizer->step(&step, t->after, change.gradient, state, change.n);
        unit_store(p, &change, &t->patch);
    }
}

void training_step(struct training *t, const struct update *u, float rate, uint64_t version)
{
    struct error e;
    enum status st;

    (void)FAILPOINT("apply.step.before");
    st = training_reserve(t, u, &e); /* the room is there: this only empties it */
    assert(st == ST_OK);
    (void)st;
    t->counted = u->counted && t->frequency ? u : NULL;
    t->push = (struct training_counts){
        .pushes = 1, .ids = u->ids, .rows = u->rows, .skipped = u->skipped};
    for (size_t i = 0; i < u->parts; i++) {
        const struct update_part *part = &u->part[i];
        const struct parameters *p = &t->table->part[part->part];

        collect_rows(t, p, part, &t->part[part->part].gradients);
        collect_bags(t, p, part, &t->part[part->part].gradients);
        for (unsigned k = 0; k < p->method->tensors_count; k++)
            if (tensor_trained(p, k))
                step_tensor(t, u, part->part, k, rate, version);
    }
    for (size_t i = 0; i < t->patch.count; i++)
        t->push.changed_bytes += t->patch.piece[i].bytes;
    t->push.kept = t->patch.kept;
    t->push.saturated = t->patch.saturated;
    (void)FAILPOINT("apply.step.after");
}

void training_mark(struct training *t)
{
    for (size_t i = 0; i < t->patch.count; i++)
        blocks_keep(t->blocks, t->patch.piece[i].to, t->patch.piece[i].bytes);
    frequency_mark(t);
    (void)FAILPOINT("apply.mark.after");
}

void training_write(struct training *t)
{
    struct training_counts *sum = &t->counts, *push = &t->push;

    patch_write(&t->patch);
    frequency_write(t);
    (void)FAILPOINT("apply.write.after");
    t->settings.step++;
    sum->pushes += push->pushes;
    sum->ids += push->ids;
    sum->rows += push->rows;
    sum->skipped += push->skipped;
    sum->kept += push->kept;
    sum->saturated += push->saturated;
    sum->clipped += push->clipped;
    sum->changed_bytes += push->changed_bytes;
}
