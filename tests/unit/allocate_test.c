/* SPDX-License-Identifier: Apache-2.0 */
/* Sharing a budget among fields: exact for one, near the best of all combinations for several. */
#include "fits/allocate.h"

#include <math.h>

#include "base/memory.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define FIELDS 3
#define CHOICES 7

static void add(struct choices *c, uint64_t bytes, double error, uint32_t width)
{
    struct error e;

    assert_ok(choices_add(c, (struct choice){bytes, error, 0, width}, &e), e);
}

static void test_prune(void **state)
{
    static const struct {
        uint64_t bytes;
        double error;
    } all[] = {{30, 6}, {10, 10}, {20, 10}, {40, 6}, {30, 7}, {20, 9.5}, {50, 0}, {5, 20}},
      plain[] = {{5, 20}, {10, 10}, {20, 9.5}, {30, 6}, {50, 0}},
      hull[] = {{5, 20}, {10, 10}, {50, 0}};

    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        size_t count = turn ? COUNT(hull) : COUNT(plain);
        struct choices c = {.count = 0};

        for (size_t i = 0; i < COUNT(all); i++)
            add(&c, all[i].bytes, all[i].error, 1);
        choices_prune(&c, turn);
        assert_int_equal(c.count, count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(c.choice[i].bytes, turn ? hull[i].bytes : plain[i].bytes);
            assert_true(c.choice[i].error == (turn ? hull[i].error : plain[i].error));
        }
        choices_done(&c);
    }
}

/* Two fields by hand: the steepest steps first, and one that does not fit is passed over. */
static void test_by_hand(void **state)
{
    static const struct {
        uint64_t budget;
        size_t taken[2];
    } rows[] = {
        {0, {0, 0}},  {19, {0, 0}}, {20, {0, 0}},  {29, {0, 0}},  {30, {0, 1}},  {40, {1, 1}},
        {49, {1, 1}}, {50, {1, 2}}, {129, {1, 2}}, {140, {2, 2}}, {500, {2, 2}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct choices c[2] = {{.count = 0}, {.count = 0}};
        struct error e;

        add(&c[0], 10, 100, 1);
        add(&c[0], 20, 70, 2);
        add(&c[0], 110, 0, 3);
        add(&c[1], 10, 100, 1);
        add(&c[1], 20, 40, 2);
        add(&c[1], 30, 20, 3);
        assert_ok(choices_take(c, 2, rows[i].budget, &e), e);
        if (c[0].taken != rows[i].taken[0] || c[1].taken != rows[i].taken[1])
            fail_msg("%llu: %zu and %zu", (unsigned long long)rows[i].budget, c[0].taken,
                     c[1].taken);
        choices_done(&c[0]);
        choices_done(&c[1]);
    }
}

static double best_of(const struct choices *c, size_t fields, uint64_t budget)
{
    double best = INFINITY;

    if (fields == 0)
        return 0;
    for (size_t i = 0; i < c->count; i++)
        if (c->choice[i].bytes <= budget)
            best = fmin(best, c->choice[i].error +
                                  best_of(c + 1, fields - 1, budget - c->choice[i].bytes));
    return best;
}

static void test_against_all_combinations(void **state)
{
    struct random r = {71};
    unsigned turns = 0, exact = 0;

    (void)state;
    for (int turn = 0; turn < 2000; turn++) {
        size_t fields = 1 + random_below(&r, FIELDS);
        struct choices c[FIELDS] = {{.count = 0}};
        uint64_t budget, bytes = 0, most = 0;
        double error = 0, best;
        struct error e;

        for (size_t f = 0; f < fields; f++) {
            size_t count = 1 + random_below(&r, CHOICES);

            for (size_t i = 0; i < count; i++)
                add(&c[f], 1 + random_below(&r, 100), (double)random_below(&r, 1000), 1);
        }
        budget = random_below(&r, 100 * fields + 20);
        best = best_of(c, fields, budget);
        assert_ok(choices_take(c, fields, budget, &e), e);
        for (size_t f = 0; f < fields; f++) {
            const struct choice *last = &c[f].choice[c[f].count - 1];

            bytes += c[f].choice[c[f].taken].bytes;
            error += c[f].choice[c[f].taken].error;
            most = last->bytes - c[f].choice[0].bytes > most ? last->bytes - c[f].choice[0].bytes
                                                             : most;
        }
        if (isinf(best)) { /* the cheapest of each, for whoever refuses it */
            assert_true(bytes > budget);
            for (size_t f = 0; f < fields; f++)
                assert_int_equal(c[f].taken, 0);
        } else {
            assert_true(bytes <= budget);
            assert_true(fields > 1 || error == best);
            assert_true(error <= best_of(c, fields, budget > most ? budget - most : 0));
            turns++;
            exact += error == best;
        }
        for (size_t f = 0; f < fields; f++)
            choices_done(&c[f]);
    }
    assert_true(turns > 1000 && exact * 10 > turns * 8);
}

#ifdef EMBD_DEVELOPER
static void test_memory(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct choices c = {.count = 0};
        enum status st = ST_OK;
        struct error e;
        bool failed;

        mem_fail_at(n, false);
        for (uint32_t i = 1; st == ST_OK && i < 300; i++)
            st = choices_add(&c, (struct choice){i, 1.0 / i, 0, i}, &e);
        if (st == ST_OK)
            st = choices_take(&c, 1, 1000, &e);
        failed = mem_failed();
        mem_fail_at(0, false);
        choices_done(&c);
        assert_int_equal(st, failed ? ST_EXHAUSTED : ST_OK);
        if (!failed)
            break;
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prune),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_against_all_combinations),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_memory),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
