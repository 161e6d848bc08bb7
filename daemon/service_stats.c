/* SPDX-License-Identifier: Apache-2.0 */
/* The service Stats. The worker checks the question and mails it to the main thread, which owns
   stats.db; the packed answer comes back by the same mail. */
#include <string.h>

#include "base/block.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/counters.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "daemon/stats_query.h"
#include "daemon/worker.h"
#include "proto/embd.pb-c.h"

#define HOUR_S 3600

static void deliver_answer(struct mail *mail, void *receiver)
{
    struct stats_query *q = (struct stats_query *)mail;
    struct call *call = call_find(receiver, q->call_id);

    if (call && q->status == ST_OK && !call_charge(call, q->reply->size))
        q->status = error_set(&q->error, ST_EXHAUSTED, "no room for a reply of %zu bytes now",
                              q->reply->size);
    if (call && q->status == ST_OK) {
        call_reply(call, q->reply);
        q->reply = NULL;
    } else if (call) {
        call_fail(call, q->status, &q->error);
    }
    stats_query_free(q);
}

/* On the main thread, which passes its struct control. */
static void deliver_question(struct mail *mail, void *control)
{
    struct stats_query *q = (struct stats_query *)mail;

    stats_query_run(q, control);
    q->mail.deliver = deliver_answer;
    mailbox_send(&q->worker->mailbox, &q->mail);
}

static enum status check(const Embd__V1__StatsRequest *request, int64_t now, int64_t *from,
                         int64_t *to, struct error *e)
{
    *to = request->to ? request->to : now + 1; /* the second at hand too */
    *from = request->from ? request->from : *to > HOUR_S ? *to - HOUR_S : 0;
    if (request->span > EMBD__V1__STATS_SPAN__STATS_SPAN_HOUR || (int)request->span < 0)
        return error_set(e, ST_INVALID, "span %d is unknown", (int)request->span);
    if (request->from < 0 || request->to < 0)
        return error_set(e, ST_INVALID, "%s is before 1970", request->from < 0 ? "from" : "to");
    if (*from >= *to)
        return error_set(e, ST_INVALID, "from = %lld is not before to = %lld", (long long)*from,
                         (long long)*to);
    return ST_OK;
}

static void query_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__StatsRequest *request =
        service_unpack(call, &embd__v1__stats_request__descriptor, data, n);
    struct worker *w = call->worker;
    struct stats_query *q = NULL;
    int64_t from, to;
    struct error e;
    enum status st;

    if (!request)
        return;
    st = check(request, clock_wall_s(), &from, &to, &e);
    if (st == ST_OK)
        st = stats_query_new(&q, request->table, request->call, &e);
    if (st != ST_OK) {
        call_fail(call, st, &e);
        return;
    }
    q->from_s = from;
    q->to_s = to;
    q->span = (enum span)request->span;
    q->histogram = request->histogram;
    q->memory = request->memory;
    q->training = request->training;
    q->worker = w;
    q->call_id = call->id;
    q->mail.deliver = deliver_question;
    mailbox_send(&w->server->main, &q->mail);
}

const struct rpc rpc_stats_query = {.path = "/embd.v1.Stats/Query",
                                    .name = "Query",
                                    .index = CALL_STATS,
                                    .message = query_message,
                                    .done = service_done};
