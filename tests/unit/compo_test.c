/* SPDX-License-Identifier: Apache-2.0 */
/* compo beyond what all methods share: worked ids, the loader's rules, pooled factors, and fits
   that find what is there. */
#include "fits/fit.h"

#include "kernels/kernels.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void make(struct parameters *p, uint64_t rows, uint32_t dim, const char *settings)
{
    kit_parameters(p, method_find("compo", 5), rows, dim, 0, settings);
}

static float *q_of(const struct parameters *p)
{
    return kit_tensor(p, "q.weight")->data;
}

static float *r_of(const struct parameters *p)
{
    return kit_tensor(p, "r.weight")->data;
}

/* Two columns, the numbers of the rows themselves: a lookup shows how the id was split. */
static void expect_split(struct parameters *p, uint64_t id, float q, float r)
{
    struct error e;
    float out[2];

    for (uint64_t i = 0; i < kit_tensor(p, "q.weight")->shape[0]; i++)
        q_of(p)[i] = (float)i;
    for (uint64_t i = 0; i < kit_tensor(p, "r.weight")->shape[0]; i++)
        r_of(p)[i] = (float)i;
    assert_ok(kit_check(p, &e), e);
    p->method->rows(p, &id, 1, out);
    assert_true(out[0] == q && out[1] == r);
}

static void test_worked_ids(void **state)
{
    struct parameters p;

    (void)state;
    make(&p, 1000, 2, "op=concat collisions=12");
    expect_split(&p, 537, 44, 9);
    expect_split(&p, 0, 0, 0);
    expect_split(&p, 999, 83, 3);
    kit_done(&p);
    make(&p, 16777220, 2, "op=concat collisions=2 quotient=int");
    expect_split(&p, 16777219, 8388609, 1);
    kit_done(&p);
    make(&p, 16777220, 2, "op=concat collisions=2 quotient=f32div");
    expect_split(&p, 16777219, 8388610, 1);
    kit_done(&p);
}

static void test_check(void **state)
{
    static const struct {
        const char *settings;
        uint64_t rows, q_rows, q_dim, r_rows, r_dim;
        const char *words; /* NULL: accepted */
    } rows[] = {
        {"collisions=12 op=mult", 1000, 84, 6, 12, 6, NULL},
        {"collisions=12 op=mult", 1000, 90, 6, 12, 6, NULL}, /* more than are needed */
        {"collisions=12 op=mult", 1000, 83, 6, 12, 6,
         "q.weight has 83 rows, and id 999 needs row 83"},
        {"collisions=12 op=mult", 1000, 84, 5, 12, 6, "both must have 6"},
        {"collisions=12 op=add", 1000, 84, 6, 12, 7, "both must have 6"},
        {"collisions=12 op=add", 1000, 84, 6, 11, 6, "must be [collisions = 12, DR]"},
        {"collisions=12 op=concat", 1000, 84, 2, 12, 4, NULL},
        {"collisions=12 op=concat", 1000, 84, 5, 12, 1, NULL},
        {"collisions=12 op=concat", 1000, 84, 6, 12, 0, "both need some, and together 6"},
        {"collisions=12 op=concat", 1000, 84, 0, 12, 6, "both need some, and together 6"},
        {"collisions=12 op=concat", 1000, 84, 3, 12, 4, "both need some, and together 6"},
        {"collisions=2000 op=mult", 1000, 1, 6, 2000, 6, NULL}, /* more than there are ids */
        {"collisions=12 op=mult", 0, 0, 6, 12, 6, NULL},
        {"collisions=2 op=mult quotient=int", 16777220, 8388610, 6, 2, 6, NULL},
        {"collisions=2 op=mult quotient=f32div", 16777220, 8388611, 6, 2, 6, NULL},
        {"collisions=2 op=mult quotient=f32div", 16777220, 8388610, 6, 2, 6,
         "id 16777219 needs row 8388610"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameters p;
        struct plan plan;
        struct error e;
        char nothing; /* the check reads shapes alone */

        kit_plan(&plan, method_find("compo", 5), rows[i].rows, 6, 0, rows[i].settings);
        assert_ok(plan_make(&plan, &e), e);
        assert_ok(plan_parameters(&plan, &p, &e), e);
        plan_done(&plan);
        p.tensor[0].data = p.tensor[1].data = &nothing;
        p.tensor[0].shape[0] = rows[i].q_rows;
        p.tensor[0].shape[1] = rows[i].q_dim;
        p.tensor[1].shape[0] = rows[i].r_rows;
        p.tensor[1].shape[1] = rows[i].r_dim;
        if (rows[i].words)
            assert_fails(parameters_check(&p, &e), ST_INVALID, e, rows[i].words);
        else
            assert_ok(parameters_check(&p, &e), e);
        parameters_done(&p);
    }
}

/* sum of w * (row of the factor), from 0, in order, then divided. */
static void plain_sum(const struct tensor *t, const uint64_t *row, const float *w, size_t n,
                      float divisor, float *out)
{
    for (size_t j = 0; j < t->shape[1]; j++) {
        out[j] = 0;
        for (size_t i = 0; i < n; i++) {
            float x = ((const float *)t->data)[row[i] * t->shape[1] + j];
            float product = w ? w[i] * x : x;

            out[j] = out[j] + product;
        }
        out[j] = out[j] / divisor;
    }
}

static void expect_pool(const struct parameters *p, const uint64_t *id, const float *w, size_t n,
                        float divisor)
{
    const struct tensor *q = kit_tensor(p, "q.weight"), *r = kit_tensor(p, "r.weight");
    uint64_t q_row[300], r_row[300];
    float q_sum[64], r_sum[64], want[64], scratch[128];
    unsigned char out[64 * 4 + 1], weights[300 * 4 + 3];
    int64_t op = kit_setting(p, "op")->i;

    for (size_t i = 0; i < n; i++) {
        q_row[i] = id[i] / r->shape[0];
        r_row[i] = id[i] % r->shape[0];
    }
    plain_sum(q, q_row, w, n, divisor, q_sum);
    plain_sum(r, r_row, w, n, divisor, r_sum);
    for (size_t j = 0; j < p->dim; j++)
        want[j] = op == 0           ? q_sum[j] * r_sum[j]
                  : op == 1         ? q_sum[j] + r_sum[j]
                  : j < q->shape[1] ? q_sum[j]
                                    : r_sum[j - q->shape[1]];
    if (w)
        memcpy(weights + 3, w, n * sizeof *w);
    p->method->pool(p, id, w ? weights + 3 : NULL, n, divisor, out + 1, scratch);
    assert_memory_equal(out + 1, want, p->dim * sizeof(float));
}

static void test_pool_first(void **state)
{
    static const char *const settings[] = {"pool=pool_first op=mult collisions=10",
                                           "pool=pool_first op=add collisions=10",
                                           "pool=pool_first op=concat collisions=10"};
    static const size_t bags[] = {0, 1, 2, 17, 128, 129, 300};
    struct random r = {31};
    struct error e;

    (void)state;
    for (size_t s = 0; s < COUNT(settings); s++) {
        struct parameters p;

        make(&p, 200, 21, settings[s]);
        kit_fill(&p, &r);
        assert_false(p.pool_first);
        assert_ok(parameters_check(&p, &e), e);
        assert_true(p.pool_first);
        for (const struct kernels *const *k = kernels_levels; *k; k++) {
            if (!kernels_supported(*k))
                continue;
            assert_ok(kernels_init((*k)->isa, &e), e);
            for (size_t b = 0; b < COUNT(bags); b++) {
                uint64_t id[300];
                float w[300];

                for (size_t i = 0; i < bags[b]; i++) {
                    id[i] = random_below(&r, 200);
                    w[i] = random_normal(&r);
                }
                expect_pool(&p, id, NULL, bags[b], 1);
                expect_pool(&p, id, NULL, bags[b], bags[b] ? (float)bags[b] : 1);
                expect_pool(&p, id, w, bags[b], 1);
            }
        }
        kit_done(&p);
    }
    assert_ok(kernels_init(NULL, &e), e);
}

/* Fill a table that a compo of R = 10 can hold without loss; small integers keep it exact. */
static void structured(struct kit_table *t, const char *op, struct random *r)
{
    uint64_t rows = t->fit.rows;
    uint32_t dim = t->fit.dim;
    float *q = malloc((rows / 10 + 1) * dim * sizeof *q), *v = malloc(10 * dim * sizeof *v);

    for (uint64_t i = 0; i < (rows / 10 + 1) * dim; i++)
        q[i] = (float)random_below(r, 201) - 100;
    for (uint64_t i = 0; i < 10 * (uint64_t)dim; i++)
        v[i] = (float)random_below(r, 201) - 100;
    for (uint64_t i = 0; i < rows; i++)
        for (uint32_t j = 0; j < dim; j++) {
            float a = q[i / 10 * dim + j], b = v[i % 10 * dim + j];

            t->data[i * dim + j] = strcmp(op, "mult") == 0  ? a * b
                                   : strcmp(op, "add") == 0 ? a + b
                                   : j < (dim + 1) / 2      ? a
                                                            : b;
        }
    free(q);
    free(v);
}

static void test_structured_tables_are_found(void **state)
{
    static const struct {
        const char *op, *settings;
        uint64_t rows;
        uint32_t dim;
        double limit; /* of the relative squared error: float32's rounding */
    } rows[] = {
        {"mult", "op=mult collisions=10", 600, 7, 1e-13},
        {"mult", "op=mult collisions=10", 20003, 7, 1e-13}, /* several blocks, the last row short */
        {"add", "op=add collisions=10", 600, 7, 1e-13},
        {"add", "op=add collisions=10", 20003, 7, 1e-13},
        {"concat", "op=concat collisions=10", 600, 7, 0},
        {"concat", "op=concat collisions=10", 20003, 7, 0},
    };
    struct random r = {32};

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
            structured(&t, rows[i].op, &r);
            make(&p, rows[i].rows, rows[i].dim, rows[i].settings);
            kit_fit(&t, &p, &error);
            if (!(error.relative <= rows[i].limit))
                fail_msg("%s, %llu rows, weights %d: error %g", rows[i].op,
                         (unsigned long long)rows[i].rows, weights, error.relative);
            kit_done(&p);
            kit_table_done(&t);
        }
}

/* Energy that the best product of two vectors captures: the largest singular value, squared, by
   power iteration on X' X. */
static double leading_energy(const struct kit_table *t, uint32_t j, uint64_t collisions)
{
    uint64_t q_rows = t->fit.rows / collisions;
    double v[32], u, sigma = 0;

    assert_true(collisions <= COUNT(v));
    for (uint64_t r = 0; r < collisions; r++)
        v[r] = t->data[r * t->fit.dim + j];
    for (int turn = 0; turn < 3000; turn++) {
        double next[32] = {0}, norm = 0;

        for (uint64_t q = 0; q < q_rows; q++) {
            u = 0;
            for (uint64_t r = 0; r < collisions; r++)
                u += t->data[(q * collisions + r) * t->fit.dim + j] * v[r];
            for (uint64_t r = 0; r < collisions; r++)
                next[r] += t->data[(q * collisions + r) * t->fit.dim + j] * u;
        }
        for (uint64_t r = 0; r < collisions; r++)
            norm += next[r] * next[r];
        sigma = sqrt(norm);
        for (uint64_t r = 0; r < collisions; r++)
            v[r] = next[r] / sigma;
    }
    return sigma; /* of X' X, so the square of X's */
}

static void test_mult_comes_near_the_best_product(void **state)
{
    double energy = 0, total = 0;
    struct fit_error error;
    struct parameters p;
    struct random r = {33};
    struct kit_table t;

    (void)state;
    kit_table_init(&t, 600, 5);
    kit_table_random(&t, &r, false);
    make(&p, 600, 5, "op=mult collisions=10");
    kit_fit(&t, &p, &error);
    for (uint32_t j = 0; j < 5; j++)
        energy += leading_energy(&t, j, 10);
    for (size_t i = 0; i < 600 * 5; i++)
        total += (double)t.data[i] * t.data[i];
    assert_true(1 - error.relative <= energy / total + 1e-6); /* nothing captures more */
    assert_true(1 - error.relative >= energy / total - 0.01);
    for (uint32_t j = 0; j < 5; j++) { /* and both factors weigh the same */
        double q_norm = 0, r_norm = 0;

        for (size_t i = 0; i < 60; i++)
            q_norm += q_of(&p)[i * 5 + j] * q_of(&p)[i * 5 + j];
        for (size_t i = 0; i < 10; i++)
            r_norm += r_of(&p)[i * 5 + j] * r_of(&p)[i * 5 + j];
        assert_true(fabs(q_norm / r_norm - 1) < 1e-5);
    }
    kit_done(&p);
    kit_table_done(&t);
}

/* Complete and unweighted, the best sum is known: mean of the row + mean of the column - mean. */
static void test_add_is_the_best_sum(void **state)
{
    struct fit_error error;
    struct parameters p;
    struct random r = {34};
    struct kit_table t;
    uint64_t id[600];
    float *out = malloc(600 * 3 * sizeof *out);

    (void)state;
    kit_table_init(&t, 600, 3);
    kit_table_random(&t, &r, false);
    make(&p, 600, 3, "op=add collisions=10");
    kit_fit(&t, &p, &error);
    for (uint64_t i = 0; i < 600; i++)
        id[i] = i;
    p.method->rows(&p, id, 600, out);
    for (uint32_t j = 0; j < 3; j++) {
        double q_mean[60] = {0}, r_mean[10] = {0}, mean = 0;

        for (size_t i = 0; i < 600; i++) {
            double x = t.data[i * 3 + j];

            q_mean[i / 10] += x / 10;
            r_mean[i % 10] += x / 60;
            mean += x / 600;
        }
        for (size_t i = 0; i < 600; i++)
            assert_true(fabs(out[i * 3 + j] - (q_mean[i / 10] + r_mean[i % 10] - mean)) < 1e-6);
    }
    free(out);
    kit_done(&p);
    kit_table_done(&t);
}

/* A product of zeros has no slope to learn from, so one factor is 1. */
static void test_zeros(void **state)
{
    struct fit_error error;
    struct parameters p;
    struct kit_table t;

    (void)state;
    kit_table_init(&t, 50, 3);
    make(&p, 50, 3, "op=mult collisions=5");
    kit_fit(&t, &p, &error);
    assert_true(error.relative == 0 && error.cosine_mean == 1 && error.cosine_worst == 1);
    for (size_t i = 0; i < 10 * 3; i++)
        assert_true(q_of(&p)[i] == 0);
    for (size_t i = 0; i < 5 * 3; i++)
        assert_true(r_of(&p)[i] == 1);
    kit_done(&p);
    kit_table_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked_ids),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_pool_first),
        cmocka_unit_test(test_structured_tables_are_found),
        cmocka_unit_test(test_mult_comes_near_the_best_product),
        cmocka_unit_test(test_add_is_the_best_sum),
        cmocka_unit_test(test_zeros),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
