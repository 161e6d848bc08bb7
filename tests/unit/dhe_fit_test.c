/* SPDX-License-Identifier: Apache-2.0 */
/* What the fit of dhe promises: an order that gives each row its share, statistics that are those
   of the table, a last layer that cannot be bettered, a network that learns, and an end in time. */
#include "fits/dhe.h"

#include "base/clock.h"
#include "kernels/kernels.h"
#include "methods/init.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

static const struct method *dhe(void)
{
    return method_find("dhe", 3);
}

static void set(struct kit_table *t, const char *name, const char *text)
{
    struct error e;

    assert_ok(fit_option_set(&t->fit, dhe(), fit_option(dhe(), name, strlen(name)), text, &e), e);
}

static void test_options(void **state)
{
    struct fit fit = {0};
    struct error e;

    (void)state;
    assert_int_equal(fit_option(dhe(), "width", 5), -1);
    assert_ok(fit_option_set(&fit, dhe(), fit_option(dhe(), "seconds", 7), "2.5", &e), e);
    assert_true(fit.seconds == 2.5);
    assert_fails(fit_option_set(&fit, dhe(), fit_option(dhe(), "seconds", 7), "0", &e), ST_INVALID,
                 e, "seconds must be above 0");
    assert_fails(fit_option_set(&fit, dhe(), fit_option(dhe(), "steps", 5), "-1", &e), ST_INVALID,
                 e, "steps must be from 0 to");
    assert_fails(fit_option_set(&fit, dhe(), fit_option(dhe(), "batch", 5), "0", &e), ST_INVALID, e,
                 "batch must be from 1 to");
}

/* Without weights a pass is a permutation, and not the same one twice. */
static void test_order(void **state)
{
    static const uint64_t sizes[] = {1, 2, 3, 4, 5, 63, 64, 65, 1000, 4097};

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        uint64_t n = sizes[s], same = 0;
        struct dhe_order o = {.rows = n, .key = 77};
        unsigned char *seen = calloc(n, 1);

        for (uint64_t pass = 0; pass < 3; pass++)
            for (uint64_t i = 0; i < n; i++) {
                uint64_t row = dhe_order_row(&o, pass * n + i);

                assert_true(row < n);
                assert_int_equal(seen[row]++, pass);
                same += pass == 1 && row == dhe_order_row(&o, i);
            }
        assert_true(n < 60 || same < n / 5);
        free(seen);
    }
}

/* With weights a row comes as often as its part of the sum says, give or take one. */
static void test_order_by_weight(void **state)
{
    enum { ROWS = 700 };
    float weight[ROWS];
    double sum[ROWS], total = 0;
    struct dhe_order o = {.rows = ROWS, .weight = weight, .sum = sum, .key = 5};
    unsigned seen[ROWS] = {0};
    struct random r = {81};

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        weight[i] = i % 5 ? (float)random_below(&r, 1000) : i % 10 ? 0 : 20000;
        sum[i] = total += (double)weight[i];
    }
    for (uint64_t i = 0; i < ROWS; i++)
        seen[dhe_order_row(&o, i)]++;
    for (size_t i = 0; i < ROWS; i++)
        assert_true(fabs(seen[i] - (double)weight[i] / total * ROWS) < 1 + 1e-9);
    for (size_t i = 0; i < ROWS; i++)
        assert_true(weight[i] > 0 || seen[i] == 0);
}

/* A network's hidden products, layer by layer, in float64 but for the inputs. */
static void products(const struct parameters *p, uint64_t id, unsigned layer, double *out)
{
    double z[64], next[64];
    float input[64];

    dhe_inputs(p, p->state, id, input);
    for (size_t i = 0; i < dhe_in(p, 0); i++)
        z[i] = (double)input[i];
    for (unsigned l = 0;; l++) {
        for (size_t j = 0; j < dhe_out(p, l); j++) {
            next[j] = (double)dhe_floats(p, dhe_bias(l))[j];
            for (size_t i = 0; i < dhe_in(p, l); i++)
                next[j] += z[i] * (double)dhe_floats(p, dhe_weight(l))[i * dhe_out(p, l) + j];
        }
        if (l == layer)
            break;
        for (size_t j = 0; j < dhe_out(p, l); j++) {
            double y = (next[j] - (double)dhe_floats(p, dhe_bn(l, DHE_MEAN))[j]) /
                       sqrt((double)dhe_floats(p, dhe_bn(l, DHE_VAR))[j] + 1e-5);

            y = y * (double)dhe_floats(p, dhe_bn(l, DHE_GAMMA))[j] +
                (double)dhe_floats(p, dhe_bn(l, DHE_BETA))[j];
            z[j] = y * tanh(log1p(exp(y)));
        }
    }
    memcpy(out, next, dhe_out(p, layer) * sizeof *out);
}

static void expect_statistics(const struct kit_table *t, const struct parameters *p, unsigned layer)
{
    double mean[64] = {0}, square[64] = {0}, x[64], total = 0;

    for (uint64_t i = 0; i < t->fit.rows; i++) {
        double w = (double)fit_weight(&t->fit, i);

        products(p, i, layer, x);
        total += w;
        for (size_t j = 0; j < dhe_width(p); j++) {
            mean[j] += w * x[j];
            square[j] += w * x[j] * x[j];
        }
    }
    for (size_t j = 0; j < dhe_width(p); j++) {
        double var = square[j] / total - mean[j] / total * (mean[j] / total);

        assert_true(fabs((double)dhe_floats(p, dhe_bn(layer, DHE_MEAN))[j] - mean[j] / total) <
                    1e-4 * sqrt(var));
        assert_true(fabs((double)dhe_floats(p, dhe_bn(layer, DHE_VAR))[j] / var - 1) < 1e-4);
    }
}

/* Over more rows than a batch has. */
static void test_statistics_are_the_tables(void **state)
{
    struct random r = {82};

    (void)state;
    for (int weights = 0; weights < 2; weights++) {
        struct fit_error error;
        struct parameters p;
        struct kit_table t;

        kit_table_init(&t, 1000, 3);
        kit_table_random(&t, &r, weights);
        set(&t, "steps", "40");
        set(&t, "batch", "128");
        kit_parameters(&p, dhe(), 1000, 3, 0, "k=11 width=9");
        kit_fit(&t, &p, &error);
        for (unsigned l = 0; l < DHE_HIDDEN; l++)
            expect_statistics(&t, &p, l);
        kit_done(&p);
        kit_table_done(&t);
    }
}

static double weighted_error(const struct kit_table *t, const struct parameters *p)
{
    double sum = 0;
    float out[16];

    for (uint64_t i = 0; i < t->fit.rows; i++) {
        p->method->rows(p, &i, 1, out);
        for (uint32_t j = 0; j < p->dim; j++) {
            double d = (double)out[j] - (double)t->data[i * p->dim + j];

            sum += (double)fit_weight(&t->fit, i) * d * d;
        }
    }
    return sum;
}

/* Any step away from the last layer makes the error larger. */
static void test_last_layer_is_the_best(void **state)
{
    struct random r = {83};

    (void)state;
    for (int weights = 0; weights < 2; weights++) {
        struct fit_error error;
        struct parameters p;
        struct kit_table t;
        double best;

        kit_table_init(&t, 900, 4);
        kit_table_random(&t, &r, weights);
        for (size_t i = 0; i < 900 * 4; i++)
            t.data[i] += 3; /* a mean that is larger than what varies */
        set(&t, "batch", "200");
        kit_parameters(&p, dhe(), 900, 4, 0, "k=8 width=10");
        kit_fit(&t, &p, &error);
        best = weighted_error(&t, &p);
        for (unsigned which = 0; which < 2; which++) {
            unsigned tensor = which ? dhe_bias(DHE_LAYERS - 1) : dhe_weight(DHE_LAYERS - 1);

            for (size_t i = 0; i < p.tensor[tensor].count; i++)
                for (int side = -1; side <= 1; side += 2) {
                    float kept = dhe_floats(&p, tensor)[i];

                    dhe_floats(&p, tensor)[i] += (float)side * 0.05f;
                    assert_true(weighted_error(&t, &p) > best);
                    dhe_floats(&p, tensor)[i] = kept;
                }
        }
        kit_done(&p);
        kit_table_done(&t);
    }
}

/* Fewer rows than the last layer has columns: they come back. */
static void test_few_rows_come_back(void **state)
{
    static const uint64_t sizes[] = {1, 2, 3, 20};
    struct random r = {84};

    (void)state;
    for (size_t s = 0; s < 4; s++) {
        struct fit_error error;
        struct parameters p;
        struct kit_table t;

        kit_table_init(&t, sizes[s], 6);
        kit_table_random(&t, &r, false);
        kit_parameters(&p, dhe(), sizes[s], 6, 0, "k=30 width=40");
        kit_fit(&t, &p, &error);
        assert_true(error.relative < 1e-6);
        kit_done(&p);
        kit_table_done(&t);
    }
}

/* Rows that another network made: training gets far closer than the last layer alone could. */
static void test_training_learns(void **state)
{
    struct init init = {.seed = 9, .deviation = 1};
    struct fit_error untrained, trained;
    struct parameters teacher, p;
    struct kit_table t;
    struct error e;
    enum { ROWS = 2000 };
    uint64_t id[ROWS];

    (void)state;
    kit_parameters(&teacher, dhe(), ROWS, 4, 0, "k=3 width=6");
    kit_parameters(&p, dhe(), ROWS, 4, 0, "k=3 width=24");
    assert_ok(dhe_init(&init, &teacher, &e), e);
    init.seed = 0; /* what the fit draws */
    assert_ok(dhe_draw(&init, &teacher, &e), e);
    assert_ok(parameters_check(&teacher, &e), e);
    kit_table_init(&t, ROWS, 4);
    for (uint64_t i = 0; i < ROWS; i++)
        id[i] = i;
    teacher.method->rows(&teacher, id, ROWS, t.data);
    t.fit.weight = NULL;
    set(&t, "batch", "250");
    set(&t, "steps", "0");
    kit_fit(&t, &p, &untrained);
    set(&t, "steps", "1500");
    kit_fit(&t, &p, &trained);
    if (!(trained.relative < 0.02 && trained.relative < untrained.relative / 10))
        fail_msg("%g, and %g without training", trained.relative, untrained.relative);
    kit_done(&teacher);
    kit_done(&p);
    kit_table_done(&t);
}

/* Columns that never change, and columns of very different sizes. */
static void test_columns(void **state)
{
    struct fit_error error;
    struct parameters p;
    struct random r = {85};
    struct kit_table t;
    uint64_t id = 17;
    float out[4];

    (void)state;
    kit_table_init(&t, 300, 4);
    kit_table_random(&t, &r, false);
    for (size_t i = 0; i < 300; i++) {
        t.data[4 * i] = -7.5f;
        t.data[4 * i + 1] *= 1e15f;
        t.data[4 * i + 2] *= 1e-15f;
        t.data[4 * i + 3] = 0;
    }
    kit_parameters(&p, dhe(), 300, 4, 0, "k=10 width=7");
    kit_fit(&t, &p, &error);
    assert_true(error.relative < 0.95);
    p.method->rows(&p, &id, 1, out);
    assert_true(fabsf(out[0] + 7.5f) < 1e-5f);
    assert_true(fabsf(out[2]) < 1e-14f && fabsf(out[3]) < 1e-12f);
    kit_done(&p);
    kit_table_done(&t);
}

/* Numbers at the end of their range leave none behind that are not finite. The sums that make rows
   from them are beyond the range, and that is told. */
static void test_huge(void **state)
{
    struct fit_error error;
    struct parameters p;
    struct random r = {88};
    struct kit_table t;
    struct error e;

    (void)state;
    kit_table_init(&t, 200, 3);
    kit_table_random(&t, &r, false);
    for (size_t i = 0; i < 600; i++)
        t.data[i] = t.data[i] < 0 ? -FLT_MAX : FLT_MAX;
    kit_parameters(&p, dhe(), 200, 3, 0, "k=10 width=7");
    assert_ok(fitter_find(p.method)->fit(&t.fit, &p, &e), e);
    assert_ok(kit_check(&p, &e), e);
    t.done = 0;
    assert_fails(fit_measure(&t.fit, &p, 1, &error, &e), ST_INVALID, e, "would not be finite");
    for (size_t k = 0; k < p.method->tensors_count; k++)
        for (size_t i = 0; p.tensor[k].dtype == DT_F32 && i < p.tensor[k].count; i++)
            if (!isfinite(dhe_floats(&p, (unsigned)k)[i]))
                fail_msg("%s[%zu] is %g", p.method->tensors[k].name, i,
                         (double)dhe_floats(&p, (unsigned)k)[i]);
    kit_done(&p);
    kit_table_done(&t);
}

/* Nobody asks for any row. */
static void test_no_weight_at_all(void **state)
{
    struct fit_error error;
    struct parameters p;
    struct random r = {86};
    struct kit_table t;

    (void)state;
    kit_table_init(&t, 50, 3);
    kit_table_random(&t, &r, true);
    memset(t.weight, 0, 50 * sizeof *t.weight);
    kit_parameters(&p, dhe(), 50, 3, 0, "k=4 width=3");
    kit_fit(&t, &p, &error);
    assert_true(error.relative == 0);
    kit_done(&p);
    kit_table_done(&t);
}

/* A training of minutes ends about when it is told to, and a part of a table gets its part. */
static void test_ends_in_time(void **state)
{
    uint64_t start = clock_now_us();
    struct fit_error error;
    struct fit_part part;
    struct parameters p;
    struct random r = {87};
    struct kit_table t;

    (void)state;
    kit_table_init(&t, 60000, 4);
    kit_table_random(&t, &r, false);
    set(&t, "seconds", "0.5");
    kit_parameters(&p, dhe(), 60000, 4, 0, "k=64 width=128");
    kit_fit(&t, &p, &error);
    assert_true(clock_now_us() - start < 600 * 1000000ull); /* it ends, on any machine */
    assert_true(error.relative < 1.1);
    fit_part_init(&part, &t.fit, 0, 15000, 0, 0.25);
    assert_true(part.fit.seconds == 0.125);
    kit_done(&p);
    kit_table_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_order_by_weight),
        cmocka_unit_test(test_statistics_are_the_tables),
        cmocka_unit_test(test_last_layer_is_the_best),
        cmocka_unit_test(test_few_rows_come_back),
        cmocka_unit_test(test_training_learns),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_no_weight_at_all),
        cmocka_unit_test(test_ends_in_time),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
