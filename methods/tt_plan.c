/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes of a tensor train and the ranks that a budget allows. Shapes follow the authors' rules in
   integers, since cube roots in floating point miss cubes. */
#include "methods/tt.h"

#include <string.h>

#include "base/memory.h"

#define RANK_MOST 1000  /* that a plan chooses by itself, as the authors' solver */
#define RANK_NATURAL 32 /* without a budget */

/* a^times * b >= n, without overflow */
static bool reaches(uint64_t a, int times, uint64_t b, uint64_t n)
{
    while (times--)
        if (__builtin_mul_overflow(b, a, &b))
            return true;
    return b >= n;
}

/* The smallest a >= 1 with a^times * b >= n. */
static uint64_t root_up(uint64_t n, int times, uint64_t b)
{
    uint64_t low = 1, high = (uint64_t)1 << 32;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (reaches(middle, times, b, n))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Three nearly equal factors whose product reaches n, the smallest first. */
static void split_rows(uint64_t n, uint64_t out[3])
{
    out[2] = root_up(n, 3, 1);
    out[1] = root_up(n, 2, out[2]);
    out[0] = n ? (n - 1) / out[2] / out[1] + 1 : 1; /* ceil(n / (out[2] out[1])) */
}

static uint64_t divisor_below(uint64_t n, uint64_t most)
{
    while (n % most)
        most--;
    return most;
}

static void sort(uint64_t x[3])
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 2; j++)
            if (x[j] > x[j + 1]) {
                uint64_t kept = x[j];

                x[j] = x[j + 1];
                x[j + 1] = kept;
            }
}

/* The factors of D as the authors' layer takes them. Where D has none that are near each other it
   is rounded up to a product that has, as their decomposition does with every D. */
static void split_columns(uint64_t dim, uint64_t out[3])
{
    uint64_t padded[3];

    if (dim >= 8 && (dim & (dim - 1)) == 0) {
        out[0] = out[1] = out[2] = 2;
        for (int at = 2; out[0] * out[1] * out[2] < dim; at = at ? at - 1 : 2)
            out[at] *= 2;
        return;
    }
    out[0] = divisor_below(dim, root_up(dim, 3, 1));
    out[1] = divisor_below(dim / out[0], root_up(dim / out[0], 2, 1));
    out[2] = dim / out[0] / out[1];
    sort(out);
    split_rows(dim, padded);
    if (out[2] > 2 * padded[2])
        memcpy(out, padded, sizeof padded);
}

static enum status set_list(struct value *v, const uint64_t *from, size_t n, struct error *e)
{
    if (v->set && v->n == n) {
        for (size_t i = 0; i < n; i++)
            v->list[i] = (int64_t)from[i];
        return ST_OK;
    }
    v->list = mem_zero(n, sizeof *v->list);
    if (!v->list)
        return error_memory(e, "a list of settings");
    v->set = true;
    v->n = n;
    for (size_t i = 0; i < n; i++)
        v->list[i] = (int64_t)from[i];
    return ST_OK;
}

enum status tt_plan_shape(struct plan *plan, struct error *e)
{
    struct value *v = plan->value;
    uint64_t split[3];
    enum status st;

    if ((st = tt_settings_check(v, plan->rows, plan->dim, e)) != ST_OK)
        return st;
    plan_choose(plan, TT_DIGIT_ORDER, TT_LITTLE);
    split_rows(plan->rows, split);
    if (!v[TT_N].set && (st = set_list(&v[TT_N], split, 3, e)) != ST_OK)
        return st;
    split_columns(plan->dim, split);
    return v[TT_D].set ? ST_OK : set_list(&v[TT_D], split, 3, e);
}

enum status tt_plan_ranks(struct plan *plan, uint64_t r1, uint64_t r2, struct error *e)
{
    uint64_t r[4] = {1, r1, r2, 1};

    return set_list(&plan->value[TT_R], r, 4, e);
}

/* The shape of a plan whose shape is settled, with both ranks `r`. */
static struct tt_shape shape_at(const struct plan *plan, uint64_t r)
{
    const struct value *v = plan->value;
    struct tt_shape s = {.r = {1, r, r, 1}, .big = v[TT_DIGIT_ORDER].i == TT_BIG};

    for (unsigned t = 0; t < 3; t++) {
        s.n[t] = (uint64_t)v[TT_N].list[t];
        s.d[t] = (uint64_t)v[TT_D].list[t];
    }
    return s;
}

void tt_cut_ranks(struct tt_shape *s)
{
    uint64_t most = s->n[0] > TT_RANK_MAX ? TT_RANK_MAX : s->n[0] * s->d[0];

    s->r[1] = s->r[1] < most ? s->r[1] : most;
    most = s->n[2] > TT_RANK_MAX ? TT_RANK_MAX : s->n[2] * s->d[2];
    s->r[2] = s->r[2] < most ? s->r[2] : most;
    most = s->n[1] > TT_RANK_MAX ? TT_RANK_MAX : s->r[1] * s->n[1] * s->d[1];
    s->r[2] = s->r[2] < most ? s->r[2] : most;
}

static struct tt_shape cut_at(const struct plan *plan, uint64_t r)
{
    struct tt_shape s = shape_at(plan, r);

    tt_cut_ranks(&s);
    return s;
}

/* The largest common rank within `limit` floats, cut where it says nothing more; 0 if there is
 * none.
 */
static uint64_t largest_rank(const struct plan *plan, uint64_t limit, uint64_t most)
{
    uint64_t low = 0, high = most;

    while (low < high) {
        uint64_t middle = high - (high - low) / 2;
        struct tt_shape s = cut_at(plan, middle);

        if (tt_floats(&s) <= limit && tt_work(&s) <= TT_WORK_MAX)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static uint64_t bytes_of(uint64_t floats)
{
    return floats > UINT64_MAX / sizeof(float) ? UINT64_MAX : floats * sizeof(float);
}

/* Free sizes of the tensors, from the settings. */
static enum status sizes(struct plan *plan, struct error *e)
{
    struct tt_shape s = tt_shape(plan->value);
    char name[3] = "N0";
    enum status st;

    for (unsigned t = 0; t < 3; t++) {
        name[0] = 'N';
        name[1] = (char)('0' + t);
        if ((st = plan_size(plan, name, s.n[t], e)) != ST_OK)
            return st;
        name[0] = 'W';
        if ((st = plan_size(plan, name, s.r[t] * s.d[t] * s.r[t + 1], e)) != ST_OK)
            return st;
    }
    return ST_OK;
}

enum status tt_plan(struct plan *plan, struct error *e)
{
    uint64_t full, r;
    struct tt_shape s;
    enum status st;

    if ((st = tt_plan_shape(plan, e)) != ST_OK)
        return st;
    if (__builtin_mul_overflow(plan->rows, (uint64_t)plan->dim, &full))
        full = UINT64_MAX;
    if (!plan->value[TT_R].set) {
        if (plan->budget) {
            r = largest_rank(plan, plan->budget / sizeof(float), RANK_MOST);
        } else { /* no larger than the table itself, where that can be had */
            r = largest_rank(plan, full ? full - 1 : 0, RANK_NATURAL);
            r = r ? r : 1;
        }
        if (!r) {
            s = cut_at(plan, 1);
            return plan_refuse(plan, bytes_of(tt_floats(&s)), e);
        }
        s = cut_at(plan, r);
        if ((st = tt_plan_ranks(plan, s.r[1], s.r[2], e)) != ST_OK)
            return st;
    }
    if ((st = tt_settings_check(plan->value, plan->rows, plan->dim, e)) != ST_OK)
        return st;
    return sizes(plan, e);
}

/* Floats of a field if it is not cut down: what the authors count. */
static uint64_t full_floats(const struct plan *part)
{
    return part->rows * part->dim; /* layout_open() saw that this can be counted */
}

/* Floats of all fields at a common rank: a field is full where that is not larger. The sum is that
   of the authors, who do not cut ranks, so that their choice is met; what is cut stays unused. */
static uint64_t total_at(const struct layout *l, uint64_t r)
{
    uint64_t total = 0;

    for (size_t i = 0; i < l->part_count; i++) {
        const struct plan *part = &l->part[i];
        uint64_t floats = full_floats(part), own = floats;

        if (part->method == l->method) {
            struct tt_shape s = part->value[TT_R].set ? tt_shape(part->value) : shape_at(part, r);

            own = tt_floats(&s);
        }
        total += own < floats ? own : floats;
    }
    return total;
}

/* Whether a row of any field would cost too much. */
static bool too_costly(const struct layout *l, uint64_t r)
{
    for (size_t i = 0; i < l->part_count; i++)
        if (l->part[i].method == l->method && !l->part[i].value[TT_R].set) {
            struct tt_shape s = cut_at(&l->part[i], r);

            if (tt_work(&s) > TT_WORK_MAX)
                return true;
        }
    return false;
}

enum status tt_share(struct layout *l, struct error *e)
{
    uint64_t limit = l->budget / sizeof(float), low = 0, high = RANK_MOST;
    enum status st = ST_OK;

    for (size_t i = 0; i < l->part_count; i++)
        if (l->part[i].method == l->method && (st = tt_plan_shape(&l->part[i], e)) != ST_OK)
            return error_prefix(e, st, "field %zu", i);
    while (low < high) {
        uint64_t middle = high - (high - low) / 2;

        if (total_at(l, middle) <= limit && !too_costly(l, middle))
            low = middle;
        else
            high = middle - 1;
    }
    if (!low)
        return layout_refuse(l, bytes_of(total_at(l, 1)), e);
    for (size_t i = 0; st == ST_OK && i < l->part_count; i++) {
        struct plan *part = &l->part[i];
        struct tt_shape s;

        if (part->method != l->method || part->value[TT_R].set)
            continue;
        s = shape_at(part, low);
        if (tt_floats(&s) >= full_floats(part)) {
            layout_full(l, i);
            continue;
        }
        tt_cut_ranks(&s);
        st = tt_plan_ranks(part, s.r[1], s.r[2], e);
    }
    return st;
}

double tt_author_words(const struct plan *plan)
{
    struct tt_shape s = tt_shape(plan->value);
    double words = 0;

    for (unsigned t = 0; t < 3; t++)
        words += (double)tt_core_floats(&s, t);
    return words;
}
