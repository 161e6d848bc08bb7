/* SPDX-License-Identifier: Apache-2.0 */
/* Counters: what is recorded is read back, also while it is being recorded. */
#include "unit.h"

#include <pthread.h>

#include "base/memory.h"
#include "daemon/counters.h"

#define CALLS 200000

static void test_nothing_recorded_reads_as_nothing(void **state)
{
    struct call_counts counts;
    struct counters *c;
    struct error e;

    (void)state;
    assert_ok(counters_new(&c, SLOT_FIRST + 3, &e), e);
    for (unsigned slot = 0; slot < SLOT_FIRST + 3; slot++)
        for (unsigned call = 0; call < CALL_INDEX_COUNT; call++)
            assert_false(counters_read(c, slot, call, &counts));
    counters_free(c);
}

static void test_recorded_calls_are_read_in_their_place(void **state)
{
    struct call_counts counts;
    struct counters *c;
    struct error e;

    (void)state;
    assert_ok(counters_new(&c, SLOT_FIRST + 3, &e), e);
    counters_cache(c, SLOT_FIRST + 2, CALL_LOOKUP, 6, 1);
    counters_record(c, SLOT_FIRST + 2, CALL_LOOKUP, ST_OK, 10, 3, 100);
    counters_cache(c, SLOT_FIRST + 2, CALL_LOOKUP, 5, 0);
    counters_record(c, SLOT_FIRST + 2, CALL_LOOKUP, ST_RANGE, 5, 0, 7);
    counters_record(c, SLOT_NONE, CALL_LOOKUP, ST_NOT_FOUND, 0, 0, 1u << 30);
    assert_true(counters_read(c, SLOT_FIRST + 2, CALL_LOOKUP, &counts));
    assert_int_equal(counts.count, 2);
    assert_int_equal(counts.ids, 15);
    assert_int_equal(counts.missing, 3);
    assert_int_equal(counts.hits, 11);
    assert_int_equal(counts.misses, 1);
    assert_int_equal(counts.errors[ST_OK], 0);
    assert_int_equal(counts.errors[ST_RANGE], 1);
    assert_int_equal(counts.latency.count, 2);
    assert_int_equal(counts.latency.sum_us, 107);
    assert_int_equal(counts.latency.max_us, 100);
    assert_int_equal(counts.latency.bucket[7], 1);
    assert_int_equal(counts.latency.bucket[histogram_index(100)], 1);
    assert_true(counters_read(c, SLOT_NONE, CALL_LOOKUP, &counts));
    assert_int_equal(counts.errors[ST_NOT_FOUND], 1);
    assert_false(counters_read(c, SLOT_FIRST + 2, CALL_DESCRIBE, &counts));
    assert_false(counters_read(c, SLOT_FIRST + 1, CALL_LOOKUP, &counts));
    counters_free(c);
}

static void *record(void *counters)
{
    for (uint64_t i = 0; i < CALLS; i++)
        counters_record(counters, SLOT_FIRST, CALL_LOOKUP, i % 2 ? ST_OK : ST_INTERNAL, 2, 1,
                        i % 50);
    return NULL;
}

static void test_totals_only_rise_while_they_are_read(void **state)
{
    struct call_counts counts = {0}, before = {0};
    struct counters *c;
    struct error e;
    pthread_t thread;

    (void)state;
    assert_ok(counters_new(&c, SLOT_FIRST + 1, &e), e);
    assert_int_equal(pthread_create(&thread, NULL, record, c), 0);
    while (before.count < CALLS) {
        if (!counters_read(c, SLOT_FIRST, CALL_LOOKUP, &counts))
            continue;
        assert_true(counts.count >= before.count && counts.ids >= before.ids);
        assert_true(counts.errors[ST_INTERNAL] >= before.errors[ST_INTERNAL]);
        assert_true(counts.latency.sum_us >= before.latency.sum_us);
        before = counts;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(counts.ids, 2 * CALLS);
    assert_int_equal(counts.missing, CALLS);
    assert_int_equal(counts.errors[ST_INTERNAL], CALLS / 2);
    assert_int_equal(counts.latency.max_us, 49);
    counters_free(c);
}

static void test_without_memory_calls_are_left_out(void **state)
{
#ifdef EMBD_DEVELOPER
    struct call_counts counts;
    struct counters *c;
    struct error e;

    assert_ok(counters_new(&c, SLOT_FIRST, &e), e);
    mem_fail_at(1, true);
    counters_record(c, SLOT_ANY, CALL_LIST, ST_OK, 0, 0, 1);
    mem_fail_at(0, false);
    assert_false(counters_read(c, SLOT_ANY, CALL_LIST, &counts));
    counters_record(c, SLOT_ANY, CALL_LIST, ST_OK, 0, 0, 1);
    assert_true(counters_read(c, SLOT_ANY, CALL_LIST, &counts));
    assert_int_equal(counts.count, 1);
    counters_free(c);
    mem_fail_at(1, true);
    assert_fails(counters_new(&c, SLOT_FIRST, &e), ST_EXHAUSTED, e, "counters");
    mem_fail_at(0, false);
#endif
    (void)state;
}

static void test_names_of_calls_differ(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CALL_INDEX_COUNT; i++)
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(call_index_name(i), call_index_name(j));
    assert_string_equal(call_index_name(CALL_LOOKUP), "Lookup");
    assert_string_equal(call_index_name(CALL_INDEX_COUNT), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_recorded_reads_as_nothing),
        cmocka_unit_test(test_recorded_calls_are_read_in_their_place),
        cmocka_unit_test(test_totals_only_rise_while_they_are_read),
        cmocka_unit_test(test_without_memory_calls_are_left_out),
        cmocka_unit_test(test_names_of_calls_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
