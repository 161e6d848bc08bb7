/* SPDX-License-Identifier: Apache-2.0 */
/* What the log cannot say of ids that come and go, counts within their bounds, and want of memory.
 */
#include "table/growth.h"

#include "base/memory.h"
#include "kernels/kernels.h"
#include "table/begin.h"
#include "tests/unit/training_kit.h"

enum { ROWS = 150, DIM = 3 };

static struct unit_folder folder;

static struct table *make(const char *method, const char *optimizer)
{
    const struct begin how = {
        .method = method, .rows = ROWS, .dim = DIM, .grows = true, .deviation = 0.5};
    char settings[128];
    struct beginning b;
    struct table *base = NULL, *t;
    struct error e;

    assert_ok(begin_plan(&b, &how, &e), e);
    assert_ok(begin_create(unit_path(&folder, "base"), &b, &how, NULL, &e), e);
    begin_done(&b);
    assert_ok(table_open(&base, unit_path(&folder, "base"),
                         &(struct table_options){.memory = REGION_MAP}, &e),
              e);
    snprintf(settings, sizeof settings,
             "{\"name\":\"%s\",\"initial_accumulator\":0.25,\"learning_rate\":0.1}", optimizer);
    t = kit_trainable(&folder, base, settings);
    table_close(base);
    return t;
}

static void prepare(struct update *u, const struct table *t, const struct update_query *q,
                    struct arena *arena)
{
    struct error e;
    size_t at;

    arena_init(arena, SIZE_MAX);
    assert_ok(update_prepare(u, t, q, 1, PUSH_ADMIT, &(struct update_limits){0}, arena, &at, &e),
              e);
}

static void test_refuses_what_cannot_be(void **state)
{
    const int64_t keys[] = {5, 6, 5};
    const uint64_t rows[] = {0, 1, 2}, twice[] = {3, 3}, far[] = {ROWS};
    struct table *t = make("full", "sgd");
    struct training *training;
    struct growth *g;
    struct error e;

    (void)state;
    assert_ok(training_new(&training, t, &e), e);
    g = training_growth(training);
    assert_fails(growth_check(g, true, keys, rows, 3, &e), ST_DATA_LOSS, e, "the id 5 or its row");
    assert_fails(growth_check(g, true, keys, twice, 2, &e), ST_DATA_LOSS, e, "the id 6 or its row");
    assert_fails(growth_check(g, true, keys, far, 1, &e), ST_DATA_LOSS, e, "row 150 of 150 rows");
    assert_fails(growth_check(g, false, keys, rows, 1, &e), ST_DATA_LOSS, e,
                 "takes row 0 from the id 5, which cannot be");
    assert_ok(growth_check(g, true, keys, rows, 2, &e), e);
    growth_begin(g, training, rows, 2);
    growth_show(g, training, keys, rows, 2, 100);
    assert_fails(growth_check(g, true, keys, twice, 1, &e), ST_DATA_LOSS, e,
                 "gives row 3 to the id 5, which cannot be");
    assert_fails(growth_check(g, false, keys, rows + 1, 1, &e), ST_DATA_LOSS, e,
                 "takes row 1 from the id 5");
    assert_ok(growth_check(g, false, keys, rows, 2, &e), e);
    training_free(training);
    table_close(t);
}

/* What comes often is known even where there is room for few. */
static void test_counts_within_bounds(void **state)
{
    struct table *t = make("full", "sgd");
    const struct growth_limits limits = {4, 64, 0};
    const float gradient[2 * DIM] = {0};
    struct training *training;
    struct growth_counts c;
    struct growth *g;
    uint64_t admitted = 0;
    struct error e;

    (void)state;
    assert_ok(training_new(&training, t, &e), e);
    g = training_growth(training);
    growth_set(g, &limits);
    for (int64_t i = 0; i < 2000; i++) {
        const int64_t ids[] = {i % 20, 1000 + i}; /* twenty that return, and a new one each time */
        const struct update_query q = {
            .ids = ids, .id_count = 2, .gradients = gradient, .gradient_bytes = sizeof gradient};
        struct arena arena;
        struct update u;

        prepare(&u, t, &q, &arena);
        assert_ok(growth_reserve(g, &u, &e), e);
        growth_admit(g, &u);
        admitted += u.admitted;
        for (size_t k = 0; k < u.admitted; k++)
            assert_true(u.admitted_key[k] < 20);
        growth_begin(g, training, u.admitted_row, u.admitted);
        growth_show(g, training, u.admitted_key, u.admitted_row, u.admitted, 1);
        growth_counts(g, &c);
        assert_true(c.counted <= 64);
        arena_done(&arena);
    }
    assert_true(admitted > 0 && admitted <= 20);
    assert_true(growth_bytes(g) < 16384);
    growth_set(g, &(struct growth_limits){4, 8, 0});
    growth_counts(g, &c);
    assert_true(c.counted <= 8);
    training_free(training);
    table_close(t);
}

#ifdef EMBD_DEVELOPER
static void test_survives_failing_allocations(void **state)
{
    struct table *t = make("full", "sgd");
    enum status st = ST_EXHAUSTED;
    struct training *training = NULL;
    struct error e;

    (void)state;
    for (uint64_t n = 1; st != ST_OK; n++) {
        mem_fail_at(n, false);
        st = training_new(&training, t, &e);
        mem_fail_at(0, false);
        assert_true(st == ST_OK ? n > 5 : st == ST_EXHAUSTED);
    }
    /* Without memory for counts nothing is counted, and nothing fails. */
    growth_set(training_growth(training), &(struct growth_limits){2, 1000, 0});
    for (int64_t id = 0; id < 3; id++) {
        const float gradient[DIM] = {0};
        const struct update_query q = {
            .ids = &id, .id_count = 1, .gradients = gradient, .gradient_bytes = sizeof gradient};
        struct arena arena;
        struct update u;

        prepare(&u, t, &q, &arena);
        assert_ok(growth_reserve(training_growth(training), &u, &e), e);
        mem_fail_at(1, true);
        growth_admit(training_growth(training), &u);
        mem_fail_at(0, false);
        assert_int_equal(u.admitted, 0);
        arena_done(&arena);
    }
    training_free(training);
    table_close(t);
}
#endif

static int setup(void **state)
{
    struct error e;

    (void)state;
    unit_folder_make(&folder);
    region_init();
    return kernels_init(NULL, &e) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    unit_folder_remove(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_what_cannot_be),
        cmocka_unit_test(test_counts_within_bounds),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_survives_failing_allocations),
#endif
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
