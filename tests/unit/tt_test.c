/* SPDX-License-Identifier: Apache-2.0 */
/* tt beyond what all methods share: the loader's rules, cached rows, explanations. */
#include "methods/method.h"

#include "base/memory.h"
#include "kernels/kernels.h"
#include "methods/explain.h"
#include "methods/gradient.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void make(struct parameters *p, uint64_t rows, uint32_t dim, const char *settings)
{
    kit_parameters(p, method_find("tt", 2), rows, dim, 0, settings);
}

static float *core(const struct parameters *p, unsigned t)
{
    return p->tensor[t].data;
}

/* Give the parameters `count` cached ids; values follow. */
static void add_cache(struct parameters *p, const int64_t *ids, size_t count)
{
    struct tensor *i = &p->tensor[3], *w = &p->tensor[4];

    *i = (struct tensor){.name = "cache.ids", .dtype = DT_I64, .rank = 1, .shape = {count}};
    i->count = count;
    i->bytes = count * sizeof *ids;
    i->data = mem_alloc(i->bytes);
    memcpy(i->data, ids, i->bytes);
    *w = (struct tensor){.name = "cache.weight", .dtype = DT_F32, .rank = 2};
    w->shape[0] = count;
    w->shape[1] = p->dim;
    w->count = count * p->dim;
    w->bytes = w->count * sizeof(float);
    w->data = mem_zero(w->count, sizeof(float));
}

static void test_settings_are_refused(void **state)
{
    static const struct {
        const char *name, *text, *words;
    } rows[] = {
        {"n", "10,10", "n must have 3 numbers, not 2"},
        {"n", "10,10,10,10", "n must have 3 numbers, not 4"},
        {"n", "", "n must have 3 numbers, not 0"},
        {"n", "9,10,10", "n multiplies to 900 ids; the table has 1000 rows"},
        {"n", "4294967296,4294967296,1", "n multiplies past 64 bits"},
        {"n", "9223372036854775807,2,2", "n multiplies past 64 bits"},
        {"n", "10,10,11", "tensor \"core.2\" has the shape [10, 12]; n, d and r make it [11, 12]"},
        {"d", "2,2", "d must have 3 numbers, not 2"},
        {"d", "2,2,3", "d multiplies to 12 columns; the table has 16"},
        {"d", "65536,2,2", "d multiplies to more than 131072 columns"},
        {"d", "131072,131072,131072", "d multiplies to more than 131072 columns"},
        {"d", "2,4,2", "tensor \"core.1\" has the shape [10, 12]; n, d and r make it [10, 24]"},
        {"r", "1,2,1", "r must have 4 numbers, not 3"},
        {"r", "2,2,3,1", "r begins and ends with 1, not with 2 and 1"},
        {"r", "1,2,3,4", "r begins and ends with 1, not with 1 and 4"},
        {"r", "1,3,3,1", "tensor \"core.0\" has the shape [10, 4]; n, d and r make it [10, 6]"},
    };
    struct parameters p;
    struct plan plan;
    struct error e;

    (void)state;
    make(&p, 1000, 16, "n=10,10,10 d=2,2,4 r=1,2,3,1");
    assert_ok(kit_check(&p, &e), e);
    for (size_t i = 0; i < COUNT(rows); i++) {
        int at = method_setting(p.method, rows[i].name, 1);
        struct value kept = p.value[at];

        assert_ok(setting_parse(&p.method->settings[at], rows[i].text, &p.value[at], &e), e);
        assert_fails(kit_check(&p, &e), ST_INVALID, e, rows[i].words);
        mem_free(p.value[at].list);
        p.value[at] = kept;
    }
    assert_ok(kit_check(&p, &e), e);
    kit_done(&p);

    kit_plan(&plan, method_find("tt", 2), 1000, 65536, 0, "d=64,32,32 r=1,1024,1024,1");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e,
                 "d and r make a row cost 2214592512 multiply-adds; the most is 1073741824");
    plan_done(&plan);
}

static void test_numbers_are_refused(void **state)
{
    static const struct {
        const char *name, *text, *words;
    } rows[] = {
        {"n", "0,10,10", "n must be at least 1, not 0"},
        {"n", "10,-1,10", "n must be at least 1, not -1"},
        {"d", "0,1,1", "d must be from 1 to 131072, not 0"},
        {"r", "1,0,1,1", "r must be from 1 to 4096, not 0"},
        {"r", "1,4097,1,1", "r must be from 1 to 4096, not 4097"},
    };
    const struct method *m = method_find("tt", 2);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct value v;
        struct error e;

        assert_fails(
            setting_parse(&m->settings[method_setting(m, rows[i].name, 1)], rows[i].text, &v, &e),
            ST_INVALID, e, rows[i].words);
    }
}

static void test_cache_is_checked(void **state)
{
    static const struct {
        int64_t ids[3];
        const char *words; /* NULL: accepted */
    } rows[] = {
        {{0, 5, 99}, NULL},
        {{0, 5, 100}, "tensor \"cache.ids\" holds 100 at 2; ids are below 100"},
        {{-1, 5, 9}, "tensor \"cache.ids\" holds -1 at 0; ids are below 100"},
        {{INT64_MIN, 5, 9}, "holds -9223372036854775808 at 0"},
        {{0, 5, 5}, "tensor \"cache.ids\" is not ascending at 2: 5 after 5"},
        {{7, 5, 9}, "tensor \"cache.ids\" is not ascending at 1: 5 after 7"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameters p;
        struct error e;
        void *kept;

        make(&p, 100, 16, "");
        add_cache(&p, rows[i].ids, 3);
        if (rows[i].words) {
            assert_fails(kit_check(&p, &e), ST_INVALID, e, rows[i].words);
        } else {
            assert_ok(kit_check(&p, &e), e);
            p.tensor[4].shape[0] = 2;
            assert_fails(kit_check(&p, &e), ST_INVALID, e, "cache.weight");
            p.tensor[4].shape[0] = 3;
            kept = p.tensor[4].data;
            p.tensor[4].data = NULL;
            assert_fails(kit_check(&p, &e), ST_INVALID, e, "tensor \"cache.weight\" is missing");
            p.tensor[4].data = kept;
            kept = p.tensor[3].data;
            p.tensor[3].data = NULL;
            assert_fails(kit_check(&p, &e), ST_INVALID, e, "tensor \"cache.ids\" is missing");
            p.tensor[3].data = kept;
        }
        kit_done(&p);
    }
}

/* A cached row is its own, and so is its gradient. */
static void test_cache(void **state)
{
    static const int64_t ids[] = {0, 41, 42, 99};
    struct random r = {71};
    struct gradients g = {0};
    struct parameters p;
    float grad[2 * 16], out[16];
    uint64_t row[2] = {42, 43};
    struct error e;

    (void)state;
    make(&p, 100, 16, "");
    kit_fill(&p, &r);
    add_cache(&p, ids, COUNT(ids));
    for (size_t i = 0; i < p.tensor[4].count; i++)
        core(&p, 4)[i] = (float)i;
    assert_ok(kit_check(&p, &e), e);
    for (size_t i = 0; i < COUNT(ids); i++) {
        uint64_t id = (uint64_t)ids[i];

        p.method->rows(&p, &id, 1, out);
        assert_memory_equal(out, core(&p, 4) + i * 16, sizeof out);
    }
    for (size_t j = 0; j < COUNT(grad); j++)
        grad[j] = (float)j + 1;
    assert_ok(gradients_reserve(&g, &p, 2, &e), e);
    p.method->gradient(&p, row, 1, grad, &g);
    for (unsigned t = 0; t < 3; t++)
        assert_int_equal(g.tensor[t].count, 0);
    assert_int_equal(g.tensor[4].count, 1);
    assert_int_equal(g.tensor[4].unit[0], 2);
    assert_memory_equal(g.tensor[4].value, grad, 16 * sizeof *grad);
    assert_int_equal(g.tensor[3].capacity, 0); /* ids are not trained */
    p.method->gradient(&p, row + 1, 1, grad + 16, &g);
    for (unsigned t = 0; t < 3; t++)
        assert_int_equal(g.tensor[t].count, 1);
    assert_int_equal(g.tensor[4].count, 1);
    gradients_done(&g);
    kit_done(&p);
}

static void test_explain_counts_sharers(void **state)
{
    static const char *const settings[] = {"n=5,6,7 digit_order=little", "n=5,6,7 digit_order=big"};
    static const int64_t ids[] = {3, 77, 150};

    (void)state;
    for (int turn = 0; turn < 4; turn++) {
        struct parameters p;
        struct error e;

        make(&p, 173, 8, settings[turn % 2]);
        if (turn >= 2)
            add_cache(&p, ids, COUNT(ids));
        assert_ok(kit_check(&p, &e), e);
        for (uint64_t row = 0; row < 173; row++) {
            struct explanation x = {0};

            parameters_explain(&p, row, &x);
            assert_int_equal(x.status, ST_OK);
            if (turn >= 2 && (row == 3 || row == 77 || row == 150)) {
                assert_string_equal(x.fact[1].text, "yes");
                assert_string_equal(x.fact[2].name, "cache.weight");
                assert_int_equal(x.fact[2].sharers, 0);
                assert_int_equal(x.count, 3);
                explanation_done(&x);
                continue;
            }
            for (unsigned t = 0; t < 3; t++) {
                const struct fact *f = &x.fact[x.count - 3 + t];
                uint64_t others = 0;

                for (uint64_t y = 0; y < 173; y++) {
                    uint64_t low = turn % 2 ? y % 7 : y % 5, rest = turn % 2 ? y / 7 : y / 5;
                    uint64_t digit[3] = {turn % 2 ? rest / 6 : low, rest % 6,
                                         turn % 2 ? low : rest / 6};

                    others += y != row && digit[t] == (uint64_t)f->number &&
                              !(turn >= 2 && (y == 3 || y == 77 || y == 150));
                }
                assert_int_equal(f->number, x.fact[0].list[t]);
                assert_int_equal(f->sharers, others);
                assert_int_equal(f->n, p.tensor[t].shape[1]);
            }
            explanation_done(&x);
        }
        kit_done(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_are_refused),   cmocka_unit_test(test_numbers_are_refused),
        cmocka_unit_test(test_cache_is_checked),       cmocka_unit_test(test_cache),
        cmocka_unit_test(test_explain_counts_sharers),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
