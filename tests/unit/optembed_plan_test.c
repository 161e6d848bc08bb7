/* SPDX-License-Identifier: Apache-2.0 */
/* What of optembed fits a budget, and which ids have a row before there is a table. */
#include "methods/optembed.h"

#include <math.h>

#include "kernels/kernels.h"
#include "methods/init.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct method *find(void)
{
    return method_find("optembed", 8);
}

static void test_cutoff(void **state)
{
    struct random r = {82};

    (void)state;
    for (int turn = 0; turn < 400; turn++) {
        uint64_t n = random_below(&r, 60), k = random_below(&r, n + 3), count = 0;
        float score[60];
        struct cutoff c;
        bool keeps[60];

        for (uint64_t i = 0; i < n; i++)
            score[i] = turn % 3 ? fabsf(random_normal(&r)) : (float)random_below(&r, 4);
        if (n)
            score[0] = turn % 5 ? score[0] : -0.0f;
        c = cutoff_find(score, n, k);
        for (uint64_t i = 0; i < n; i++)
            count += keeps[i] = cutoff_keeps(&c, score[i]);
        assert_int_equal(count, k < n ? k : n);
        for (uint64_t i = 0; i < n; i++)
            for (uint64_t j = 0; keeps[i] && j < n; j++)
                assert_true(keeps[j] || score[i] > score[j] || (score[i] == score[j] && i < j));
    }
}

/* All rows as wide as they can be, or as many as there is room for, bitmap and remap included. */
static void test_plan(void **state)
{
    static const struct {
        const char *settings;
        uint64_t rows, budget, kept, width, bytes;
        uint32_t dim;
    } rows[] = {
        {"", 100, 0, 100, 16, 6413, 16},
        {"", 100, 3213, 100, 8, 3213, 16},
        {"form=compact", 100, 3212, 100, 7, 2813, 16},
        {"", 100, 413, 100, 1, 413, 16},
        {"", 100, 412, 99, 1, 409, 16},
        {"", 100, 17, 1, 1, 17, 16},
        {"", 0, 1, 0, 16, 0, 16},
        {"form=remap", 100, 0, 100, 16, 6804, 16},
        {"form=remap", 100, 3604, 50, 16, 3604, 16},
        {"form=remap", 100, 3603, 49, 16, 3540, 16},
        {"form=remap", 100, 468, 1, 16, 468, 16},
        {"form=remap", 0, 0, 0, 16, 4, 16},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t had = 0, width = 0, bytes = 0;
        struct plan plan;
        struct error e;

        kit_plan(&plan, find(), rows[i].rows, rows[i].dim, rows[i].budget, rows[i].settings);
        assert_ok(plan_make(&plan, &e), e);
        assert_ok(plan_bytes(&plan, &bytes, &e), e);
        assert_true(symbols_get(&plan.size, "K", 1, &had));
        assert_true(symbols_get(&plan.size, "W", 1, &width));
        if (had != rows[i].kept || width != rows[i].width || bytes != rows[i].bytes)
            fail_msg("row %zu: %llu rows of %llu, %llu bytes", i, (unsigned long long)had,
                     (unsigned long long)width, (unsigned long long)bytes);
        assert_true(find()->author_words(&plan) == (double)(had * width));
        plan_done(&plan);
    }
}

static void test_plan_refuses(void **state)
{
    static const struct {
        const char *settings, *words;
        uint64_t rows, budget;
    } rows[] = {
        {"", "optembed needs at least 17 B for 100 x 16; the budget is 16 B", 100, 16},
        {"form=remap", "optembed needs at least 468 B", 100, 467},
        {"form=remap", "the budget is 3 B", 0, 3},
        {"", "optembed needs at least", INT64_MAX, 100},
        {"form=remap", "optembed needs", INT64_MAX, 100},
        {"form=remap", "larger than memory", INT64_MAX, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;
        struct error e;

        kit_plan(&plan, find(), rows[i].rows, 16, rows[i].budget, rows[i].settings);
        if (plan_make(&plan, &e) == ST_OK)
            fail_msg("row %zu is not refused", i);
        if (!strstr(e.text, rows[i].words))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, e.text, rows[i].words);
        plan_done(&plan);
    }
}

/* Ids that matter have the rows, where it is known; else the first ones. */
static void test_start(void **state)
{
    static const float weight[] = {1, 5, 0, 5, 2, 5, 3, 0};
    static const uint64_t heavy[] = {1, 3, 5, 6}, early[] = {0, 1, 2, 3};
    static const char *const settings[] = {"form=compact", "form=remap"};

    (void)state;
    for (int turn = 0; turn < 4; turn++) {
        const struct init init = {.seed = 3, .weight = turn & 1 ? weight : NULL};
        const uint64_t *want = turn & 1 ? heavy : early;
        uint64_t place = 0;
        struct parameters p;
        struct error e;

        kit_parameters(&p, find(), 8, 3, turn & 2 ? 36 + 48 : 17, settings[turn >> 1]);
        assert_int_equal(p.tensor[OPTEMBED_EMB].shape[0], 4);
        assert_ok(init_parameters(&init, &p, &e), e);
        assert_ok(kit_check(&p, &e), e);
        for (uint64_t id = 0; id < 8; id++) {
            bool due = place < 4 && id == want[place];

            assert_int_equal(optembed_place(&p, id), due ? place++ : OPTEMBED_PRUNED);
        }
        for (size_t i = 0; i < p.tensor[OPTEMBED_EMB].count; i++)
            assert_true(((float *)p.tensor[OPTEMBED_EMB].data)[i] != 0);
        if (turn & 2)
            assert_int_equal(optembed_width(&p, 0), 3);
        kit_done(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cutoff),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_plan_refuses),
        cmocka_unit_test(test_start),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
