/* SPDX-License-Identifier: Apache-2.0 */
/* The main thread's part of a load: it starts the others, opens the gate when all have connected,
   looks at the processors' clocks when the warm-up is over and at the end, and adds up. */
#include "client/load/load.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "client/load/cpu.h"
#include "client/load/worker.h"

#define TELL_NS 200000000 /* between two messages to who watches */

struct crew {
    struct load_run run;
    struct worker *worker;
    unsigned ready, started; /* workers */
    uint64_t client_ns, server_ns;
    bool server_known;
};

static enum status crew_start(struct crew *crew, struct error *e)
{
    const struct load_plan *plan = crew->run.plan;

    crew->worker = mem_zero(plan->threads, sizeof *crew->worker);
    if (!crew->worker)
        return error_memory(e, "threads");
    for (; crew->ready < plan->threads; crew->ready++) {
        enum status st = worker_init(&crew->worker[crew->ready], &crew->run, crew->ready, e);

        if (st != ST_OK) {
            worker_done(&crew->worker[crew->ready]);
            return st;
        }
    }
    for (; crew->started < plan->threads; crew->started++) {
        struct worker *w = &crew->worker[crew->started];
        int failed = pthread_create(&w->thread, NULL, worker_main, w);

        if (failed)
            return error_errno(e, failed, "cannot start a thread");
    }
    return ST_OK;
}

static void wait_connected(struct crew *crew)
{
    struct load_run *run = &crew->run;

    pthread_mutex_lock(&run->lock);
    while (run->connected < crew->started)
        pthread_cond_wait(&run->changed, &run->lock);
    pthread_mutex_unlock(&run->lock);
}

static void open_gate(struct crew *crew, bool cancelled)
{
    struct load_run *run = &crew->run;
    const struct load_plan *plan = run->plan;

    pthread_mutex_lock(&run->lock);
    run->cancelled = cancelled;
    run->start_ns = clock_now_ns();
    run->begin_ns = run->start_ns + plan->warmup_ns;
    run->end_ns = plan->duration_ns ? run->begin_ns + plan->duration_ns : UINT64_MAX;
    run->open = true;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

/* The first worker's reason not to go on. */
static enum status crew_status(const struct crew *crew, struct error *e)
{
    for (unsigned i = 0; i < crew->started; i++) {
        if (crew->worker[i].status == ST_OK)
            continue;
        *e = crew->worker[i].error;
        return crew->worker[i].status;
    }
    return ST_OK;
}

/* The server's process: as we were told, or as a Unix socket tells. */
static int find_server(const struct crew *crew)
{
    int asked = crew->run.plan->server_pid;

    return asked ? asked : cpu_peer(crew->worker[0].lanes[0].connection->fd);
}

static void read_clocks(struct crew *crew, int server_pid)
{
    crew->client_ns = cpu_own_ns();
    crew->server_known = cpu_of_ns(server_pid, &crew->server_ns);
}

static void tell(struct crew *crew, const struct load_watch *watch)
{
    const struct load_plan *plan = crew->run.plan;
    uint64_t calls = 0, now_ns = clock_now_ns();
    double part = 0, time = 0;

    for (unsigned i = 0; i < crew->started; i++)
        calls += atomic_load_explicit(&crew->worker[i].done, memory_order_relaxed);
    if (plan->calls)
        part = (double)calls / (double)plan->calls;
    if (plan->duration_ns && now_ns > crew->run.begin_ns)
        time = (double)(now_ns - crew->run.begin_ns) / (double)plan->duration_ns;
    part = part > time ? part : time;
    if (!watch->told(watch->context, part < 1 ? part : 1, calls))
        atomic_store_explicit(&crew->run.stopped, true, memory_order_relaxed);
}

/* Wait for `until_ns`, or for the end of all threads, and tell who watches. True if all have
   ended. */
static bool wait_finished(struct crew *crew, uint64_t until_ns, const struct load_watch *watch)
{
    struct load_run *run = &crew->run;
    bool finished;

    pthread_mutex_lock(&run->lock);
    while (run->finished < crew->started && clock_now_ns() < until_ns) {
        uint64_t wake_ns = clock_now_ns() + TELL_NS;
        struct timespec wake;

        if (wake_ns > until_ns)
            wake_ns = until_ns;
        wake.tv_sec = (time_t)(wake_ns / 1000000000);
        wake.tv_nsec = (long)(wake_ns % 1000000000);
        pthread_cond_clockwait(&run->changed, &run->lock, CLOCK_MONOTONIC, &wake);
        if (watch)
            tell(crew, watch);
    }
    finished = run->finished == crew->started;
    pthread_mutex_unlock(&run->lock);
    return finished;
}

static void sum_up(struct crew *crew, struct load_result *r, int server_pid)
{
    const struct load_run *run = &crew->run;
    uint64_t client_ns = cpu_own_ns(), server_ns, end_ns;
    bool server_known = crew->server_known && cpu_of_ns(server_pid, &server_ns);
    double calls;

    tally_init(&r->tally);
    for (unsigned i = 0; i < crew->started; i++)
        tally_add(&r->tally, &crew->worker[i].tally);
    r->stopped = atomic_load(&run->stopped);
    end_ns = r->tally.last_ns > run->begin_ns ? r->tally.last_ns : run->begin_ns;
    if (!r->stopped && !run->plan->calls && end_ns < run->end_ns)
        end_ns = run->end_ns;
    r->seconds = (double)(end_ns - run->begin_ns) / 1e9;
    calls = r->tally.finished ? (double)r->tally.finished : 1;
    r->client_cpu_us = (double)(client_ns - crew->client_ns) / 1e3 / calls;
    r->client_busy = r->seconds > 0 ? (double)(client_ns - crew->client_ns) / 1e9 / r->seconds /
                                          run->plan->threads
                                    : 0;
    r->server_pid = crew->server_known ? server_pid : 0;
    r->server_cpu_us = server_known ? (double)(server_ns - crew->server_ns) / 1e3 / calls : -1;
}

static void crew_join(struct crew *crew)
{
    for (unsigned i = 0; i < crew->started; i++)
        pthread_join(crew->worker[i].thread, NULL);
    for (unsigned i = 0; i < crew->ready; i++)
        worker_done(&crew->worker[i]);
    mem_free(crew->worker);
    pthread_cond_destroy(&crew->run.changed);
    pthread_mutex_destroy(&crew->run.lock);
    address_done(&crew->run.address);
}

enum status load_measure(struct load_result *result, const struct load_plan *plan,
                         const struct load_watch *watch, struct error *e)
{
    struct crew crew = {.run = {.plan = plan}};
    int server_pid = 0;
    enum status st = address_parse(&crew.run.address, plan->server, e);

    if (st != ST_OK)
        return st;
    pthread_mutex_init(&crew.run.lock, NULL);
    pthread_cond_init(&crew.run.changed, NULL);
    st = crew_start(&crew, e);
    wait_connected(&crew);
    if (st == ST_OK)
        st = crew_status(&crew, e);
    if (st == ST_OK)
        server_pid = find_server(&crew);
    read_clocks(&crew, server_pid); /* counts if there is no warm-up */
    open_gate(&crew, st != ST_OK);
    if (st == ST_OK) {
        if (plan->warmup_ns && !wait_finished(&crew, crew.run.begin_ns, watch))
            read_clocks(&crew, server_pid);
        wait_finished(&crew, UINT64_MAX, watch);
        st = crew_status(&crew, e);
        if (st == ST_OK)
            sum_up(&crew, result, server_pid);
    }
    crew_join(&crew);
    return st;
}
