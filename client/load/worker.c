/* SPDX-License-Identifier: Apache-2.0 */
/* The loop of a load's thread, and its connections: opened before the load begins, and again when
   one of them breaks. */
#include "client/load/worker.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

#define EVENTS 64
#define PATIENCE_NS 100000000 /* the longest sleep: the word to stop is looked for so often */
#define LOOK_NS 10000000      /* between looks after connections that are not there */

/* The share of thread `number` when `total` is dealt out in turn. */
static uint64_t share(uint64_t total, unsigned number, unsigned threads)
{
    return total / threads + (number < total % threads);
}

enum status worker_init(struct worker *w, struct load_run *run, unsigned number, struct error *e)
{
    const struct load_plan *plan = run->plan;
    enum status st;

    *w = (struct worker){.run = run, .plan = plan, .number = number};
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->ready_last = &w->ready_first;
    tally_init(&w->tally);
    st = request_maker_init(&w->maker, plan, number, e);
    if (st != ST_OK)
        return st;
    if (w->epoll < 0)
        return error_errno(e, errno, "epoll");
    w->calls = share(plan->calls, number, plan->threads);
    w->lane_count = share(plan->connections, number, plan->threads);
    w->lanes = mem_zero(w->lane_count, sizeof *w->lanes);
    w->slots = mem_zero(w->lane_count, plan->streams * sizeof *w->slots);
    if (!w->lanes || !w->slots)
        return error_memory(e, "calls in flight");
    for (size_t i = 0; i < w->lane_count; i++)
        lane_init(&w->lanes[i], w, w->slots + i * plan->streams, plan->streams);
    return ST_OK;
}

void worker_done(struct worker *w)
{
    struct request *r;

    for (size_t i = 0; w->lanes && i < w->lane_count; i++)
        lane_close(&w->lanes[i]);
    for (struct slot *slot = w->oldest; slot; slot = slot->newer)
        mem_free(slot->request);
    while ((r = w->spare)) {
        w->spare = r->next;
        mem_free(r);
    }
    mem_free(w->prepared);
    request_maker_done(&w->maker);
    mem_free(w->slots);
    mem_free(w->lanes);
    if (w->epoll >= 0)
        close(w->epoll);
}

void worker_fail(struct worker *w, enum status st)
{
    if (w->status != ST_OK || st == ST_OK)
        return;
    w->status = st;
    atomic_store_explicit(&w->run->broken, true, memory_order_relaxed);
}

void worker_lane_dirty(struct lane *l)
{
    if (l->dirty)
        return;
    l->dirty = true;
    l->next_dirty = l->worker->dirty;
    l->worker->dirty = l;
}

static void flush(struct worker *w)
{
    struct lane *l;

    while ((l = w->dirty)) {
        w->dirty = l->next_dirty;
        l->dirty = false;
        if (l->connection)
            lane_flush(l);
    }
}

void worker_lane_lost(struct lane *l, const struct error *why)
{
    struct worker *w = l->worker;

    if (!w->unwell)
        w->alive_ns = clock_now_ns();
    w->unwell = true;
    if (!why) {
        w->look_ns = 0; /* at once */
        return;
    }
    w->error = *why;
    if (!w->running)
        worker_fail(w, ST_UNAVAILABLE);
    else if (!w->ended)
        w->tally.lost++;
}

/* Connect again what is down, and look at the clock for what is connecting. */
static void look_after(struct worker *w, uint64_t now_ns)
{
    size_t open = 0, still = 0;

    if (!w->unwell || now_ns < w->look_ns)
        return;
    w->look_ns = now_ns + LOOK_NS;
    for (size_t i = 0; i < w->lane_count; i++) {
        struct lane *l = &w->lanes[i];

        if (!l->connection && now_ns >= l->retry_ns && lane_open(l, now_ns, &w->error) != ST_OK)
            continue;
        if (l->connection && l->connection->state == CONNECTION_CONNECTING)
            lane_step(l, 0, now_ns);
        if (l->connection && l->connection->state == CONNECTION_OPEN)
            open++;
        if (l->connection)
            still += l->connection->state == CONNECTION_CONNECTING;
    }
    w->unwell = open < w->lane_count;
    if (open)
        w->alive_ns = now_ns;
    else if (w->running && !still && now_ns - w->alive_ns > w->plan->timeout_ns)
        worker_fail(w, ST_UNAVAILABLE); /* the server is gone for good */
}

/* When something is to be done even if nothing happens. */
static uint64_t wake_ns(const struct worker *w, uint64_t now_ns)
{
    uint64_t until_ns = now_ns + PATIENCE_NS, due_ns = now_ns;

    if (w->running && !w->ended && w->plan->rate > 0)
        due_ns = schedule_due(&w->schedule);
    if (w->running && !w->ended && w->ready_first && due_ns < until_ns)
        until_ns = due_ns;
    if (w->oldest && w->oldest->due_ns + w->plan->timeout_ns < until_ns)
        until_ns = w->oldest->due_ns + w->plan->timeout_ns;
    if (w->unwell && w->look_ns < until_ns)
        until_ns = w->look_ns;
    return until_ns;
}

/* Sleep until something can be done, and do it as far as it is connections' work. */
static void wait_and_step(struct worker *w)
{
    uint64_t now_ns = clock_now_ns(), until_ns = wake_ns(w, now_ns);
    struct epoll_event event[EVENTS];
    struct timespec timeout = {0};
    int n;

    if (until_ns > now_ns)
        timeout.tv_nsec = (long)(until_ns - now_ns); /* less than a second */
    n = epoll_pwait2(w->epoll, event, EVENTS, &timeout, NULL);
    if (n < 0 && errno != EINTR)
        worker_fail(w, error_errno(&w->error, errno, "epoll"));
    now_ns = clock_now_ns();
    for (int i = 0; i < n; i++) {
        struct lane *l = event[i].data.ptr;

        if (l->connection)
            lane_step(l, event[i].events, now_ns);
    }
}

/* Connect all lanes; the first that cannot be connected ends the run. */
static void connect_all(struct worker *w)
{
    for (size_t i = 0; i < w->lane_count && w->status == ST_OK; i++)
        worker_fail(w, lane_open(&w->lanes[i], clock_now_ns(), &w->error));
    w->unwell = true;
    while (w->unwell && w->status == ST_OK) {
        wait_and_step(w);
        look_after(w, clock_now_ns());
    }
    for (size_t i = 0; i < w->lane_count; i++)
        worker_lane_ready(&w->lanes[i]);
}

static void note_limits(struct worker *w)
{
    for (size_t i = 0; i < w->lane_count; i++) {
        const struct connection *c = w->lanes[i].connection;
        uint32_t limit;

        if (!c)
            continue;
        limit = nghttp2_session_get_remote_settings(c->session.http2,
                                                    NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
        if (limit < w->tally.stream_limit)
            w->tally.stream_limit = limit;
    }
}

static void load(struct worker *w)
{
    w->running = true;
    if (w->plan->rate > 0)
        schedule_init(&w->schedule, w->plan->rate, w->plan->poisson, w->run->start_ns,
                      w->plan->seed, w->number, w->plan->threads);
    while (w->status == ST_OK) {
        uint64_t now_ns = clock_now_ns();

        worker_expire(w, now_ns);
        look_after(w, now_ns);
        worker_send(w, now_ns);
        flush(w);
        if (w->ended && !w->oldest)
            break;
        if (!w->ended)
            worker_prepare(w); /* while the server is at work */
        wait_and_step(w);
    }
    note_limits(w);
}

/* Tell that this thread has connected, or failed to, and wait for the word. */
static bool pass_gate(struct load_run *run)
{
    bool go;

    pthread_mutex_lock(&run->lock);
    run->connected++;
    pthread_cond_broadcast(&run->changed);
    while (!run->open)
        pthread_cond_wait(&run->changed, &run->lock);
    go = !run->cancelled;
    pthread_mutex_unlock(&run->lock);
    return go;
}

void *worker_main(void *argument)
{
    struct worker *w = argument;

    prctl(PR_SET_TIMERSLACK, 1); /* nanosecond: calls are to be sent when they are due */
    connect_all(w);
    if (pass_gate(w->run))
        load(w);
    pthread_mutex_lock(&w->run->lock);
    w->run->finished++;
    pthread_cond_broadcast(&w->run->changed);
    pthread_mutex_unlock(&w->run->lock);
    return w;
}
