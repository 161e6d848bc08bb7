/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics on a disk that fails: a transaction is there whole or not at all, and the next one is
   tried as if nothing had been. */
#include <errno.h>

#include "storage/statistics_training.h"
#include "tests/unit/faulty_vfs.h"
#include "tests/unit/storage_unit.h"

#define NOON INT64_C(1700049600)

static enum status transaction(struct statistics *s, struct error *e)
{
    static const struct training_sums sums = {.pushes = 3};
    static const struct training_state state = {.version = 3};
    static const struct log_state log = {.lsn = 3};
    static const struct start_record start = {.time_s = NOON, .version = "1"};
    struct memory_counts memory = {1, 2, 3, 4};
    struct call_counts c = {.count = 1, .ids = 2};
    enum status st;

    for (uint64_t us = 1; us < 1000; us *= 3)
        histogram_add(&c.latency, us);
    c.errors[ST_INTERNAL] = 1;
    if ((st = statistics_begin(s, e)) != ST_OK ||
        (st = statistics_add(s, NOON, "ads", "Lookup", &c, e)) != ST_OK ||
        (st = statistics_add(s, NOON, "users", "Lookup", &c, e)) != ST_OK ||
        (st = statistics_memory(s, NOON, "ads", &memory, e)) != ST_OK ||
        (st = statistics_training(s, NOON, "new", &sums, &state, e)) != ST_OK ||
        (st = statistics_refusal(s, NOON, "a", ST_INVALID, "norm", 5, e)) != ST_OK ||
        (st = statistics_log(s, NOON, &log, e)) != ST_OK ||
        (st = statistics_start(s, &start, e)) != ST_OK)
        return st;
    return statistics_commit(s, e);
}

static enum status sum_up(void *context, const struct statistics_row *row)
{
    uint64_t *sum = context;

    sum[0] += row->counts->count;
    sum[1] += row->counts->latency.count;
    sum[2] += row->counts->errors[ST_INTERNAL];
    return ST_OK;
}

static enum status add_pushes(void *context, const struct training_row *row)
{
    *(uint64_t *)context += row->sums->pushes;
    return ST_OK;
}

static enum status add_refusals(void *context, const struct refusal_row *row)
{
    *(uint64_t *)context += row->count;
    return ST_OK;
}

/* `n` transactions have taken place: two calls, fourteen latencies, three pushes and five refusals
   each. */
static void check_sums(struct statistics *s, unsigned n)
{
    struct statistics_query q = {NULL, NULL, 0, INT64_MAX, SPAN_TOTAL, 10};
    uint64_t sum[3] = {0, 0, 0}, pushes = 0, refusals = 0;
    struct error e;

    assert_ok(statistics_query(s, &q, sum_up, sum, &e), e);
    assert_int_equal(sum[0], 2 * n);
    assert_int_equal(sum[1], 14 * n);
    assert_int_equal(sum[2], 2 * n);
    assert_ok(statistics_query_training(s, &q, add_pushes, &pushes, &e), e);
    assert_ok(statistics_query_refusals(s, &q, add_refusals, &refusals, &e), e);
    assert_int_equal(pushes, 3 * n);
    assert_int_equal(refusals, 5 * n);
}

static void test_transaction_is_whole_or_nothing(void **state)
{
    static const struct {
        const char *name;
        int operations, code, error_number;
        enum status st;
    } cases[] = {
        {"full", FAULTY_WRITE, SQLITE_FULL, ENOSPC, ST_EXHAUSTED},
        {"write", FAULTY_WRITE, SQLITE_IOERR_WRITE, EIO, ST_UNAVAILABLE},
        {"sync", FAULTY_SYNC, SQLITE_IOERR_FSYNC, EIO, ST_UNAVAILABLE},
        {"truncate", FAULTY_TRUNCATE, SQLITE_IOERR_TRUNCATE, EIO, ST_UNAVAILABLE},
        {"open", FAULTY_OPEN, SQLITE_CANTOPEN, EMFILE, ST_UNAVAILABLE},
    };
    static const struct statistics_options options = {3600, 86400};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct statistics *s = NULL;
        struct unit_folder f;
        struct error e;
        unsigned done = 0, failed = 0, n;

        unit_folder_make(&f);
        for (n = 0;; n++) {
            struct faulty fault = {cases[i].operations,   n, false, cases[i].code,
                                   cases[i].error_number, 0};
            enum status st;

            statistics_close(s); /* cold, so that the journal is opened anew */
            assert_ok(statistics_open(&s, f.path, &options, &e), e);
            faulty_arm(&fault);
            st = transaction(s, &e);
            faulty_arm(NULL);
            if (st != ST_OK && st != cases[i].st)
                fail_msg("%s at %u: %s: %s", cases[i].name, n, status_name(st), e.text);
            done += st == ST_OK;
            failed += st != ST_OK;
            check_sums(s, done);
            assert_ok(transaction(s, &e), e);
            check_sums(s, ++done);
            if (!fault.hits)
                break;
        }
        if (!failed)
            fail_msg("%s never happened", cases[i].name);
        statistics_close(s);
        unit_folder_remove(&f);
    }
}

static void test_fold_is_whole_or_nothing(void **state)
{
    static const struct statistics_options options = {3600, 86400};
    unsigned n, failed = 0;

    (void)state;
    for (n = 0;; n++) {
        struct faulty fault = {
            FAULTY_WRITE | FAULTY_SYNC | FAULTY_TRUNCATE, n, false, SQLITE_IOERR_WRITE, EIO, 0};
        struct statistics *s = NULL;
        struct unit_folder f;
        struct error e;
        enum status st;
        bool more;

        unit_folder_make(&f);
        assert_ok(statistics_open(&s, f.path, &options, &e), e);
        assert_ok(transaction(s, &e), e);
        faulty_arm(&fault);
        st = statistics_fold(s, NOON + 7200, &more, &e);
        faulty_arm(NULL);
        failed += st != ST_OK;
        check_sums(s, 1);
        assert_ok(statistics_fold(s, NOON + 7200, &more, &e), e);
        assert_false(more);
        check_sums(s, 1);
        assert_string_equal(sql_text(unit_path(&f, "stats.db"), "SELECT min(seconds) FROM usage"),
                            "3600");
        assert_string_equal(sql_text(unit_path(&f, "stats.db"),
                                     "SELECT min(t.seconds) || ' ' || min(r.seconds) || ' ' || "
                                     "min(l.seconds) FROM training AS t, refusal AS r, log AS l"),
                            "3600 3600 3600");
        statistics_close(s);
        unit_folder_remove(&f);
        if (!fault.hits)
            break;
    }
    assert_true(failed > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transaction_is_whole_or_nothing),
        cmocka_unit_test(test_fold_is_whole_or_nothing),
    };

    faulty_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
