/* SPDX-License-Identifier: Apache-2.0 */
/* Tallies added up, the notes beside the numbers, and the verdict. */
#include "client/load/notes.h"

#include "tests/unit/unit.h"

static void test_what_enters_the_latencies(void **state)
{
    struct error why = {"too late"};
    struct tally t;

    (void)state;
    tally_init(&t);
    tally_good(&t, 64, 3, 1000, 1499);
    tally_failed(&t, ST_DEADLINE, &why, 2500000);
    tally_failed(&t, ST_NOT_FOUND, &why, 7000000);
    tally_wrong(&t, &why);
    assert_true(t.good == 1 && t.failed == 2 && t.wrong == 1 && tally_errors(&t) == 3);
    assert_int_equal(t.latency.count, 2);
    assert_int_equal(t.latency.sum_us, 1 + 2500);
    assert_true(t.ids == 64 && t.missing == 3 && t.reply_bytes == 1000);
}

static void test_adding_keeps_all_and_the_first_sentence(void **state)
{
    struct error first = {"first"}, second = {"second"};
    struct tally a, b, sum;

    (void)state;
    tally_init(&a);
    tally_init(&b);
    tally_init(&sum);
    tally_good(&a, 1, 0, 10, 1000);
    tally_good(&b, 2, 1, 20, 3000);
    tally_failed(&a, ST_INTERNAL, &first, 0);
    tally_failed(&b, ST_INTERNAL, &second, 0);
    tally_failed(&b, ST_UNKNOWN, &second, 0);
    tally_wrong(&b, &second);
    tally_late(&b, 5000, true);
    b.last_ns = 9;
    b.lost = 2;
    b.finished = 7;
    b.stream_limit = 100;
    tally_add(&sum, &a);
    tally_add(&sum, &b);
    assert_true(sum.good == 2 && sum.ids == 3 && sum.missing == 1 && sum.reply_bytes == 30);
    assert_true(sum.latency.count == 2 && sum.latency.sum_us == 4);
    assert_true(sum.by_status[ST_INTERNAL] == 2 && sum.by_status[ST_UNKNOWN] == 1);
    assert_string_equal(sum.first[ST_INTERNAL].text, "first");
    assert_string_equal(sum.first[ST_UNKNOWN].text, "second");
    assert_true(sum.wrong == 1 && sum.lateness.count == 1 && sum.waited == 1);
    assert_true(sum.last_ns == 9 && sum.lost == 2 && sum.finished == 7 && sum.stream_limit == 100);
}

/* A run of ten seconds with a thousand good calls, in which nothing is remarkable. */
static void plain(struct load_plan *plan, struct load_result *r)
{
    *plan = (struct load_plan){.streams = 8, .rate = 100, .duration_ns = 10000000000};
    *r = (struct load_result){.seconds = 10.01, .client_busy = 0.4, .server_cpu_us = -1};
    tally_init(&r->tally);
    for (int i = 0; i < 1000; i++) {
        tally_good(&r->tally, 10, 0, 100, 50000);
        tally_late(&r->tally, 20000, false);
    }
}

static void nothing(struct load_plan *plan, struct load_result *r)
{
    (void)plan, (void)r;
}

static void stopped(struct load_plan *plan, struct load_result *r)
{
    (void)plan;
    r->stopped = true;
}

static void busy(struct load_plan *plan, struct load_result *r)
{
    (void)plan;
    r->client_busy = 0.95;
}

static void waited(struct load_plan *plan, struct load_result *r)
{
    (void)plan;
    r->tally.waited = 300;
}

static void sent_late(struct load_plan *plan, struct load_result *r)
{
    (void)plan;
    for (int i = 0; i < 20; i++)
        tally_late(&r->tally, 3000000, false);
}

static void late_in_a_closed_loop(struct load_plan *plan, struct load_result *r)
{
    sent_late(plan, r);
    plan->rate = 0;
}

static void overtime(struct load_plan *plan, struct load_result *r)
{
    (void)plan;
    r->seconds = 12.5;
}

static void limited(struct load_plan *plan, struct load_result *r)
{
    (void)plan;
    r->tally.stream_limit = 4;
}

static void lost(struct load_plan *plan, struct load_result *r)
{
    (void)plan;
    r->tally.lost = 3;
}

static void unknown(struct load_plan *plan, struct load_result *r)
{
    (void)plan;
    r->tally.missing = 2500;
}

static void keys(struct load_plan *plan, struct load_result *r)
{
    unknown(plan, r);
    plan->by_key = true;
}

static void test_notes(void **state)
{
    static const struct {
        void (*change)(struct load_plan *plan, struct load_result *r);
        const char *words; /* NULL: no note */
    } rows[] = {
        {nothing, NULL},
        {stopped, "stopped early"},
        {busy, "busy 95% of the time"},
        {waited, "30% of the calls found all streams busy"},
        {sent_late, "sent one call in a hundred 2."},
        {late_in_a_closed_loop, NULL},
        {overtime, "the last answer came 2.50 s after"},
        {limited, "takes 4 streams"},
        {lost, "broke 3 times"},
        {unknown, "25.0% of the ids were unknown to their tables"},
        {keys, "give them in a --trace"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct load_notes notes;
        struct load_result r;
        struct load_plan plan;

        plain(&plan, &r);
        rows[i].change(&plan, &r);
        load_notes(&notes, &plan, &r);
        if (notes.count != (rows[i].words != NULL))
            fail_msg("row %zu has %u notes: %s", i, notes.count, notes.note[0].text);
        if (rows[i].words && !strstr(notes.note[0].text, rows[i].words))
            fail_msg("row %zu: %s", i, notes.note[0].text);
    }
}

static void test_all_notes_fit(void **state)
{
    struct load_notes notes;
    struct load_result r;
    struct load_plan plan;

    (void)state;
    plain(&plan, &r);
    stopped(&plan, &r);
    busy(&plan, &r);
    waited(&plan, &r);
    overtime(&plan, &r);
    limited(&plan, &r);
    lost(&plan, &r);
    keys(&plan, &r);
    r.stopped = false;
    load_notes(&notes, &plan, &r);
    assert_int_equal(notes.count, 6);
    assert_true(notes.count + 1 <= NOTES_MAX); /* and the one that was stopped */
}

static void test_verdict(void **state)
{
    struct error first = {"the first one"}, e;
    struct load_result r;
    struct load_plan plan;

    (void)state;
    plain(&plan, &r);
    assert_ok(load_verdict(&r, &e), e);
    tally_failed(&r.tally, ST_EXHAUSTED, &first, 0);
    assert_fails(load_verdict(&r, &e), ST_EXHAUSTED, e,
                 "1 of 1,001 calls failed; RESOURCE_EXHAUSTED: the first one");
    tally_wrong(&r.tally, &first);
    assert_fails(load_verdict(&r, &e), ST_INTERNAL, e,
                 "2 of 1,002 calls failed; a wrong reply: the first one");
    tally_init(&r.tally);
    assert_fails(load_verdict(&r, &e), ST_UNAVAILABLE, e, "no call was due");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_enters_the_latencies),
        cmocka_unit_test(test_adding_keeps_all_and_the_first_sentence),
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_all_notes_fit),
        cmocka_unit_test(test_verdict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
