/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker sends and what becomes of it. A call's time begins when it is due: in a closed loop
   that is when its request is handed to the connection, in an open loop what the schedule says,
   also when all streams were busy then or the thread was late. So a server that stalls cannot hide
   the calls that would have come meanwhile. */
#include "base/clock.h"
#include "base/text.h"
#include "client/load/worker.h"

void worker_lane_ready(struct lane *l)
{
    struct worker *w = l->worker;

    if (l->ready || !lane_takes_calls(l))
        return;
    l->ready = true;
    l->next_ready = NULL;
    *w->ready_last = l;
    w->ready_last = &l->next_ready;
}

/* The lane whose turn it is; NULL if all streams are busy. */
static struct lane *take_ready(struct worker *w)
{
    struct lane *l;

    while ((l = w->ready_first)) {
        w->ready_first = l->next_ready;
        if (!w->ready_first)
            w->ready_last = &w->ready_first;
        l->ready = false;
        if (lane_takes_calls(l))
            return l;
    }
    return NULL;
}

bool worker_prepare(struct worker *w)
{
    struct request *r = w->spare;

    if (w->prepared)
        return true;
    if (r) {
        w->spare = r->next;
    } else {
        r = request_new(&w->maker);
        if (!r) {
            worker_fail(w, error_memory(&w->error, "request"));
            return false;
        }
    }
    request_write(&w->maker, r);
    w->prepared = r;
    return true;
}

static bool is_measured(const struct worker *w, uint64_t due_ns)
{
    return due_ns >= w->run->begin_ns;
}

static void note_done(struct worker *w, uint64_t now_ns)
{
    w->tally.last_ns = now_ns;
    atomic_fetch_add_explicit(&w->done, 1, memory_order_relaxed);
}

void worker_call_ended(struct slot *slot, uint64_t now_ns)
{
    struct worker *w = slot->lane->worker;
    const struct call *call = &slot->call;
    uint64_t took_ns = now_ns - slot->due_ns;

    *(slot->older ? &slot->older->newer : &w->oldest) = slot->newer;
    *(slot->newer ? &slot->newer->older : &w->newest) = slot->older;
    slot->request->next = w->spare;
    w->spare = slot->request;
    worker_lane_ready(slot->lane);
    if (now_ns >= w->run->begin_ns)
        w->tally.finished++;
    if (!is_measured(w, slot->due_ns))
        return;
    note_done(w, now_ns);
    if (call->status == ST_OK)
        tally_good(&w->tally, (uint64_t)w->plan->ids * w->plan->tables, slot->check.missing,
                   call->length, took_ns);
    else if (slot->wrong || (call->has_status && call->reply_status == ST_OK))
        tally_wrong(&w->tally, &call->error);
    else
        tally_failed(&w->tally, call->status, &call->error, took_ns);
}

void worker_expire(struct worker *w, uint64_t now_ns)
{
    char limit[32];

    while (w->oldest && now_ns >= w->oldest->due_ns + w->plan->timeout_ns) {
        struct slot *slot = w->oldest;

        lane_abandon(slot, error_set(&slot->call.error, ST_DEADLINE, "no answer within %s",
                                     format_duration(limit, (double)w->plan->timeout_ns / 1e3)));
    }
}

/* Send the request in stock. */
static void send_call(struct worker *w, struct lane *l, uint64_t due_ns)
{
    struct slot *slot;
    struct error e;
    enum status st = lane_send(&slot, l, w->prepared, due_ns, &e);

    if (is_measured(w, due_ns)) {
        if (w->plan->rate > 0)
            tally_late(&w->tally, clock_now_ns() - due_ns, w->behind);
        if (w->plan->calls)
            w->calls--;
        if (st != ST_OK)
            tally_failed(&w->tally, st, &e, 0);
    }
    worker_lane_dirty(l);
    if (st != ST_OK)
        return;
    w->prepared = NULL;
    slot->newer = NULL;
    slot->older = w->newest;
    *(w->newest ? &w->newest->newer : &w->oldest) = slot;
    w->newest = slot;
    worker_lane_ready(l);
}

/* A call that could not even be sent in all its time. */
static void give_up_unsent(struct worker *w, uint64_t due_ns, uint64_t now_ns)
{
    struct error e;
    enum status st = error_set(&e, ST_DEADLINE, "all streams were busy until its time was over");

    if (!is_measured(w, due_ns))
        return;
    if (w->plan->calls)
        w->calls--;
    note_done(w, now_ns);
    tally_late(&w->tally, now_ns - due_ns, true);
    tally_failed(&w->tally, st, &e, now_ns - due_ns);
}

/* Whether a call that is due then belongs to the load no more. */
static bool is_over(const struct worker *w, uint64_t due_ns)
{
    const struct load_run *run = w->run;

    return due_ns >= run->end_ns || (w->plan->calls && !w->calls) ||
           atomic_load_explicit(&run->stopped, memory_order_relaxed) ||
           atomic_load_explicit(&run->broken, memory_order_relaxed);
}

static void send_closed(struct worker *w, uint64_t now_ns)
{
    struct lane *l;

    w->ended = is_over(w, now_ns);
    while (!w->ended && (l = take_ready(w)) && worker_prepare(w)) {
        now_ns = clock_now_ns();
        w->ended = is_over(w, now_ns);
        if (!w->ended)
            send_call(w, l, now_ns);
    }
}

static void send_open(struct worker *w, uint64_t now_ns)
{
    for (;; schedule_advance(&w->schedule)) {
        uint64_t due_ns = schedule_due(&w->schedule);
        struct lane *l;

        w->ended = is_over(w, due_ns);
        if (w->ended)
            return;
        if (due_ns > now_ns) {
            w->behind = false;
            return;
        }
        if (now_ns - due_ns >= w->plan->timeout_ns) {
            give_up_unsent(w, due_ns, now_ns);
            continue;
        }
        l = take_ready(w);
        if (!l)
            w->behind = true;
        if (!l || !worker_prepare(w))
            return;
        send_call(w, l, due_ns);
    }
}

void worker_send(struct worker *w, uint64_t now_ns)
{
    if (w->ended)
        return;
    if (w->plan->rate > 0)
        send_open(w, now_ns);
    else
        send_closed(w, now_ns);
}
