/* SPDX-License-Identifier: Apache-2.0 */
/* dedup beyond what all methods share: worked places, the loader's rules, how a budget is cut,
   training of single rows of blocks, starts and explanations. */
#include "methods/dedup.h"

#include "kernels/kernels.h"
#include "methods/explain.h"
#include "methods/gradient.h"
#include "methods/optimizer.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct method *dedup(void)
{
    return method_find("dedup", 5);
}

/* Five rows of three columns in blocks of two by two: three places down, two across, the last row
   and the last column padded. Four blocks of 10 20 …, 11 21 … */
static void make(struct parameters *p, const char *settings)
{
    static const int32_t map[] = {0, 1, 2, 3, 0, 0};
    struct plan plan;
    struct error e;
    float *blocks;

    kit_plan(&plan, dedup(), 5, 3, 0, settings);
    assert_ok(plan_size(&plan, "U", 4, &e), e);
    assert_ok(plan_make(&plan, &e), e);
    assert_ok(plan_parameters(&plan, p, &e), e);
    plan_done(&plan);
    assert_ok(kit_allocate(p, &e), e);
    memcpy(p->tensor[DEDUP_MAP].data, map, sizeof map);
    blocks = p->tensor[DEDUP_BLOCKS].data;
    for (int i = 0; i < 16; i++)
        blocks[i] = (float)(10 * (i / 4 + 1) + i % 4);
}

static void test_worked_places(void **state)
{
    static const float want[5][3] = {
        {10, 11, 20}, {12, 13, 22}, {30, 31, 40}, {32, 33, 42}, {10, 11, 10}};
    uint64_t id[] = {0, 1, 2, 3, 4};
    struct parameters p;
    struct error e;
    float out[5][3];

    (void)state;
    make(&p, "bx=2 by=2");
    assert_ok(kit_check(&p, &e), e);
    p.method->rows(&p, id, 5, out);
    assert_memory_equal(out, want, sizeof want);
    kit_done(&p);
}

static void test_check(void **state)
{
    static const struct {
        const char *settings;
        uint64_t places, blocks;
        int32_t last;
        const char *words; /* NULL: accepted */
    } rows[] = {
        {"bx=2 by=2", 6, 4, 3, NULL},
        {"bx=2 by=2 nbx=3 nby=2", 6, 4, 3, NULL},
        {"bx=2 by=2", 6, 4, 4, "map[5] is 4, and tensor \"blocks\" has 4"},
        {"bx=2 by=2", 6, 4, -1, "map[5] is -1, and tensor \"blocks\" has 4"},
        {"bx=2 by=2", 6, 4, INT32_MIN, "map[5] is -2147483648"},
        {"bx=2 by=2", 6, 0, 0, "map[0] is 0, and tensor \"blocks\" has 0"},
        {"bx=2 by=2", 5, 4, 0, "\"map\" has 5 entries; it must have nbx * nby = 3 * 2"},
        {"bx=2 by=2", 7, 4, 0, "\"map\" has 7 entries"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int32_t map[7] = {0};
        struct parameters p;
        struct error e;
        void *kept;

        make(&p, rows[i].settings);
        kept = p.tensor[DEDUP_MAP].data;
        p.tensor[DEDUP_MAP].data = map;
        p.tensor[DEDUP_MAP].shape[0] = p.tensor[DEDUP_MAP].count = rows[i].places;
        p.tensor[DEDUP_BLOCKS].shape[0] = rows[i].blocks;
        map[5] = rows[i].last;
        if (rows[i].words)
            assert_fails(kit_check(&p, &e), ST_INVALID, e, rows[i].words);
        else
            assert_ok(kit_check(&p, &e), e);
        p.tensor[DEDUP_MAP].data = kept;
        kit_done(&p);
    }
}

/* What only a file can say: the plan would refuse it. */
static void test_check_of_counts(void **state)
{
    struct parameters p;
    struct error e;

    (void)state;
    make(&p, "bx=2 by=2 nbx=3 nby=2");
    p.value[DEDUP_NBX].i = 2;
    assert_fails(kit_check(&p, &e), ST_INVALID, e, "nbx is 2; it must be N / bx = 3");
    p.value[DEDUP_NBX].i = 3;
    p.value[DEDUP_NBY].i = 1;
    assert_fails(kit_check(&p, &e), ST_INVALID, e, "nby is 1; it must be D / by = 2");
    p.value[DEDUP_NBY].set = p.value[DEDUP_NBX].set = false;
    assert_ok(kit_check(&p, &e), e);
    p.rows = INT64_MAX; /* more places than can be counted */
    p.value[DEDUP_BX].i = p.value[DEDUP_BY].i = 1;
    p.dim = 65536;
    p.tensor[DEDUP_BLOCKS].shape[1] = p.tensor[DEDUP_BLOCKS].shape[2] = 1;
    assert_fails(kit_check(&p, &e), ST_INVALID, e, "it must have nbx * nby");
    kit_done(&p);
}

static void test_plan(void **state)
{
    static const struct {
        const char *settings;
        uint64_t rows, budget;
        uint32_t dim;
        int64_t bx, by;
        uint64_t blocks, bytes;
        const char *words;
    } rows[] = {
        /* half of 1000 x 100: 4,000 bytes of map, blocks of one row */
        {"", 1000, 200000, 100, 1, 100, 490, 200000, NULL},
        /* a hundredth: the map may take 1,000 bytes, blocks of four rows */
        {"", 1000, 4000, 100, 4, 100, 1, 2600, NULL},
        {"", 1000, 404000, 100, 1, 100, 1000, 404000, NULL},
        {"", 1000, 1 << 20, 100, 1, 100, 1000, 404000, NULL},
        {"", 1000, 0, 100, 1, 100, 1000, 404000, NULL},
        {"by=25", 1000, 200000, 100, 1, 25, 1840, 200000, NULL},
        {"bx=10", 1000, 200000, 100, 10, 100, 49, 196400, NULL},
        {"", 1000, 2600, 100, 3, 100, 1, 2536, NULL}, /* what needs the least */
        {"", 1000, 2532, 100, 3, 100, 1, 2536, "dedup needs at least 2.48 KiB for 1,000 x 100"},
        {"bx=10", 1000, 4399, 100, 10, 100, 0, 0, "dedup needs at least 4.30 KiB"},
        {"bx=10 nbx=99", 1000, 0, 100, 10, 100, 0, 0, "nbx and nby must be 100 and 1"},
        {"bx=10 nby=2", 1000, 0, 100, 10, 100, 0, 0, "nbx and nby must be 100 and 1"},
        {"", 0, 1, 5, 1, 5, 0, 0, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;
        struct error e;
        uint64_t blocks, bytes;

        kit_plan(&plan, dedup(), rows[i].rows, rows[i].dim, rows[i].budget, rows[i].settings);
        if (rows[i].words) {
            assert_fails(plan_make(&plan, &e), ST_INVALID, e, rows[i].words);
        } else {
            assert_ok(plan_make(&plan, &e), e);
            assert_true(symbols_get(&plan.size, "U", 1, &blocks));
            assert_ok(plan_bytes(&plan, &bytes, &e), e);
            if (plan.value[DEDUP_BX].i != rows[i].bx || plan.value[DEDUP_BY].i != rows[i].by ||
                blocks != rows[i].blocks || bytes != rows[i].bytes)
                fail_msg("case %zu: %lld x %lld, %llu blocks, %llu bytes", i,
                         (long long)plan.value[DEDUP_BX].i, (long long)plan.value[DEDUP_BY].i,
                         (unsigned long long)blocks, (unsigned long long)bytes);
            assert_true(dedup()->author_words(&plan) * 4 == (double)bytes);
        }
        plan_done(&plan);
    }
}

/* A refusal names the least that any length of blocks needs, and that is granted. */
static void test_least_need(void **state)
{
    struct random r = {81};

    (void)state;
    for (int turn = 0; turn < 500; turn++) {
        uint64_t n = 1 + random_below(&r, 3000), least = UINT64_MAX;
        uint32_t dim = 1 + (uint32_t)random_below(&r, 40);
        struct plan plan;
        struct error e;

        for (uint64_t bx = 1; bx <= n; bx++) {
            uint64_t need = 4 * ((n + bx - 1) / bx) + 4 * bx * dim;

            least = need < least ? need : least;
        }
        kit_plan(&plan, dedup(), n, dim, least - 1, "");
        assert_fails(plan_make(&plan, &e), ST_INVALID, e, "dedup needs at least");
        assert_int_equal(plan.need, least);
        plan_done(&plan);
        kit_plan(&plan, dedup(), n, dim, least, "");
        assert_ok(plan_make(&plan, &e), e);
        plan_done(&plan);
    }
}

static void test_huge(void **state)
{
    struct plan plan;
    struct error e;

    (void)state;
    kit_plan(&plan, dedup(), (uint64_t)1 << 62, 1, 1 << 20, "");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "dedup needs at least");
    plan_done(&plan);
    kit_plan(&plan, dedup(), (uint64_t)1 << 62, 65536, 0, "by=1");
    assert_fails(plan_make(&plan, &e), ST_EXHAUSTED, e, "\"map\" is larger than memory");
    plan_done(&plan);
    kit_plan(&plan, dedup(), 1000, 4, 1 << 20, "bx=4611686018427387904 by=4611686018427387904");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "dedup needs at least");
    plan_done(&plan);
}

/* The units of training are rows of blocks: ids that share one add up, others leave it alone. */
static void test_units_are_rows_of_blocks(void **state)
{
    const uint64_t id[] = {0, 4, 3};
    const float grad[] = {1, 2, 3, 10, 20, 30, 100, 200, 300};
    struct optimizer_settings s;
    struct gradients g = {0};
    struct parameters p;
    struct error e;
    uint64_t first;
    size_t n;

    (void)state;
    make(&p, "bx=2 by=2");
    assert_ok(kit_check(&p, &e), e);
    assert_int_equal(unit_count(&p, DEDUP_BLOCKS), 8);
    assert_int_equal(unit_most(&p, DEDUP_BLOCKS), 2);
    unit_place(&p, DEDUP_BLOCKS, 5, &first, &n);
    assert_true(first == 10 && n == 2);
    optimizer_settings_init(&s);
    s.optimizer = optimizer_find("rowwise_adagrad", 15);
    assert_int_equal(optimizer_state_count(s.optimizer, 0, &p, DEDUP_BLOCKS), 8);
    assert_ok(gradients_reserve(&g, &p, 3, &e), e);
    p.method->gradient(&p, id, 3, grad, &g);
    assert_int_equal(g.tensor[DEDUP_BLOCKS].count, 4);
    assert_true(gradient_at(&g, 0, 0)[0] == 1 + 10 + 30 && gradient_at(&g, 0, 0)[1] == 2 + 20);
    assert_true(gradient_at(&g, 0, 2)[0] == 3 && gradient_at(&g, 0, 2)[1] == 0);
    assert_true(gradient_at(&g, 0, 5)[0] == 100 && gradient_at(&g, 0, 5)[1] == 200);
    assert_true(gradient_at(&g, 0, 7)[0] == 300);
    assert_int_equal(g.tensor[DEDUP_BLOCKS].count, 4);
    assert_ok(optimizer_suits(&s, &p, &e), e);
    gradients_done(&g);
    kit_done(&p);
    make(&p, "bx=2 by=2 update=frozen");
    assert_fails(optimizer_suits(&s, &p, &e), ST_PRECONDITION, e, "update=frozen");
    kit_done(&p);
}

static void test_start(void **state)
{
    struct init init = {.seed = 1};
    struct parameters p;
    struct error e;

    (void)state;
    kit_parameters(&p, dedup(), 1000, 10, 10000, "bx=1");
    assert_ok(init_parameters(&init, &p, &e), e);
    assert_ok(kit_check(&p, &e), e);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(((int32_t *)p.tensor[DEDUP_MAP].data)[i],
                         i % p.tensor[DEDUP_BLOCKS].shape[0]);
    kit_done(&p);
    kit_parameters(&p, dedup(), 0, 10, 0, "");
    assert_ok(init_parameters(&init, &p, &e), e);
    kit_done(&p);
}

static void test_explain(void **state)
{
    struct explanation x = {0};
    struct parameters p;
    struct error e;

    (void)state;
    make(&p, "bx=2 by=2");
    assert_ok(kit_check(&p, &e), e);
    parameters_explain(&p, 0, &x);
    assert_int_equal(x.status, ST_OK);
    assert_int_equal(x.count, 4);
    assert_int_equal(x.fact[2].number, 0);
    assert_int_equal(x.fact[2].sharers, 1); /* row 4, twice */
    assert_int_equal(x.fact[3].number, 1);
    assert_int_equal(x.fact[3].n, 1); /* the other column is padding */
    assert_int_equal(x.fact[3].sharers, 0);
    explanation_done(&x);
    parameters_explain(&p, 1, &x);
    assert_int_equal(x.fact[1].number, 1);
    assert_int_equal(x.fact[2].first, 2);
    assert_int_equal(x.fact[2].sharers, 0); /* row 5 is padding */
    explanation_done(&x);
    x.scan_most = 1;
    parameters_explain(&p, 1, &x);
    assert_true(x.fact[2].sharers == SHARERS_UNKNOWN);
    explanation_done(&x);
    kit_done(&p);
    kit_parameters(&p, dedup(), 3, 40, 0, "by=1"); /* more pieces than are told one by one */
    parameters_explain(&p, 1, &x);
    assert_string_equal(x.fact[2].name, "blocks");
    assert_int_equal(x.fact[2].n, 40);
    explanation_done(&x);
    kit_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked_places),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_check_of_counts),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_least_need),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_units_are_rows_of_blocks),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_explain),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
