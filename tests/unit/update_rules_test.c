/* SPDX-License-Identifier: Apache-2.0 */
/* What pushes refuse, which query they name, and what becomes of them when memory fails. */
#include "lookup_tables.h"

#include <math.h>

#include "base/memory.h"
#include "table/update.h"

static const struct update_limits none = {0};
static const int64_t ids[] = {3, 1, 3, 0};
static const float gradients[20] = {1, 2, 3};

/* A good push for table 0: rows of 5. */
static struct update_query good(void)
{
    return (struct update_query){
        .ids = ids, .id_count = 4, .gradients = gradients, .gradient_bytes = 4 * 5 * sizeof(float)};
}

static void refuse(const struct table *t, const struct update_query *q, size_t count,
                   enum push_missing missing, float max_norm, enum status st, size_t where,
                   const char *words)
{
    const struct update_limits limits = {.max_norm = max_norm};
    struct update u = {.ids = 77};
    struct arena arena;
    struct error e;
    size_t at = 99;

    arena_init(&arena, SIZE_MAX);
    assert_fails(update_prepare(&u, t, q, count, missing, &limits, &arena, &at, &e), st, e, words);
    assert_int_equal(at, where);
    assert_int_equal(u.ids, 77);
    arena_done(&arena);
}

static void test_refuses_bad_queries(void **state)
{
    static const uint32_t bags[] = {0, 1, 4}, late[] = {1, 4}, falling[] = {0, 3, 2, 4},
                          beyond[] = {0, 5, 4}, early[] = {0, 3};
    static const float weights[] = {1, 2, INFINITY, 0};
    static const struct {
        struct update_query q; /* what differs from a good one */
        const char *words;
    } cases[] = {
        {{.pooling = 3, .offsets = bags, .offset_count = 3}, "pooling is 3; it must be"},
        {{.format = FORMAT_INT8}, "format is 3; gradients must be F32 (0), F16 (1) or BF16 (2)"},
        {{.format = (enum vector_format) - 1}, "format is 4294967295"},
        {{.offsets = bags, .offset_count = 3}, "3 offsets without pooling"},
        {{.pooling = POOLING_SUM}, "no offsets; pooling needs"},
        {{.pooling = POOLING_SUM, .offsets = late, .offset_count = 2}, "offsets[0] = 1; it must"},
        {{.pooling = POOLING_MEAN, .offsets = falling, .offset_count = 4},
         "offsets[2] = 2 is below offsets[1] = 3"},
        {{.pooling = POOLING_SUM, .offsets = beyond, .offset_count = 3}, "offsets[1] = 5 is above"},
        {{.pooling = POOLING_SUM, .offsets = early, .offset_count = 2}, "offsets[1] = 3; the last"},
        {{.weights = weights, .weight_count = 4}, "4 weights without SUM"},
        {{.pooling = POOLING_SUM,
          .offsets = bags,
          .offset_count = 3,
          .weights = weights,
          .weight_count = 3},
         "3 weights for 4 ids"},
        {{.pooling = POOLING_SUM,
          .offsets = bags,
          .offset_count = 3,
          .weights = weights,
          .weight_count = 4},
         "weights[2] is not finite"},
        {{.pooling = POOLING_SUM, .offsets = bags, .offset_count = 3},
         "20 gradients for 2 bags of 5 columns"},
        {{.gradient_bytes = 76}, "19 gradients for 4 ids of 5 columns"},
        {{.gradient_bytes = 84}, "21 gradients for 4 ids of 5 columns"},
        {{.gradient_bytes = 79}, "79 bytes of gradients are no whole number of F32"},
        {{.format = FORMAT_F16, .gradient_bytes = 39},
         "39 bytes of gradients are no whole number "
         "of F16"},
        {{.format = FORMAT_BF16, .gradient_bytes = 41}, "of BF16"},
        {{.format = FORMAT_F16, .gradient_bytes = 80}, "40 gradients for 4 ids of 5 columns"},
    };
    struct table *t = open_table(0);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct update_query q[2] = {good(), cases[i].q};

        q[1].ids = ids;
        q[1].id_count = 4;
        q[1].gradients = gradients;
        if (!q[1].gradient_bytes)
            q[1].gradient_bytes = 4 * 5 * sizeof(float);
        refuse(t, &q[1], 1, PUSH_REFUSE, 0, ST_INVALID, 0, cases[i].words);
        refuse(t, q, 2, PUSH_SKIP, 0, ST_INVALID, 1, cases[i].words);
    }
    table_close(t);
}

static void test_refuses_what_it_does_not_know(void **state)
{
    static const int64_t some[] = {3, 7, 1, -1};
    struct update_query q[2] = {good(), good()};
    struct table *t = open_table(0);

    (void)state;
    q[1].ids = some;
    refuse(t, q, 2, PUSH_REFUSE, 0, ST_RANGE, 1,
           "ids[1] = 7 is not in the table, whose ids are 0 to 6");
    refuse(t, q, 1, (enum push_missing)3, 0, ST_INVALID, 0,
           "missing is 3; it must be REFUSE (0), SKIP (1) or ADMIT (2)");
    refuse(t, q, 2, PUSH_ADMIT, 0, ST_PRECONDITION, 1,
           "ids[1] = 7 is not in the table, whose ids are 0 to 6, and the table does not grow");
    table_close(t);
}

/* In each format, in the first element and in the last, also for ids that would be skipped. */
static void test_refuses_poison(void **state)
{
    static const uint32_t f32[] = {0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001};
    static const uint16_t f16[] = {0x7c00, 0xfc00, 0x7e00, 0x7c01},
                          bf16[] = {0x7f80, 0xff80, 0x7fc0, 0x7f81};
    static const int64_t unknown[] = {99, 99, 99, 99};
    static const size_t places[] = {0, 7, 19};
    struct table *t = open_table(0);
    char words[64];

    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 3; k++)
            for (int format = FORMAT_F32; format <= FORMAT_BF16; format++) {
                unsigned char bytes[80] = {0};
                struct update_query q = good();
                size_t width = format == FORMAT_F32 ? 4 : 2;

                q.ids = unknown;
                q.format = (enum vector_format)format;
                q.gradients = bytes;
                q.gradient_bytes = 20 * width;
                memcpy(bytes + places[k] * width,
                       format == FORMAT_F32   ? (const void *)&f32[i]
                       : format == FORMAT_F16 ? (const void *)&f16[i]
                                              : (const void *)&bf16[i],
                       width);
                snprintf(words, sizeof words, "gradients[%zu] is not finite", places[k]);
                refuse(t, &q, 1, PUSH_SKIP, 0, ST_INVALID, 0, words);
            }
    table_close(t);
}

/* Far behind the first thousand, where the scan goes on in steps. */
static void test_finds_poison_in_a_long_push(void **state)
{
    enum { N = 5000 };
    struct table *t = open_table(2);
    static int64_t id[N];
    static float gradient[N];
    const struct update_query q = {
        .ids = id, .id_count = N, .gradients = gradient, .gradient_bytes = sizeof gradient};
    char words[64];

    (void)state;
    for (size_t i = 1; i < N; i = i * 3 + 1) {
        gradient[i] = -INFINITY;
        snprintf(words, sizeof words, "gradients[%zu] is not finite", i);
        refuse(t, &q, 1, PUSH_REFUSE, 0, ST_INVALID, 0, words);
        gradient[i] = 0;
    }
    table_close(t);
}

static void test_refuses_sums_that_overflow(void **state)
{
    static float big[20];
    static const float weight[] = {1, 1e20f, 1, 1}, large[10] = {0, 0, 0, 0, 0, 0, 1e30f};
    static const uint32_t bags[] = {0, 1, 4};
    struct update_query q[3] = {good(), good(), good()};
    struct table *t = open_table(0);

    (void)state;
    big[7] = big[12] = 3e38f; /* of two rows */
    q[1].gradients = big;
    refuse(t, q, 1, PUSH_REFUSE, 0.5f, ST_INVALID, 0, "the gradient of ids[0] = 3 has the norm");
    q[2].gradients = big;
    refuse(t, q, 3, PUSH_REFUSE, 0, ST_INVALID, 0, "the summed gradient of ids[0] = 3 is not");
    refuse(t, q + 1, 2, PUSH_REFUSE, 0, ST_INVALID, 0, "is not finite");
    q[1].pooling = POOLING_SUM;
    q[1].offsets = bags;
    q[1].offset_count = 3;
    q[1].weights = weight;
    q[1].weight_count = 4;
    q[1].gradients = large;
    q[1].gradient_bytes = sizeof large;
    refuse(t, q + 1, 1, PUSH_REFUSE, 0, ST_INVALID, 0, "the summed gradient of ids[1] = 1 is not");
    table_close(t);
}

static void test_obeys_max_norm(void **state)
{
    static const float g[20] = {[0] = 3, [10] = 0, [11] = 4, [19] = 4.5f};
    struct update_query q[2] = {good(), good()};
    struct update_limits limits = {.max_norm = 5};
    struct table *t = open_table(0);
    struct arena arena;
    struct update u;
    struct error e;
    size_t at;

    (void)state;
    q[0].gradients = q[1].gradients = g;
    arena_init(&arena, SIZE_MAX);
    assert_ok(update_prepare(&u, t, q, 1, PUSH_REFUSE, &limits, &arena, &at, &e), e);
    arena_done(&arena);
    /* Row 3 has (3, 4, …) in two pieces: 5 in sum, twice that if the push comes twice. */
    refuse(t, q, 2, PUSH_REFUSE, 8, ST_INVALID, 0,
           "the gradient of ids[0] = 3 has the norm 10, max_gradient_norm is 8");
    refuse(t, q, 1, PUSH_REFUSE, 4.9f, ST_INVALID, 0, "has the norm 5, max_gradient_norm is 4.9");
    limits.max_norm = 10; /* exactly */
    arena_init(&arena, SIZE_MAX);
    assert_ok(update_prepare(&u, t, q, 2, PUSH_REFUSE, &limits, &arena, &at, &e), e);
    arena_done(&arena);
    table_close(t);
}

/* Where bags stay bags, it is the bag's gradient that counts. */
static void test_obeys_max_norm_of_bags(void **state)
{
    static const uint32_t bags[] = {0, 0, 2, 4};
    static const float small[12] = {1}, large[12] = {[8] = 6, [9] = 8}, lost[12] = {[0] = 50};
    struct update_query q[2] = {{.ids = ids,
                                 .id_count = 4,
                                 .pooling = POOLING_SUM,
                                 .offsets = bags,
                                 .offset_count = 4,
                                 .gradients = small,
                                 .gradient_bytes = sizeof small}};
    struct update_limits limits = {.max_norm = 9};
    struct table *t = open_table(6);
    struct arena arena;
    struct update u;
    struct error e;
    size_t at;

    (void)state;
    q[1] = q[0];
    q[1].gradients = large;
    refuse(t, q, 2, PUSH_REFUSE, 9, ST_INVALID, 1,
           "the gradient of bag 2 has the norm 10, max_gradient_norm is 9");
    q[1].gradients = lost; /* of an empty bag: goes nowhere */
    arena_init(&arena, SIZE_MAX);
    assert_ok(update_prepare(&u, t, q, 2, PUSH_REFUSE, &limits, &arena, &at, &e), e);
    arena_done(&arena);
    table_close(t);
}

/* A small arena is an error and nothing else; what the header says is enough. */
static void test_obeys_the_arena(void **state)
{
    enum { N = 3000 };
    static int64_t id[N];
    static float gradient[2 * N];
    static const uint32_t offsets[] = {0, 1, N};
    struct update_query q = {
        .ids = id, .id_count = N, .gradients = gradient, .gradient_bytes = sizeof gradient};

    (void)state;
    for (int pooled = 0; pooled < 2; pooled++) {
        struct table *t = open_table(8);
        enum status st = ST_EXHAUSTED;
        size_t cap = 0, at;

        for (size_t i = 0; i < N; i++)
            id[i] = (int64_t)(i % 11);
        if (pooled) {
            q.pooling = POOLING_MEAN;
            q.offsets = offsets;
            q.offset_count = 3;
            q.gradient_bytes = 2 * 2 * sizeof(float);
        }
        for (; st != ST_OK; cap += 1000) {
            struct arena arena;
            struct update u;
            struct error e;

            arena_init(&arena, cap);
            st = update_prepare(&u, t, &q, 1, PUSH_REFUSE, &none, &arena, &at, &e);
            arena_done(&arena);
            assert_true(st == ST_OK ||
                        (st == ST_EXHAUSTED && strstr(e.text, "more memory than it may take")));
        }
        assert_true(cap > N * 8 && cap < N * 112 /* update.h */);
        table_close(t);
    }
}

#ifdef EMBD_DEVELOPER
static void test_survives_failing_allocations(void **state)
{
    static const uint32_t offsets[] = {0, 2, 4};
    static const float weights[] = {1, 2, 3, 4};
    struct update_query q = {.ids = ids,
                             .id_count = 4,
                             .pooling = POOLING_SUM,
                             .offsets = offsets,
                             .offset_count = 3,
                             .weights = weights,
                             .weight_count = 4,
                             .gradients = gradients,
                             .gradient_bytes = 2 * 2 * sizeof(float)};
    struct table *t = open_table(8);
    enum status st = ST_EXHAUSTED;
    uint64_t n = 1;

    (void)state;
    for (; st != ST_OK; n++) {
        struct arena arena;
        struct update u;
        struct error e;
        size_t at;

        arena_init(&arena, SIZE_MAX);
        mem_fail_at(n, false);
        st = update_prepare(&u, t, &q, 1, PUSH_REFUSE, &none, &arena, &at, &e);
        mem_fail_at(0, false);
        assert_true(st == ST_OK || st == ST_EXHAUSTED);
        arena_done(&arena);
    }
    assert_true(n > 2);
    table_close(t);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_bad_queries),
        cmocka_unit_test(test_refuses_what_it_does_not_know),
        cmocka_unit_test(test_refuses_poison),
        cmocka_unit_test(test_finds_poison_in_a_long_push),
        cmocka_unit_test(test_refuses_sums_that_overflow),
        cmocka_unit_test(test_obeys_max_norm),
        cmocka_unit_test(test_obeys_max_norm_of_bags),
        cmocka_unit_test(test_obeys_the_arena),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_survives_failing_allocations),
#endif
    };

    return cmocka_run_group_tests(tests, lookup_start, lookup_stop);
}
