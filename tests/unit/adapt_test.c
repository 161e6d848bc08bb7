/* SPDX-License-Identifier: Apache-2.0 */
/* adapt beyond what all methods share: the worked map, the loader's rules, lists of any shape,
   budgets, starts and explanations. */
#include "methods/adapt.h"

#include "kernels/kernels.h"
#include "methods/explain.h"
#include "methods/top_rows.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct method *adapt(void)
{
    return method_find("adapt", 5);
}

/* A table of so many hot and rare rows. */
static void make(struct parameters *p, uint64_t rows, uint32_t dim, uint64_t hot, uint64_t rare,
                 const char *settings)
{
    struct plan plan;
    struct error e;

    kit_plan(&plan, adapt(), rows, dim, 0, settings);
    assert_ok(plan_size(&plan, "H", hot, &e), e);
    assert_ok(plan_size(&plan, "L", rare, &e), e);
    assert_ok(plan_make(&plan, &e), e);
    assert_ok(plan_parameters(&plan, p, &e), e);
    plan_done(&plan);
    assert_ok(kit_allocate(p, &e), e);
    for (uint64_t i = 0; i < (hot + rare) * dim; i++) /* 1 2 3 … of freq, then -1 -2 … of rare */
        if (i < hot * dim)
            ((float *)p->tensor[ADAPT_FREQ].data)[i] = (float)(i + 1);
        else
            ((float *)p->tensor[ADAPT_RARE].data)[i - hot * dim] = -(float)(i - hot * dim + 1);
}

/* methods.md 7.3: ids 1 and 4 of seven are frequent, two rows for the others. */
static void test_worked_map(void **state)
{
    static const int32_t map[] = {-1, 0, -2, -3, 1, -4, -5};
    static const float want[] = {-1, 1, -2, -1, 2, -2, -1};
    static const char *const settings[] = {"remap=dense", "remap=hot_list rare_hash=low_rank"};
    uint64_t id[] = {0, 1, 2, 3, 4, 5, 6};
    float out[7];

    (void)state;
    for (size_t s = 0; s < 2; s++) {
        struct adapt_writer w = {0};
        struct parameters p;
        struct error e;

        make(&p, 7, 1, 2, 2, settings[s]);
        w.p = &p;
        for (size_t i = 0; i < 7; i++) {
            struct adapt_place at = adapt_write(&w, i == 1 || i == 4);

            assert_true(want[i] == (at.hot ? (float)at.row + 1 : -(float)at.row - 1));
        }
        if (s == 0)
            assert_memory_equal(p.tensor[ADAPT_MAP].data, map, sizeof map);
        assert_ok(kit_check(&p, &e), e);
        p.method->rows(&p, id, 7, out);
        assert_memory_equal(out, want, sizeof want);
        kit_done(&p);
    }
}

static void test_check_of_maps(void **state)
{
    static const struct {
        uint64_t hot, rare;
        int32_t v;
        const char *words;
    } rows[] = {
        {2, 3, 1, NULL},
        {2, 3, -1, NULL},
        {2, 3, INT32_MIN, NULL},
        {2, 3, 2, "remap[4] is 2, and tensor \"freq\" has 2 rows"},
        {2, 3, INT32_MAX, "remap[4] is 2147483647"},
        {2, 0, 1, NULL}, /* nobody needs a rare row */
        {2, 0, -1, "remap[4] is -1, and tensor \"rare\" has no row"},
        {0, 3, -7, NULL},
        {0, 3, 0, "remap[4] is 0, and tensor \"freq\" has 0 rows"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameters p;
        struct error e;
        int32_t *map;

        make(&p, 5, 3, rows[i].hot, rows[i].rare, "remap=dense");
        map = p.tensor[ADAPT_MAP].data;
        for (size_t k = 0; k < 4; k++)
            map[k] = rows[i].hot ? 0 : -1;
        map[4] = rows[i].v;
        if (rows[i].words) {
            assert_fails(kit_check(&p, &e), ST_INVALID, e, rows[i].words);
        } else {
            uint64_t id = 4;
            float out[3];

            assert_ok(kit_check(&p, &e), e);
            p.method->rows(&p, &id, 1, out);
            if (rows[i].v == INT32_MIN) /* 2147483647 mod 3 = 1 */
                assert_true(out[0] == -4);
        }
        kit_done(&p);
    }
}

static void test_check_of_lists(void **state)
{
    static const struct {
        uint64_t id[3], rare;
        const char *words;
    } rows[] = {
        {{0, 1, 2}, 1, NULL},
        {{7, 8, 9}, 1, NULL},
        {{0, 5, 10}, 1, "hot.ids[2] is 10; the ids are below 10"},
        {{0, 5, UINT32_MAX}, 1, "hot.ids[2] is 4294967295"},
        {{5, 5, 6}, 1, "hot.ids[1] is 5, not above the one before it"},
        {{5, 4, 6}, 1, "hot.ids[1] is 4, not above"},
        {{0, 1, 2}, 0, "tensor \"rare\" has no row, and 7 ids are not in hot.ids"},
    };

    (void)state;
    for (int wide = 0; wide < 2; wide++)
        for (size_t i = 0; i < COUNT(rows); i++) {
            uint64_t id64[3];
            uint32_t id32[3];
            struct parameters p;
            struct error e;
            void *kept;

            make(&p, 10, 2, 3, rows[i].rare, "remap=hot_list rare_hash=id_mod");
            kept = p.tensor[ADAPT_HOT_IDS].data;
            for (size_t k = 0; k < 3; k++) {
                id32[k] = (uint32_t)rows[i].id[k];
                id64[k] = rows[i].id[k];
            }
            p.tensor[ADAPT_HOT_IDS].dtype = wide ? DT_U64 : DT_U32;
            p.tensor[ADAPT_HOT_IDS].data = wide ? (void *)id64 : id32;
            if (rows[i].words)
                assert_fails(kit_check(&p, &e), ST_INVALID, e, rows[i].words);
            else
                assert_ok(kit_check(&p, &e), e);
            p.tensor[ADAPT_HOT_IDS].data = kept;
            kit_done(&p);
        }
}

/* All ids hot, none hot, and 2^40 ids of which few are: the directory is as short as the list. */
static void test_lists_of_any_shape(void **state)
{
    static const uint64_t far[] = {5, 6, (uint64_t)1 << 39, ((uint64_t)1 << 40) - 1};
    static const struct {
        uint64_t id;
        float want; /* > 0: of freq */
    } probes[] = {
        {5, 1},  {6, 2},  {(uint64_t)1 << 39, 3}, {((uint64_t)1 << 40) - 1, 4}, {0, -1},
        {4, -5}, {7, -6},
    };
    struct parameters p;
    struct plan plan;
    struct error e;
    float out;

    (void)state;
    make(&p, 6, 1, 6, 0, "remap=hot_list rare_hash=low_rank");
    for (uint32_t i = 0; i < 6; i++)
        ((uint32_t *)p.tensor[ADAPT_HOT_IDS].data)[i] = i;
    assert_ok(kit_check(&p, &e), e);
    for (uint64_t id = 0; id < 6; id++) {
        p.method->rows(&p, &id, 1, &out);
        assert_true(out == (float)id + 1);
    }
    kit_done(&p);
    make(&p, 6, 1, 0, 4, "remap=hot_list rare_hash=low_rank");
    assert_ok(kit_check(&p, &e), e);
    for (uint64_t id = 0; id < 6; id++) {
        p.method->rows(&p, &id, 1, &out);
        assert_true(out == -(float)(id % 4) - 1);
    }
    kit_done(&p);

    kit_plan(&plan, adapt(), (uint64_t)1 << 40, 1, 4 * 12 + 7 * 4, "");
    assert_ok(plan_size(&plan, "H", 4, &e), e);
    assert_ok(plan_size(&plan, "L", 7, &e), e);
    assert_ok(plan_make(&plan, &e), e);
    assert_ok(plan_parameters(&plan, &p, &e), e);
    plan_done(&plan);
    assert_ok(kit_allocate(&p, &e), e);
    assert_int_equal(p.tensor[ADAPT_HOT_IDS].dtype, DT_U64);
    memcpy(p.tensor[ADAPT_HOT_IDS].data, far, sizeof far);
    for (size_t i = 0; i < 4; i++)
        ((float *)p.tensor[ADAPT_FREQ].data)[i] = (float)i + 1;
    for (size_t i = 0; i < 7; i++)
        ((float *)p.tensor[ADAPT_RARE].data)[i] = -(float)i - 1;
    assert_ok(kit_check(&p, &e), e);
    for (size_t i = 0; i < COUNT(probes); i++) {
        p.method->rows(&p, &probes[i].id, 1, &out);
        assert_true(out == probes[i].want);
    }
    for (uint64_t id = ((uint64_t)1 << 39) + 1; id < ((uint64_t)1 << 39) + 20; id++) {
        p.method->rows(&p, &id, 1, &out);
        assert_true(out == -(float)((id - 3) % 7) - 1);
    }
    kit_done(&p);
}

static void test_top_rows(void **state)
{
    static const float weight[] = {3, 0, 7, 3, 3, -0.0f, 9, 3, 1e-40f, INFINITY};
    static const char *const want[] = {"0000000000", "0000000001", "0000001001", "0010001001",
                                       "1010001001", "1011001001", "1011101001", "1011101101",
                                       "1011101111", "1111101111", "1111111111"};
    struct random r = {61};

    (void)state;
    for (uint64_t count = 0; count <= 12; count++) {
        struct top_rows t = top_rows(weight, 10, count);

        for (size_t i = 0; i < 10; i++)
            assert_int_equal(top_take(&t, weight[i]), want[count < 10 ? count : 10][i] == '1');
        t = top_rows(NULL, 10, count);
        for (size_t i = 0; i < 10; i++)
            assert_int_equal(top_take(&t, 0), i < count);
    }
    for (int turn = 0; turn < 300; turn++) {
        uint64_t n = 1 + random_below(&r, 200), count = random_below(&r, n + 1), taken = 0;
        float x[200], least = INFINITY, most = -INFINITY;
        struct top_rows t;

        for (uint64_t i = 0; i < n; i++)
            x[i] = turn % 2 ? (float)random_below(&r, 5) : fabsf(random_normal(&r));
        t = top_rows(x, n, count);
        for (uint64_t i = 0; i < n; i++)
            if (top_take(&t, x[i])) {
                taken++;
                least = fminf(least, x[i]);
            } else {
                most = fmaxf(most, x[i]);
            }
        assert_true(taken == count && (!count || count == n || least >= most));
    }
}

static void test_plan(void **state)
{
    static const struct {
        const char *settings;
        uint64_t rows, budget, hot, rare, bytes;
        const char *words;
    } rows[] = {
        {"", 1000, 64000, 0, 1000, 64000, NULL}, /* each its own row, none of them in a list */
        {"", 1000, 63999, 100, 893, 6800 + 893 * 64, NULL},
        {"", 1000, 6400, 47, 50, 47 * 68 + 50 * 64, NULL}, /* half of it */
        {"remap=dense", 1000, 68000, 0, 1000, 68000, NULL},
        {"remap=dense", 1000, 10400, 50, 50, 10400, NULL},
        {"remap=dense", 1000, 4063, 0, 0, 0, "adapt needs at least 3.97 KiB for 1,000 x 16"},
        {"", 1000, 64, 0, 1, 64, NULL},
        {"", 1000, 63, 0, 0, 0, "adapt needs at least 64 B for 1,000 x 16; the budget is 63 B"},
        {"", 1000, 0, 100, 100, 6800 + 6400, NULL},
        {"", 0, 1, 0, 0, 0, NULL},
        {"remap=dense", ((uint64_t)1 << 31) + 1, 0, 0, 0, 0, "at most 2^31 rows"},
        {"", ((uint64_t)1 << 32) + 1, 14400, 100, 112, 100 * 72 + 112 * 64, NULL}, /* wide ids */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;
        struct error e;
        uint64_t hot, rare, bytes;

        kit_plan(&plan, adapt(), rows[i].rows, 16, rows[i].budget, rows[i].settings);
        if (rows[i].words) {
            assert_fails(plan_make(&plan, &e), ST_INVALID, e, rows[i].words);
        } else {
            assert_ok(plan_make(&plan, &e), e);
            assert_true(symbols_get(&plan.size, "H", 1, &hot));
            assert_true(symbols_get(&plan.size, "L", 1, &rare));
            assert_ok(plan_bytes(&plan, &bytes, &e), e);
            if (hot != rows[i].hot || rare != rows[i].rare || bytes != rows[i].bytes)
                fail_msg("case %zu: %llu hot, %llu rare, %llu bytes", i, (unsigned long long)hot,
                         (unsigned long long)rare, (unsigned long long)bytes);
            assert_true(adapt()->author_words(&plan) == (double)(hot + rare) * 16);
        }
        plan_done(&plan);
    }
}

static void test_start(void **state)
{
    static const float weight[] = {1, 5, 0, 5, 2, 5, 0, 0};
    struct init init = {.seed = 1};
    struct parameters p;
    struct error e;

    (void)state;
    for (int known = 0; known < 2; known++)
        for (int dense = 0; dense < 2; dense++) {
            make(&p, 8, 2, 2, 3, dense ? "remap=dense" : "");
            init.weight = known ? weight : NULL;
            assert_ok(init_parameters(&init, &p, &e), e);
            assert_ok(kit_check(&p, &e), e);
            for (uint64_t id = 0; id < 8; id++)
                assert_int_equal(adapt_place(&p, id).hot, known ? id == 1 || id == 3 : id < 2);
            for (size_t i = 0; i < 6; i++)
                assert_true(fabsf(((float *)p.tensor[ADAPT_RARE].data)[i]) < 1);
            kit_done(&p);
        }
}

/* Sharers against a count. */
static void test_explain(void **state)
{
    static const char *const settings[] = {"remap=dense", "rare_hash=low_rank", "rare_hash=id_mod"};
    struct random r = {65};

    (void)state;
    for (size_t s = 0; s < COUNT(settings); s++) {
        struct adapt_writer w = {0};
        struct explanation x = {0};
        struct parameters p;
        struct error e;

        make(&p, 70, 2, 20, 6, settings[s]);
        w.p = &p;
        for (uint64_t i = 0; i < 70; i++)
            (void)adapt_write(&w, w.hot < 20 && (random_below(&r, 2) || 70 - i == 20 - w.hot));
        assert_ok(kit_check(&p, &e), e);
        for (uint64_t id = 0; id < 70; id++) {
            struct adapt_place at = adapt_place(&p, id), other;
            uint64_t sharing = 0;

            for (uint64_t i = 0; i < 70; i++) {
                other = adapt_place(&p, i);
                sharing += i != id && other.hot == at.hot && other.row == at.row;
            }
            parameters_explain(&p, id, &x);
            assert_int_equal(x.status, ST_OK);
            assert_string_equal(x.fact[0].text, at.hot ? "frequent" : "rare");
            assert_string_equal(x.fact[1].name, at.hot ? "freq" : "rare");
            assert_int_equal(x.fact[1].number, at.row);
            assert_int_equal(x.fact[1].sharers, sharing);
            explanation_done(&x);
        }
        kit_done(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked_map),     cmocka_unit_test(test_check_of_maps),
        cmocka_unit_test(test_check_of_lists), cmocka_unit_test(test_lists_of_any_shape),
        cmocka_unit_test(test_top_rows),       cmocka_unit_test(test_plan),
        cmocka_unit_test(test_start),          cmocka_unit_test(test_explain),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
