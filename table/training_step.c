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

/* A tensor that takes its step. */
struct stepped {
    struct training *t;
    const struct parameters *p;
    unsigned tensor;
    size_t width;  /* elements of each unit; 0: method->unit_place knows */
    bool scalar;   /* its states have one value a unit */
    bool joined;   /* its units are elements: those beside each other take one step */
    float **state; /* [OPTIMIZER_STATES] of the tensor; NULL: none */
    struct optimizer_step step;
};

static void locate(const struct stepped *s, uint64_t unit, uint64_t *first, size_t *n)
{
    if (!s->width) {
        s->p->method->unit_place(s->p, s->tensor, unit, first, n);
        return;
    }
    *first = unit * s->width;
    *n = s->width;
}

/* A unit's states. Only snapshots read them, and those have what they want before it changes: so
   they are written where they lie. */
static void open_states(const struct stepped *s, uint64_t unit, uint64_t first, size_t n,
                        float *state[OPTIMIZER_STATES])
{
    size_t bytes = (s->scalar ? 1 : n) * sizeof **state;

    for (unsigned i = 0; i < OPTIMIZER_STATES; i++) {
        state[i] = NULL;
        if (!s->state[i])
            continue;
        state[i] = s->state[i] + (s->scalar ? unit : first);
        blocks_keep(s->t->blocks, (const unsigned char *)state[i], bytes);
        s->t->push.changed_bytes += bytes;
    }
}

/* What goes along with a tensor, such as the scales of integers, has the same units. */
static void ask_for_followers(const struct stepped *s, uint64_t unit)
{
    const struct method *m = s->p->method;

    for (unsigned i = 0; i < m->tensors_count; i++) {
        const struct tensor *f = &s->p->tensor[i];
        size_t bytes;

        if (!(m->tensors[i].flags & TENSOR_FOLLOWS) || !f->data ||
            f->shape[0] != s->p->tensor[s->tensor].shape[0])
            continue;
        bytes = unit_width(f) * dtype_size(f->dtype);
        prefetch((const unsigned char *)f->data + unit * bytes, bytes);
    }
}

/* For `run` units from this one on, with their states. */
static void ask_for_units(const struct stepped *s, uint64_t unit, size_t run)
{
    const struct tensor *tensor = &s->p->tensor[s->tensor];
    size_t size = dtype_size(tensor->dtype), n;
    uint64_t first;

    locate(s, unit, &first, &n);
    prefetch((const unsigned char *)tensor->data + first * size, n * run * size);
    for (unsigned i = 0; i < OPTIMIZER_STATES; i++)
        if (s->state[i])
            prefetch(s->state[i] + (s->scalar ? unit : first),
                     (s->scalar ? 1 : n) * run * sizeof(float));
    if (s->width && !s->joined)
        ask_for_followers(s, unit);
}

/* A unit of any method: its values are floats for as long as the step takes. */
static void step_unit(const struct stepped *s, struct unit_change *c)
{
    float *state[OPTIMIZER_STATES];
    struct training *t = s->t;
    uint64_t first;

    locate(s, c->unit, &first, &c->n);
    if (!c->n)
        return;
    unit_load(s->p, c->tensor, c->unit, t->before);
    memcpy(t->after, t->before, c->n * sizeof *t->after);
    open_states(s, c->unit, first, c->n, state);
    t->patch.kept += t->settings.optimizer->step(&s->step, t->after, c->gradient, state, c->n);
    unit_store(s->p, c, &t->patch);
}

/* Floats, of a unit or of some beside each other, which take their step where the patch has them.
 */
static void step_floats(const struct stepped *s, const struct unit_change *c, size_t run)
{
    float *state[OPTIMIZER_STATES], *data, *next;
    struct training *t = s->t;
    uint64_t first;
    size_t n;

    locate(s, c->unit, &first, &n);
    n *= run;
    if (!n)
        return;
    open_states(s, c->unit, first, n, state);
    data = (float *)s->p->tensor[s->tensor].data + first;
    next = patch_add(&t->patch, data, n * sizeof *next);
    memcpy(next, data, n * sizeof *next);
    t->patch.kept += t->settings.optimizer->step(&s->step, next, c->gradient, state, n);
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

/* Its units, in the order of first touch. */
static void step_units(const struct stepped *s, const struct gradient *g, struct unit_change *c)
{
    const uint64_t *unit = gradient_units(g);
    const float *value = gradient_values(g);
    bool floats = unit_is_floats(s->p, s->tensor);
    size_t run;

    for (size_t j = 0; !s->joined && j < PREFETCH_AHEAD && j < g->count; j++)
        ask_for_units(s, unit[j], 1);
    for (size_t j = 0; j < g->count; j += run) {
        run = s->joined ? run_of(unit + j, g->count - j) : 1;
        if (j + run * PREFETCH_AHEAD < g->count)
            ask_for_units(s, unit[j + run * PREFETCH_AHEAD], run);
        c->unit = unit[j];
        c->gradient = value + j * g->width;
        if (floats)
            step_floats(s, c, run);
        else
            step_unit(s, c);
    }
}

static void step_tensor(struct training *t, const struct update *u, size_t part, unsigned k,
                        float rate, uint64_t version)
{
    const struct parameters *p = &t->table->part[part];
    const char *name = p->tensor[k].name;
    const struct gradient *g = &t->part[part].gradients.tensor[k];
    const struct rounding rounding = rounding_of(name, t->table->seed, version);
    struct unit_change change = {.tensor = k,
                                 .before = t->before,
                                 .after = t->after,
                                 .rounding = &rounding,
                                 .ids = u->ids,
                                 .scale_lr = (float)t->settings.scale_lr};
    struct stepped s = {.t = t,
                        .p = p,
                        .tensor = k,
                        .width = p->method->unit_place ? 0 : g->width,
                        .scalar = state_is_scalar(t, p, k),
                        .state = t->part[part].state[k]};

    s.joined = unit_is_floats(p, k) && s.width == 1 && !s.scalar;
    optimizer_step_make(&s.step, &t->settings, name, tensor_element_wise(p, k), (double)rate,
                        t->settings.step + 1);
    step_units(&s, g, &change);
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
