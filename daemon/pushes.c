/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's queue of pushes, and what it does with a group of them: log, apply, answer. */
#include "daemon/pushes.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/keep.h"
#include "daemon/push.h"
#include "daemon/push_reason.h"
#include "daemon/refusals.h"
#include "daemon/server.h"
#include "daemon/worker.h"
#include "daemon/writer_parts.h"

/* ---- Lanes ---- */

enum status lane_new(struct lane **out, struct error *e)
{
    struct lane *l = mem_zero(1, sizeof *l);

    if (!l)
        return error_memory(e, "stream of pushes");
    atomic_init(&l->refs, 1);
    *out = l;
    return ST_OK;
}

struct lane *lane_ref(struct lane *l)
{
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

void lane_unref(struct lane *l)
{
    if (l && atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1)
        mem_free(l);
}

/* ---- The queue ---- */

enum status pushes_init(struct pushes *p, struct error *e)
{
    *p = (struct pushes){.member = mem_zero(GROUP_MOST, sizeof *p->member),
                         .row = mem_zero(GROUP_MOST, sizeof *p->row),
                         .bucket = mem_zero(GROUP_BUCKETS, sizeof *p->bucket)};
    p->last = &p->first;
    return p->member && p->row && p->bucket ? ST_OK : error_memory(e, "groups of pushes");
}

void pushes_done(struct pushes *p)
{
    mem_free(p->member);
    mem_free(p->row);
    mem_free(p->bucket);
}

void pushes_take(struct writer *w, struct push *p)
{
    struct pushes *g = &w->pushes;

    p->next = NULL;
    *g->last = p;
    g->last = &p->next;
    g->count++;
    g->bytes += p->bytes;
}

static struct push *pop(struct pushes *g)
{
    struct push *p = g->first;

    g->first = p->next;
    if (!g->first)
        g->last = &g->first;
    g->count--;
    g->bytes -= p->bytes;
    return p;
}

/* ---- A group ---- */

/* Take pushes from the queue until the group is full, and put them in order. */
static void gather(struct writer *w)
{
    struct pushes *g = &w->pushes;
    struct error e;
    enum status st = writer_writable(w, &e);
    uint64_t bytes = 0;

    memset(g->bucket, 0, GROUP_BUCKETS * sizeof *g->bucket);
    g->members = g->rows = g->new_trainers = 0;
    g->number++;
    g->sync = false;
    while (g->first && g->members < GROUP_MOST) {
        struct push *p = g->first;

        /* A push that is larger than a group is a group. */
        bytes += p->bytes;
        if (g->members && bytes > w->server->config->commit_bytes)
            break;
        g->member[g->members++] = pop(g);
        if (st == ST_OK)
            pushes_order(w, p);
        else
            p->provisional = true;
    }
    if (st != ST_OK)
        pushes_fail(w, st, &e, REASON_LOG);
}

static enum status log_rows(struct writer *w, struct error *e)
{
    struct pushes *g = &w->pushes;
    enum status st;

    if (FAILPOINT("push.commit.before"))
        return error_errno(e, errno, "log.db");
    st = registry_push(w->registry, g->row, g->rows, g->sync, e);
    (void)FAILPOINT("push.commit.after");
    return st;
}

void pushes_unsynced(struct writer *w)
{
    struct pushes *g = &w->pushes;

    if (!g->unsynced)
        g->sync_us = clock_now_us() + w->server->config->sync_interval;
    g->unsynced = true;
}

static void commit(struct writer *w)
{
    struct pushes *g = &w->pushes;
    struct error e, why;
    enum status st = g->rows ? log_rows(w, &e) : ST_OK;

    if (st == ST_OK && g->rows && g->sync) {
        g->unsynced = false;
    } else if (st == ST_OK && g->rows) {
        pushes_unsynced(w);
    } else if (st == ST_EXHAUSTED) {
        (void)!error_set(&why, st, "nothing was applied, since the log has no room: %s", e.text);
        pushes_fail(w, st, &why, REASON_FULL_DISK);
    } else if (st != ST_OK) {
        (void)!error_set(&why, ST_UNAVAILABLE,
                         "the outcome of the push is not known, because the log could not be "
                         "written: %s; the same push may be sent again",
                         e.text);
        pushes_fail(w, ST_UNAVAILABLE, &why, REASON_LOG);
        writer_give_up(w, &e);
    }
}

/* Fill in what only the log tells, before the first of them is answered and gone. */
static void number(struct pushes *g)
{
    size_t row = 0;

    for (size_t i = 0; i < g->members; i++) {
        struct push *p = g->member[i];
        const struct push *original = p->earlier;

        if (p->logged)
            p->lsn = g->row[row++].lsn;
        if (!p->duplicate || !original)
            continue;
        p->lsn = original->lsn;
        p->skipped = original->skipped;
        memcpy(p->versions, original->versions, p->request.count * sizeof *p->versions);
    }
}

static void apply(struct writer *w, struct push *p)
{
    struct server *server = w->server;

    for (size_t t = 0; t < p->targets; t++) {
        struct push_target *target = &p->target[t];

        push_apply(target->entry, &target->update, target->rate, target->version);
        keep_changed(target->entry->keep, p->lsn);
        for (unsigned i = 0; i < server->worker_count; i++)
            if (gate_waits(&target->entry->gate, i))
                worker_rouse(server->worker[i]);
    }
    atomic_store(&server->lsn, p->lsn);
}

static void note_refusal(struct writer *w, const struct push *p)
{
    static struct log_limit limit; /* a peer can cause these at will */

    refusals_count(w->server->refusals, p->trainer, p->status, p->reason);
    log_limited(&limit, 5, LOG_INFO, "push refused trainer=%s sequence=%llu status=%s error=%s",
                QUOTE(p->trainer), (unsigned long long)p->request.sequence, status_name(p->status),
                p->error.text);
}

static void run_group(struct writer *w)
{
    struct pushes *g = &w->pushes;

    gather(w);
    commit(w);
    number(g);
    for (size_t i = 0; i < g->members; i++) {
        struct push *p = g->member[i];

        if (p->logged)
            apply(w, p);
        else if (p->status != ST_OK)
            note_refusal(w, p);
        (void)FAILPOINT("push.answer");
        push_answer(p);
    }
    if (g->rows && !w->troubled)
        writer_checkpoint(w, false);
}

void pushes_finish(struct writer *w)
{
    while (w->pushes.first)
        run_group(w);
}

/* ---- What is due ---- */

static uint64_t until(uint64_t then, uint64_t now)
{
    return then > now ? then - now : 0;
}

/* How long the queue may still wait for more. */
static uint64_t patience(const struct writer *w, uint64_t now)
{
    const struct pushes *g = &w->pushes;

    if (w->stopping || g->count >= GROUP_MOST || g->bytes >= w->server->config->commit_bytes)
        return 0;
    return until(g->first->start_us + w->server->config->commit_delay, now);
}

static void sync_log(struct writer *w)
{
    struct error e;

    w->pushes.unsynced = false;
    if (!w->troubled && registry_sync(w->registry, &e) != ST_OK)
        writer_give_up(w, &e);
}

uint64_t pushes_run(struct writer *w)
{
    struct pushes *g = &w->pushes;
    uint64_t now = clock_now_us(), wait = UINT64_MAX, left;

    if (g->first && patience(w, now) == 0)
        run_group(w);
    if (g->unsynced && (w->stopping || now >= g->sync_us))
        sync_log(w);
    if (g->unsynced)
        wait = until(g->sync_us, now);
    if (g->first && (left = patience(w, now)) < wait)
        wait = left;
    return wait;
}

/* ---- Orders about trainers ---- */

void pushes_position(struct writer *w, struct order *o)
{
    const struct position *at;
    enum status st = writer_writable(w, &o->error);

    if (st == ST_OK) {
        at = registry_position(w->registry, o->name);
        o->version = at ? at->sequence : 0;
    }
    order_answer(o, st);
}

void pushes_forget(struct writer *w, struct order *o)
{
    const struct position *at;
    enum status st = writer_writable(w, &o->error);

    if (st == ST_OK) {
        at = registry_position(w->registry, o->name);
        o->version = at ? at->sequence : 0;
        st = registry_forget_trainer(w->registry, o->name, &o->lsn, &o->error);
    }
    if (st == ST_OK) {
        log_info("trainer forgotten trainer=%s sequence=%llu lsn=%llu", o->name,
                 (unsigned long long)o->version, (unsigned long long)o->lsn);
        atomic_store(&w->server->lsn, o->lsn);
    }
    order_answer(o, st);
}
