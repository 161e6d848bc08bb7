/* SPDX-License-Identifier: Apache-2.0 */
/* Saves: those that calls ask for, those that the daemon makes by itself, and those before a table
   is unloaded. A few run at a time, one for each table; the others wait in a queue. The writer's.
 */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/saver.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"
#include "table/training.h"

/* Saves run by the disk and one thread each. */
#define SAVERS 2
/* How long the daemon waits after a save that failed before it tries again by itself. */
#define PATIENCE_FIRST_US ((uint64_t)1000000)
#define PATIENCE_MOST_US ((uint64_t)300000000)

static void append(struct order **list, struct order *o)
{
    while (*list)
        list = &(*list)->next;
    o->next = NULL;
    *list = o;
}

static void answer_all(struct order *list, enum status st, const struct error *e,
                       const struct snapshot *s)
{
    while (list) {
        struct order *o = list;

        list = o->next;
        if (st != ST_OK)
            o->error = *e;
        else
            o->saved = kept_of(s);
        order_answer(o, st);
    }
}

/* ---- The queue ---- */

static void enqueue(struct writer *w, struct keep *k)
{
    struct keep **last = &w->save_queue;

    if (k->queued || k->saving)
        return;
    while (*last)
        last = &(*last)->next;
    k->next = NULL;
    k->queued = true;
    *last = k;
}

static void dequeue(struct writer *w, struct keep *k)
{
    struct keep **link = &w->save_queue;

    while (*link && *link != k)
        link = &(*link)->next;
    if (*link)
        *link = k->next;
    k->queued = false;
}

/* The save did not come about, or came to nothing. */
static void give_up(struct writer *w, struct keep *k, struct order *orders, enum status st,
                    const struct error *e)
{
    struct order *then = k->then;

    k->patience_us = !k->patience_us                         ? PATIENCE_FIRST_US
                     : k->patience_us < PATIENCE_MOST_US / 2 ? k->patience_us * 2
                                                             : PATIENCE_MOST_US;
    k->retry_us = clock_now_us() + k->patience_us;
    if (!w->stopping)
        log_error("table was not saved table=%s status=%s error=%s", k->entry->name,
                  status_name(st), e->text);
    answer_all(orders, st, e, NULL);
    if (!then)
        return;
    k->then = NULL;
    k->entry->refusal = NULL;
    stop_refused(w, then, st, e);
}

/* Where the log stands has to be on disk before a snapshot says so. */
static enum status begin(struct writer *w, struct keep *k, struct saving **s, struct error *e)
{
    enum status st = writer_writable(w, e);

    if (st == ST_OK)
        st = registry_sync(w->registry, e);
    if (st == ST_OK)
        st = saving_begin(s, k->entry, registry_lsn(w->registry), &w->mailbox, e);
    return st;
}

static void note(const struct saving *s)
{
    log_info("table saved table=%s version=%" PRIu64 " lsn=%" PRIu64
             " lineage=%c whole=%s bytes=%" PRIu64 " pause_us=%" PRIu64 " us=%" PRIu64,
             s->entry->name, s->written.version, s->written.lsn, s->written.lineage ? 'b' : 'a',
             s->written.whole ? "yes" : "no", s->written.bytes, s->pause_us,
             clock_now_us() - s->start_us);
    if (s->pruned != ST_OK)
        log_warn("old snapshots were not all removed table=%s error=%s", s->entry->name,
                 s->prune_error.text);
}

/* What comes after a save: the next one that was asked for, or what the saves were made for. */
static void go_on(struct writer *w, struct keep *k)
{
    struct order *then = k->then;

    if (!then || !(then->forget || keep_complete(k))) {
        if (k->orders || then)
            enqueue(w, k);
        return;
    }
    k->then = NULL;
    if (then->kind == ORDER_UNLOAD) {
        stop_saved(w, then); /* the entry may be gone */
    } else {
        then->holds = true;
        w->reload_loads -= then->reload;
        loads_begin(w, then);
    }
}

static void finish(struct writer *w, struct saving *s)
{
    struct keep *k = s->entry->keep;
    struct order *orders = s->orders;
    enum status st = s->status;
    struct snapshot written = s->written;
    struct error e = s->error;

    if (st == ST_OK)
        note(s);
    saving_end(s);
    if (st == ST_OK) {
        k->patience_us = 0;
        answer_all(orders, ST_OK, NULL, &written);
        holds_saved(w, k);
        go_on(w, k);
    } else if (k->then && k->then->forget) {
        answer_all(orders, st, &e, NULL);
        go_on(w, k);
    } else {
        give_up(w, k, orders, st, &e);
        if (k->orders)
            enqueue(w, k);
    }
}

static void saved(struct mail *mail, void *receiver)
{
    struct saving *s = (struct saving *)mail, **link;
    struct writer *w = receiver;

    for (link = &w->savings; *link != s; link = &(*link)->next)
        ;
    *link = s->next;
    w->saving_count--;
    finish(w, s);
    loads_next(w); /* one may have waited for the table's folder, and goes before the next save */
    saves_next(w);
}

void saves_next(struct writer *w)
{
    struct saving *s;
    struct keep *k;
    struct error e;
    enum status st;

    while (w->save_queue && w->saving_count < SAVERS && !w->stopping) {
        struct order *orders;

        k = w->save_queue;
        dequeue(w, k);
        orders = k->orders;
        k->orders = NULL;
        if (k->entry->refusal && !k->then) {
            st = error_set(&e, ST_UNAVAILABLE, "table %s %s", k->entry->name, k->entry->refusal);
            answer_all(orders, st, &e, NULL);
            continue;
        }
        st = begin(w, k, &s, &e);
        if (st != ST_OK) {
            give_up(w, k, orders, st, &e);
            continue;
        }
        s->orders = orders;
        s->next = w->savings;
        w->savings = s;
        w->saving_count++;
        st = saving_run_elsewhere(s, saved, &s->error);
        if (st != ST_OK) { /* as if it had come back with that */
            s->status = st;
            s->mail.deliver = saved;
            mailbox_send(&w->mailbox, &s->mail);
        }
    }
}

enum status saves_now(struct writer *w, struct entry *entry, struct error *e)
{
    struct saving *s;
    enum status st = begin(w, entry->keep, &s, e);

    if (st != ST_OK)
        return st;
    saving_run(s);
    st = s->status;
    if (st == ST_OK)
        note(s);
    else
        *e = s->error;
    saving_end(s);
    return st;
}

bool saves_busy(const struct keep *k)
{
    return k && k->saving;
}

void saves_leave(struct writer *w, struct keep *k)
{
    struct error e;

    if (!k)
        return;
    if (k->queued)
        dequeue(w, k);
    answer_all(k->orders,
               error_set(&e, ST_ABORTED, "the table was replaced or unloaded before it was saved"),
               &e, NULL);
    k->orders = NULL;
}

/* ---- Who asks ---- */

static enum status check(const struct entry *entry, const struct order *o, struct error *e)
{
    if (!entry)
        return error_set(e, ST_NOT_FOUND, "no such table: %s", QUOTE(o->name));
    if (!entry->table)
        return error_set(e, ST_DATA_LOSS, "%s", entry->trouble);
    if (!entry->keep)
        return error_set(e, ST_PRECONDITION, "table %s is read-only: there is nothing to save",
                         entry->name);
    if (entry->refusal)
        return error_set(e, ST_UNAVAILABLE, "table %s %s", entry->name, entry->refusal);
    return ST_OK;
}

enum status saves_order(struct writer *w, struct order *o, struct error *e)
{
    struct entry *entry = catalog_find(w->catalog, o->name, strlen(o->name));
    enum status st = writer_writable(w, e);

    if (st == ST_OK)
        st = check(entry, o, e);
    if (st != ST_OK)
        return st;
    counts_fold(w, entry);
    if (keep_complete(entry->keep) && !entry->keep->saving) {
        answer_all(o, ST_OK, NULL, keep_newest(entry->keep));
        return ST_OK;
    }
    append(&entry->keep->orders, o);
    enqueue(w, entry->keep);
    saves_next(w);
    return ST_OK;
}

void saves_before(struct writer *w, struct entry *entry, struct order *o, const char *refusal)
{
    struct keep *k = entry->keep;

    entry->refusal = refusal;
    k->then = o;
    if (k->saving) { /* goes on when that is done */
        if (o->forget)
            atomic_store(&k->saving->cancelled, true);
        return;
    }
    go_on(w, k);
    saves_next(w);
}

void saves_stop(struct writer *w)
{
    struct error e;

    error_set(&e, ST_UNAVAILABLE, "the daemon is stopping");
    for (struct saving *s = w->savings; s; s = s->next)
        atomic_store(&s->cancelled, true);
    while (w->save_queue) {
        struct keep *k = w->save_queue;
        struct order *orders = k->orders;

        dequeue(w, k);
        k->orders = NULL;
        give_up(w, k, orders, ST_UNAVAILABLE, &e);
    }
}

/* ---- By itself ---- */

/* Whether the table should be saved without being asked: it has not two snapshots yet, or has
   changed and its newest one is old, or it is one of those for which a large log is kept. */
static bool is_due(const struct writer *w, const struct keep *k, uint64_t hold_most)
{
    const struct snapshot *newest = keep_newest(k);
    uint64_t hold = keep_hold(k);
    int64_t age_us;

    for (unsigned i = 0; i < LINEAGES; i++)
        if (!k->lineage[i].exists)
            return true;
    age_us = clock_wall_us() - newest->time_us;
    if (k->lineage[newest->lineage].first &&
        (age_us < 0 || (uint64_t)age_us >= w->config->snapshot_interval))
        return true;
    return hold && hold <= hold_most;
}

void saves_tick(struct writer *w)
{
    uint64_t now = clock_now_us(), most = log_hold_most(w);

    if (!w->registry || w->troubled || w->stopping)
        return;
    for (size_t i = 0; i < w->catalog->count; i++) {
        const struct entry *entry = w->catalog->entry[i];
        struct keep *k = entry->keep;

        if (k)
            atomic_store_explicit(&entry->gauges->memory_bytes, entry_training_bytes(entry),
                                  memory_order_relaxed);
        if (k && !entry->refusal && !k->saving && !k->queued && now >= k->retry_us &&
            is_due(w, k, most))
            enqueue(w, k);
    }
    saves_next(w);
}
