/* SPDX-License-Identifier: Apache-2.0 */
/* Mail within a thread and across threads. */
#include "base/mailbox.h"

#include <poll.h>

#include "base/clock.h"
#include "base/memory.h"
#include "tests/unit/unit.h"

#define SENDERS 4
#define LETTERS 5000

struct letter {
    struct mail mail;
    unsigned sender, number;
};

struct reader {
    unsigned next[SENDERS]; /* number expected from each sender */
    size_t got;
    bool in_order;
    struct mailbox *answer; /* if set, one more letter is sent here */
};

static void read_letter(struct mail *mail, void *receiver)
{
    struct letter *l = (struct letter *)mail;
    struct reader *r = receiver;

    if (r->next[l->sender]++ != l->number)
        r->in_order = false;
    r->got++;
    if (r->answer) {
        l->number++;
        mailbox_send(r->answer, &l->mail);
        r->answer = NULL;
        return;
    }
    mem_free(l);
}

static void send_letter(struct mailbox *m, unsigned sender, unsigned number)
{
    struct letter *l = mem_alloc(sizeof *l);

    *l = (struct letter){.mail.deliver = read_letter, .sender = sender, .number = number};
    mailbox_send(m, &l->mail);
}

static bool readable(const struct mailbox *m)
{
    struct pollfd p = {.fd = m->fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static void test_delivery_is_in_order_and_clears_the_descriptor(void **state)
{
    struct reader r = {.in_order = true};
    struct mailbox m;
    struct error e;

    (void)state;
    assert_ok(mailbox_init(&m, &e), e);
    assert_false(readable(&m));
    assert_int_equal(mailbox_deliver(&m, &r), 0);
    for (unsigned i = 0; i < 3; i++)
        send_letter(&m, 0, i);
    assert_true(readable(&m));
    assert_int_equal(mailbox_deliver(&m, &r), 3);
    assert_true(r.in_order);
    assert_false(readable(&m));
    send_letter(&m, 0, 3); /* and it wakes again */
    assert_true(readable(&m));
    assert_int_equal(mailbox_deliver(&m, &r), 1);
    mailbox_done(&m);
}

static void test_mail_sent_while_delivering_waits_for_the_next_time(void **state)
{
    struct mailbox m;
    struct error e;
    struct reader r = {.in_order = true, .answer = &m};

    (void)state;
    assert_ok(mailbox_init(&m, &e), e);
    send_letter(&m, 0, 0);
    assert_int_equal(mailbox_deliver(&m, &r), 1);
    assert_true(readable(&m));
    assert_int_equal(mailbox_deliver(&m, &r), 1);
    assert_true(r.in_order);
    mailbox_done(&m);
}

static void test_wait_ends_in_time(void **state)
{
    struct reader r = {.in_order = true};
    struct mailbox m;
    struct error e;
    uint64_t begin;

    (void)state;
    assert_ok(mailbox_init(&m, &e), e);
    assert_false(mailbox_wait(&m, 0));
    begin = clock_now_us();
    assert_false(mailbox_wait(&m, 2500));
    assert_true(clock_now_us() - begin >= 2500);
    send_letter(&m, 0, 0);
    assert_true(mailbox_wait(&m, 0));
    assert_true(mailbox_wait(&m, -1)); /* mail waits until it is delivered */
    assert_int_equal(mailbox_deliver(&m, &r), 1);
    mailbox_done(&m);
}

struct sender {
    pthread_t thread;
    struct mailbox *to;
    unsigned id, letters;
};

static void *run_sender(void *arg)
{
    struct sender *s = arg;

    for (unsigned i = 0; i < s->letters; i++)
        send_letter(s->to, s->id, i);
    return NULL;
}

static void test_many_senders_lose_nothing(void **state)
{
    struct reader r = {.in_order = true};
    struct sender senders[SENDERS];
    struct mailbox m;
    struct error e;

    (void)state;
    assert_ok(mailbox_init(&m, &e), e);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.to = &m, .id = i, .letters = LETTERS};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, run_sender, &senders[i]), 0);
    }
    while (r.got < (size_t)SENDERS * LETTERS) {
        assert_true(mailbox_wait(&m, 60000000)); /* a lost wake-up would end here */
        mailbox_deliver(&m, &r);
    }
    assert_true(r.in_order);
    assert_false(readable(&m));
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    mailbox_done(&m);
}

static void test_reader_may_close_after_the_last_mail(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        struct reader r = {.in_order = true};
        struct mailbox *m = mem_alloc(sizeof *m);
        struct sender s = {.to = m, .letters = 1};
        struct error e;

        assert_ok(mailbox_init(m, &e), e);
        assert_int_equal(pthread_create(&s.thread, NULL, run_sender, &s), 0);
        while (mailbox_deliver(m, &r) == 0)
            assert_true(mailbox_wait(m, 60000000));
        mailbox_done(m); /* the sender may not have left mailbox_send() yet */
        mem_free(m);
        pthread_join(s.thread, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delivery_is_in_order_and_clears_the_descriptor),
        cmocka_unit_test(test_mail_sent_while_delivering_waits_for_the_next_time),
        cmocka_unit_test(test_wait_ends_in_time),
        cmocka_unit_test(test_many_senders_lose_nothing),
        cmocka_unit_test(test_reader_may_close_after_the_last_mail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
