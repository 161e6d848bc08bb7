/* SPDX-License-Identifier: Apache-2.0 */
/* The replay of the log at start: rows that belong to a table's generation and are above its
   version are applied to it, in order, by the code that applied them first. The writer's. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/config.h"
#include "daemon/keep.h"
#include "daemon/push.h"
#include "daemon/replay_parts.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"
#include "table/training.h"

#define SAY_US 1000000

/* ---- What is needed of the log ---- */

/* The rows after the older snapshot of each table. */
static uint64_t needed_after(const struct writer *w)
{
    uint64_t after = registry_lsn(w->registry);

    for (size_t i = 0; i < w->catalog->count; i++) {
        const struct keep *k = w->catalog->entry[i]->keep;

        for (unsigned l = 0; k && l < LINEAGES; l++)
            if (k->lineage[l].exists && k->lineage[l].snapshot.lsn < after)
                after = k->lineage[l].snapshot.lsn;
    }
    return after;
}

/* The version that an unloaded table has in both lineages. */
static enum status look_at_absent(struct replay *r, const struct registered *t, struct error *e)
{
    char *folder = writer_folder(r->w, t->name);
    struct absent *a = &r->absent[r->absents];
    uint64_t version[LINEAGES] = {0}, lsn[LINEAGES] = {0};
    unsigned older;
    struct snapshot *list = NULL;
    size_t count = 0;
    enum status st =
        folder ? snapshot_list(&list, &count, folder, t->generation, e) : error_memory(e, "table");

    mem_free(folder);
    if (st != ST_OK)
        return st;
    for (size_t i = count; i-- > 0;)
        if (!list[i].damaged) {
            version[list[i].lineage] = list[i].version;
            lsn[list[i].lineage] = list[i].lsn;
        }
    mem_free(list);
    older = version[0] != version[1] ? version[1] < version[0] : lsn[1] < lsn[0];
    *a = (struct absent){t->name, t->generation, version[older], lsn[older]};
    r->absents++;
    return ST_OK;
}

/* Names that are not served, or damaged: the rows that nothing else has are kept for them. */
static enum status find_absent(struct replay *r, struct error *e)
{
    struct writer *w = r->w;
    const struct registered *const *list;
    size_t n = registry_list(w->registry, &list);
    enum status st = ST_OK;

    r->absent = mem_zero(n, sizeof *r->absent);
    if (!r->absent)
        return error_memory(e, "replay");
    for (size_t i = 0; i < n && st == ST_OK; i++) {
        const struct registered *t = list[i];
        const struct entry *entry = catalog_find(w->catalog, t->name, strlen(t->name));

        if (!t->trainable || (entry && entry->keep))
            continue;
        if (t->served)
            r->absent[r->absents++] = (struct absent){t->name, t->generation, t->version, 0};
        else
            st = look_at_absent(r, t, e);
    }
    /* Any row may be theirs. */
    if (r->absents)
        r->after = 0;
    return st;
}

/* ---- Rows ---- */

/* The table cannot be brought to where the log ends. */
static enum status damage(struct replay *r, struct entry *entry, const struct error *trouble,
                          struct error *e)
{
    uint64_t generation = entry->generation, since = entry->keep->since,
             hold = keep_hold(entry->keep);
    struct order *o;
    enum status st = order_new(&o, ORDER_LOAD, entry->name, entry->file, e);

    if (st != ST_OK)
        return st;
    o->version = entry->version;
    st = holds_add(r->w, o->name, generation, since, hold ? hold : r->lsn, e);
    if (st == ST_OK)
        st = serve_damaged(r->w, o, trouble, e);
    order_unref(o);
    return st;
}

enum status replay_end(struct replay *r, struct entry *entry, enum status st,
                       const struct error *trouble, struct error *e)
{
    if (st != ST_EXHAUSTED)
        return damage(r, entry, trouble, e);
    *e = *trouble;
    return error_prefix(e, st, "table %s", entry->name);
}

/* Take the options that wait. */
static enum status settle(struct entry *entry, struct error *e)
{
    struct optimizer_settings *next = &entry->keep->next_settings;
    enum status st;

    if (!next->optimizer)
        return ST_OK;
    next->step = training_settings(entry->training)->step;
    st = training_set(entry->training, next, e);
    optimizer_settings_done(next);
    optimizer_settings_init(next);
    return st == ST_OK ? keep_settings(entry->keep, e) : st;
}

static enum status apply(struct push **push, struct entry *entry, const struct push_row *row,
                         const struct push_table *t, struct error *e)
{
    struct push_target *target;
    enum status st;

    if (t->version != entry->version + 1)
        return error_set(e, ST_DATA_LOSS,
                         "the log goes on with version %" PRIu64
                         ", the newest good snapshot and the log lead to %" PRIu64,
                         t->version, (uint64_t)entry->version);
    if (t->flags & PUSH_COUNTED && !training_can_count(entry->training))
        return error_set(e, ST_DATA_LOSS,
                         "the log counts the ids of version %" PRIu64
                         ", and the snapshot has no counts",
                         t->version);
    st = settle(entry, e);
    if (st == ST_OK && !*push)
        st = push_new(push, row->message, row->bytes, e);
    if (st == ST_OK)
        st = push_prepare_one(&target, *push, entry, e);
    if (st == ST_OK)
        st = training_reserve(entry->training, &target->update, e);
    if (st != ST_OK)
        return st;
    target->update.counted = t->flags & PUSH_COUNTED;
    push_apply(entry, &target->update, t->learning_rate, t->version);
    return st;
}

/* A row of a table that is not served, or damaged: it stays. */
static enum status keep_row(struct replay *r, const struct push_table *t, uint64_t lsn,
                            struct error *e)
{
    struct entry *entry = catalog_find(r->w->catalog, t->name, strlen(t->name));

    if (entry && entry->generation == t->generation && t->version > entry->version)
        entry->version = t->version; /* where a replacement goes on */
    for (size_t i = 0; i < r->absents; i++) {
        const struct absent *a = &r->absent[i];

        if (a->generation == t->generation && t->version > a->version && !strcmp(a->name, t->name))
            return holds_add(r->w, t->name, t->generation, a->version, lsn, e);
    }
    return ST_OK;
}

static void note(struct keep *k, const struct push_table *t, uint64_t lsn)
{
    for (unsigned i = 0; i < LINEAGES; i++) {
        struct keep_lineage *l = &k->lineage[i];

        if (l->exists && !l->first && t->version > l->snapshot.version)
            l->first = lsn;
    }
}

static enum status replay_push(struct replay *r, const struct logged *l, struct error *e)
{
    struct push *push = NULL;
    struct error trouble;
    enum status st = ST_OK;
    bool applied = false;

    for (size_t i = 0; i < l->push->tables && st == ST_OK; i++) {
        const struct push_table *t = &l->push->table[i];
        struct entry *entry = catalog_find(r->w->catalog, t->name, strlen(t->name));

        if (!entry || !entry->keep) {
            st = keep_row(r, t, l->lsn, e);
            continue;
        }
        if (entry->generation != t->generation)
            continue;
        note(entry->keep, t, l->lsn);
        if (t->version <= entry->version)
            continue;
        st = apply(&push, entry, l->push, t, &trouble);
        applied |= st == ST_OK;
        if (st != ST_OK)
            st = replay_end(r, entry, st, &trouble, e);
    }
    push_free(push);
    atomic_fetch_add(&r->opening->pushes, applied);
    return st;
}

/* Options that were set after a snapshot. They wait for the next push that is applied, since they
   may be of a content that has ended before. */
static enum status replay_options(struct entry *entry, const struct logged *l, struct error *e)
{
    struct keep *k = entry->keep;
    struct optimizer_settings settings;
    enum status st;

    replay_note(k, l->lsn);
    if (l->lsn <= entry->table->lsn)
        return ST_OK;
    st = table_settings_trained(&settings, l->change->options, e);
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_OK : st; /* it was read-only then */
    optimizer_settings_done(&k->next_settings);
    k->next_settings = settings;
    return ST_OK;
}

/* The content that the table has begins here, and its first snapshot does not know its place in the
   log: nothing before is about it. */
static void replay_beginning(struct keep *k, const struct logged *l)
{
    if (l->change->version != k->since)
        return;
    for (unsigned i = 0; i < LINEAGES; i++)
        k->lineage[i].first = 0;
    optimizer_settings_done(&k->next_settings);
    optimizer_settings_init(&k->next_settings);
}

static enum status replay_change(struct replay *r, const struct logged *l, struct error *e)
{
    const struct registered *c = l->change;
    struct entry *entry = c ? catalog_find(r->w->catalog, c->name, strlen(c->name)) : NULL;

    if (!entry || !entry->keep || entry->generation != c->generation)
        return ST_OK;
    if (l->kind == CHANGE_OPTIONS)
        return replay_options(entry, l, e);
    if (l->kind == CHANGE_LOAD || l->kind == CHANGE_REPLACE)
        replay_beginning(entry->keep, l);
    return ST_OK;
}

static void say(struct replay *r)
{
    uint64_t now = clock_now_us();
    char text[128];

    if (now < r->say_us)
        return;
    r->say_us = now + SAY_US;
    log_info("%s", opening_text(r->opening, text, sizeof text));
}

static enum status on_row(void *context, const struct logged *l, struct error *e)
{
    struct replay *r = context;
    enum status st;

    r->lsn = l->lsn;
    if (FAILPOINT("replay.row"))
        return error_errno(e, errno, "the log cannot be read");
    st = l->kind == CHANGE_PUSH    ? replay_push(r, l, e)
         : l->kind == CHANGE_COUNT ? replay_counts(r, l, e)
                                   : replay_change(r, l, e);
    atomic_store(&r->opening->done, l->lsn - r->after);
    atomic_fetch_add(&r->opening->replayed, 1);
    say(r);
    if (st == ST_OK && atomic_load(&r->opening->cancelled))
        st = error_set(e, ST_CANCELLED, "the start was given up");
    return st;
}

/* Options that were the last thing to happen. */
static enum status settle_all(struct replay *r, struct error *e)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < r->w->catalog->count && st == ST_OK; i++) {
        struct entry *entry = r->w->catalog->entry[i];
        struct error trouble;

        if (entry->keep && (st = settle(entry, &trouble)) != ST_OK)
            st = replay_end(r, entry, st, &trouble, e);
    }
    return st;
}

enum status replay_log(struct writer *w, struct error *e)
{
    struct opening *o = &w->server->opening;
    struct replay r = {.w = w, .opening = o, .begin_us = clock_now_us()};
    enum status st;

    r.after = needed_after(w);
    r.last = registry_lsn(w->registry);
    st = find_absent(&r, e);
    if (r.after < registry_first(w->registry))
        r.after = registry_first(w->registry);
    if (st == ST_OK && r.after < r.last) {
        r.say_us = r.begin_us + SAY_US;
        opening_phase(o, OPENING_REPLAY, r.last - r.after);
        st = registry_replay(w->registry, r.after, on_row, &r, e);
    }
    if (st == ST_OK)
        st = settle_all(&r, e);
    mem_free(r.absent);
    atomic_store(&o->replay_us, clock_now_us() - r.begin_us);
    if (st == ST_DATA_LOSS) { /* a row: what comes behind it cannot be trusted */
        writer_give_up(w, e);
        st = ST_OK;
    }
    if (st == ST_OK)
        log_info("log replayed rows=%" PRIu64 " pushes=%" PRIu64 " lsn=%" PRIu64 " us=%" PRIu64,
                 (uint64_t)o->replayed, (uint64_t)o->pushes, r.last, (uint64_t)o->replay_us);
    return st;
}
