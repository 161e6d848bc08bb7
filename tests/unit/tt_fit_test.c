/* SPDX-License-Identifier: Apache-2.0 */
/* Fits of tt: trains are found, nothing is lost to the plain decomposition, and the study picks
   what the table has. */
#include "fits/fit.h"

#include "fits/linear.h"
#include "kernels/kernels.h"
#include "methods/tt.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void make(struct parameters *p, uint64_t rows, uint32_t dim, const char *settings)
{
    kit_parameters(p, method_find("tt", 2), rows, dim, 0, settings);
}

/* Fill a table with the rows of a random train. */
static void train(struct kit_table *t, const char *settings, struct random *r)
{
    struct parameters p;
    struct error e;

    make(&p, t->fit.rows, t->fit.dim, settings);
    for (unsigned c = 0; c < 3; c++)
        for (size_t i = 0; i < p.tensor[c].count; i++)
            ((float *)p.tensor[c].data)[i] = random_normal(r);
    assert_ok(kit_check(&p, &e), e);
    for (uint64_t id = 0; id < t->fit.rows; id++)
        p.method->rows(&p, &id, 1, t->data + id * t->fit.dim);
    kit_done(&p);
}

static void test_trains_are_found(void **state)
{
    static const struct {
        uint64_t rows;
        uint32_t dim;
        const char *settings;
    } rows[] = {
        {1000, 16, "n=10,10,10 d=2,2,4 r=1,5,5,1 digit_order=little"},
        {1000, 16, "n=10,10,10 d=2,2,4 r=1,5,5,1 digit_order=big"},
        {1000, 16, "n=10,10,10 d=2,2,4 r=1,3,9,1 digit_order=little"},
        {1000, 16, "n=10,10,10 d=2,2,4 r=1,12,4,1 digit_order=big"},
        {5040, 36, "n=14,18,20 d=3,3,4 r=1,6,8,1 digit_order=big"},
        {5040, 36, "n=14,18,20 d=3,3,4 r=1,6,8,1 digit_order=little"},
        {60, 1, "n=3,4,5 d=1,1,1 r=1,2,2,1 digit_order=big"},
    };
    struct random r = {91};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int weights = 0; weights < 2; weights++) {
            struct fit_error error;
            struct parameters p;
            struct kit_table t;

            kit_table_init(&t, rows[i].rows, rows[i].dim);
            kit_table_random(&t, &r, weights);
            for (uint64_t w = 0; w < rows[i].rows; w++)
                t.weight[w] += 0.5f; /* a row without weight may come out anyhow */
            train(&t, rows[i].settings, &r);
            make(&p, rows[i].rows, rows[i].dim, rows[i].settings);
            kit_fit(&t, &p, &error);
            if (!(error.relative <= 1e-11)) /* 1e-5 of each number would be 1e-10 */
                fail_msg("%s, weights %d: error %g", rows[i].settings, weights, error.relative);
            kit_done(&p);
            kit_table_done(&t);
        }
}

/* A table in big order as a box [n0 d0][n1 d1][n2 d2]. */
static double *box_of(const struct kit_table *t, const uint64_t n[3], const uint64_t d[3])
{
    uint64_t m0 = n[0] * d[0], m1 = n[1] * d[1], m2 = n[2] * d[2];
    double *x = calloc(m0 * m1 * m2, sizeof *x);

    for (uint64_t id = 0; id < t->fit.rows; id++)
        for (uint64_t j = 0; j < t->fit.dim; j++) {
            uint64_t i0 = id / n[2] / n[1], i1 = id / n[2] % n[1], i2 = id % n[2];
            uint64_t a = j / d[2] / d[1], b = j / d[2] % d[1], c = j % d[2];

            x[((i0 * d[0] + a) * m1 + i1 * d[1] + b) * m2 + i2 * d[2] + c] =
                t->data[id * t->fit.dim + j];
        }
    return x;
}

/* The `r` strongest directions [r][m] of the columns of x [m][n], what x is along them [r][n], and
   how long that is [r]. */
static void strongest(const double *x, size_t m, size_t n, size_t r, double *direction, double *out,
                      double *strength)
{
    double *gram = calloc(m * m, sizeof *gram), *value = calloc(m, sizeof *value);
    struct error e;

    for (size_t i = 0; i < m; i++)
        for (size_t j = i; j < m; j++)
            for (size_t k = 0; k < n; k++)
                gram[i * m + j] += x[i * n + k] * x[j * n + k];
    assert_ok(eigen_symmetric(gram, m, value, &e), e);
    memcpy(direction, gram, r * m * sizeof *direction);
    memset(out, 0, r * n * sizeof *out);
    for (size_t l = 0; l < r; l++) {
        strength[l] = sqrt(value[l]);
        for (size_t i = 0; i < m; i++)
            for (size_t k = 0; k < n; k++)
                out[l * n + k] += direction[l * m + i] * x[i * n + k];
    }
    free(value);
    free(gram);
}

/* The error of the authors' decomposition: its first cut leaves the strengths with core 0, so that
   the second cut takes all directions of the first for equals. */
static double plain_error(const struct kit_table *t, const uint64_t n[3], const uint64_t d[3],
                          size_t r)
{
    size_t m0 = n[0] * d[0], m1 = n[1] * d[1], m2 = n[2] * d[2];
    double *x = box_of(t, n, d), *u = calloc(r * m0, sizeof *u), *v = calloc(r * m2, sizeof *v);
    double *rest = calloc(r * m1 * m2, sizeof *rest), *turned = calloc(r * m1 * m2, sizeof *turned);
    double *core1 = calloc(r * r * m1, sizeof *core1), *strength = calloc(r, sizeof *strength);
    double *other = calloc(r, sizeof *other), error = 0, all = 0;

    strongest(x, m0, m1 * m2, r, u, rest, strength);
    for (size_t a = 0; a < r; a++)
        for (size_t j = 0; j < m1; j++)
            for (size_t k = 0; k < m2; k++)
                turned[(k * r + a) * m1 + j] = rest[(a * m1 + j) * m2 + k] / strength[a];
    strongest(turned, m2, r * m1, r, v, core1, other);
    for (size_t i = 0; i < m0; i++)
        for (size_t j = 0; j < m1; j++)
            for (size_t k = 0; k < m2; k++) {
                double want = x[(i * m1 + j) * m2 + k], have = 0;

                for (size_t a = 0; a < r; a++)
                    for (size_t b = 0; b < r; b++)
                        have += u[a * m0 + i] * strength[a] * core1[(b * r + a) * m1 + j] *
                                v[b * m2 + k];
                error += (want - have) * (want - have);
                all += want * want;
            }
    free(other);
    free(strength);
    free(core1);
    free(turned);
    free(rest);
    free(v);
    free(u);
    free(x);
    return error / all;
}

static void test_no_worse_than_the_plain_one(void **state)
{
    static const uint64_t n[] = {8, 9, 9}, d[] = {2, 2, 4};
    struct random r = {92};

    (void)state;
    for (int turn = 0; turn < 4; turn++)
        for (size_t rank = 2; rank <= 10; rank += 4) {
            struct fit_error error;
            struct parameters p;
            struct kit_table t;
            char settings[100];
            double plain;

            kit_table_init(&t, 600, 16);
            train(&t, "n=8,9,9 d=2,2,4 r=1,6,6,1 digit_order=big", &r);
            for (size_t i = 0; i < 600 * 16; i++) /* more noise with each turn */
                t.data[i] = t.data[i] * (float)(3 - turn) + 3 * random_normal(&r);
            plain = plain_error(&t, n, d, rank);
            snprintf(settings, sizeof settings, "n=8,9,9 d=2,2,4 r=1,%zu,%zu,1 digit_order=big",
                     rank, rank);
            make(&p, 600, 16, settings);
            kit_fit(&t, &p, &error);
            if (!(error.relative <= plain * (1 + 1e-6)))
                fail_msg("rank %zu, turn %d: %g, and %g plainly", rank, turn, error.relative,
                         plain);
            kit_done(&p);
            kit_table_done(&t);
        }
}

/* Sizes that float products would leave, and tables of nothing. */
static void test_ends_of_the_range(void **state)
{
    static const float sizes[] = {1e37f, 1e-30f, 0};
    struct random r = {93};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct fit_error error;
        struct parameters p;
        struct kit_table t;

        kit_table_init(&t, 1000, 16);
        train(&t, "n=10,10,10 d=2,2,4 r=1,2,2,1 digit_order=big", &r);
        for (size_t j = 0; j < 16000; j++)
            t.data[j] *= sizes[i] / 30;
        make(&p, 1000, 16, "n=10,10,10 d=2,2,4 r=1,2,2,1 digit_order=big");
        kit_fit(&t, &p, &error);
        assert_true(error.relative <= 1e-9);
        kit_done(&p);
        kit_table_done(&t);
    }
}

/* Rows with more weight are met better than without it. */
static void test_weights_count(void **state)
{
    struct fit_error with, without;
    struct random r = {94};
    struct parameters p;
    struct kit_table t;

    (void)state;
    kit_table_init(&t, 1000, 16);
    kit_table_random(&t, &r, false);
    for (size_t i = 0; i < 1000; i++)
        t.weight[i] = 1000.0f / (float)(1 + i); /* as frequencies fall */
    make(&p, 1000, 16, "n=10,10,10 d=2,2,4 r=1,7,7,1 digit_order=big");
    kit_fit(&t, &p, &without);
    t.fit.weight = t.weight;
    t.done = 0;
    {
        struct error e;

        assert_ok(fit_measure(&t.fit, &p, 1, &without, &e), e);
    }
    kit_fit(&t, &p, &with);
    assert_true(with.relative < 0.8 * without.relative);
    memset(t.weight, 0, 1000 * sizeof *t.weight); /* nobody asks: anything will do but NaN */
    kit_fit(&t, &p, &with);
    kit_done(&p);
    kit_table_done(&t);
}

static void study(struct kit_table *t, struct layout *l, const struct fields *fields,
                  uint64_t budget)
{
    struct error e;

    t->done = 0;
    assert_ok(
        layout_open(l, method_find("tt", 2), t->fit.rows, t->fit.dim, fields, budget, NULL, &e), e);
    assert_ok(fit_layout(&t->fit, l, &e), e);
}

/* With room for more, the study finds the ranks and the order that a train was made with. */
static void test_study_finds_a_train(void **state)
{
    static const char *const settings[] = {"n=10,10,10 d=2,2,4 r=1,6,9,1 digit_order=big",
                                           "n=10,10,10 d=2,2,4 r=1,6,9,1 digit_order=little",
                                           "n=10,10,10 d=2,2,4 r=1,13,3,1 digit_order=big"};
    struct random r = {95};

    (void)state;
    for (size_t i = 0; i < COUNT(settings); i++) {
        struct kit_table t;
        struct layout l;

        kit_table_init(&t, 1000, 16);
        train(&t, settings[i], &r);
        study(&t, &l, NULL, 2500 * 4);
        assert_int_equal(l.part[0].value[TT_R].list[1], i == 2 ? 13 : 6);
        assert_int_equal(l.part[0].value[TT_R].list[2], i == 2 ? 3 : 9);
        assert_int_equal(l.part[0].value[TT_DIGIT_ORDER].i, i != 1);
        layout_done(&l);
        kit_table_done(&t);
    }
}

/* The plan takes equal ranks; those of the study lose less, within the same budget, whole and field
   by field. */
static void test_study_is_worth_it(void **state)
{
    static const uint64_t first[] = {0, 400, 403, 1000};
    struct fields fields = {.first = first, .count = 3};
    struct random r = {96};

    (void)state;
    for (int parts = 0; parts < 2; parts++) {
        struct fit_error studied, planned;
        struct parameters p[3] = {{0}};
        struct kit_table t;
        struct layout l;
        uint64_t bytes;
        struct error e;

        kit_table_init(&t, 1000, 16);
        train(&t, "n=10,10,10 d=2,2,4 r=1,2,12,1 digit_order=big", &r);
        for (size_t i = 0; i < 16000; i++)
            t.data[i] += random_normal(&r);
        for (int turn = 0; turn < 2; turn++) {
            struct fit_error *error = turn ? &planned : &studied;

            if (turn) {
                assert_ok(layout_open(&l, method_find("tt", 2), 1000, 16, parts ? &fields : NULL,
                                      2000 * 4, NULL, &e),
                          e);
                assert_ok(layout_make(&l, &e), e);
            } else {
                study(&t, &l, parts ? &fields : NULL, 2000 * 4);
            }
            assert_ok(layout_bytes(&l, &bytes, &e), e);
            assert_true(bytes <= 2000 * 4);
            for (size_t i = 0; i < l.part_count; i++) {
                assert_ok(plan_parameters(&l.part[i], &p[i], &e), e);
                assert_ok(kit_allocate(&p[i], &e), e);
            }
            t.done = 0;
            assert_ok(fit_parameters(&t.fit, &l, p, &e), e);
            for (size_t i = 0; i < l.part_count; i++)
                assert_ok(parameters_check(&p[i], &e), e);
            t.done = 0;
            assert_ok(fit_measure(&t.fit, p, l.part_count, error, &e), e);
            for (size_t i = 0; i < l.part_count; i++)
                kit_done(&p[i]);
            layout_done(&l);
        }
        if (!(studied.relative < planned.relative))
            fail_msg("%d: %g studied, %g planned", parts, studied.relative, planned.relative);
        kit_table_done(&t);
    }
}

static void test_uneven_shapes_are_refused(void **state)
{
    struct parameters p;
    struct kit_table t;
    struct error e;

    (void)state;
    kit_table_init(&t, 10, 4);
    make(&p, 10, 4, "n=9000,1,1 d=2,2,1 r=1,1,1,1");
    assert_fails(fitter_find(p.method)->fit(&t.fit, &p, &e), ST_INVALID, e,
                 "n0*d0 and n2*d2 must be at most 8192, and are 9000*2 and 1*1");
    kit_done(&p);
    kit_table_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trains_are_found),
        cmocka_unit_test(test_no_worse_than_the_plain_one),
        cmocka_unit_test(test_ends_of_the_range),
        cmocka_unit_test(test_weights_count),
        cmocka_unit_test(test_study_finds_a_train),
        cmocka_unit_test(test_study_is_worth_it),
        cmocka_unit_test(test_uneven_shapes_are_refused),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
