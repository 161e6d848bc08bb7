/* SPDX-License-Identifier: Apache-2.0 */
/* What a push means to the tables of one catalog: each table's gradients are checked and summed. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "daemon/counters.h"
#include "daemon/limits.h"
#include "daemon/push.h"
#include "daemon/push_reason.h"

static const struct bytes *name_of(const struct push *p, size_t target)
{
    return &p->request.push[p->item[p->first[target]]].table;
}

/* The sentence begins with the TablePush that it is about. */
static enum status name_item(const struct push *p, size_t i, enum status st, struct error *e)
{
    const struct bytes *name = &p->request.push[i].table;

    return error_prefix(e, st, "pushes[%zu] (table %s)", i, QUOTE_N(name->data, name->size));
}

static void set_target(struct push *p, size_t t, struct entry *entry)
{
    p->target[t] = (struct push_target){.entry = entry, .slot = SLOT_NONE};
    if (!entry)
        return;
    p->target[t].generation = entry->generation;
    p->target[t].life = entry->lsn;
    p->target[t].slot = entry->slot;
}

static enum status begin(struct push *p, size_t room, struct error *e)
{
    arena_done(&p->prepared);
    p->prepared.cap = room;
    p->skipped = p->admitted = p->growths = 0;
    p->stale = false;
    p->target = arena_zero(&p->prepared, p->targets, sizeof *p->target);
    p->table = arena_zero(&p->prepared, p->targets, sizeof *p->table);
    p->growth = arena_alloc(&p->prepared, p->targets, sizeof *p->growth);
    return p->target && p->table && p->growth ? ST_OK : error_memory(e, "the push's tables");
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
    if (!entry)
        return error_set(e, ST_NOT_FOUND, "no such table");
    if (!entry->table)
        return error_set(e, ST_DATA_LOSS, "%s", entry->trouble);
    if (table_damaged(entry->table))
        return error_set(e, ST_DATA_LOSS, "the file %s was damaged while it was opened",
                         QUOTE(entry->table->path));
    if (!entry->training)
        return error_set(e, ST_PRECONDITION,
                         "the table is read-only: it was registered without an optimizer");
    return ST_OK;
}

/* Who prepares: a worker, who has to be let in, or the writer. */
#define WRITER UINT_MAX

/* A push of so many ids holds nobody up while it is prepared. */
#define BRIEF_IDS 4096

static enum status prepare_update(struct push *p, size_t t, const struct update_limits *limits,
                                  unsigned who, size_t *at, struct error *e)
{
    size_t first = p->first[t], count = p->first[t + 1] - first;
    struct push_target *target = &p->target[t];
    struct entry *entry = target->entry;
    bool inside = entry->table->grows && who != WRITER, stays = p->request.ids > BRIEF_IDS;
    enum status st;

    if (inside && !gate_enter(&entry->gate, who, stays)) {
        p->stale = true;
        return ST_OK;
    }
    if (entry->table->grows) {
        target->admissions = entry->table->admissions;
        target->evictions = entry->table->evictions;
    }
    st = update_prepare(&target->update, entry->table, p->query + first, count, p->request.missing,
                        limits, &p->prepared, at, e);
    if (inside)
        gate_leave(&entry->gate, who, stays);
    return st;
}

static enum status prepare_target(struct push *p, size_t t, const struct update_limits *limits,
                                  unsigned who, struct error *e)
{
    size_t first = p->first[t], count = p->first[t + 1] - first, at = 0;
    struct entry *entry = p->target[t].entry;
    enum status st = check_table(entry, e);

    if (st != ST_OK) {
        p->reason = reason_of_status(st);
        return name_item(p, p->item[first], st, e);
    }
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        at = i;
        st = check_form(&p->request.push[p->item[first + i]], e);
    }
    if (st == ST_OK)
        st = prepare_update(p, t, limits, who, &at, e);
    if (st == ST_OK)
        return ST_OK;
    p->reason = st == ST_PRECONDITION ? REASON_UNKNOWN_ID
                                      : reason_of_query(st, &p->query[first + at], entry->table);
    return name_item(p, p->item[first + at], st, e);
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
    if (r->missing > PUSH_ADMIT)
        return error_set(e, ST_INVALID,
                         "missing is %u; it must be REFUSE (0), SKIP (1) or ADMIT (2)", r->missing);
    p->reason = REASON_LIMIT;
    if (r->ids > limits->max_ids)
        return error_set(e, ST_EXHAUSTED, "the push has %llu ids, max_ids is %llu",
                         (unsigned long long)r->ids, (unsigned long long)limits->max_ids);
    p->reason = REASON_MEMORY;
    return ST_OK;
}

static void prepare(struct push *p, const struct catalog *c, const struct limits *limits,
                    size_t room, unsigned who)
{
    const struct update_limits update_limits = {.max_norm = (float)limits->max_gradient_norm};
    struct error *e = &p->error;
    enum status st;

    p->reason = REASON_MEMORY;
    st = begin(p, room, e);
    for (size_t t = 0; st == ST_OK && t < p->targets; t++)
        set_target(p, t, catalog_find(c, name_of(p, t)->data, name_of(p, t)->size));
    if (st == ST_OK)
        st = check_request(p, limits, e);
    for (size_t t = 0; st == ST_OK && t < p->targets; t++) {
        st = prepare_target(p, t, &update_limits, who, e);
        p->skipped += p->target[t].update.skipped;
    }
    /* Memory is what bounds a push whose pooled gradients are spread over many rows. */
    if (st == ST_EXHAUSTED && p->reason == REASON_MEMORY)
        st = error_set(e, st, "%s; max_queued_push_bytes leaves it %zu", e->text, room);
    p->status = st;
}

void push_prepare(struct push *p, const struct catalog *c, const struct limits *limits, size_t room)
{
    prepare(p, c, limits, room, WRITER);
}

void push_prepare_by(struct push *p, const struct catalog *c, const struct limits *limits,
                     size_t room, unsigned worker)
{
    prepare(p, c, limits, room, worker);
}

enum status push_prepare_one(struct push_target **out, struct push *p, struct entry *entry,
                             struct error *e)
{
    const struct update_limits unlimited = {.max_norm = 0};
    enum status st = begin(p, SIZE_MAX, e);

    if (st != ST_OK)
        return st;
    for (size_t t = 0; t < p->targets; t++) {
        const struct bytes *name = name_of(p, t);

        if (name->size != entry->name_length || memcmp(name->data, entry->name, name->size))
            continue;
        set_target(p, t, entry);
        st = prepare_target(p, t, &unlimited, WRITER, e);
        if (st == ST_OK) {
            update_settle(&p->target[t].update); /* rows before this one have brought ids in */
            *out = &p->target[t];
        }
        return st;
    }
    return error_set(e, ST_NOT_FOUND, "the push does not name table %s", entry->name);
}
