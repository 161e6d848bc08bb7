/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a push, in the order of arrival: a row of the log, a duplicate, or a refusal. The
   sequence is looked at first, and pushes earlier in the same group count. The writer's. */
#include <string.h>

#include "base/failpoint.h"
#include "base/hash.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/push.h"
#include "daemon/push_reason.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"

/* ---- Sequence ---- */

/* The bucket of a trainer, which is empty if it has no row in the group. */
static uint32_t *bucket_of(const struct pushes *g, const char *trainer)
{
    size_t b = (size_t)hash_seeded(trainer, strlen(trainer), hash_secret().add);

    for (;; b++) {
        uint32_t *bucket = &g->bucket[b & (GROUP_BUCKETS - 1)];

        if (!*bucket || !strcmp(g->member[*bucket - 1]->trainer, trainer))
            return bucket;
    }
}

static enum status conflict(struct push *p)
{
    p->reason = REASON_CONFLICT;
    return error_set(&p->error, ST_EXISTS,
                     "sequence = %llu of trainer %s was applied with another content",
                     (unsigned long long)p->request.sequence, QUOTE(p->trainer));
}

static bool same_content(const uint64_t a[2], const uint64_t b[2])
{
    return a[0] == b[0] && a[1] == b[1];
}

/* The versions of a repeated push: those that it produced, if `table` tells, else those of now. */
static void set_versions(const struct writer *w, struct push *p, const struct push_table *table)
{
    for (size_t t = 0; t < p->targets; t++) {
        const struct bytes *name = &p->request.push[p->item[p->first[t]]].table;
        const struct entry *now = catalog_find(w->catalog, name->data, name->size);
        uint64_t version = table ? table[t].version : now ? now->version : 0;

        for (size_t i = p->first[t]; i < p->first[t + 1]; i++)
            p->versions[p->item[i]] = version;
    }
}

/* A sequence that was applied before this group. */
static enum status recall(struct writer *w, struct push *p, const struct position *at)
{
    bool known = p->request.sequence == at->sequence;
    uint64_t content[2] = {at->content[0], at->content[1]};
    size_t tables = 0;
    enum status st;

    p->lsn = known ? at->lsn : registry_lsn(w->registry);
    st = registry_push_find(w->registry, p->trainer, p->request.sequence, content, &p->lsn,
                            p->table, p->table ? p->targets : 0, &tables, &p->error);
    if (st != ST_OK && st != ST_NOT_FOUND && !known) {
        p->reason = REASON_LOG;
        return error_prefix(&p->error, ST_UNAVAILABLE, "the log cannot be read");
    }
    if ((st == ST_OK || known) && !same_content(content, p->content))
        return conflict(p);
    p->duplicate = true;
    set_versions(w, p, st == ST_OK && p->table && tables == p->targets ? p->table : NULL);
    return ST_OK;
}

/* A sequence at or below the trainer's last one. */
static enum status repeat(struct writer *w, struct push *p, const struct position *at)
{
    struct push *q = p->earlier;

    while (q && q->request.sequence != p->request.sequence)
        q = q->earlier;
    p->earlier = q;
    p->provisional = q;
    if (!q)
        return recall(w, p, at);
    if (!same_content(q->content, p->content))
        return conflict(p);
    p->duplicate = true; /* its versions come from `earlier` when that is in the log */
    return ST_OK;
}

static enum status check_sequence(struct writer *w, struct push *p)
{
    const struct pushes *g = &w->pushes;
    uint64_t most = w->server->config->max_trainers, last, next = p->request.sequence;
    const struct position *at;
    uint32_t newest;

    if (!*p->trainer)
        return ST_OK;
    at = registry_position(w->registry, p->trainer);
    newest = *bucket_of(g, p->trainer);
    p->earlier = newest ? g->member[newest - 1] : NULL;
    p->provisional = newest;
    last = newest ? p->earlier->request.sequence : at ? at->sequence : 0;
    if (next <= last)
        return repeat(w, p, at);
    if (next - last > 1) {
        p->reason = REASON_GAP;
        return error_set(&p->error, ST_ABORTED,
                         "sequence = %llu of trainer %s leaves a gap: %llu is expected",
                         (unsigned long long)next, QUOTE(p->trainer), (unsigned long long)last + 1);
    }
    if (last == 0 && registry_trainers(w->registry) + g->new_trainers >= most) {
        p->reason = REASON_LIMIT;
        return error_set(&p->error, ST_EXHAUSTED,
                         "trainer %s would be one more than max_trainers, which is %llu; others "
                         "can be forgotten",
                         QUOTE(p->trainer), (unsigned long long)most);
    }
    return ST_OK;
}

/* ---- Tables ---- */

static bool is_current(const struct writer *w, const struct push_target *t,
                       const struct bytes *name)
{
    const struct entry *now = catalog_find(w->catalog, name->data, name->size);

    return now && now == t->entry && now->generation == t->generation && now->lsn == t->life;
}

/* The worker may have looked at tables that are not served any more. */
static enum status check_current(struct writer *w, struct push *p)
{
    const struct limits *limits = &w->server->limits;

    for (size_t t = 0; p->status == ST_OK && t < p->targets; t++) {
        if (is_current(w, &p->target[t], &p->request.push[p->item[p->first[t]]].table))
            continue;
        push_prepare(p, w->catalog, limits, (size_t)limits->max_queued_push_bytes);
        break;
    }
    return p->status;
}

static enum status reserve(struct push *p)
{
    for (size_t t = 0; t < p->targets; t++) {
        struct entry *entry = p->target[t].entry;
        enum status st;

        if (entry->refusal) {
            p->reason = REASON_REPLACED;
            return error_set(&p->error, ST_UNAVAILABLE,
                             "pushes[%u] (table %s): the table %s; the push may be sent again",
                             p->item[p->first[t]], QUOTE(entry->name), entry->refusal);
        }
        st = training_reserve(entry->training, &p->target[t].update, &p->error);
        if (st != ST_OK) {
            p->reason = reason_of_status(st);
            return error_prefix(&p->error, st, "pushes[%u] (table %s)", p->item[p->first[t]],
                                QUOTE(entry->name));
        }
    }
    return ST_OK;
}

/* ---- The outcome ---- */

static void add_row(struct writer *w, struct push *p)
{
    struct pushes *g = &w->pushes;
    bool sync = p->targets == 0;

    for (size_t t = 0; t < p->targets; t++) {
        struct push_target *target = &p->target[t];
        struct entry *entry = target->entry;

        if (entry->ordered_in != g->number)
            entry->ordered = entry->version;
        entry->ordered_in = g->number;
        target->version = ++entry->ordered;
        target->rate = push_rate(p, entry);
        target->update.counted = entry->count != COUNT_NO;
        p->table[t] = (struct push_table){.generation = entry->generation,
                                          .version = target->version,
                                          .learning_rate = target->rate,
                                          .flags = entry->count ? PUSH_COUNTED : 0};
        memcpy(p->table[t].name, entry->name, entry->name_length);
        sync = sync || !entry->interval;
    }
    set_versions(w, p, p->table);
    g->row[g->rows++] = (struct push_row){.trainer = p->trainer,
                                          .sequence = p->request.sequence,
                                          .content = {p->content[0], p->content[1]},
                                          .table = p->table,
                                          .tables = p->targets,
                                          .message = p->message,
                                          .bytes = p->bytes};
    g->sync = g->sync || sync;
    p->logged = p->provisional = true;
    if (!*p->trainer)
        return;
    g->new_trainers += p->request.sequence == 1;
    *bucket_of(g, p->trainer) = (uint32_t)g->members; /* it is the last of them */
}

static void end(struct push *p, enum status st)
{
    p->status = st;
    p->duplicate = p->logged = false;
    if (p->lane)
        p->lane->broken = true;
}

void pushes_order(struct writer *w, struct push *p)
{
    enum status st = check_sequence(w, p);

    if (st == ST_OK && p->duplicate) {
        p->status = ST_OK;
        return;
    }
    if (st == ST_OK && FAILPOINT("push.order"))
        st = error_memory(&p->error, "the order of pushes");
    if (st == ST_OK && p->lane && p->lane->broken) {
        p->reason = REASON_STREAM;
        st = error_set(&p->error, ST_ABORTED, "a push before it in the stream was refused");
    }
    if (st == ST_OK)
        st = check_current(w, p);
    if (st == ST_OK)
        st = reserve(p);
    if (st == ST_OK)
        add_row(w, p);
    else
        end(p, st);
}

void pushes_fail(struct writer *w, enum status st, const struct error *why, const char *reason)
{
    struct pushes *g = &w->pushes;

    for (size_t i = 0; i < g->members; i++) {
        struct push *p = g->member[i];

        if (!p->provisional)
            continue;
        p->error = *why;
        p->reason = reason;
        end(p, st);
    }
}
