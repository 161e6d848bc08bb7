/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs and waiters of a worker: two rings, used on its thread alone. */
#include "daemon/jobs.h"

#include "base/clock.h"
#include "daemon/transport.h"

/* How long jobs may keep the sockets waiting. A slice of a lookup takes tens of microseconds. */
#define TURN_US 500

void jobs_init(struct worker *w)
{
    w->jobs.next = w->jobs.prev = &w->jobs;
    w->waiters.next = w->waiters.prev = &w->waiters;
    w->job_count = 0;
}

/* Queue the job before another one, or before the head: at the end. */
static void enqueue(struct worker *w, struct job *job, struct job *before)
{
    if (job->next)
        return;
    job->next = before;
    job->prev = before->prev;
    before->prev->next = job;
    before->prev = job;
    w->job_count++;
}

void worker_enqueue(struct worker *w, struct job *job)
{
    enqueue(w, job, &w->jobs);
}

void worker_enqueue_first(struct worker *w, struct job *job)
{
    enqueue(w, job, w->jobs.next);
}

void worker_dequeue(struct worker *w, struct job *job)
{
    if (!job->next)
        return;
    job->next->prev = job->prev;
    job->prev->next = job->next;
    job->next = job->prev = NULL;
    w->job_count--;
}

void jobs_run(struct worker *w)
{
    uint64_t end = clock_now_us() + TURN_US;

    for (size_t n = w->job_count; n && w->jobs.next != &w->jobs; n--) {
        struct job *job = w->jobs.next;

        worker_dequeue(w, job);
        job->run(job);
        transport_flush(w->transport); /* what it made is in the processor's cache */
        if (clock_now_us() >= end)
            return;
    }
}

static void insert_waiter(struct waiter *head, struct waiter *waiter)
{
    waiter->next = head;
    waiter->prev = head->prev;
    head->prev->next = waiter;
    head->prev = waiter;
}

static void remove_waiter(struct waiter *waiter)
{
    waiter->next->prev = waiter->prev;
    waiter->prev->next = waiter->next;
    waiter->next = waiter->prev = NULL;
}

void worker_wait(struct worker *w, struct waiter *waiter)
{
    if (!waiter->next)
        insert_waiter(&w->waiters, waiter);
}

void worker_unwait(struct worker *w, struct waiter *waiter)
{
    (void)w;
    if (waiter->next)
        remove_waiter(waiter);
}

void worker_wake(struct worker *w)
{
    struct waiter ring, *head = &w->waiters;

    if (head->next == head)
        return;
    /* Move all to a ring of its own: who waits again is not woken twice, and who stops waiting
       meanwhile leaves this ring in the same way. */
    ring.next = head->next;
    ring.prev = head->prev;
    ring.next->prev = ring.prev->next = &ring;
    head->next = head->prev = head;
    while (ring.next != &ring) {
        struct waiter *waiter = ring.next;

        remove_waiter(waiter);
        waiter->wake(waiter);
    }
}
