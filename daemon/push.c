/* SPDX-License-Identifier: Apache-2.0 */
/* A push as it came: its message is copied and read, its trainer and sequence are held against
   their rules, its TablePushes are sorted by table. And its way back. */
#include "daemon/push.h"

#include <string.h>

#include "base/failpoint.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/call.h"
#include "daemon/names.h"
#include "daemon/pushes.h"
#include "daemon/server.h"
#include "daemon/worker.h"
#include "storage/push_body.h"

/* What reading a message of `n` bytes may take beside its copy, as for any call's arena. */
#define READING(n) (CALL_ARENA + 4 * (n))

static enum status check_identity(const struct push_request *r, struct error *e)
{
    if (!r->trainer.size) {
        if (r->sequence == 0)
            return ST_OK;
        return error_set(e, ST_INVALID,
                         "sequence = %llu without a trainer; both are given, or neither",
                         (unsigned long long)r->sequence);
    }
    if (!trainer_valid(r->trainer.data, r->trainer.size))
        return error_set(e, ST_INVALID, "trainer = %s; it must be 1 to %d of A-Z a-z 0-9 _ . : -",
                         QUOTE_N(r->trainer.data, r->trainer.size), TRAINER_MAX);
    if (r->sequence == 0 || r->sequence > INT64_MAX)
        return error_set(e, ST_INVALID, "sequence = %llu; it must be 1 to 2^63 - 1",
                         (unsigned long long)r->sequence);
    return ST_OK;
}

/* ---- TablePushes by table ---- */

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

/* Number the tables that are named, in order; target_of holds the first of each name before. */
static void number_tables(struct push *p)
{
    for (size_t i = 0; i < p->request.count; i++) {
        uint32_t first = p->target_of[i];

        p->target_of[i] = first < i ? p->target_of[first] : (uint32_t)p->targets++;
    }
}

static enum status gather(struct push *p, struct error *e)
{
    size_t count = p->request.count, *next;
    enum status st;

    p->target_of = arena_alloc(&p->arena, count, sizeof *p->target_of);
    p->query = arena_alloc(&p->arena, count, sizeof *p->query);
    p->item = arena_alloc(&p->arena, count, sizeof *p->item);
    p->versions = arena_zero(&p->arena, count, sizeof *p->versions);
    if (!p->target_of || !p->query || !p->item || !p->versions)
        return error_memory(e, "the push's tables");
    st = names_compare(p->target_of, count ? &p->request.push->table : NULL,
                       sizeof *p->request.push, count, &p->arena, e);
    if (st != ST_OK)
        return st;
    number_tables(p);
    p->first = arena_zero(&p->arena, p->targets + 1, sizeof *p->first);
    next = arena_zero(&p->arena, p->targets + 1, sizeof *next);
    if (!p->first || !next)
        return error_memory(e, "the push's tables");
    for (size_t i = 0; i < count; i++)
        p->first[p->target_of[i] + 1]++;
    for (size_t t = 0; t < p->targets; t++)
        next[t + 1] = p->first[t + 1] += p->first[t];
    for (size_t i = 0; i < count; i++) {
        size_t at = next[p->target_of[i]]++;

        p->query[at] = query_of(&p->request.push[i]);
        p->item[at] = (uint32_t)i;
    }
    return ST_OK;
}

enum status push_new(struct push **out, const void *message, size_t n, struct error *e)
{
    struct push *p = FAILPOINT("push.read") ? NULL : mem_zero(1, sizeof *p);
    enum status st;

    if (!p)
        return error_memory(e, "the push");
    arena_init(&p->arena, READING(n));
    arena_init(&p->prepared, 0);
    p->bytes = n;
    p->message = mem_alloc(n);
    if (!p->message) {
        st = error_memory(e, "the push");
        goto out;
    }
    memcpy(p->message, message, n);
    st = push_request_read(&p->request, p->message, n, &p->arena, e);
    if (st == ST_OK)
        st = check_identity(&p->request, e);
    if (st == ST_OK)
        st = gather(p, e);
    if (st != ST_OK)
        goto out;
    if (p->request.trainer.size)
        memcpy(p->trainer, p->request.trainer.data, p->request.trainer.size);
    push_content(p->content, message, n);
    *out = p;
    p = NULL;
out:
    push_free(p);
    return st;
}

void push_free(struct push *p)
{
    if (!p)
        return;
    if (p->charged)
        atomic_fetch_sub_explicit(&p->worker->server->queued_push_bytes, p->charged,
                                  memory_order_relaxed);
    lane_unref(p->lane);
    arena_done(&p->prepared);
    arena_done(&p->arena);
    mem_free(p->message);
    mem_free(p);
}

size_t push_memory(const struct push *p)
{
    return sizeof *p + p->bytes + p->arena.used + p->prepared.used;
}

/* ---- The way back ---- */

static void deliver_answer(struct mail *mail, void *receiver)
{
    struct push *p = (struct push *)mail;
    struct call *call = call_find(receiver, p->call_id);

    if (call)
        p->answer(call, p);
    push_free(p);
}

void push_answer(struct push *p)
{
    p->mail.deliver = deliver_answer;
    mailbox_send(&p->worker->mailbox, &p->mail);
}
