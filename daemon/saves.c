/* SPDX-License-Identifier: Apache-2.0 */
/* Saves: those that calls ask for, those that the daemon makes by itself, those before a table is
   unloaded, and those of a group. A few run at a time, one for each table; the others wait in a
   queue. The writer's. */
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

void saves_queue(struct writer *w, struct keep *k)
{
    struct keep **last = &w->save_queue;

    if (k->queued || k->saving || k->group)
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

static void note(struct writer *w, const struct saving *s)
{
    log_info("table saved table=%s version=%" PRIu64 " lsn=%" PRIu64
             " lineage=%c whole=%s bytes=%" PRIu64 " pause_us=%" PRIu64 " us=%" PRIu64,
             s->entry->name, s->written.version, s->written.lsn, s->written.lineage ? 'b' : 'a',
             s->written.whole ? "yes" : "no", s->written.bytes, s->pause_us,
             clock_now_us() - s->start_us);
    if (s->pruned != ST_OK)
        log_warn("old snapshots were not all removed table=%s error=%s", s->entry->name,
                 s->prune_error.text);
    writer_remember_snapshot(w, s->entry->name, &s->written);
}

/* What comes after a save: the next one that was asked for, or what the saves were made for. */
static void go_on(struct writer *w, struct keep *k)
{
    struct order *then = k->then;

    if (!then || !(then->forget || keep_complete(k))) {
        if (k->orders || then)
            saves_queue(w, k);
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
    struct order *orders = s->orders, *group = k->group; /* which goes on by itself */
    enum status st = s->status;
    struct snapshot written = s->written;
    struct error e = s->error;

    if (st == ST_OK)
        note(w, s);
    saving_end(s);
    if (st == ST_OK) {
        k->patience_us = 0;
        answer_all(orders, ST_OK, NULL, &written);
        holds_saved(w, k);
    } else if (k->then && k->then->forget) {
        answer_all(orders, st, &e, NULL);
    } else {
        give_up(w, k, orders, st, &e);
        if (k->orders)
            saves_queue(w, k);
    }
    if (group)
        group_save_back(w, group, k, st, &written, &e);
    else if (st == ST_OK || (k->then && k->then->forget))
        go_on(w, k);
}

static void saved(struct mail *mail, void *receiver)
{
    struct saving *s = (struct saving *)mail, **link;
    struct writer *w = receiver;

    for (link = &w->savings; *link != s; link = &(*link)->next)
        ;
    *link = s->next;
    w->saving_count -= !s->waits;
    finish(w, s);
    group_saves_next(w); /* one may have waited for this save, … */
    loads_next(w);       /* … or one for the table's folder, and goes before the next save */
    saves_next(w);
}

/* As if it had come back with that. */
static void come_back(struct writer *w, struct saving *s, enum status st)
{
    s->status = st;
    s->mail.deliver = saved;
    mailbox_send(&w->mailbox, &s->mail);
}

/* Its instant was; a saver is free. */
static void run(struct writer *w, struct saving *s)
{
    enum status st;

    s->waits = false;
    w->saving_count++;
    st = saving_run_elsewhere(s, saved, &s->error);
    if (st != ST_OK)
        come_back(w, s, st);
}

static void add(struct writer *w, struct saving *s, struct order *orders)
{
    s->orders = orders;
    s->next = w->savings;
    w->savings = s;
}

#define STOPPING "the daemon is stopping"

/* None begins any more. */
static void flush(struct writer *w)
{
    struct error e;

    error_set(&e, ST_UNAVAILABLE, STOPPING);
    while (w->save_queue) {
        struct keep *k = w->save_queue;
        struct order *orders = k->orders;

        dequeue(w, k);
        k->orders = NULL;
        give_up(w, k, orders, ST_UNAVAILABLE, &e);
    }
}

void saves_next(struct writer *w)
{
    struct saving *s;
    struct keep *k;
    struct error e;
    enum status st;

    if (w->stopping) {
        flush(w);
        return;
    }
    for (s = w->savings; s && w->saving_count < SAVERS; s = s->next)
        if (s->waits)
            run(w, s);
    while (w->save_queue && w->saving_count < SAVERS) {
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
        add(w, s, orders);
        run(w, s);
    }
}

/* ---- Of a group ---- */

enum status saves_instant(struct writer *w, struct keep *k, uint64_t lsn, struct error *e)
{
    struct saving *s;
    enum status st = saving_begin(&s, k->entry, lsn, &w->mailbox, e);

    if (st != ST_OK)
        return st;
    s->waits = true;
    add(w, s, k->orders);
    k->orders = NULL;
    return ST_OK;
}

void saves_undo(struct writer *w, struct keep *k)
{
    struct saving *s = k->saving, **link;

    for (link = &w->savings; *link != s; link = &(*link)->next)
        ;
    *link = s->next;
    k->orders = s->orders;
    s->status = ST_CANCELLED;
    saving_end(s);
}

void saves_hold(struct writer *w, struct keep *k, struct order *group)
{
    k->group = group;
    if (k->queued)
        dequeue(w, k);
}

void saves_release(struct writer *w, struct keep *k)
{
    k->group = NULL;
    if (k->orders || k->then)
        go_on(w, k); /* the entry may be gone */
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
        note(w, s);
    else
        *e = s->error;
    saving_end(s);
    return st;
}

bool saves_busy(const struct keep *k)
{
    return k && (k->saving || k->group);
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

enum status saves_check(const struct entry *entry, const char *name, struct error *e)
{
    if (!entry)
        return error_set(e, ST_NOT_FOUND, "no such table: %s", QUOTE(name));
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
        st = saves_check(entry, o->name, e);
    if (st != ST_OK)
        return st;
    counts_fold(w, entry);
    if (keep_complete(entry->keep) && !saves_busy(entry->keep)) {
        answer_all(o, ST_OK, NULL, keep_newest(entry->keep));
        return ST_OK;
    }
    append(&entry->keep->orders, o);
    saves_queue(w, entry->keep);
    saves_next(w);
    return ST_OK;
}

void saves_before(struct writer *w, struct entry *entry, struct order *o, const char *refusal)
{
    struct keep *k = entry->keep;

    entry->refusal = refusal;
    k->then = o;
    if (saves_busy(k)) { /* goes on when that is done */
        if (o->forget && k->saving)
            atomic_store(&k->saving->cancelled, true);
        return;
    }
    go_on(w, k);
    saves_next(w);
}

void saves_stop(struct writer *w)
{
    for (struct saving *s = w->savings; s; s = s->next) {
        atomic_store(&s->cancelled, true);
        if (s->waits)
            come_back(w, s, error_set(&s->error, ST_UNAVAILABLE, STOPPING));
    }
    flush(w);
}
