/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "base/memory.h"
#include "daemon/push_reason.h"
#include "daemon/refusals.h"

static uint64_t count_of(struct refusals *r, const char *trainer, enum status st,
                         const char *reason)
{
    struct refusal *all = calloc(refusals_room(r), sizeof *all);
    size_t n = refusals_read(r, all, refusals_room(r));
    uint64_t count = 0;

    assert_true(n <= refusals_room(r));
    for (size_t i = 0; i < n; i++)
        if (!strcmp(all[i].trainer, trainer) && all[i].status == st && all[i].reason == reason)
            count += all[i].count;
    free(all);
    return count;
}

static void test_counts_by_trainer_status_and_reason(void **state)
{
    struct refusals *r;
    struct refusal first;
    struct error e;

    (void)state;
    assert_ok(refusals_new(&r, 10, &e), e);
    assert_int_equal(refusals_read(r, &first, 1), 0);
    refusals_count(r, "a", ST_INVALID, REASON_NORM);
    refusals_count(r, "b", ST_INVALID, REASON_NORM);
    refusals_count(r, "a", ST_INVALID, REASON_DIMENSION);
    refusals_count(r, "a", ST_ABORTED, REASON_NORM);
    refusals_count(r, "a", ST_INVALID, REASON_NORM);
    refusals_count(r, "", ST_INVALID, REASON_NORM);
    assert_int_equal(refusals_read(r, &first, 1), 5); /* only one is written */
    assert_string_equal(first.trainer, "a");
    assert_int_equal(first.count, 2);
    assert_int_equal(count_of(r, "a", ST_INVALID, REASON_NORM), 2);
    assert_int_equal(count_of(r, "a", ST_INVALID, REASON_DIMENSION), 1);
    assert_int_equal(count_of(r, "a", ST_ABORTED, REASON_NORM), 1);
    assert_int_equal(count_of(r, "b", ST_INVALID, REASON_NORM), 1);
    assert_int_equal(count_of(r, "", ST_INVALID, REASON_NORM), 1);
    refusals_free(r);
}

/* However many trainers there are, memory stays as it is, and no count is lost. */
static void test_further_trainers_share_a_place(void **state)
{
    char name[TRAINER_MAX + 1];
    struct refusals *r;
    struct error e;
    uint64_t own = 0;

    (void)state;
    assert_ok(refusals_new(&r, 10, &e), e);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%0128d", i);
        refusals_count(r, name, ST_ABORTED, REASON_GAP);
        refusals_count(r, name, ST_INVALID, REASON_NORM);
    }
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "%0128d", i);
        refusals_count(r, name, ST_ABORTED, REASON_GAP);
        own += count_of(r, name, ST_ABORTED, REASON_GAP);
    }
    assert_int_equal(own, 10);
    assert_int_equal(count_of(r, "*", ST_ABORTED, REASON_GAP), 995);
    assert_int_equal(count_of(r, "*", ST_INVALID, REASON_NORM), 995);
    refusals_free(r);
}

static struct refusals *shared;

static void *count_many(void *name)
{
    for (int i = 0; i < 10000; i++)
        refusals_count(shared, name, ST_INVALID, REASON_NORM);
    return NULL;
}

static void test_any_thread_counts(void **state)
{
    static const char *const name[] = {"a", "b", "a"};
    pthread_t thread[3];
    struct error e;

    (void)state;
    assert_ok(refusals_new(&shared, 10, &e), e);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, count_many, (void *)name[i]), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(count_of(shared, "a", ST_INVALID, REASON_NORM), 20000);
    assert_int_equal(count_of(shared, "b", ST_INVALID, REASON_NORM), 10000);
    refusals_free(shared);
}

#ifdef EMBD_DEVELOPER
static void test_allocations_may_fail(void **state)
{
    struct refusals *r = NULL;
    struct error e;

    (void)state;
    for (uint64_t n = 1; n <= 2; n++) {
        mem_fail_at(n, false);
        assert_fails(refusals_new(&r, 10, &e), ST_EXHAUSTED, e, "counts of refusals");
        mem_fail_at(0, false);
        assert_null(r);
    }
    assert_ok(refusals_new(&r, 10, &e), e);
    refusals_free(r);
    refusals_free(NULL);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_by_trainer_status_and_reason),
        cmocka_unit_test(test_further_trainers_share_a_place),
        cmocka_unit_test(test_any_thread_counts),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_allocations_may_fail),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
