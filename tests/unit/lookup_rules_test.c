/* SPDX-License-Identifier: Apache-2.0 */
/* What lookups refuse, how they are cut into slices, and what becomes of them when memory or the
   file fails. */
#include "lookup_tables.h"

#include <math.h>

#include "base/memory.h"
#include "table/lookup.h"

static void test_refuses_bad_queries(void **state)
{
    static const int64_t ids[] = {3, 9, 1, -1};
    static const uint32_t good[] = {0, 1, 4}, late[] = {1, 4}, falling[] = {0, 3, 2, 4},
                          beyond[] = {0, 5, 4}, early[] = {0, 3}, zero[] = {0};
    static const float weights[] = {1, 2, INFINITY, NAN}, nan_first[] = {NAN, 0, 0, 0};
    static const struct {
        struct lookup_query q;
        enum status st;
        const char *words;
    } cases[] = {
        {{.pooling = 3, .offsets = good, .offset_count = 3},
         ST_INVALID,
         "pooling is 3; it must be"},
        {{.pooling = (enum pooling) - 1}, ST_INVALID, "pooling is 4294967295"},
        {{.format = 4}, ST_INVALID, "format is 4; it must be"},
        {{.missing = 2}, ST_INVALID, "missing is 2; it must be"},
        {{.offsets = good, .offset_count = 3}, ST_INVALID, "3 offsets without pooling"},
        {{.offsets = zero, .offset_count = 1}, ST_INVALID, "1 offsets without pooling"},
        {{.pooling = POOLING_SUM}, ST_INVALID, "no offsets; pooling needs"},
        {{.pooling = POOLING_MEAN}, ST_INVALID, "no offsets; pooling needs"},
        {{.pooling = POOLING_SUM, .offsets = late, .offset_count = 2},
         ST_INVALID,
         "offsets[0] = 1; it must be 0"},
        {{.pooling = POOLING_SUM, .offsets = falling, .offset_count = 4},
         ST_INVALID,
         "offsets[2] = 2 is below offsets[1] = 3"},
        {{.pooling = POOLING_SUM, .offsets = beyond, .offset_count = 3},
         ST_INVALID,
         "offsets[1] = 5 is above the number of ids, 4"},
        {{.pooling = POOLING_SUM, .offsets = early, .offset_count = 2},
         ST_INVALID,
         "offsets[1] = 3; the last one must be the number of ids, 4"},
        {{.pooling = POOLING_SUM, .offsets = zero, .offset_count = 1},
         ST_INVALID,
         "offsets[0] = 0; the last one must be"},
        {{.weights = weights, .weight_count = 4}, ST_INVALID, "4 weights without SUM"},
        {{.pooling = POOLING_MEAN,
          .offsets = good,
          .offset_count = 3,
          .weights = weights,
          .weight_count = 4},
         ST_INVALID,
         "4 weights without SUM"},
        {{.pooling = POOLING_SUM,
          .offsets = good,
          .offset_count = 3,
          .weights = weights,
          .weight_count = 3},
         ST_INVALID,
         "3 weights for 4 ids"},
        {{.pooling = POOLING_SUM,
          .offsets = good,
          .offset_count = 3,
          .weights = weights,
          .weight_count = 4},
         ST_INVALID,
         "weights[2] is not finite"},
        {{.pooling = POOLING_SUM,
          .offsets = good,
          .offset_count = 3,
          .weights = nan_first,
          .weight_count = 4},
         ST_INVALID,
         "weights[0] is not finite"},
        {{.missing = MISSING_ERROR},
         ST_RANGE,
         "ids[1] = 9 is not in the table, whose ids are 0 to 6"},
    };
    struct table *t = open_table(0);
    struct arena arena;
    struct lookup l;
    struct error e;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lookup_query q = cases[i].q;

        q.ids = ids;
        q.id_count = 4;
        arena_init(&arena, SIZE_MAX);
        assert_fails(lookup_prepare(&l, t, &q, &arena, &e), cases[i].st, e, cases[i].words);
        arena_done(&arena);
    }
    table_close(t);
}

static void test_names_unknown_keys(void **state)
{
    static const struct table_file f = {
        .header = HEAD(FULL, WEIGHT "," TENSOR("keys", "I64", "[2]", "32", "48")),
        .zeros = 48,
        .at = 32,
        .patch = "\5",
        .patch_n = 1};
    static const int64_t ids[] = {5, 0, 6};
    const struct lookup_query q = {.ids = ids, .id_count = 3, .missing = MISSING_ERROR};
    struct table *t = table_file_load(&folder, &f, REGION_MAP);
    struct arena arena;
    struct lookup l;
    struct error e;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    assert_fails(lookup_prepare(&l, t, &q, &arena, &e), ST_RANGE, e,
                 "ids[2] = 6 is not in the table");
    arena_done(&arena);
    table_close(t);
}

static void test_zero_bags_and_zero_ids(void **state)
{
    static const uint32_t offsets[] = {0, 0, 0};
    struct table *t = open_table(1);
    struct lookup_scratch scratch = {0};
    unsigned char got[2 * 3 * sizeof(float)]; /* the widest rows */
    struct arena arena;
    struct lookup l;
    struct error e;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    for (size_t bags = 0; bags <= 2; bags++)
        for (int format = FORMAT_F32; format <= FORMAT_INT8; format++) {
            const struct lookup_query q = {.pooling = POOLING_MEAN,
                                           .offsets = offsets,
                                           .offset_count = bags + 1,
                                           .format = (enum vector_format)format};

            assert_ok(lookup_prepare(&l, t, &q, &arena, &e), e);
            assert_int_equal(l.rows, bags);
            memset(got, 0xff, sizeof got);
            assert_ok(lookup_run(&l, 0, bags, got, &scratch, &e), e);
            for (size_t i = 0; i < bags * l.row_bytes; i++)
                assert_int_equal(got[i], 0); /* an empty bag is +0 in every format */
        }
    assert_ok(lookup_prepare(&l, t, &(struct lookup_query){0}, &arena, &e), e);
    assert_int_equal(l.rows, 0);
    assert_int_equal(lookup_slice(&l, 0, 10), 0);
    lookup_scratch_done(&scratch);
    arena_done(&arena);
    table_close(t);
}

static void test_slices(void **state)
{
    static const uint32_t offsets[] = {0, 1, 2, 3, 103, 104, 104, 104, 104, 105};
    static int64_t ids[105];
    struct lookup_query q = {.ids = ids, .id_count = 105};
    struct table *t = open_table(0);
    struct arena arena;
    struct lookup l;
    struct error e;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    assert_ok(lookup_prepare(&l, t, &q, &arena, &e), e);
    assert_int_equal(lookup_slice(&l, 0, 10), 10);
    assert_int_equal(lookup_slice(&l, 100, 10), 5);
    assert_int_equal(lookup_slice(&l, 0, 0), 1);
    q.pooling = POOLING_SUM;
    q.offsets = offsets;
    q.offset_count = 10;
    assert_ok(lookup_prepare(&l, t, &q, &arena, &e), e);
    assert_int_equal(lookup_slice(&l, 0, 2), 2);
    assert_int_equal(lookup_slice(&l, 0, 10), 3); /* the next bag has a hundred */
    assert_int_equal(lookup_slice(&l, 3, 10), 1); /* a long bag is one slice */
    assert_int_equal(lookup_slice(&l, 4, 2), 2);  /* empty bags count as well */
    assert_int_equal(lookup_slice(&l, 4, 10), 5);
    assert_int_equal(lookup_slice(&l, 8, 10), 1);
    assert_int_equal(lookup_slice(&l, 9, 10), 0);
    arena_done(&arena);
    table_close(t);
}

static void test_counts_work(void **state)
{
    static const int64_t ids[] = {0, 1, 99};
    const struct lookup_query q = {.ids = ids, .id_count = 3};
    struct table *t = open_table(5);
    struct arena arena;
    struct lookup l;
    struct error e;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    assert_ok(lookup_prepare(&l, t, &q, &arena, &e), e);
    assert_true(t->work > 0);
    assert_int_equal(l.work, 2 * t->work); /* an unknown id costs none */
    t->work = UINT64_MAX;
    assert_ok(lookup_prepare(&l, t, &q, &arena, &e), e);
    assert_true(l.work == UINT64_MAX);
    arena_done(&arena);
    table_close(t);
}

/* A small arena, or none at all, is an error and nothing else. */
static void test_prepare_obeys_the_arena(void **state)
{
    static const int64_t ids[2000];
    static const uint32_t offsets[] = {0, 2000};
    const struct lookup_query q = {.ids = ids,
                                   .id_count = 2000,
                                   .pooling = POOLING_SUM,
                                   .offsets = offsets,
                                   .offset_count = 2};
    struct table *t = open_table(8);
    size_t cap = 0;
    enum status st = ST_EXHAUSTED;
    struct arena arena;
    struct lookup l;
    struct error e;

    (void)state;
    for (; st != ST_OK; cap += 1000) {
        arena_init(&arena, cap);
        st = lookup_prepare(&l, t, &q, &arena, &e);
        arena_done(&arena);
        assert_true(st == ST_OK ||
                    (st == ST_EXHAUSTED && strstr(e.text, "more than a call may take")));
    }
    assert_true(cap > 2000 * 36); /* rows, order, groups */
    table_close(t);
}

#ifdef EMBD_DEVELOPER
static void test_survives_failing_allocations(void **state)
{
    static const int64_t ids[] = {0, 5, 99, 1};
    static const uint32_t offsets[] = {0, 4};
    static const float weights[] = {1, 2, 3, 4};
    const struct lookup_query q = {.ids = ids,
                                   .id_count = 4,
                                   .pooling = POOLING_SUM,
                                   .offsets = offsets,
                                   .offset_count = 2,
                                   .weights = weights,
                                   .weight_count = 4};
    struct table *t = open_table(8);
    enum status st = ST_EXHAUSTED;

    (void)state;
    for (uint64_t n = 1; st != ST_OK; n++) {
        struct lookup_scratch scratch = {0};
        struct arena arena;
        struct lookup l;
        struct error e;
        float got[2];

        arena_init(&arena, SIZE_MAX);
        mem_fail_at(n, false);
        st = lookup_prepare(&l, t, &q, &arena, &e);
        if (st == ST_OK)
            st = lookup_run(&l, 0, 1, got, &scratch, &e);
        mem_fail_at(0, false);
        assert_true(st == ST_OK ? n > 2 : st == ST_EXHAUSTED);
        lookup_scratch_done(&scratch);
        arena_done(&arena);
    }
    table_close(t);
}
#endif

static void test_damage_is_told(void **state)
{
    static const struct table_file f = {
        .header =
            HEAD(META("full", "10000", "4"), TENSOR("weight", "F32", "[10000,4]", "0", "160000")),
        .zeros = 160000,
        .align = 64};
    static const int64_t ids[] = {0, 9999};
    const struct lookup_query q = {.ids = ids, .id_count = 2};
    struct lookup_scratch scratch = {0};
    struct arena arena;
    struct lookup l;
    struct error e;
    struct table *t;
    float got[8];
    const char *path = unit_path(&folder, "t");

    (void)state;
    region_init(); /* cmocka takes SIGBUS before each test */
    table_file_write(path, &f);
    t = table_file_open(path, REGION_MAP);
    arena_init(&arena, SIZE_MAX);
    assert_ok(lookup_prepare(&l, t, &q, &arena, &e), e);
    assert_ok(lookup_run(&l, 0, 2, got, &scratch, &e), e);
    assert_int_equal(truncate(path, 4096), 0);
    assert_fails(lookup_run(&l, 0, 2, got, &scratch, &e), ST_DATA_LOSS, e,
                 "was damaged while it was served");
    lookup_scratch_done(&scratch);
    arena_done(&arena);
    table_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_bad_queries),
        cmocka_unit_test(test_names_unknown_keys),
        cmocka_unit_test(test_zero_bags_and_zero_ids),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_counts_work),
        cmocka_unit_test(test_prepare_obeys_the_arena),
        cmocka_unit_test(test_damage_is_told),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_survives_failing_allocations),
#endif
    };

    return cmocka_run_group_tests(tests, lookup_start, lookup_stop);
}
