/* SPDX-License-Identifier: Apache-2.0 */
/* Narrow rows and projections by hand: lookups, refusals, plans, starts, explanations. */
#include "methods/projected.h"

#include <math.h>

#include "kernels/kernels.h"
#include "methods/explain.h"
#include "methods/gradient.h"
#include "methods/init.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct method *find(const char *name)
{
    return method_find(name, strlen(name));
}

/* Parameters over arrays of the test's own; release with parameters_done(). */
static struct parameters made(const char *method, uint64_t rows, uint32_t dim, uint64_t width,
                              float *emb, float *proj, float *bias)
{
    struct parameters p = {.method = find(method), .rows = rows, .dim = dim};
    float *data[] = {emb, proj, bias};
    const uint64_t shape[][2] = {{rows, width}, {width, dim}, {dim, 0}};

    for (size_t i = 0; i < p.method->tensors_count; i++) {
        if (!data[i])
            continue;
        p.tensor[i] = (struct tensor){.name = p.method->tensors[i].name,
                                      .dtype = DT_F32,
                                      .rank = i == 2 ? 1 : 2,
                                      .data = data[i]};
        p.tensor[i].shape[0] = shape[i][0];
        p.tensor[i].shape[1] = shape[i][1];
        p.tensor[i].count = i == 2 ? dim : shape[i][0] * shape[i][1];
        p.tensor[i].bytes = p.tensor[i].count * sizeof(float);
    }
    return p;
}

static void test_lookup_by_hand(void **state)
{
    float emb[] = {1, 2, -3, 0.5f}, proj[] = {1, 0, 2, 4, 5, -6}, bias[] = {10, 20, 30};
    float square[] = {0, 1, 1, 0}, out[6];
    const uint64_t row[] = {1, 0};
    struct parameters p;
    struct error e;

    (void)state;
    p = made("mde", 2, 3, 2, emb, proj, NULL);
    assert_ok(parameters_check(&p, &e), e);
    assert_int_equal(parameters_work(&p), 6);
    p.method->rows(&p, row, 2, out);
    assert_true(out[0] == -1 && out[1] == 2.5f && out[2] == -9);
    assert_true(out[3] == 9 && out[4] == 10 && out[5] == -10);

    p = made("autodim", 2, 3, 2, emb, proj, bias);
    assert_ok(parameters_check(&p, &e), e);
    p.method->rows(&p, row, 2, out);
    assert_true(out[0] == 9 && out[1] == 22.5f && out[2] == 21);

    p = made("mde", 2, 2, 2, emb, square,
             NULL); /* a projection that is there counts at d = D too */
    assert_ok(parameters_check(&p, &e), e);
    p.method->rows(&p, row, 1, out);
    assert_true(out[0] == 0.5f && out[1] == -3);
    p = made("mde", 2, 2, 2, emb, NULL, NULL);
    assert_ok(parameters_check(&p, &e), e);
    assert_int_equal(parameters_work(&p), 0);
    p.method->rows(&p, row, 1, out);
    assert_true(out[0] == -3 && out[1] == 0.5f);
}

/* Only one thing is wrong in each. */
static void test_refusals(void **state)
{
    static const struct {
        const char *method, *words;
        uint64_t width;
        bool no_proj, no_bias;
        int64_t dims[2];
        size_t dims_count;
    } rows[] = {
        {"mde", "tensor \"emb\" has 0 columns; it must have from 1 to D = 4", .width = 0},
        {"mde", "tensor \"emb\" has 5 columns; it must have from 1 to D = 4", .width = 5},
        {"mde", "has 3 columns of 4, and the tensor \"proj\" is missing", .width = 3,
         .no_proj = true},
        {"mde", "dims must be [3], the columns of \"emb\"", .width = 3, .dims = {2},
         .dims_count = 1},
        {"mde", "dims must be [3]", .width = 3, .dims = {3, 3}, .dims_count = 2},
        {"mde", "dims must be [4]", .width = 4, .no_proj = true, .dims_count = 0, .dims = {-1}},
        {"autodim", "tensor \"proj\" is missing", .width = 4, .no_proj = true},
        {"autodim", "tensor \"bias\" is missing", .width = 2, .no_bias = true},
        {"autodim", "tensor \"emb\" has 5 columns", .width = 5},
        {"autodim", "dims must be [2]", .width = 2, .dims = {4}, .dims_count = 1},
    };
    float values[40] = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool has_bias = !strcmp(rows[i].method, "autodim") && !rows[i].no_bias;
        struct parameters p = made(rows[i].method, 3, 4, rows[i].width, values,
                                   rows[i].no_proj ? NULL : values, has_bias ? values : NULL);
        int64_t list[2];
        struct error e;

        memcpy(list, rows[i].dims, sizeof list);
        if (rows[i].dims[0])
            p.value[PROJECTED_DIMS] =
                (struct value){.set = true, .list = list, .n = rows[i].dims_count};
        assert_fails(parameters_check(&p, &e), ST_INVALID, e, rows[i].words);
    }
}

static void test_dims_that_agree(void **state)
{
    float values[40] = {0};
    int64_t list[] = {2};
    struct parameters p = made("mde", 3, 4, 2, values, values, NULL);
    struct error e;

    (void)state;
    p.value[PROJECTED_DIMS] = (struct value){.set = true, .list = list, .n = 1};
    assert_ok(parameters_check(&p, &e), e);
    p.rows = p.tensor[0].shape[0] = 0;
    assert_ok(parameters_check(&p, &e), e);
}

/* The widest that the budget has room for, with the projection and the bias. */
static void test_plan(void **state)
{
    static const struct {
        const char *method, *settings;
        uint64_t rows, floats, width, taken;
        uint32_t dim;
    } rows[] = {
        {"mde", "", 100, 100 * 3 + 48, 3, 348, 16},
        {"mde", "", 100, 100 * 3 + 47, 2, 232, 16},
        {"mde", "", 100, 1600, 16, 1600, 16}, /* no projection */
        {"mde", "", 100, 1599, 13, 1508, 16},
        {"mde", "", 10, 160, 16, 160, 16},
        {"mde", "", 10, 159, 6, 156, 16},
        {"mde", "", 7, 0, 5, 35, 5}, /* no budget */
        {"mde", "dims=2", 7, 0, 2, 24, 5},
        {"mde", "dims=5", 7, 0, 5, 35, 5},
        {"mde", "", 0, 1, 5, 0, 5},
        {"autodim", "", 1000, 2000 + 40 + 20, 2, 2060, 20},
        {"autodim", "", 1000, 16000 + 320 + 19, 8, 8180, 20},
        {"autodim", "", 1000, 16000 + 320 + 20, 16, 16340, 20},
        {"autodim", "", 1000, 20000 + 400 + 20, 20, 20420, 20},
        {"autodim", "", 1000, 0, 20, 20420, 20},
        {"autodim", "", 50, 52, 1, 52, 1},
        {"autodim", "", 50, 106, 2, 106, 2},
        {"autodim", "dims=3", 50, 0, 3, 174, 6},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t width = 0, bytes = 0;
        struct plan plan;
        struct error e;

        kit_plan(&plan, find(rows[i].method), rows[i].rows, rows[i].dim, rows[i].floats * 4,
                 rows[i].settings);
        assert_ok(plan_make(&plan, &e), e);
        assert_ok(plan_bytes(&plan, &bytes, &e), e);
        assert_true(symbols_get(&plan.size, "W", 1, &width));
        if (width != rows[i].width || bytes != rows[i].taken * 4)
            fail_msg("row %zu: width %llu, %llu bytes", i, (unsigned long long)width,
                     (unsigned long long)bytes);
        assert_true(plan.method->author_words(&plan) == (double)rows[i].taken);
        plan_done(&plan);
    }
}

static void test_plan_refuses(void **state)
{
    static const struct {
        const char *method, *settings, *words;
        uint64_t rows, budget;
    } rows[] = {
        {"mde", "", "mde needs at least 464 B for 100 x 16; the budget is 463 B", 100, 463},
        {"mde", "", "mde needs at least 64 B for 1 x 16", 1, 63},
        {"mde", "dims=17", "dims must be from 1 to D = 16, not 17", 100, 0},
        {"mde", "dims=2,3", "dims has 2 entries; one is for a table", 100, 0},
        {"mde", "dims=8", "mde needs 3.63 KiB for 100 x 16 with these settings", 100, 1000},
        {"autodim", "", "autodim needs at least 992 B for 100 x 16; the budget is 991 B", 100, 991},
        {"mde", "", "mde needs at least", INT64_MAX, 1000},
        {"autodim", "", "autodim needs at least", INT64_MAX, 1000},
        {"mde", "", "larger than memory", INT64_MAX, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;
        struct error e;

        kit_plan(&plan, find(rows[i].method), rows[i].rows, 16, rows[i].budget, rows[i].settings);
        if (plan_make(&plan, &e) == ST_OK)
            fail_msg("row %zu is not refused", i);
        if (!strstr(e.text, rows[i].words))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, e.text, rows[i].words);
        plan_done(&plan);
    }
}

static void test_candidates(void **state)
{
    static const struct {
        uint32_t dim;
        uint64_t width[8];
    } rows[] = {
        {1, {1}},
        {2, {2}},
        {3, {2, 3}},
        {4, {2, 4}},
        {5, {2, 4, 5}},
        {16, {2, 4, 8, 16}},
        {20, {2, 4, 8, 16, 20}},
        {32, {2, 4, 8, 16, 32}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t k = 0; k < COUNT(rows[i].width); k++)
            assert_int_equal(autodim_candidate(rows[i].dim, k), rows[i].width[k]);
    assert_int_equal(autodim_candidate(65536, 15), 65536);
    assert_int_equal(autodim_candidate(65536, 16), 0);
    assert_int_equal(autodim_candidate(65535, 15), 65535);
    assert_int_equal(autodim_candidate(65535, 1000), 0);
}

/* Elements of rows deviate as asked, whatever the width; the bias begins at 0. */
static void test_start(void **state)
{
    static const char *const settings[] = {"dims=1", "dims=7", "dims=32"};

    (void)state;
    for (size_t m = 0; m < 2; m++)
        for (size_t i = 0; i < COUNT(settings); i++) {
            const struct init init = {.seed = 5, .deviation = 0.2};
            uint64_t row[500];
            float out[500 * 32];
            struct parameters p;
            double squares = 0, sum = 0;
            struct error e;

            kit_parameters(&p, find(m ? "autodim" : "mde"), 500, 32, 0, settings[i]);
            assert_ok(init_parameters(&init, &p, &e), e);
            assert_ok(kit_check(&p, &e), e);
            for (uint64_t r = 0; r < 500; r++)
                row[r] = r;
            p.method->rows(&p, row, 500, out);
            for (size_t j = 0; j < COUNT(out); j++) {
                squares += (double)out[j] * (double)out[j];
                sum += (double)out[j];
            }
            squares = sqrt(squares / COUNT(out));
            if (!(squares > 0.13 && squares < 0.27) || fabs(sum / COUNT(out)) > 0.02)
                fail_msg("%s: deviation %g", settings[i], squares);
            kit_done(&p);
        }
}

static void test_explanation(void **state)
{
    struct explanation x = {0};
    struct parameters p;

    (void)state;
    kit_parameters(&p, find("autodim"), 9, 6, 0, "dims=4");
    parameters_explain(&p, 7, &x);
    assert_int_equal(x.status, ST_OK);
    assert_int_equal(x.count, 4);
    assert_string_equal(x.fact[0].name, "width");
    assert_int_equal(x.fact[0].number, 4);
    assert_string_equal(x.fact[1].name, "emb");
    assert_int_equal(x.fact[1].number, 7);
    assert_int_equal(x.fact[1].n, 4);
    assert_int_equal(x.fact[1].sharers, 0);
    assert_string_equal(x.fact[2].name, "proj");
    assert_int_equal(x.fact[2].n, 24);
    assert_int_equal(x.fact[2].sharers, 8);
    assert_string_equal(x.fact[3].name, "bias");
    assert_int_equal(x.fact[3].n, 6);
    explanation_done(&x);
    kit_done(&p);
    kit_parameters(&p, find("mde"), 9, 6, 0, "dims=6");
    parameters_explain(&p, 0, &x);
    assert_int_equal(x.count, 2); /* no projection */
    explanation_done(&x);
    kit_done(&p);
}

/* A push reaches one unit of emb a row, and all of what is shared. */
static void test_touched(void **state)
{
    struct gradients g = {0};
    struct parameters p;
    const uint64_t row[] = {3};
    float grad[6] = {1, 2, 3, 4, 5, 6};
    struct error e;

    (void)state;
    kit_parameters(&p, find("autodim"), 9, 6, 0, "dims=4");
    assert_int_equal(parameters_touched(&p, PROJECTED_EMB, 5), 5);
    assert_int_equal(parameters_touched(&p, PROJECTED_EMB, 50), 9);
    assert_int_equal(parameters_touched(&p, PROJECTED_PROJ, 1), 4);
    assert_int_equal(parameters_touched(&p, PROJECTED_BIAS, 1), 6);
    assert_int_equal(parameters_touched(&p, PROJECTED_BIAS, 0), 0);
    assert_ok(gradients_reserve(&g, &p, 1, &e), e);
    p.method->gradient(&p, row, 0, grad, &g);
    assert_int_equal(g.tensor[PROJECTED_PROJ].count, 0); /* no row, no step */
    p.method->gradient(&p, row, 1, grad, &g);
    assert_int_equal(g.tensor[PROJECTED_EMB].count, 1);
    assert_int_equal(g.tensor[PROJECTED_EMB].unit[0], 3);
    assert_int_equal(g.tensor[PROJECTED_PROJ].count, 4);
    assert_int_equal(g.tensor[PROJECTED_BIAS].count, 6);
    assert_memory_equal(g.tensor[PROJECTED_BIAS].value, grad, sizeof grad);
    gradients_done(&g);
    kit_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup_by_hand),  cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_dims_that_agree), cmocka_unit_test(test_plan),
        cmocka_unit_test(test_plan_refuses),    cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_start),           cmocka_unit_test(test_explanation),
        cmocka_unit_test(test_touched),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
