/* SPDX-License-Identifier: Apache-2.0 */
/* Preparing an update: hold the queries against their rules, resolve ids, give each different row
   its place, lay the places out part by part. The summing is in update_sum.c. All memory is the
   caller's arena; any thread. */
#include "table/update.h"

#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "table/part.h"
#include "table/update_sum.h"

static enum status no_room(struct error *e)
{
    return error_set(e, ST_EXHAUSTED, "the push needs more memory than it may take");
}

static struct bags bags_of(const struct update_query *q)
{
    return (struct bags){.ids = q->ids,
                         .id_count = q->id_count,
                         .pooling = q->pooling,
                         .offsets = q->offsets,
                         .offset_count = q->offset_count,
                         .weights = q->weights,
                         .weight_count = q->weight_count};
}

/* ---- Rules ---- */

static enum status check_gradients(const struct summing *s, struct source *from, struct error *e)
{
    const struct update_query *q = from->query;
    size_t rows = bags_rows(&from->bags), width = q->format == FORMAT_F32 ? 4 : 2, need, at;

    if (q->gradient_bytes % width)
        return error_set(e, ST_INVALID, "%zu bytes of gradients are no whole number of %s",
                         q->gradient_bytes,
                         q->format == FORMAT_F32   ? "F32"
                         : q->format == FORMAT_F16 ? "F16"
                                                   : "BF16");
    if (!size_mul(rows, s->dim, &need) || q->gradient_bytes / width != need)
        return error_set(
            e, ST_INVALID, "%zu gradients for %zu %s of %zu columns; there must be one a column",
            q->gradient_bytes / width, rows, q->pooling == POOLING_NONE ? "ids" : "bags", s->dim);
    from->modest = gradients_modest(q->gradients, rows, s->dim, q->format, s->max_norm);
    at = from->modest ? need : gradients_check(q->gradients, need, q->format);
    if (at < need)
        return error_set(e, ST_INVALID, "gradients[%zu] is not finite", at);
    return ST_OK;
}

static enum status check_source(const struct summing *s, struct source *from, struct error *e)
{
    enum status st;

    /* As unsigned: it comes from a peer and may be anything. */
    if ((unsigned)from->query->format > FORMAT_BF16)
        return error_set(e, ST_INVALID,
                         "format is %u; gradients must be F32 (0), F16 (1) or BF16 (2)",
                         (unsigned)from->query->format);
    st = bags_check(&from->bags, e);
    return st == ST_OK ? check_gradients(s, from, e) : st;
}

static enum status check_missing(enum push_missing missing, struct error *e)
{
    if ((unsigned)missing <= PUSH_ADMIT)
        return ST_OK;
    return error_set(e, ST_INVALID, "missing is %u; it must be REFUSE (0), SKIP (1) or ADMIT (2)",
                     (unsigned)missing);
}

/* Whether unknown ids need not be refused. */
static bool admits(const struct summing *s, enum push_missing missing)
{
    return missing != PUSH_ADMIT || s->t->grows;
}

static enum status refuse(const struct summing *s, const struct source *from,
                          enum push_missing missing, size_t i, struct error *e)
{
    enum status st = bags_refuse_id(&from->bags, s->t, i, e);

    if (missing != PUSH_ADMIT)
        return st;
    return error_set(e, ST_PRECONDITION,
                     "%s, and the table does not grow: it has no tensor \"touched\"", e->text);
}

static enum status resolve(struct summing *s, struct source *from, enum push_missing missing,
                           struct error *e)
{
    size_t n = from->bags.id_count, unknown;

    from->row = arena_alloc(s->arena, n, sizeof *from->row);
    if (!from->row)
        return no_room(e);
    unknown = table_resolve(s->t, from->bags.ids, n, from->row);
    for (size_t i = 0; unknown && (missing == PUSH_REFUSE || !admits(s, missing)); i++)
        if (from->row[i] == ROW_UNKNOWN)
            return refuse(s, from, missing, i, e);
    s->u->skipped += unknown;
    s->u->ids += n;
    /* Places are numbers of 32 bits, like the positions of ids. */
    if (s->u->ids >= UINT32_MAX)
        return error_set(e, ST_INVALID, "%llu ids in all are more than 32 bits can count",
                         (unsigned long long)s->u->ids);
    return ST_OK;
}

/* ---- Places ---- */

/* The place of a row: the next one if it was not seen before. */
static uint32_t place_of(struct summing *s, uint64_t row)
{
    size_t b = hash_number(&s->secret, row) & s->last_bucket;

    while (s->bucket[b]) {
        uint32_t place = s->bucket[b] - 1;

        if (s->row[place] == row) {
            s->repeats += !s->again[place];
            s->again[place] = true;
            return place;
        }
        b = (b + 1) & s->last_bucket;
    }
    s->row[s->rows++] = row;
    if (s->times)
        s->times[s->rows - 1] = 0;
    s->bucket[b] = (uint32_t)s->rows;
    return s->bucket[b] - 1;
}

/* The row that stands for an unknown id: the next one if it was not seen before. */
static uint64_t fresh_row(struct summing *s, const struct source *from, size_t i)
{
    struct update *u = s->u;
    size_t b;
    int64_t key;

    memcpy(&key, (const unsigned char *)from->bags.ids + i * sizeof key, sizeof key);
    for (b = hash_number(&s->secret, (uint64_t)key) & s->last_fresh; s->fresh_bucket[b];
         b = (b + 1) & s->last_fresh) {
        struct update_fresh *f = &u->fresh[s->fresh_bucket[b] - 1];

        if (f->key != key)
            continue;
        f->times++;
        return s->t->rows + (s->fresh_bucket[b] - 1);
    }
    u->fresh[u->fresh_count++] = (struct update_fresh){key, 1, ROW_UNKNOWN};
    s->fresh_bucket[b] = (uint32_t)u->fresh_count;
    return s->t->rows + (u->fresh_count - 1);
}

static void count_bags(struct summing *s, const struct source *from)
{
    struct bag_run run = {0};

    while (bag_run_next(&run, s, from))
        s->bag_start[run.part + 1]++;
}

/* Rows become places; those that their bags take become unknown. */
static enum status place(struct summing *s, struct source *from, struct error *e)
{
    if (s->pool_first && from->bags.pooling != POOLING_NONE) {
        from->group = bags_group(&from->bags, s->t, from->row, s->arena);
        if (!from->group)
            return no_room(e);
        count_bags(s, from);
    }
    for (size_t i = 0; i < from->bags.id_count; i++) {
        if (from->row[i] == ROW_UNKNOWN && s->fresh_bucket)
            from->row[i] = fresh_row(s, from, i);
        if (from->row[i] == ROW_UNKNOWN)
            continue;
        if (from->group && s->t->part[table_part(s->t, from->row[i])].pool_first)
            from->row[i] = ROW_UNKNOWN;
        else
            from->row[i] = place_of(s, from->row[i]);
        if (s->times && from->row[i] != ROW_UNKNOWN)
            s->times[from->row[i]]++;
    }
    return ST_OK;
}

/* Room for the unknown ids of a table that grows. */
static enum status expect_fresh(struct summing *s, struct error *e)
{
    size_t most = (size_t)s->u->skipped, buckets = 2;

    while (buckets < most * 2)
        buckets *= 2;
    s->u->fresh = arena_alloc(s->arena, most, sizeof *s->u->fresh);
    s->u->admitted_key = arena_alloc(s->arena, most, sizeof *s->u->admitted_key);
    s->u->admitted_row = arena_alloc(s->arena, most, sizeof *s->u->admitted_row);
    s->fresh_bucket = arena_zero(s->arena, buckets, sizeof *s->fresh_bucket);
    s->last_fresh = buckets - 1;
    return s->u->fresh && s->u->admitted_key && s->u->admitted_row && s->fresh_bucket ? ST_OK
                                                                                      : no_room(e);
}

static enum status place_all(struct summing *s, enum push_missing missing, struct error *e)
{
    size_t most = (size_t)s->u->ids, buckets = 2;
    enum status st = ST_OK;

    s->secret = hash_secret();
    if (missing == PUSH_ADMIT && s->u->skipped)
        st = expect_fresh(s, e);
    else if (most > s->t->rows)
        most = (size_t)s->t->rows;
    while (buckets < most * 2)
        buckets *= 2;
    s->row = arena_alloc(s->arena, most, sizeof *s->row);
    s->times = s->t->frequency ? arena_alloc(s->arena, most, sizeof *s->times) : NULL;
    s->again = arena_zero(s->arena, most, sizeof *s->again);
    s->bucket = arena_zero(s->arena, buckets, sizeof *s->bucket);
    s->row_start = arena_zero(s->arena, s->t->part_count + 1, sizeof *s->row_start);
    s->bag_start = arena_zero(s->arena, s->t->part_count + 1, sizeof *s->bag_start);
    if (st != ST_OK || !s->row || (s->t->frequency && !s->times) || !s->again || !s->bucket ||
        !s->row_start || !s->bag_start)
        return no_room(e);
    s->last_bucket = buckets - 1;
    for (size_t i = 0; st == ST_OK && i < s->sources; i++)
        st = place(s, &s->source[i], e);
    return st;
}

/* Sort places by part, and make the rows' numbers local to it. */
static enum status lay_out(struct summing *s, struct error *e)
{
    const struct table *t = s->t;
    uint64_t *local;
    size_t *next;

    if (t->part_count == 1) {
        s->row_start[1] = s->rows;
        s->local = s->row;
        s->slot_times = s->times;
        return ST_OK;
    }
    local = arena_alloc(s->arena, s->rows, sizeof *local);
    next = arena_alloc(s->arena, t->part_count, sizeof *next);
    s->slot = arena_alloc(s->arena, s->rows, sizeof *s->slot);
    s->slot_times = s->times ? arena_alloc(s->arena, s->rows, sizeof *s->times) : NULL;
    if (!local || !next || !s->slot || (s->times && !s->slot_times))
        return no_room(e);
    for (size_t i = 0; i < s->rows; i++)
        s->row_start[table_part(t, s->row[i]) + 1]++;
    for (size_t k = 0; k < t->part_count; k++) {
        s->row_start[k + 1] += s->row_start[k];
        s->bag_start[k + 1] += s->bag_start[k];
        next[k] = s->row_start[k];
    }
    for (size_t i = 0; i < s->rows; i++) {
        size_t part = table_part(t, s->row[i]);

        s->slot[i] = (uint32_t)next[part]++;
        local[s->slot[i]] = s->row[i] - t->part_first[part];
        if (s->times)
            s->slot_times[s->slot[i]] = s->times[i];
    }
    s->local = local;
    return ST_OK;
}

/* What the caller gets: the parts that have anything. */
static enum status list_parts(struct summing *s, struct error *e)
{
    struct update *u = s->u;
    size_t parts = 0;

    for (size_t k = 0; k < s->t->part_count; k++)
        parts += s->row_start[k] < s->row_start[k + 1] || s->bag_start[k] < s->bag_start[k + 1];
    u->part = arena_alloc(s->arena, parts, sizeof *u->part);
    if (!u->part)
        return no_room(e);
    for (size_t k = 0; k < s->t->part_count; k++) {
        size_t row = s->row_start[k], bag = s->bag_start[k];
        const struct update_part part = {.part = k,
                                         .row = s->local + row,
                                         .gradient = s->sum + row * s->dim,
                                         .times = s->times ? s->slot_times + row : NULL,
                                         .rows = s->row_start[k + 1] - row,
                                         .bag = s->bag + bag,
                                         .bags = s->bag_start[k + 1] - bag};

        if (part.rows || part.bags)
            u->part[u->parts++] = part;
        u->rows += part.rows;
        for (size_t i = 0; i < part.bags; i++)
            u->rows += part.bag[i].n;
    }
    return ST_OK;
}

static enum status prepare(struct summing *s, enum push_missing missing, size_t *at,
                           struct error *e)
{
    enum status st = check_missing(missing, e);

    for (*at = 0; st == ST_OK && *at < s->sources; ++*at) {
        st = check_source(s, &s->source[*at], e);
        if (st == ST_OK)
            st = resolve(s, &s->source[*at], missing, e);
        if (st != ST_OK)
            return st;
    }
    *at = 0;
    if (st == ST_OK)
        st = place_all(s, missing, e);
    if (st == ST_OK)
        st = lay_out(s, e);
    if (st == ST_OK && !sum_all(s))
        st = no_room(e);
    if (st == ST_OK)
        st = sum_check(s, at, e);
    if (st == ST_OK)
        st = list_parts(s, e);
    return st;
}

enum status update_prepare(struct update *out, const struct table *t,
                           const struct update_query *query, size_t count,
                           enum push_missing missing, const struct update_limits *limits,
                           struct arena *arena, size_t *at, struct error *e)
{
    struct update u = {.table = t};
    struct summing s = {.u = &u,
                        .t = t,
                        .dim = t->dim,
                        .arena = arena,
                        .max_norm = limits->max_norm,
                        .pool_first = bags_pool_first(t),
                        .sources = count};
    enum status st;

    *at = 0;
    s.source = arena_zero(arena, count, sizeof *s.source);
    if (!s.source)
        return no_room(e);
    for (size_t i = 0; i < count; i++) {
        s.source[i].query = &query[i];
        s.source[i].bags = bags_of(&query[i]);
    }
    st = prepare(&s, missing, at, e);
    if (st == ST_OK)
        *out = u;
    return st;
}

void update_settle(struct update *u)
{
    struct update_part *part = u->part; /* a table that grows has one */
    size_t dim = u->table->dim, kept = 0;

    if (!u->fresh_count)
        return;
    for (size_t i = 0; i < u->fresh_count; i++)
        if (u->fresh[i].row != ROW_UNKNOWN)
            u->skipped -= u->fresh[i].times;
    for (size_t i = 0; i < part->rows; i++) {
        uint64_t *row = (uint64_t *)(uintptr_t)part->row;
        float *gradient = (float *)(uintptr_t)part->gradient;
        uint64_t to = row[i];

        if (to >= u->table->rows)
            to = u->fresh[to - u->table->rows].row;
        if (to == ROW_UNKNOWN)
            continue;
        row[kept] = to;
        if (part->times)
            ((uint32_t *)(uintptr_t)part->times)[kept] = part->times[i];
        if (kept < i)
            memcpy(gradient + kept * dim, gradient + i * dim, dim * sizeof *gradient);
        kept++;
    }
    u->rows -= part->rows - kept;
    part->rows = kept;
    u->parts = kept > 0;
    u->fresh_count = 0;
}
