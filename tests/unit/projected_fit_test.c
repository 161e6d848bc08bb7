/* SPDX-License-Identifier: Apache-2.0 */
/* Fits of mde and autodim against eigenvalues found another way: the error is what the directions
   left out hold, tables of low rank come back, and fields get the widths that are worth most. */
#include "fits/fit.h"

#include <float.h>

#include "kernels/kernels.h"
#include "methods/projected.h"
#include "tests/unit/jacobi.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* The least relative error that `width` directions leave of rows [first, first + rows). */
static double least_error(const struct kit_table *t, uint64_t first, uint64_t rows, uint64_t width,
                          bool centred, double *absolute)
{
    size_t dim = t->fit.dim;
    double *gram = calloc(dim * dim, sizeof *gram), *value = calloc(dim, sizeof *value);
    double *mean = calloc(dim, sizeof *mean), weights = 0, left = 0, total = 0;

    for (uint64_t i = first; i < first + rows; i++) {
        double w = (double)fit_weight(&t->fit, i);

        weights += w;
        for (size_t j = 0; j < dim; j++)
            mean[j] += w * (double)t->data[i * dim + j];
    }
    for (uint64_t i = first; i < first + rows; i++)
        for (size_t j = 0; j < dim; j++)
            for (size_t k = 0; k < dim; k++) {
                double x = (double)t->data[i * dim + j], y = (double)t->data[i * dim + k];
                double w = (double)fit_weight(&t->fit, i);

                total += j == k ? w * x * x : 0;
                x -= centred && weights > 0 ? mean[j] / weights : 0;
                y -= centred && weights > 0 ? mean[k] / weights : 0;
                gram[j * dim + k] += w * x * y;
            }
    jacobi(gram, dim, value);
    for (size_t i = width; i < dim; i++)
        left += value[i] > 0 ? value[i] : 0;
    if (absolute)
        *absolute = left;
    free(mean);
    free(value);
    free(gram);
    return total > 0 ? left / total : 0;
}

/* Columns of falling size, mixed, around a row that is not zero. */
static void mixed(struct kit_table *t, struct random *r, double fall)
{
    size_t dim = t->fit.dim;
    float *mix = calloc(dim * dim, sizeof *mix), *row = calloc(dim, sizeof *row);

    for (size_t i = 0; i < dim * dim; i++)
        mix[i] = random_normal(r);
    for (uint64_t i = 0; i < t->fit.rows; i++) {
        for (size_t j = 0; j < dim; j++)
            row[j] = random_normal(r) * (float)pow(fall, (double)j) + (j == 3 % dim ? 2 : 0);
        for (size_t j = 0; j < dim; j++) {
            double sum = 0;

            for (size_t k = 0; k < dim; k++)
                sum += (double)(row[k] * mix[k * dim + j]);
            t->data[i * dim + j] = (float)sum;
        }
    }
    for (uint64_t i = 0; i < t->fit.rows; i++)
        t->weight[i] = (float)(random_below(r, 5) * random_below(r, 5));
    free(row);
    free(mix);
}

static const struct method *find(const char *name)
{
    return method_find(name, strlen(name));
}

/* Within a thousandth of the truncated decomposition; in fact to rounding. */
static void test_optimum(void **state)
{
    static const struct {
        uint64_t rows;
        uint32_t dim;
        const char *width[2];
        double fall;
    } rows[] = {
        {900, 20, {"dims=4", "dims=13"}, 0.8}, {3000, 12, {"dims=1", "dims=11"}, 0.3},
        {5, 24, {"dims=1", "dims=3"}, 0.7}, /* fewer rows than columns */
        {23, 24, {"dims=6", "dims=20"}, 0.9},  {7000, 2, {"dims=1", "dims=1"}, 0.5},
    };
    struct random r = {61};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int turn = 0; turn < 8; turn++) {
            const char *method = turn & 1 ? "autodim" : "mde", *dims = rows[i].width[turn >> 1 & 1];
            struct fit_error error;
            struct parameters p;
            struct kit_table t;
            double least;

            kit_table_init(&t, rows[i].rows, rows[i].dim);
            mixed(&t, &r, rows[i].fall);
            t.fit.weight = turn & 4 ? t.weight : NULL;
            kit_parameters(&p, find(method), rows[i].rows, rows[i].dim, 0, dims);
            kit_fit(&t, &p, &error);
            least = least_error(&t, 0, rows[i].rows, projected_width(&p), turn & 1, NULL);
            if (!(error.relative <= least * 1.0001 + 1e-12) ||
                !(error.relative >= least * 0.9999 - 1e-12))
                fail_msg("%s %s of %llu x %u: %g, not %g", method, dims,
                         (unsigned long long)rows[i].rows, rows[i].dim, error.relative, least);
            kit_done(&p);
            kit_table_done(&t);
        }
}

/* Rank d, and for autodim an affine subspace of that dimension. */
static void test_low_rank_comes_back(void **state)
{
    struct random r = {62};

    (void)state;
    for (int turn = 0; turn < 8; turn++) {
        bool affine = turn & 1;
        uint64_t rows = turn & 2 ? 9 : 2500;
        struct fit_error error;
        struct parameters p;
        struct kit_table t;
        float basis[4][30];

        for (size_t j = 0; j < 4 * 30; j++)
            basis[j / 30][j % 30] = random_normal(&r);
        kit_table_init(&t, rows, 30);
        for (uint64_t i = 0; i < rows; i++) {
            float a = random_normal(&r), b = random_normal(&r), c = random_normal(&r) / 50;

            t.weight[i] = turn & 4 ? (float)random_below(&r, 3) : 1;
            for (size_t j = 0; j < 30; j++)
                t.data[i * 30 + j] = a * basis[0][j] + b * basis[1][j] + c * basis[2][j] +
                                     (affine ? 3 : 0) * basis[3][j];
        }
        t.fit.weight = t.weight;
        kit_parameters(&p, find(affine ? "autodim" : "mde"), rows, 30, 0, "dims=3");
        kit_fit(&t, &p, &error);
        if (!(error.relative < 1e-12))
            fail_msg("turn %d: %g", turn, error.relative);
        assert_true(error.cosine_mean > 1 - 1e-9);
        kit_done(&p);
        kit_table_done(&t);
    }
}

/* Tables with nothing in them, one row, rows all alike, more directions than the table has; every
   stored number stays finite, and a projection has a slope everywhere. */
static void test_edges(void **state)
{
    static const struct {
        const char *method, *settings;
        uint64_t rows;
        uint32_t dim;
        float value;
    } rows[] = {
        {"mde", "dims=2", 100, 6, 0},           {"mde", "dims=5", 3, 6, 0},
        {"autodim", "dims=2", 100, 6, 0},       {"autodim", "dims=2", 100, 6, 7},
        {"autodim", "dims=2", 2, 6, 7},         {"mde", "dims=3", 1, 6, 3},
        {"mde", "dims=2", 500, 6, 1},           {"mde", "dims=1", 1, 65536, 0.5f},
        {"autodim", "dims=3", 2, 40000, -0.5f}, {"mde", "dims=2", 100, 6, 3e37f},
        {"autodim", "dims=2", 3, 6, 3e38f},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fit_error error;
        struct parameters p;
        struct kit_table t;

        kit_table_init(&t, rows[i].rows, rows[i].dim);
        for (uint64_t j = 0; j < rows[i].rows * rows[i].dim; j++)
            t.data[j] = rows[i].value;
        kit_parameters(&p, find(rows[i].method), rows[i].rows, rows[i].dim, 0, rows[i].settings);
        kit_fit(&t, &p, &error);
        if (!(error.relative < 1e-12))
            fail_msg("row %zu: %g", i, error.relative);
        for (size_t k = 0; k < p.method->tensors_count; k++)
            for (size_t j = 0; j < p.tensor[k].count; j++)
                assert_true(isfinite(((float *)p.tensor[k].data)[j]));
        for (uint64_t k = 0; k < projected_width(&p); k++) {
            const float *proj = (float *)p.tensor[PROJECTED_PROJ].data + k * p.dim;
            double squares = 0;

            for (uint32_t j = 0; j < p.dim; j++)
                squares += (double)proj[j] * (double)proj[j];
            assert_true(fabs(squares - 1) < 1e-5);
        }
        kit_done(&p);
        kit_table_done(&t);
    }
}

/* Numbers near the largest: what comes out loads, and that its rows are beyond float32 is told. */
static void test_largest_numbers(void **state)
{
    struct random r = {63};

    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        struct fit_error error;
        struct parameters p;
        struct kit_table t;
        struct error e;

        kit_table_init(&t, 50, 8);
        for (size_t j = 0; j < 400; j++)
            t.data[j] = random_below(&r, 2) ? FLT_MAX : -FLT_MAX;
        kit_parameters(&p, find(turn ? "autodim" : "mde"), 50, 8, 0, turn ? "dims=8" : "dims=7");
        assert_ok(fitter_find(p.method)->fit(&t.fit, &p, &e), e);
        assert_ok(kit_check(&p, &e), e);
        t.done = 0;
        assert_fails(fit_measure(&t.fit, &p, 1, &error, &e), ST_INVALID, e, "would not be finite");
        for (size_t k = 0; k < p.method->tensors_count; k++)
            for (size_t j = 0; j < p.tensor[k].count; j++)
                assert_true(isfinite(((float *)p.tensor[k].data)[j]));
        kit_done(&p);
        kit_table_done(&t);
    }
}

/* ---- Widths of fields ---- */

#define FIELDS 3
#define DIM 5

static uint64_t cost_of(uint64_t rows, uint64_t width, bool bias)
{
    return width > DIM ? 4 * rows * DIM : 4 * (rows * width + width * DIM + (bias ? DIM : 0));
}

/* All combinations, full fields as width DIM + 1. */
static double best_total(const struct kit_table *t, const uint64_t *first, uint64_t budget,
                         bool bias)
{
    double error[FIELDS][DIM + 2], best = INFINITY;
    uint64_t w[FIELDS];

    for (size_t f = 0; f < FIELDS; f++)
        for (uint64_t k = 1; k <= DIM + 1; k++)
            (void)least_error(t, first[f], first[f + 1] - first[f], k > DIM ? DIM : k, bias,
                              &error[f][k]);
    for (w[0] = 1; w[0] <= DIM + 1; w[0]++)
        for (w[1] = 1; w[1] <= DIM + 1; w[1]++)
            for (w[2] = 1; w[2] <= DIM + 1; w[2]++) {
                uint64_t bytes = 0;
                double sum = 0;

                for (size_t f = 0; f < FIELDS; f++) {
                    bool candidate = !bias || w[f] == 2 || w[f] >= 4;

                    bytes += candidate ? cost_of(first[f + 1] - first[f], w[f], bias) : budget + 1;
                    sum += error[f][w[f]];
                }
                if (bytes <= budget && sum < best)
                    best = sum;
            }
    return best;
}

static void test_study(void **state)
{
    const uint64_t first[] = {0, 60, 63, 163};
    const struct fields fields = {first, FIELDS};
    struct random r = {64};
    unsigned exact = 0, turns = 0;

    (void)state;
    for (int turn = 0; turn < 60; turn++) {
        bool bias = turn & 1;
        uint64_t budget = 1480 + random_below(&r, 1800), bytes;
        struct parameters p[FIELDS] = {{.method = NULL}};
        double best, total = 0;
        struct fit_error error;
        struct kit_table t;
        struct layout l;
        struct error e;

        kit_table_init(&t, first[FIELDS], DIM);
        mixed(&t, &r, 0.6);
        for (uint64_t i = 0; i < 60 * DIM; i++)
            t.data[i] *= (float)(turn % 7);
        t.fit.weight = turn & 2 ? t.weight : NULL;
        assert_ok(layout_open(&l, find(bias ? "autodim" : "mde"), first[FIELDS], DIM, &fields,
                              budget, NULL, &e),
                  e);
        assert_ok(fit_layout(&t.fit, &l, &e), e);
        assert_ok(layout_bytes(&l, &bytes, &e), e);
        assert_true(bytes <= budget);
        for (size_t f = 0; f < FIELDS; f++) {
            assert_ok(plan_parameters(&l.part[f], &p[f], &e), e);
            assert_ok(kit_allocate(&p[f], &e), e);
        }
        t.done = 0;
        assert_ok(fit_parameters(&t.fit, &l, p, &e), e);
        for (size_t f = 0; f < FIELDS; f++)
            assert_ok(parameters_check(&p[f], &e), e);
        t.done = 0;
        assert_ok(fit_measure(&t.fit, p, FIELDS, &error, &e), e);
        for (uint64_t i = 0; i < first[FIELDS] * DIM; i++)
            total += (double)fit_weight(&t.fit, i / DIM) * (double)t.data[i] * (double)t.data[i];
        best = best_total(&t, first, budget, bias) / total;
        turns++;
        exact += error.relative <= best * 1.001 + 1e-12;
        /* The greedy way may miss the best by its last step, never what 15 percent less would buy.
         */
        if (!(error.relative <=
              1.001 * best_total(&t, first, budget * 85 / 100, bias) / total + 1e-12))
            fail_msg("turn %d: %g, not %g", turn, error.relative, best);
        for (size_t f = 0; f < FIELDS; f++)
            kit_done(&p[f]);
        layout_done(&l);
        kit_table_done(&t);
    }
    assert_true(exact * 10 >= turns * 7);
}

/* A budget below the least is refused with the least; widths that are given are not changed. */
static void test_study_keeps_out(void **state)
{
    const uint64_t first[] = {0, 60, 63, 163};
    const struct fields fields = {first, FIELDS};
    struct value chosen[METHOD_SETTINGS_MAX] = {{.set = false}};
    int64_t list[] = {1, 5, 2};
    struct random r = {65};
    struct kit_table t;
    struct layout l;
    struct error e;
    uint64_t width;

    (void)state;
    kit_table_init(&t, first[FIELDS], DIM);
    kit_table_random(&t, &r, false);
    for (int bias = 0; bias < 2; bias++) {
        assert_ok(layout_open(&l, find(bias ? "autodim" : "mde"), first[FIELDS], DIM, &fields, 300,
                              NULL, &e),
                  e);
        t.done = 0;
        assert_fails(fit_layout(&t.fit, &l, &e), ST_INVALID, e, "needs at least");
        layout_done(&l);
    }
    chosen[PROJECTED_DIMS] = (struct value){.set = true, .list = list, .n = 3};
    assert_ok(layout_open(&l, find("mde"), first[FIELDS], DIM, &fields, 2000, chosen, &e), e);
    assert_ok(fit_layout(&t.fit, &l, &e), e);
    assert_true(symbols_get(&l.part[0].size, "W", 1, &width) && width == 1);
    assert_true(symbols_get(&l.part[2].size, "W", 1, &width) && width == 2);
    layout_done(&l);
    kit_table_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optimum), cmocka_unit_test(test_low_rank_comes_back),
        cmocka_unit_test(test_edges),   cmocka_unit_test(test_largest_numbers),
        cmocka_unit_test(test_study),   cmocka_unit_test(test_study_keeps_out),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
