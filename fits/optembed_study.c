/* SPDX-License-Identifier: Apache-2.0 */
/* How many rows and columns each field keeps. A first pass offers, for each width, the best rows up
   to every step of a histogram, and the fields' bytes are settled among these; a second one finds
   each field's best width for its bytes. One thread. */
#include "fits/optembed.h"

#include "base/memory.h"
#include "fits/allocate.h"
#include "fits/energy.h"
#include "methods/optembed.h"

#define PRUNE_AT 16384 /* choices, before those that cannot be taken are left out */

static uint64_t full_bytes(const struct plan *part)
{
    return part->rows * part->dim * sizeof(float);
}

static enum status offer(struct choices *c, const struct plan *part, const struct energy *x,
                         struct error *e)
{
    uint64_t index = optembed_bitmap(part->rows);
    enum status st = choices_add(c, (struct choice){.bytes = full_bytes(part)}, e);

    if (st == ST_OK && index < full_bytes(part))
        st = choices_add(c, (struct choice){.bytes = index, .error = x->total, .width = 1}, e);
    for (size_t i = 0; i < x->widths; i++) {
        double held = 0;
        uint64_t kept = 0;

        for (size_t b = ENERGY_BUCKETS; st == ST_OK && b-- > 0;) {
            struct choice next = {.width = x->width[i]};

            held += x->sum[i][b];
            kept += x->count[i][b];
            next.kept = kept;
            next.bytes = index + kept * next.width * sizeof(float);
            next.error = x->total > held ? x->total - held : 0;
            if (x->count[i][b] && next.bytes < full_bytes(part))
                st = choices_add(c, next, e);
        }
        if (c->count > PRUNE_AT)
            choices_prune(c, true);
    }
    choices_prune(c, true);
    return st;
}

/* The part's rows as a fit of their own; the pass over all fields is the share [from, to]. */
static void part_of(struct fit_part *own, const struct fit *fit, const struct layout *l, size_t i,
                    double from, double to)
{
    double rows = fit->rows ? (double)fit->rows : 1, each = (to - from) / rows;
    uint64_t first = l->per_field ? l->fields.first[i] : 0;

    fit_part_init(own, fit, first, l->part[i].rows, from + each * (double)first,
                  from + each * (double)(first + l->part[i].rows));
}

/* The number of rows and columns that hold the most in so many bytes. */
static enum status settle(struct plan *part, const struct energy *x, uint64_t bytes,
                          struct error *e)
{
    uint64_t floats = (bytes - optembed_bitmap(part->rows)) / sizeof(float), kept = 0;
    uint32_t width = 1;
    double most = -1;
    enum status st;

    for (size_t i = 0; i < x->widths; i++) {
        uint64_t rows = floats / x->width[i] < part->rows ? floats / x->width[i] : part->rows;
        double held = energy_of(x, i, rows);

        if (held > most) {
            most = held;
            kept = rows;
            width = x->width[i];
        }
    }
    if ((st = plan_size(part, "K", kept, e)) != ST_OK)
        return st;
    return plan_size(part, "W", width, e);
}

/* What the choices leave of the budget goes to the field that gains the most by its next step. */
static void give_rest(struct choices *field, size_t fields, uint64_t budget)
{
    struct choice *taken, *next, *best = NULL;
    double gain, most = 0;

    for (size_t f = 0; f < fields; f++) {
        taken = &field[f].choice[field[f].taken];
        if (taken->bytes > budget)
            return;
        budget -= taken->bytes;
    }
    for (size_t f = 0; f < fields; f++) {
        taken = &field[f].choice[field[f].taken];
        next = taken + 1;
        if (!taken->width || field[f].taken + 1 == field[f].count)
            continue;
        gain = (taken->error - next->error) / (double)(next->bytes - taken->bytes);
        if (gain > most) {
            most = gain;
            best = taken;
        }
    }
    if (best)
        best->bytes += budget;
}

static enum status study_fields(const struct fit *fit, struct layout *l, struct energy *x,
                                struct choices *c, struct error *e)
{
    enum status st = ST_OK;
    struct fit_part own;

    for (size_t i = 0; st == ST_OK && i < l->part_count; i++) {
        part_of(&own, fit, l, i, 0, 0.5);
        st = energy_find(x, &own.fit, e);
        st = st == ST_OK ? offer(&c[i], &l->part[i], x, e) : error_prefix(e, st, "field %zu", i);
    }
    if (st == ST_OK)
        st = choices_take(c, l->part_count, l->budget, e);
    if (st == ST_OK)
        give_rest(c, l->part_count, l->budget);
    for (size_t i = 0; st == ST_OK && i < l->part_count; i++) {
        const struct choice *taken = &c[i].choice[c[i].taken];

        if (!taken->width) {
            layout_full(l, i);
            continue;
        }
        part_of(&own, fit, l, i, 0.5, 1);
        if ((st = energy_find(x, &own.fit, e)) == ST_OK)
            st = settle(&l->part[i], x, taken->bytes, e);
    }
    return st;
}

enum status optembed_study(const struct fit *fit, struct layout *l, struct error *e)
{
    const struct value *form = &l->part[0].value[OPTEMBED_FORM];
    struct energy x = {.widths = 0};
    struct choices *c;
    enum status st;

    if (!l->budget || (form->set && form->i == OPTEMBED_REMAP_FORM))
        return ST_OK;
    if (!l->per_field) {
        /* A budget for less than one number is refused by the plan. */
        if (l->budget < optembed_bitmap(l->rows) + sizeof(float))
            return ST_OK;
        if ((st = energy_find(&x, fit, e)) == ST_OK)
            st = settle(&l->part[0], &x, l->budget, e);
        energy_done(&x);
        return st;
    }
    c = mem_zero(l->part_count, sizeof *c);
    if (!c)
        return error_memory(e, "choices");
    st = study_fields(fit, l, &x, c, e);
    for (size_t i = 0; i < l->part_count; i++)
        choices_done(&c[i]);
    mem_free(c);
    energy_done(&x);
    return st;
}
