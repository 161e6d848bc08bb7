/* SPDX-License-Identifier: Apache-2.0 */
/* What a push means to the tables of one catalog: its TablePushes are gathered by table, and each
   table's gradients are checked and summed. */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/limits.h"
#include "daemon/push.h"
#include "daemon/push_reason.h"

#define NO_TARGET UINT32_MAX

/* While a push is prepared. */
struct gathering {
    struct push *push;
    const struct update_limits *limits;
    struct update_query *query; /* [request.count] of target 0, then of target 1, … */
    uint32_t *item;             /* [request.count] the places of these in the push */
    size_t *first;              /* [targets + 1] where those of a target begin */
};

static enum status no_room(struct error *e)
{
    return error_memory(e, "the push's tables");
}

static void begin(struct push *p, size_t room)
{
    arena_done(&p->prepared);
    p->prepared.cap = room;
    p->target = NULL;
    p->target_of = NULL;
    p->table = NULL;
    p->targets = 0;
    p->skipped = 0;
}

/* Room for the targets; at most `most` of them. */
static enum status make_targets(struct push *p, size_t most, struct error *e)
{
    p->target = arena_zero(&p->prepared, most, sizeof *p->target);
    p->target_of = arena_alloc(&p->prepared, p->request.count, sizeof *p->target_of);
    p->table = arena_zero(&p->prepared, most, sizeof *p->table);
    return p->target && p->target_of && p->table ? ST_OK : no_room(e);
}

static uint32_t add_target(struct push *p, struct entry *entry)
{
    p->target[p->targets] =
        (struct push_target){.entry = entry, .generation = entry->generation, .life = entry->lsn};
    return (uint32_t)p->targets++;
}

/* Give each TablePush its target, by a table of entries: a message may name thousands of tables a
   million times. */
static enum status find_targets(struct push *p, const struct catalog *c, struct error *e)
{
    size_t count = p->request.count, most = count < c->count ? count : c->count, buckets = 8;
    uint32_t *bucket;

    while (buckets < most * 2)
        buckets *= 2;
    bucket = arena_zero(&p->prepared, buckets, sizeof *bucket);
    if (!bucket || make_targets(p, most, e) != ST_OK)
        return no_room(e);
    for (size_t i = 0; i < count; i++) {
        const struct bytes *name = &p->request.push[i].table;
        struct entry *entry = catalog_find(c, name->data, name->size);
        size_t b;

        p->target_of[i] = NO_TARGET;
        if (!entry)
            continue;
        b = (size_t)hash_bytes(&entry, sizeof entry) & (buckets - 1);
        while (bucket[b] && p->target[bucket[b] - 1].entry != entry)
            b = (b + 1) & (buckets - 1);
        if (!bucket[b])
            bucket[b] = add_target(p, entry) + 1;
        p->target_of[i] = bucket[b] - 1;
    }
    return ST_OK;
}

static struct update_query query_of(const struct table_push *t)
{
    bool packed = t->format != FORMAT_F32;

    return (struct update_query){
        .ids = t->ids.data,
        .id_count = t->ids.size / 8,
        .pooling = t->pooling,
        .offsets = t->offsets.data,
        .offset_count = t->offsets.size / 4,
        .weights = t->weights.data,
        .weight_count = t->weights.size / 4,
        .format = t->format,
        .gradients = packed ? t->packed.data : t->gradients.data,
        .gradient_bytes = packed ? t->packed.size : t->gradients.size,
    };
}

/* Sort the TablePushes by target; those without one are left out. */
static enum status gather(struct gathering *g, struct error *e)
{
    struct push *p = g->push;
    size_t count = p->request.count, *next;

    g->query = arena_alloc(&p->prepared, count, sizeof *g->query);
    g->item = arena_alloc(&p->prepared, count, sizeof *g->item);
    g->first = arena_zero(&p->prepared, p->targets + 1, sizeof *g->first);
    next = arena_alloc(&p->prepared, p->targets, sizeof *next);
    if (!g->query || !g->item || !g->first || !next)
        return no_room(e);
    for (size_t i = 0; i < count; i++)
        if (p->target_of[i] != NO_TARGET)
            g->first[p->target_of[i] + 1]++;
    for (size_t t = 0; t < p->targets; t++) {
        g->first[t + 1] += g->first[t];
        next[t] = g->first[t];
    }
    for (size_t i = 0; i < count; i++) {
        size_t at;

        if (p->target_of[i] == NO_TARGET)
            continue;
        at = next[p->target_of[i]]++;
        g->query[at] = query_of(&p->request.push[i]);
        g->item[at] = (uint32_t)i;
    }
    return ST_OK;
}

/* The sentence begins with the TablePush that it is about. */
static enum status name_item(const struct push *p, size_t i, enum status st, struct error *e)
{
    const struct bytes *name = &p->request.push[i].table;

    return error_prefix(e, st, "pushes[%zu] (table %s)", i, QUOTE_N(name->data, name->size));
}

static enum status check_form(const struct table_push *t, struct error *e)
{
    if (t->format == FORMAT_F32 && t->packed.size)
        return error_set(e, ST_INVALID, "packed with format F32, which goes into gradients");
    if (t->format != FORMAT_F32 && t->gradients.size)
        return error_set(e, ST_INVALID, "gradients with format %u, which goes into packed",
                         t->format);
    return ST_OK;
}

static enum status check_table(const struct entry *entry, struct error *e)
{
    if (!entry->table)
        return error_set(e, ST_DATA_LOSS, "%s", entry->trouble);
    if (!entry->training)
        return error_set(e, ST_PRECONDITION,
                         "the table is read-only: it was registered without an optimizer");
    return ST_OK;
}

static enum status prepare_target(struct gathering *g, size_t t, struct error *e)
{
    struct push *p = g->push;
    struct push_target *target = &p->target[t];
    size_t first = g->first[t], count = g->first[t + 1] - first, at = 0;
    enum status st = check_table(target->entry, e);

    if (st != ST_OK) {
        p->reason = reason_of_status(st);
        return name_item(p, g->item[first], st, e);
    }
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        st = check_form(&p->request.push[g->item[first + i]], e);
        at = i;
    }
    if (st == ST_OK)
        st = update_prepare(&target->update, target->entry->table, g->query + first, count,
                            p->request.missing, g->limits, &p->prepared, &at, e);
    if (st == ST_OK)
        return ST_OK;
    p->reason = reason_of_query(st, &g->query[first + at], target->entry->table);
    return name_item(p, g->item[first + at], st, e);
}

static enum status check_request(struct push *p, const struct limits *limits, struct error *e)
{
    const struct push_request *r = &p->request;

    if (r->has_rate && !isfinite(r->learning_rate)) {
        p->reason = REASON_NOT_FINITE;
        return error_set(e, ST_INVALID, "learning_rate is not finite");
    }
    p->reason = REASON_MALFORMED;
    if (r->has_rate && r->learning_rate < 0)
        return error_set(e, ST_INVALID, "learning_rate is negative");
    if (r->missing > PUSH_SKIP)
        return error_set(e, ST_INVALID, "missing is %u; it must be REFUSE (0) or SKIP (1)",
                         r->missing);
    p->reason = REASON_LIMIT;
    if (r->ids > limits->max_ids)
        return error_set(e, ST_EXHAUSTED, "the push has %llu ids, max_ids is %llu",
                         (unsigned long long)r->ids, (unsigned long long)limits->max_ids);
    return ST_OK;
}

/* All tables in the order of their first TablePush, so that the first bad item is named. */
static enum status prepare_all(struct gathering *g, struct error *e)
{
    struct push *p = g->push;
    size_t seen = 0;
    enum status st;

    for (size_t i = 0; i < p->request.count; i++) {
        if (p->target_of[i] == NO_TARGET) {
            p->reason = reason_of_status(ST_NOT_FOUND);
            return name_item(p, i, error_set(e, ST_NOT_FOUND, "no such table"), e);
        }
        if (p->target_of[i] < seen)
            continue;
        st = prepare_target(g, seen, e);
        if (st != ST_OK)
            return st;
        p->skipped += p->target[seen++].update.skipped;
    }
    return ST_OK;
}

/* Memory is what bounds a push whose pooled gradients are spread over many rows. */
static enum status name_room(struct push *p, const struct limits *limits, enum status st)
{
    char text[sizeof p->error.text];

    if (st != ST_EXHAUSTED || p->reason == REASON_LIMIT)
        return st;
    p->reason = REASON_LIMIT;
    memcpy(text, p->error.text, sizeof text);
    return error_set(&p->error, st, "%s (max_queued_push_bytes is %llu)", text,
                     (unsigned long long)limits->max_queued_push_bytes);
}

void push_prepare(struct push *p, const struct catalog *c, const struct limits *limits, size_t room)
{
    struct update_limits update_limits = {.max_norm = (float)limits->max_gradient_norm};
    struct gathering g = {.push = p, .limits = &update_limits};
    struct error *e = &p->error;

    begin(p, room);
    p->status = check_request(p, limits, e);
    if (p->status != ST_OK)
        return;
    p->reason = NULL;
    p->status = find_targets(p, c, e);
    if (p->status == ST_OK)
        p->status = gather(&g, e);
    if (p->status == ST_OK)
        p->status = prepare_all(&g, e);
    p->status = name_room(p, limits, p->status);
}

enum status push_prepare_one(struct push *p, struct entry *entry, struct error *e)
{
    struct update_limits unlimited = {.max_norm = 0};
    struct gathering g = {.push = p, .limits = &unlimited};
    enum status st;

    begin(p, SIZE_MAX);
    st = make_targets(p, 1, e);
    if (st != ST_OK)
        return st;
    add_target(p, entry);
    for (size_t i = 0; i < p->request.count; i++) {
        const struct bytes *name = &p->request.push[i].table;
        bool same =
            name->size == entry->name_length && !memcmp(name->data, entry->name, name->size);

        p->target_of[i] = same ? 0 : NO_TARGET;
    }
    st = gather(&g, e);
    return st == ST_OK ? prepare_target(&g, 0, e) : st;
}
