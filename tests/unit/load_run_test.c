/* SPDX-License-Identifier: Apache-2.0 */
/* Whole loads against a server that breaks the rules by request: every call is counted once, under
   what happened to it, and the load goes on or ends as it should. */
#include "client/load/load.h"

#include "base/memory.h"
#include "client/load/notes.h"
#include "tests/unit/fake_server.h"

static struct fake_server server;

static struct load_plan plan_of(const struct load_table *table)
{
    return (struct load_plan){.server = server.address,
                              .table = table,
                              .tables = 1,
                              .ids = 3,
                              .seed = 1,
                              .threads = 1,
                              .connections = 2,
                              .streams = 2,
                              .calls = 12,
                              .timeout_ns = 300000000};
}

static struct load_table table_of(const char *scenario)
{
    return (struct load_table){.name = scenario, .rows = 10, .dim = 4};
}

enum { GOOD = -1, WRONG = -2 };

static void test_every_call_is_counted_once(void **state)
{
    static const struct {
        const char *scenario;
        int outcome; /* GOOD, WRONG or a status */
        const char *words;
        bool lost; /* connections break */
    } rows[] = {
        {"words", GOOD, "", false},
        {"bytewise", GOOD, "", false},
        {"ok", WRONG, "not a LookupResponse", false},
        {"empty", WRONG, "0 results", false},
        {"no_message", WRONG, "no message", false},
        {"short_prefix", WRONG, "cut short", false},
        {"raw:0a0408041003", WRONG, "0 bytes of rows came, not 48", false},
        {"raw:0a0408041002", WRONG, "2 rows came for 3", false},
        {"raw:0a0408051003", WRONG, "dim 5 came, not 4", false},
        {"no_trailers", WRONG, "not a LookupResponse", false},
        {"status:5:gone", ST_NOT_FOUND, "gone", false},
        {"status:14", ST_UNAVAILABLE, "no more", false},
        {"http:503", ST_UNAVAILABLE, "HTTP status 503", false},
        {"untyped", ST_UNKNOWN, "not gRPC", false},
        {"reset:2", ST_INTERNAL, "reset the call", false},
        {"refuse:1000:load", ST_UNAVAILABLE, "refused the call", false},
        {"silence", ST_DEADLINE, "no answer within 300 ms", false},
        {"begin", ST_DEADLINE, "no answer within 300 ms", false},
        {"dribble", ST_DEADLINE, "no answer within 300 ms", false},
        {"close", ST_UNAVAILABLE, "unix:", true}, /* an end or a reset */
        {"garbage", ST_UNAVAILABLE, "HTTP/2", true},
        {"http1", ST_UNAVAILABLE, "HTTP/2", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct load_table table = table_of(rows[i].scenario);
        struct load_plan plan = plan_of(&table);
        struct load_result r;
        const struct tally *t = &r.tally;
        struct error e, verdict;
        bool good = rows[i].outcome == GOOD, wrong = rows[i].outcome == WRONG;
        uint64_t told;

        assert_ok(load_measure(&r, &plan, NULL, &e), e);
        told = good ? t->good : wrong ? t->wrong : t->by_status[rows[i].outcome];
        if (told != 12 || t->good + tally_errors(t) != 12)
            fail_msg("%s: %d of 12 calls, good %d, wrong %d, failed %d", rows[i].scenario,
                     (int)told, (int)t->good, (int)t->wrong, (int)t->failed);
        assert_int_equal(t->latency.count, good || rows[i].outcome == ST_DEADLINE ? 12 : 0);
        assert_true(rows[i].lost == (t->lost > 0));
        assert_int_equal(load_verdict(&r, &verdict), good    ? ST_OK
                                                     : wrong ? ST_INTERNAL
                                                             : rows[i].outcome);
        if (!good && !strstr(verdict.text, rows[i].words))
            fail_msg("%s: \"%s\"", rows[i].scenario, verdict.text);
    }
}

/* Unknown ids are part of a right answer. */
static void test_unknown_ids_are_counted(void **state)
{
    static const int64_t ids[] = {5, -1, -7};
    struct load_table table = table_of("words");
    struct load_plan plan = plan_of(&table);
    struct load_notes notes;
    struct load_result r;
    struct error e;

    (void)state;
    table.trace = (struct id_trace){(const unsigned char *)ids, 3, false};
    assert_ok(load_measure(&r, &plan, NULL, &e), e);
    assert_int_equal(r.tally.good, 12);
    assert_int_equal(r.tally.missing, 24);
    load_notes(&notes, &plan, &r);
    assert_int_equal(notes.count, 1);
    assert_non_null(strstr(notes.note[0].text, "66.7% of the ids were unknown"));
}

/* A connection that the server winds up is replaced, and nothing fails. */
static void test_a_goaway_costs_no_call(void **state)
{
    struct load_table table = table_of("last");
    struct load_plan plan = plan_of(&table);
    struct load_result r;
    struct error e;

    (void)state;
    plan.streams = 1;
    assert_ok(load_measure(&r, &plan, NULL, &e), e);
    assert_int_equal(r.tally.good, 12);
    assert_int_equal(r.tally.lost, 0);
}

static bool until_hundred(void *context, double part, uint64_t calls)
{
    uint64_t *told = context;

    *told += 1;
    assert_true(part >= 0 && part <= 1);
    return calls < 100;
}

/* The time would be over in an hour. */
static void test_who_watches_may_end_it(void **state)
{
    struct load_table table = table_of("words");
    struct load_plan plan = plan_of(&table);
    uint64_t told = 0;
    struct load_watch watch = {until_hundred, &told};
    struct load_notes notes;
    struct load_result r;
    struct error e;

    (void)state;
    plan.calls = 0;
    plan.duration_ns = UINT64_C(3600000000000);
    assert_ok(load_measure(&r, &plan, &watch, &e), e);
    assert_true(r.stopped && told > 0 && r.seconds < 1000);
    assert_true(r.tally.good >= 100 && tally_errors(&r.tally) == 0);
    load_notes(&notes, &plan, &r);
    assert_string_equal(notes.note[0].text, "stopped early");
}

static void test_nobody_listens(void **state)
{
    static const struct {
        const char *address;
        enum status st;
        const char *words;
    } rows[] = {
        {"unix:/nowhere/at/all", ST_UNAVAILABLE, "cannot connect"},
        {"nonsense", ST_INVALID, "nonsense"},
    };
    struct load_table table = table_of("words");

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct load_plan plan = plan_of(&table);
        struct load_result r;
        struct error e;

        plan.server = rows[i].address;
        plan.threads = 2;
        assert_fails(load_measure(&r, &plan, NULL, &e), rows[i].st, e, rows[i].words);
    }
}

#ifdef EMBD_DEVELOPER
/* Each allocation of the main thread may fail. */
static void test_out_of_memory(void **state)
{
    struct load_table table = table_of("words");
    uint64_t n = 0;

    (void)state;
    for (bool failed = true; failed;) {
        struct load_plan plan = plan_of(&table);
        struct load_result r;
        struct error e;
        enum status st;

        plan.threads = 2;
        mem_fail_at(++n, false);
        st = load_measure(&r, &plan, NULL, &e);
        failed = mem_failed();
        mem_fail_at(0, false);
        assert_int_equal(st, failed ? ST_EXHAUSTED : ST_OK);
    }
    assert_true(n > 10);
}
#endif

static int start_server(void **state)
{
    (void)state;
    fake_server_start(&server);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    fake_server_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_call_is_counted_once),
        cmocka_unit_test(test_unknown_ids_are_counted),
        cmocka_unit_test(test_a_goaway_costs_no_call),
        cmocka_unit_test(test_who_watches_may_end_it),
        cmocka_unit_test(test_nobody_listens),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_out_of_memory),
#endif
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
