/* SPDX-License-Identifier: Apache-2.0 */
/* adapt's fits: which rows are kept, what becomes of the others, how the budget is split, for whole
   tables and for fields. */
#include "methods/adapt.h"

#include "fits/fit.h"
#include "kernels/kernels.h"
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
}

/* Hot rows bit by bit, and the mean of each group by hand; ties go to the lower id. */
static void expect_means(const struct kit_table *t, const struct parameters *p)
{
    uint64_t rows = t->fit.rows, dim = t->fit.dim, hot = p->tensor[ADAPT_FREQ].shape[0], taken = 0;
    double *sum = calloc(rows * dim + 1, sizeof *sum), *weight = calloc(rows + 1, sizeof *weight);
    const float *rare = p->tensor[ADAPT_RARE].data;
    float *length = calloc(rows + 1, sizeof *length), *out = calloc(dim, sizeof *out);

    for (uint64_t i = 0; i < rows; i++) {
        double squares = 0;

        for (uint64_t j = 0; j < dim; j++)
            squares += pow((double)t->data[i * dim + j], 2);
        length[i] = t->fit.weight ? t->fit.weight[i] : (float)sqrt(squares);
    }
    for (uint64_t i = 0; i < rows; i++) {
        struct adapt_place at = adapt_place(p, i);
        uint64_t above = 0;

        for (uint64_t k = 0; k < rows; k++)
            above += length[k] > length[i] || (length[k] == length[i] && k < i);
        assert_int_equal(at.hot, above < hot);
        taken += at.hot;
        p->method->rows(p, &i, 1, out);
        if (at.hot)
            assert_memory_equal(out, t->data + i * dim, dim * sizeof *out);
        for (uint64_t j = 0; !at.hot && j < dim; j++)
            sum[at.row * dim + j] += (double)fit_weight(&t->fit, i) * t->data[i * dim + j];
        weight[at.row] += at.hot ? 0 : fit_weight(&t->fit, i);
    }
    assert_int_equal(taken, hot);
    for (uint64_t i = 0; i < p->tensor[ADAPT_RARE].count; i++) {
        double w = weight[i / dim], want = w > 0 ? sum[i] / w : 0;

        assert_true(fabs(rare[i] - want) <= 1e-6 * fmax(1, fabs(want)));
    }
    free(out);
    free(length);
    free(weight);
    free(sum);
}

static void test_fit_is_copies_and_means(void **state)
{
    static const char *const settings[] = {"remap=dense", "rare_hash=low_rank", "rare_hash=id_mod"};
    struct random r = {62};

    (void)state;
    for (size_t s = 0; s < COUNT(settings); s++)
        for (int weights = 0; weights < 3; weights++) {
            struct fit_error error;
            struct parameters p;
            struct kit_table t;

            kit_table_init(&t, 900, 5);
            kit_table_random(&t, &r, weights > 0);
            for (uint64_t i = 0; weights == 2 && i < 900; i++)
                t.weight[i] = (float)random_below(&r, 4); /* many ties */
            make(&p, 900, 5, 100, 37, settings[s]);
            kit_fit(&t, &p, &error);
            expect_means(&t, &p);
            kit_done(&p);
            kit_table_done(&t);
        }
}

/* Through study, layout and fit. Returns the error. */
static double fit_table(struct kit_table *t, const struct fields *f, uint64_t budget,
                        const char *settings, struct layout *l)
{
    struct parameters part[3] = {{0}};
    struct fit_error error;
    struct plan plan;
    struct error e;
    uint64_t bytes;

    kit_plan(&plan, adapt(), t->fit.rows, t->fit.dim, budget, settings);
    assert_ok(layout_open(l, adapt(), t->fit.rows, t->fit.dim, f, budget, plan.value, &e), e);
    plan_done(&plan);
    t->done = 0;
    assert_ok(fit_layout(&t->fit, l, &e), e);
    assert_ok(layout_bytes(l, &bytes, &e), e);
    assert_true(bytes <= budget && l->part_count <= 3);
    for (size_t i = 0; i < l->part_count; i++) {
        assert_ok(plan_parameters(&l->part[i], &part[i], &e), e);
        assert_ok(kit_allocate(&part[i], &e), e);
    }
    t->done = 0;
    assert_ok(fit_parameters(&t->fit, l, part, &e), e);
    for (size_t i = 0; i < l->part_count; i++)
        assert_ok(kit_check(&part[i], &e), e);
    t->done = 0;
    assert_ok(fit_measure(&t->fit, part, l->part_count, &error, &e), e);
    for (size_t i = 0; i < l->part_count; i++)
        kit_done(&part[i]);
    return error.relative;
}

static uint64_t hot_of(const struct layout *l, size_t part)
{
    uint64_t hot = 0;

    assert_true(symbols_get(&l->part[part].size, "H", 1, &hot));
    return hot;
}

/* A few long rows above many short ones are all kept, rows of one length are not worth an entry;
   and no fixed tenth does better. */
static void test_study(void **state)
{
    struct random r = {63};
    struct kit_table t;
    struct layout l;
    double error;

    (void)state;
    kit_table_init(&t, 1000, 8);
    kit_table_random(&t, &r, false);
    for (uint64_t i = 0; i < 8000; i++)
        t.data[i] *= i / 8 % 50 == 3 ? 30 : 0.1f; /* 20 of the 1000 */
    error = fit_table(&t, NULL, 100 * 32, "", &l);
    assert_true(hot_of(&l, 0) >= 20 && error < 1e-2);
    layout_done(&l);
    for (uint64_t i = 0; i < 8000; i++)
        t.data[i] = (float)(i / 8 % 100) + (float)(i % 8); /* 100 different rows, in turns */
    error = fit_table(&t, NULL, 100 * 32, "rare_hash=id_mod", &l);
    assert_int_equal(hot_of(&l, 0), 0);
    assert_true(error == 0);
    layout_done(&l);
    error = fit_table(&t, NULL, 1000 * 32, "", &l);
    assert_true(error == 0);
    layout_done(&l);
    kit_table_done(&t);
}

/* Fields have splits of their own; a small one may stay full. */
static void test_fields(void **state)
{
    static const uint64_t first[] = {0, 500, 502, 1000};
    const struct fields f = {first, 3};
    struct random r = {64};
    struct kit_table t;
    struct layout l;
    struct error e;

    (void)state;
    for (int dense = 0; dense < 2; dense++) {
        kit_table_init(&t, 1000, 8);
        kit_table_random(&t, &r, true);
        for (uint64_t i = 0; i < 1000; i++)
            t.weight[i] = i >= 502 && i % 10 == 0 ? 1000 : 1;
        assert_true(fit_table(&t, &f, 9000, dense ? "remap=dense" : "", &l) < 0.7);
        assert_true(l.per_field && l.part[0].method == adapt() && l.part[2].method == adapt());
        assert_true(hot_of(&l, 2) >= 49 || dense);
        layout_done(&l);
        assert_ok(layout_open(&l, adapt(), 1000, 8, &f, 40, NULL, &e), e);
        t.done = 0;
        assert_fails(fit_layout(&t.fit, &l, &e), ST_INVALID, e, "adapt needs at least");
        assert_true(l.need > 40);
        layout_done(&l);
        kit_table_done(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit_is_copies_and_means),
        cmocka_unit_test(test_study),
        cmocka_unit_test(test_fields),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
