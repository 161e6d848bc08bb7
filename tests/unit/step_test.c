/* SPDX-License-Identifier: Apache-2.0 */
/* What each optimizer does to floats: torch.optim's formulas, the same in float64 over many steps
   and widths, and the edges of float32. */
#include "methods/optimizer.h"

#include <float.h>
#include <math.h>

#include "kernels/kernels.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define WIDE 67 /* no multiple of any vector */

static const struct optimizer *find(const char *name)
{
    const struct optimizer *o = optimizer_find(name, strlen(name));

    assert_non_null(o);
    return o;
}

static struct optimizer_step step_of(const struct optimizer_settings *s, bool element_wise,
                                     uint64_t t)
{
    struct optimizer_step step;

    optimizer_step_make(&step, s, "weight", element_wise, s->learning_rate, t);
    return step;
}

/* Three steps at the rate 0.1, in Python's floats by the sources of torch.optim (SGD, Adagrad,
   Adam, and AdamW's decay for `decoupled`) and of FBGEMM (rowwise_adagrad). States one after the
   other. */
static const struct {
    const char *name;
    double weight_decay;
    bool decoupled;
    double w[3], state[6];
} golden[] = {
    {"sgd", 0, false, {0.505, -1.26, 2.12}, {0}},
    {"sgd", 0.01, false, {0.50348149, -1.25628873, 2.11406597}, {0}},
    {"sgd", 0.01, true, {0.50348149, -1.25628873, 2.11406597}, {0}},
    {"adagrad", 0, false, {0.445166674, -1.25140524, 1.99805807}, {0.2325, 0.105, 2.34}},
    {"adagrad",
     0.01,
     false,
     {0.443821896, -1.24192914, 1.9918098},
     {0.232848966, 0.103435745, 2.29629756}},
    {"adagrad", 0.01, true, {0.443771059, -1.24783463, 1.99226397}, {0.2325, 0.105, 2.34}},
    {"rowwise_adagrad", 0, false, {0.553213519, -1.19962672, 2.01990383}, {0.8925}},
    {"rowwise_adagrad", 0.01, false, {0.548729248, -1.1948325, 2.01320337}, {0.877894801}},
    {"rowwise_adagrad", 0.01, true, {0.551681587, -1.19604979, 2.01418743}, {0.8925}},
    {"adam",
     0,
     false,
     {0.459793875, -1.1292834, 1.88548921},
     {-0.0029, 0.0133, -0.1257, 0.00023232001, 0.00010491754, 0.00233982009}},
    {"adam",
     0.01,
     false,
     {0.456991538, -1.11748817, 1.87949567},
     {-0.0016802347, 0.0101551589, -0.120541301, 0.000232456653, 0.000103680461, 0.00229802937}},
    {"adam",
     0.01,
     true,
     {0.458439324, -1.12578399, 1.87976212},
     {-0.0029, 0.0133, -0.1257, 0.00023232001, 0.00010491754, 0.00233982009}},
};

static bool near(double a, double b, double precision)
{
    return fabs(a - b) <= precision * fmax(fabs(a), fabs(b)) + precision * 1e-3;
}

static void test_golden(void **state)
{
    static const float gradient[3][3] = {
        {0.1f, -0.2f, 0.3f}, {-0.4f, 0.05f, 0}, {0.25f, 0.25f, -1.5f}};

    (void)state;
    for (size_t i = 0; i < COUNT(golden); i++) {
        const struct optimizer *o = find(golden[i].name);
        float w[3] = {0.5f, -1.25f, 2}, states[6] = {0};
        float *const at[OPTIMIZER_STATES] = {states, states + 3};
        struct optimizer_settings s;

        optimizer_settings_init(&s);
        s.learning_rate = 0.1;
        s.weight_decay = golden[i].weight_decay;
        s.decoupled = golden[i].decoupled;
        for (size_t t = 0; t < 3; t++) {
            struct optimizer_step step = step_of(&s, false, t + 1);

            assert_int_equal(o->step(&step, w, gradient[t], at, 3), 0);
        }
        for (size_t j = 0; j < 3; j++)
            if (!near((double)w[j], golden[i].w[j], 1e-6))
                fail_msg("%s, line %zu: %g, not %g", o->name, i, (double)w[j], golden[i].w[j]);
        for (size_t j = 0; j < 6; j++)
            if (!near((double)states[j], golden[i].state[j], 1e-6))
                fail_msg("%s, line %zu: state %g, not %g", o->name, i, (double)states[j],
                         golden[i].state[j]);
    }
}

/* One step of methods.md's formulas in float64. */
static void exact_step(const struct optimizer_settings *s, const char *name, bool element_wise,
                       unsigned t, double *w, const float *gradient, double *a, double *b, size_t n)
{
    double lr = s->learning_rate, mean = 0;

    for (size_t j = 0; j < n; j++) {
        double g = (double)gradient[j] + (s->decoupled ? 0 : s->weight_decay * w[j]);

        mean += g * g / (double)n;
    }
    if (strcmp(name, "rowwise_adagrad") == 0 && !element_wise)
        a[0] += mean;
    for (size_t j = 0; j < n; j++) {
        double g = (double)gradient[j] + (s->decoupled ? 0 : s->weight_decay * w[j]), by;

        if (s->decoupled)
            w[j] -= lr * s->weight_decay * w[j];
        if (strcmp(name, "sgd") == 0) {
            by = g;
        } else if (strcmp(name, "adam") == 0) {
            a[j] = s->beta1 * a[j] + (1 - s->beta1) * g;
            b[j] = s->beta2 * b[j] + (1 - s->beta2) * g * g;
            by = a[j] / (1 - pow(s->beta1, t)) / (sqrt(b[j] / (1 - pow(s->beta2, t))) + s->epsilon);
        } else if (strcmp(name, "adagrad") == 0 || element_wise) {
            a[j] += g * g;
            by = g / (sqrt(a[j]) + s->epsilon);
        } else {
            by = g / (sqrt(a[0]) + s->epsilon);
        }
        w[j] -= lr * by;
    }
}

static void compare(const struct optimizer *o, const struct optimizer_settings *s,
                    bool element_wise, size_t n, struct random *r)
{
    double w64[WIDE], a64[WIDE], b64[WIDE];
    float w[WIDE], a[WIDE], b[WIDE], gradient[WIDE];
    float *const at[OPTIMIZER_STATES] = {a, b};

    for (size_t j = 0; j < n; j++) {
        w64[j] = (double)(w[j] = random_normal(r));
        a64[j] = (double)(a[j] = (float)s->initial_accumulator);
        b64[j] = (double)(b[j] = 0);
    }
    for (unsigned t = 1; t <= 20; t++) {
        struct optimizer_step step = step_of(s, element_wise, t);

        for (size_t j = 0; j < n; j++)
            gradient[j] = random_normal(r) * 0.3f;
        assert_int_equal(o->step(&step, w, gradient, at, n), 0);
        exact_step(s, o->name, element_wise, t, w64, gradient, a64, b64, n);
    }
    for (size_t j = 0; j < n; j++)
        if (!near((double)w[j], w64[j], 2e-5) || !near((double)a[j], a64[j], 2e-5) ||
            !near((double)b[j], b64[j], 2e-5))
            fail_msg("%s, element %zu of %zu: %g %g %g, not %g %g %g", o->name, j, n, (double)w[j],
                     (double)a[j], (double)b[j], w64[j], a64[j], b64[j]);
}

static void test_settings(void **state)
{
    static const size_t widths[] = {1, 2, 7, 8, 9, 31, WIDE};
    struct random r = {31};
    struct optimizer_settings s;

    (void)state;
    for (const struct optimizer *const *o = optimizers; *o; o++)
        for (unsigned turn = 0; turn < 2 * COUNT(widths) * 3; turn++) {
            size_t n = widths[turn / 6];

            optimizer_settings_init(&s);
            compare(*o, &s, turn & 1, n, &r);
            s.learning_rate = 0.05;
            s.epsilon = 0.125;
            s.beta1 = 0.5;
            s.beta2 = 0.75;
            s.initial_accumulator = 0.1;
            s.weight_decay = turn % 3 ? 0.3 : 0;
            s.decoupled = turn % 3 == 2;
            compare(*o, &s, turn & 1, n, &r);
        }
}

/* A row has the same bits wherever its elements stand; but for the mean, each is alone. */
static void test_alone(void **state)
{
    struct random r = {32};
    struct optimizer_settings s;
    struct optimizer_step step;

    (void)state;
    optimizer_settings_init(&s);
    s.weight_decay = 0.1;
    for (const struct optimizer *const *o = optimizers; *o; o++)
        for (unsigned turn = 0; turn < 50; turn++) {
            float w[2][WIDE], a[2][WIDE], b[2][WIDE], gradient[WIDE];

            s.decoupled = turn & 1;
            step = step_of(&s, true, turn + 1);
            for (size_t j = 0; j < WIDE; j++) {
                w[0][j] = w[1][j] = random_normal(&r);
                a[0][j] = a[1][j] = fabsf(random_normal(&r));
                b[0][j] = b[1][j] = fabsf(random_normal(&r));
                gradient[j] = random_normal(&r);
            }
            (*o)->step(&step, w[0], gradient, (float *[]){a[0], b[0]}, WIDE);
            for (size_t j = 0; j < WIDE; j++)
                (*o)->step(&step, w[1] + j, gradient + j, (float *[]){a[1] + j, b[1] + j}, 1);
            assert_memory_equal(w[0], w[1], sizeof w[0]);
            assert_memory_equal(a[0], a[1], sizeof a[0]);
            assert_memory_equal(b[0], b[1], sizeof b[0]);
        }
}

/* Element 1 is beyond reach: it keeps all it has, and the others step as if it were not there. */
static const struct {
    const char *name;
    float rate, w, gradient, a, b;
} beyond[] = {
    {"sgd", 10, 1, 3e38f, 0, 0},
    {"sgd", 1e-3f, 3.4e38f, -3e38f, 0, 0},
    {"sgd", 10, -3e38f, 1e38f, 0, 0},
    {"adagrad", 0.1f, 1, 2e19f, 0, 0},       /* the square */
    {"adagrad", 0.1f, 1, 1e19f, 3.4e38f, 0}, /* the sum */
    {"adagrad", 3e38f, 3e38f, -1, 0, 0},     /* the value alone */
    {"adam", 0.1f, 1, 1e21f, 0, 0},          /* the second moment alone */
    {"adam", 0.1f, 1, 3e38f, 3.4e38f, 0},    /* both moments */
    {"adam", 1e37f, 3.4e38f, -1, 0, 0},      /* the value alone */
};

static void test_not_finite(void **state)
{
    struct optimizer_settings s;
    struct optimizer_step step;

    (void)state;
    optimizer_settings_init(&s);
    for (size_t i = 0; i < COUNT(beyond); i++) {
        const struct optimizer *o = find(beyond[i].name);

        for (size_t n = 1; n < 20; n++)
            for (size_t at = 0; at < n; at++) {
                float w[20], a[20], b[20], gradient[20], w1 = 1, a1 = 0.5f, b1 = 0.5f, g1 = 0.25f;

                for (size_t j = 0; j < n; j++) {
                    w[j] = j == at ? beyond[i].w : w1;
                    a[j] = j == at ? beyond[i].a : a1;
                    b[j] = j == at ? beyond[i].b : b1;
                    gradient[j] = j == at ? beyond[i].gradient : g1;
                }
                s.learning_rate = (double)beyond[i].rate;
                step = step_of(&s, false, 1);
                assert_int_equal(o->step(&step, w, gradient, (float *[]){a, b}, n), 1);
                assert_int_equal(o->step(&step, &w1, &g1, (float *[]){&a1, &b1}, 1), 0);
                for (size_t j = 0; j < n; j++) {
                    assert_true(w[j] == (j == at ? beyond[i].w : w1));
                    assert_true(a[j] == (j == at ? beyond[i].a : a1));
                    assert_true(b[j] == (j == at ? beyond[i].b : b1));
                }
            }
    }
}

/* One sum for the row: if it cannot be, nothing moves; if a value cannot be, that one stays. */
static void test_rowwise_not_finite(void **state)
{
    const struct optimizer *o = find("rowwise_adagrad");
    struct optimizer_settings s;
    struct optimizer_step step;
    float sum = 4;

    (void)state;
    optimizer_settings_init(&s);
    step = step_of(&s, false, 1);
    for (size_t n = 1; n < 20; n++)
        for (size_t at = 0; at < n; at++) {
            float w[20], gradient[20];

            for (size_t j = 0; j < n; j++) {
                w[j] = 1;
                gradient[j] = j == at ? 1e20f : 0.5f;
            }
            assert_int_equal(o->step(&step, w, gradient, (float *[]){&sum, NULL}, n), n);
            assert_true(sum == 4);
            for (size_t j = 0; j < n; j++)
                assert_true(w[j] == 1);
        }
    s.learning_rate = 1e38;
    step = step_of(&s, false, 1);
    {
        float w[4] = {1, 3.4e38f, -3.4e38f, 1}, gradient[4] = {0, -4, 4, 0};

        sum = 1;
        assert_int_equal(o->step(&step, w, gradient, (float *[]){&sum, NULL}, 4), 2);
        assert_true(sum == 9); /* 1 + 32 / 4: the others have stepped by it */
        assert_true(w[0] == 1 && w[1] == 3.4e38f && w[2] == -3.4e38f && w[3] == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_rowwise_not_finite),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
