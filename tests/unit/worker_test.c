/* SPDX-License-Identifier: Apache-2.0 */
/* A worker without connections: jobs, waiters, catalogs that come and go, bytes in flight. */
#include "unit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "daemon/server.h"
#include "daemon/worker.h"

#define WORKERS 3

static const struct rpc *const no_rpcs[] = {NULL};

struct house {
    struct server server;
    struct worker *worker[WORKERS];
    struct mailbox mailbox;
};

static int setup(void **state)
{
    struct house *h = calloc(1, sizeof *h);
    struct error e;

    h->server = (struct server){.limits = {.max_inflight_bytes = 1000,
                                           .max_streams = 10,
                                           .max_headers_bytes = 1000,
                                           .drain_us = 1000},
                                .rpcs = no_rpcs,
                                .worker = h->worker};
    for (unsigned i = 0; i < WORKERS; i++)
        assert_ok(worker_new(&h->worker[i], &h->server, i, &e), e);
    h->server.worker_count = WORKERS;
    assert_ok(mailbox_init(&h->mailbox, &e), e);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    struct house *h = *state;

    for (unsigned i = 0; i < WORKERS; i++) {
        worker_join(h->worker[i]);
        worker_free(h->worker[i]);
    }
    mailbox_done(&h->mailbox);
    free(h);
    return 0;
}

/* ---- Jobs ---- */

static char order[64];

struct letter {
    struct job job; /* first */
    struct worker *worker;
    char name;
    unsigned times;
};

static void write_letter(struct job *job)
{
    struct letter *l = (struct letter *)job;
    size_t n = strlen(order);

    order[n] = l->name;
    order[n + 1] = '\0';
    if (--l->times)
        worker_enqueue(l->worker, job);
}

static void test_jobs_take_turns_in_order(void **state)
{
    struct house *h = *state;
    struct worker *w = h->worker[0];
    struct letter a = {{.run = write_letter}, w, 'a', 3}, b = {{.run = write_letter}, w, 'b', 1},
                  c = {{.run = write_letter}, w, 'c', 2};

    order[0] = '\0';
    worker_enqueue(w, &a.job);
    worker_enqueue(w, &b.job);
    worker_enqueue(w, &c.job);
    worker_enqueue(w, &a.job); /* is queued already */
    worker_turn(w, true);
    assert_string_equal(order, "abc");
    while (w->job_count)
        worker_turn(w, true);
    assert_string_equal(order, "abcaca");
}

/* One at the front goes on and on; the others are not forgotten. */
static void test_a_job_at_the_front(void **state)
{
    struct house *h = *state;
    struct worker *w = h->worker[0];
    struct letter a = {{.run = write_letter}, w, 'a', 1}, b = {{.run = write_letter}, w, 'b', 1},
                  c = {{.run = write_letter}, w, 'c', 1};

    order[0] = '\0';
    worker_enqueue(w, &a.job);
    worker_enqueue(w, &b.job);
    worker_enqueue_first(w, &c.job);
    worker_enqueue_first(w, &b.job); /* is queued already */
    assert_int_equal(w->job_count, 3);
    worker_turn(w, true);
    assert_string_equal(order, "cab");
    worker_enqueue_first(w, &a.job);
    worker_dequeue(w, &a.job);
    assert_int_equal(w->job_count, 0);
}

static void test_a_job_that_is_taken_out_does_not_run(void **state)
{
    struct house *h = *state;
    struct worker *w = h->worker[0];
    struct letter a = {{.run = write_letter}, w, 'a', 9}, b = {{.run = write_letter}, w, 'b', 1};

    order[0] = '\0';
    worker_dequeue(w, &a.job); /* is not queued: nothing happens */
    worker_enqueue(w, &a.job);
    worker_enqueue(w, &b.job);
    worker_dequeue(w, &a.job);
    worker_turn(w, true);
    assert_string_equal(order, "b");
    assert_int_equal(w->job_count, 0);
}

/* ---- Waiters and catalogs ---- */

struct patient {
    struct waiter waiter; /* first */
    struct worker *worker;
    struct waiter *dismiss; /* stops waiting when this one wakes */
    const struct catalog *seen;
    unsigned woken;
};

static void wake(struct waiter *waiter)
{
    struct patient *p = (struct patient *)waiter;

    p->woken++;
    p->seen = p->worker->catalog;
    worker_wait(p->worker, waiter); /* again: is not woken twice by one change */
    if (p->dismiss)
        worker_unwait(p->worker, p->dismiss);
}

static void count_mail(struct mail *mail, void *receiver)
{
    (void)mail;
    ++*(unsigned *)receiver;
}

static void test_a_catalog_is_taken_and_wakes_who_waits(void **state)
{
    struct house *h = *state;
    struct worker *w = h->worker[0];
    const struct catalog one = {.number = 1}, two = {.number = 2};
    struct mail taken[3] = {
        {.deliver = count_mail}, {.deliver = count_mail}, {.deliver = count_mail}};
    struct patient p = {{.wake = wake}, w, NULL, NULL, 0}, q = p, r = p;
    unsigned mails = 0;

    p.dismiss = &r.waiter;
    worker_wait(w, &p.waiter);
    worker_wait(w, &q.waiter);
    worker_wait(w, &r.waiter);
    worker_show_catalog(w, &one, &h->mailbox, &taken[0]);
    assert_int_equal(mailbox_deliver(&h->mailbox, &mails), 0);
    worker_turn(w, true);
    assert_ptr_equal(w->catalog, &one);
    assert_int_equal(mailbox_deliver(&h->mailbox, &mails), 1);
    assert_int_equal(p.woken + q.woken, 2);
    assert_ptr_equal(p.seen, &one);
    assert_int_equal(r.woken, 0);
    /* Two at once: the second is what counts, and both are told. */
    worker_show_catalog(w, &one, &h->mailbox, &taken[1]);
    worker_show_catalog(w, &two, &h->mailbox, &taken[2]);
    worker_turn(w, true);
    assert_ptr_equal(q.seen, &two);
    assert_int_equal(q.woken, 2);
    assert_int_equal(mailbox_deliver(&h->mailbox, &mails), 2);
    worker_unwait(w, &p.waiter);
    worker_unwait(w, &q.waiter);
}

/* From another thread; however often, who waits is woken once, and again by what comes later. */
static void test_rousing_wakes_who_waits(void **state)
{
    struct house *h = *state;
    struct worker *w = h->worker[0];
    struct patient p = {{.wake = wake}, w, NULL, NULL, 0};

    worker_wait(w, &p.waiter);
    worker_rouse(w);
    worker_rouse(w);
    assert_int_equal(p.woken, 0);
    worker_turn(w, true);
    assert_int_equal(p.woken, 1);
    worker_rouse(w);
    worker_turn(w, true);
    assert_int_equal(p.woken, 2);
    worker_unwait(w, &p.waiter);
}

static void test_workers_that_run_or_have_left_take_catalogs(void **state)
{
    struct house *h = *state;
    const struct catalog one = {.number = 1};
    struct mail taken[WORKERS];
    unsigned mails = 0;
    struct error e;

    for (unsigned round = 0; round < 2; round++) {
        if (round == 0)
            for (unsigned i = 0; i < WORKERS; i++)
                assert_ok(worker_start(h->worker[i], &e), e);
        for (unsigned i = 0; i < WORKERS; i++) {
            taken[i].deliver = count_mail;
            worker_show_catalog(h->worker[i], &one, &h->mailbox, &taken[i]);
        }
        while (mails < WORKERS * (round + 1)) {
            assert_true(mailbox_wait(&h->mailbox, 10000000));
            mailbox_deliver(&h->mailbox, &mails);
        }
        for (unsigned i = 0; i < WORKERS; i++) {
            worker_drain(h->worker[i]);
            worker_drain(h->worker[i]);
            worker_join(h->worker[i]);
        }
    }
}

static void test_catalogs_that_race_with_the_end_are_taken(void **state)
{
    struct house *h = *state;
    const struct catalog one = {.number = 1};
    struct mail taken[WORKERS];
    unsigned mails = 0;
    struct error e;

    for (unsigned i = 0; i < WORKERS; i++) {
        assert_ok(worker_start(h->worker[i], &e), e);
        worker_drain(h->worker[i]);
        taken[i].deliver = count_mail;
        worker_show_catalog(h->worker[i], &one, &h->mailbox, &taken[i]);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        worker_join(h->worker[i]);
    while (mails < WORKERS) {
        assert_true(mailbox_wait(&h->mailbox, 10000000));
        mailbox_deliver(&h->mailbox, &mails);
    }
}

static void test_draining_wakes_who_waits(void **state)
{
    struct house *h = *state;
    struct worker *w = h->worker[1];
    struct patient p = {{.wake = wake}, w, NULL, NULL, 0};

    worker_wait(w, &p.waiter);
    worker_wake(w);
    assert_int_equal(p.woken, 1);
    worker_drain(w);
    worker_turn(w, true);
    assert_int_equal(p.woken, 2);
    assert_true(w->draining);
    worker_unwait(w, &p.waiter);
}

/* ---- Bytes and sockets ---- */

static void test_bytes_in_flight_are_counted_over_all_workers(void **state)
{
    struct house *h = *state;

    assert_true(worker_charge(h->worker[0], 600));
    assert_false(worker_charge(h->worker[1], 401));
    assert_true(worker_charge(h->worker[1], 400));
    assert_false(worker_charge(h->worker[2], 1));
    assert_true(worker_charge(h->worker[2], 0));
    worker_discharge(h->worker[0], 600);
    assert_false(worker_charge(h->worker[2], UINT64_MAX));
    assert_true(worker_charge(h->worker[2], 600));
    assert_int_equal(h->worker[0]->inflight_bytes, 0);
    assert_int_equal(h->worker[1]->inflight_bytes, 400);
    worker_discharge(h->worker[1], 400);
    worker_discharge(h->worker[2], 600);
}

static void test_sockets_are_adopted_or_closed(void **state)
{
    struct house *h = *state;
    struct worker *w = h->worker[0];
    int pair[2];
    char byte;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    worker_adopt(w, pair[0]);
    assert_int_equal(w->connection_count, 1);
    worker_turn(w, true);
    assert_int_equal(h->server.connections_total, 1);
    assert_int_equal(read(pair[1], &byte, 1), 1); /* SETTINGS */
    close(pair[1]);
    while (w->connection_count)
        worker_turn(w, true);

    worker_join(w);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    worker_adopt(w, pair[0]);
    worker_free(w);
    assert_int_equal(read(pair[1], &byte, 1), 0);
    close(pair[1]);
    struct error e;
    assert_ok(worker_new(&h->worker[0], &h->server, 0, &e), e);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_jobs_take_turns_in_order),
        CASE(test_a_job_at_the_front),
        CASE(test_a_job_that_is_taken_out_does_not_run),
        CASE(test_a_catalog_is_taken_and_wakes_who_waits),
        CASE(test_rousing_wakes_who_waits),
        CASE(test_workers_that_run_or_have_left_take_catalogs),
        CASE(test_catalogs_that_race_with_the_end_are_taken),
        CASE(test_draining_wakes_who_waits),
        CASE(test_bytes_in_flight_are_counted_over_all_workers),
        CASE(test_sockets_are_adopted_or_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
