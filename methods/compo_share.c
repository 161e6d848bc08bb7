/* SPDX-License-Identifier: Apache-2.0 */
/* One R for all fields, as the authors have it: the smallest one within the budget. A field stays
   full where its two tables would not be smaller. Below what one R can reach, a field whose own
   best R is smaller than the common one takes its own. One thread. */
#include "methods/compo.h"

#include "base/memory.h"

#define TRIALS ((uint64_t)1 << 26) /* an R and a field: well below a second */

struct field {
    struct compo_sizes sizes;
    uint64_t full; /* floats */
    uint64_t best; /* the R that needs the least */
};

struct sharing {
    struct field *field;
    size_t count;
    uint64_t limit; /* floats */
    bool own;       /* no field goes beyond its own best R */
};

static uint64_t collisions_of(const struct sharing *s, const struct field *f, uint64_t common)
{
    return s->own && f->best < common ? f->best : common;
}

/* Floats of a field, full or not. */
static uint64_t field_floats(const struct sharing *s, const struct field *f, uint64_t common)
{
    uint64_t own = compo_floats(&f->sizes, collisions_of(s, f, common));

    return own < f->full ? own : f->full;
}

static uint64_t total(const struct sharing *s, uint64_t common)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < s->count; i++)
        if (__builtin_add_overflow(sum, field_floats(s, &s->field[i], common), &sum))
            return UINT64_MAX;
    return sum;
}

/* The smallest R for all within the limit, 0 if there is none. No R below `low` can do: a field
   needs at least its share 1/R of rows. */
static uint64_t one_for_all(const struct sharing *s, uint64_t most)
{
    double rows = 0;
    uint64_t low;

    for (size_t i = 0; i < s->count; i++)
        rows += (double)s->field[i].sizes.rows * (double)s->field[i].sizes.q_dim;
    rows = rows / ((double)s->limit + 1) * (1 - 1e-9);
    low = rows >= (double)most ? most : rows >= 1 ? (uint64_t)rows : 1;
    if ((most - low) / TRIALS || (most - low) * s->count > TRIALS)
        return 0;
    for (uint64_t r = low; r <= most; r++)
        if (total(s, r) <= s->limit)
            return r;
    return 0;
}

/* The same with fields that have an R of their own, so that more never costs more but for rounding;
   `most` is known to do. */
static uint64_t each_its_own(const struct sharing *s, uint64_t most)
{
    uint64_t low = 0, high = most;

    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;

        if (total(s, middle) <= s->limit)
            high = middle;
        else
            low = middle;
    }
    return high;
}

static void apply(struct layout *l, const struct sharing *s, uint64_t common)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct field *f = &s->field[i];
        uint64_t collisions = collisions_of(s, f, common), floats;

        floats = compo_floats(&f->sizes, collisions);
        if (floats >= f->full) {
            layout_full(l, i);
        } else {
            plan_choose(&l->part[i], COMPO_COLLISIONS, (int64_t)collisions);
            l->part[i].budget = floats * sizeof(float);
        }
    }
}

static enum status look(struct layout *l, struct sharing *s, uint64_t *most, struct error *e)
{
    *most = 1;
    for (size_t i = 0; i < s->count; i++) {
        struct field *f = &s->field[i];
        enum status st = compo_sizes(&l->part[i], &f->sizes, e);

        if (st != ST_OK)
            return st;
        f->full = l->part[i].rows * l->dim;
        compo_fewest_floats(&f->sizes, &f->best);
        *most = f->best > *most ? f->best : *most;
    }
    return ST_OK;
}

enum status compo_share(struct layout *l, struct error *e)
{
    struct sharing s = {.count = l->part_count, .limit = l->budget / sizeof(float)};
    const struct value *chosen = &l->part[0].value[COMPO_COLLISIONS];
    uint64_t most, common, need;
    enum status st;

    s.field = mem_zero(s.count, sizeof *s.field);
    if (!s.field)
        return error_memory(e, "plan");
    if ((st = look(l, &s, &most, e)) != ST_OK)
        goto out;
    if (chosen->set) {
        common = most = (uint64_t)chosen->i;
    } else if (!(common = one_for_all(&s, most))) {
        s.own = true;
        common = most;
    }
    if ((need = total(&s, common)) > s.limit) {
        st = layout_refuse(l, need > UINT64_MAX / sizeof(float) ? UINT64_MAX : need * sizeof(float),
                           e);
        goto out;
    }
    apply(l, &s, s.own ? each_its_own(&s, most) : common);
out:
    mem_free(s.field);
    return st;
}
