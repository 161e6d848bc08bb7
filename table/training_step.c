/* SPDX-License-Identifier: Apache-2.0 */
/* One push: gradients of rows become gradients of parameters, those become new bytes, and these are
   written in one go. Nothing here can fail, since the push is in the log. The writer's. */
#include <assert.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/prefetch.h"
#include "table/training_state.h"

/* The gradient of one row or bag, no longer than clip_norm: as it is, or shortened in `room`. */
static const float *clip(struct training *t, const float *gradient, float *room)
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
        room[j] = gradient[j] * factor;
    t->push.clipped++;
    return room;
}

/* The gradients of all rows, in t->clipped. */
static const float *clip_rows(struct training *t, const struct update_part *u)
{
    size_t dim = t->table->dim;

    for (size_t i = 0; i < u->rows; i++) {
        float *room = t->clipped + i * dim;
        const float *gradient = clip(t, u->gradient + i * dim, room);

        if (gradient != room)
            memcpy(room, gradient, dim * sizeof *room);
    }
    return t->clipped;
}

static void collect_rows(struct training *t, const struct parameters *p,
                         const struct update_part *u, struct gradients *g)
{
    const float *gradient = u->gradient;

    if (!u->rows)
        return;
    if (t->settings.clip_norm > 0)
        gradient = clip_rows(t, u);
    p->method->gradient(p, u->row, u->rows, gradient, g);
}

static void collect_bags(struct training *t, const struct parameters *p,
                         const struct update_part *u, struct gradients *g)
{
    for (size_t i = 0; i < u->bags; i++) {
        const struct update_bag *bag = &u->bag[i];

        p->method->pool_gradient(p, bag->row, bag->weight, bag->n, bag->divisor,
                                 clip(t, bag->gradient, t->bag), g, t->scratch);
    }
}

/* A unit's states. Only snapshots read them, and those have what they want before it changes: so
   they are written where they lie. */
static void open_states(struct training *t, size_t part, unsigned k, uint64_t unit, uint64_t first,
                        size_t n, float *state[OPTIMIZER_STATES])
{
    bool scalar = state_is_scalar(t, &t->table->part[part], k);

    for (unsigned i = 0; i < OPTIMIZER_STATES; i++) {
        float *at = t->part[part].state[k][i];
        size_t bytes = (scalar ? 1 : n) * sizeof *at;

        state[i] = NULL;
        if (!t->settings.optimizer->state[i])
            continue;
        state[i] = at + (scalar ? unit : first);
        blocks_keep(t->blocks, (const unsigned char *)state[i], bytes);
        t->push.changed_bytes += bytes;
    }
}

static void ask_for_values(const struct tensor *tensor, uint64_t unit, size_t n)
{
    size_t bytes = unit_width(tensor) * dtype_size(tensor->dtype);

    prefetch((const unsigned char *)tensor->data + unit * bytes, n * bytes);
}

/* For `n` units from this one on, with their states. What goes along with the tensor, such as the
   scales of integers, has the same units. */
static void ask_for_units(const struct training *t, size_t part, unsigned k, uint64_t unit,
                          size_t n)
{
    const struct parameters *p = &t->table->part[part];
    const struct tensor *tensor = &p->tensor[k];
    bool scalar = state_is_scalar(t, p, k);
    size_t width = unit_width(tensor);

    ask_for_values(tensor, unit, n);
    for (unsigned i = 0; i < p->method->tensors_count; i++)
        if (p->method->tensors[i].flags & TENSOR_FOLLOWS && p->tensor[i].data &&
            p->tensor[i].shape[0] == tensor->shape[0])
            ask_for_values(&p->tensor[i], unit, n);
    for (unsigned i = 0; i < OPTIMIZER_STATES; i++)
        if (t->part[part].state[k][i])
            prefetch(t->part[part].state[k][i] + unit * (scalar ? 1 : width),
                     n * (scalar ? 1 : width) * sizeof(float));
}

/* A unit of any method: its values are floats for as long as the step takes. */
static void step_unit(struct training *t, size_t part, struct unit_change *c,
                      const struct optimizer_step *step)
{
    const struct parameters *p = &t->table->part[part];
    float *state[OPTIMIZER_STATES];
    uint64_t first;

    unit_place(p, c->tensor, c->unit, &first, &c->n);
    if (!c->n)
        return;
    unit_load(p, c->tensor, c->unit, t->before);
    memcpy(t->after, t->before, c->n * sizeof *t->after);
    open_states(t, part, c->tensor, c->unit, first, c->n, state);
    t->patch.kept += t->settings.optimizer->step(step, t->after, c->gradient, state, c->n);
    unit_store(p, c, &t->patch);
}

/* Floats from element `first` on, a unit or some beside each other, which take their step where
   the patch has them. */
static void step_floats(struct training *t, size_t part, const struct unit_change *c,
                        uint64_t first, size_t n, const struct optimizer_step *step)
{
    float *data = (float *)t->table->part[part].tensor[c->tensor].data + first, *next;
    float *state[OPTIMIZER_STATES];

    open_states(t, part, c->tensor, c->unit, first, n, state);
    next = patch_add(&t->patch, data, n * sizeof *next);
    memcpy(next, data, n * sizeof *next);
    t->patch.kept += t->settings.optimizer->step(step, next, c->gradient, state, n);
}

#define RUN_MOST 256

/* How many of these units lie beside each other, so that one step does them all. */
static size_t run_of(const uint64_t *unit, size_t n)
{
    size_t run = 1;

    while (run < n && run < RUN_MOST && unit[run] == unit[run - 1] + 1)
        run++;
    return run;
}

/* One tensor's units, in the order of first touch. */
static void step_tensor(struct training *t, const struct update *u, size_t part, unsigned k,
                        float rate, uint64_t version)
{
    const struct parameters *p = &t->table->part[part];
    const struct gradient *g = &t->part[part].gradients.tensor[k];
    const uint64_t *unit = gradient_units(g);
    const float *value = gradient_values(g);
    const char *name = p->tensor[k].name;
    const struct rounding rounding = rounding_of(name, t->table->seed, version);
    struct unit_change change = {.tensor = k,
                                 .before = t->before,
                                 .after = t->after,
                                 .rounding = &rounding,
                                 .ids = u->ids,
                                 .scale_lr = (float)t->settings.scale_lr};
    bool equal = !p->method->unit_place, floats = unit_is_floats(p, k);
    bool joined = floats && g->width == 1 && !state_is_scalar(t, p, k);
    struct optimizer_step step;
    size_t run;

    optimizer_step_make(&step, &t->settings, name, tensor_element_wise(p, k), (double)rate,
                        t->settings.step + 1);
    for (size_t j = 0; equal && !joined && j < PREFETCH_AHEAD && j < g->count; j++)
        ask_for_units(t, part, k, unit[j], 1);
    for (size_t j = 0; j < g->count; j += run) {
        run = joined ? run_of(unit + j, g->count - j) : 1;
        if (equal && j + run * PREFETCH_AHEAD < g->count)
            ask_for_units(t, part, k, unit[j + run * PREFETCH_AHEAD], run);
        change.unit = unit[j];
        change.gradient = value + j * g->width;
        if (floats)
            step_floats(t, part, &change, unit[j] * g->width, run * g->width, &step);
        else
            step_unit(t, part, &change, &step);
    }
}

/* Rows of a table that grows: when they were named last. */
static void touch_rows(struct training *t, const struct update *u)
{
    for (size_t i = 0; i < u->parts; i++)
        for (size_t j = 0; j < u->part[i].rows; j++) {
            int64_t *at = growth_touched(t->growth, u->part[i].row[j]);

            if (*at != u->seconds)
                memcpy(patch_add(&t->patch, at, sizeof *at), &u->seconds, sizeof *at);
        }
    growth_note(t->growth, u->seconds);
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
    if (t->growth)
        touch_rows(t, u);
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
