/* SPDX-License-Identifier: Apache-2.0 */
/* The greedy way up the lower convex hulls of all fields at once. One thread. */
#include "fits/allocate.h"

#include <stdlib.h>

#include "base/memory.h"

/* One step up a hull. */
struct step {
    double slope; /* error that it takes off for a byte; within a field never rising */
    size_t field;
    size_t to;
};

enum status choices_add(struct choices *c, struct choice choice, struct error *e)
{
    if (c->count == c->room) {
        size_t room = c->room ? 2 * c->room : 64;
        struct choice *grown = mem_resize(c->choice, room, sizeof *grown);

        if (!grown)
            return error_memory(e, "choices");
        c->choice = grown;
        c->room = room;
    }
    c->choice[c->count++] = choice;
    return ST_OK;
}

void choices_done(struct choices *c)
{
    mem_free(c->choice);
    *c = (struct choices){0};
}

static int by_bytes(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    if (x->error != y->error)
        return x->error < y->error ? -1 : 1;
    return x->width < y->width ? -1 : x->width > y->width;
}

/* Error taken off for a byte on the way from a to b. */
static double slope(const struct choice *a, const struct choice *b)
{
    return (a->error - b->error) / (double)(b->bytes - a->bytes);
}

void choices_prune(struct choices *c, bool hull)
{
    size_t count = 0;

    qsort(c->choice, c->count, sizeof *c->choice, by_bytes);
    for (size_t i = 0; i < c->count; i++) {
        struct choice *kept = c->choice, next = c->choice[i];

        if (count && !(next.error < kept[count - 1].error))
            continue;
        while (hull && count > 1 &&
               slope(&kept[count - 2], &kept[count - 1]) <= slope(&kept[count - 1], &next))
            count--;
        kept[count++] = next;
    }
    c->count = count;
}

static int by_slope(const void *a, const void *b)
{
    const struct step *x = a, *y = b;

    if (x->slope != y->slope)
        return x->slope > y->slope ? -1 : 1;
    if (x->field != y->field)
        return x->field < y->field ? -1 : 1;
    return x->to < y->to ? -1 : x->to > y->to;
}

/* The steps from corner to corner of a field's hull, to `step`; returns how many. */
static size_t climb(const struct choices *c, size_t field, struct step *step)
{
    size_t steps = 0;

    for (size_t to = 1; to < c->count; to++) {
        struct step next = {.field = field, .to = to};

        for (;; steps--) { /* what the new step is steeper than is no corner */
            next.slope = slope(&c->choice[steps ? step[steps - 1].to : 0], &c->choice[to]);
            if (!steps || step[steps - 1].slope > next.slope)
                break;
        }
        step[steps++] = next;
    }
    return steps;
}

static uint64_t extra(const struct choices *c, size_t to)
{
    return c->choice[to].bytes - c->choice[c->taken].bytes;
}

static void take_steps(struct choices *field, const struct step *step, size_t steps, uint64_t *left)
{
    for (size_t i = 0; i < steps; i++) {
        struct choices *c = &field[step[i].field];

        if (step[i].to > c->taken && extra(c, step[i].to) <= *left) {
            *left -= extra(c, step[i].to);
            c->taken = step[i].to;
        }
    }
}

/* Whatever still fits and helps most, until nothing does. */
static void take_rest(struct choices *field, size_t fields, uint64_t left)
{
    for (;;) {
        struct choices *best = NULL;
        size_t to = 0;
        double most = 0;

        for (size_t f = 0; f < fields; f++) {
            struct choices *c = &field[f];
            size_t last = c->taken;

            while (last + 1 < c->count && extra(c, last + 1) <= left)
                last++;
            if (c->choice[c->taken].error - c->choice[last].error > most) {
                most = c->choice[c->taken].error - c->choice[last].error;
                best = c;
                to = last;
            }
        }
        if (!best)
            return;
        left -= extra(best, to);
        best->taken = to;
    }
}

enum status choices_take(struct choices *field, size_t fields, uint64_t budget, struct error *e)
{
    size_t steps = 0, room = 0;
    uint64_t least = 0;
    struct step *step;

    for (size_t f = 0; f < fields; f++) {
        choices_prune(&field[f], false);
        field[f].taken = 0;
        room += field[f].count;
        if (__builtin_add_overflow(least, field[f].choice[0].bytes, &least))
            least = UINT64_MAX;
    }
    if (least > budget)
        return ST_OK;
    step = mem_zero(room, sizeof *step);
    if (!step)
        return error_memory(e, "choices");
    for (size_t f = 0; f < fields; f++)
        steps += climb(&field[f], f, step + steps);
    qsort(step, steps, sizeof *step, by_slope);
    budget -= least;
    take_steps(field, step, steps, &budget);
    take_rest(field, fields, budget);
    mem_free(step);
    return ST_OK;
}
