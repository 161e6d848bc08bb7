/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of tt worked out by hand, wide ones that are made in parts, and starts. */
#include "base/memory.h"
#include "kernels/kernels.h"
#include "methods/explain.h"
#include "methods/gradient.h"
#include "methods/init.h"
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

/* Each factor of the one column shows which slice it is from. */
static void test_worked_ids(void **state)
{
    static const struct {
        const char *settings;
        uint64_t id, digit[3];
    } rows[] = {
        {"n=10,10,10 d=1,1,1 r=1,1,1,1 digit_order=little", 537, {7, 3, 5}},
        {"n=10,10,10 d=1,1,1 r=1,1,1,1 digit_order=big", 537, {5, 3, 7}},
        {"n=10,10,10 d=1,1,1 r=1,1,1,1 digit_order=little", 999, {9, 9, 9}},
        {"n=7,11,13 d=1,1,1 r=1,1,1,1 digit_order=little", 999, {5, 10, 12}},
        {"n=7,11,13 d=1,1,1 r=1,1,1,1 digit_order=big", 999, {6, 10, 11}},
        {"n=7,11,13 d=1,1,1 r=1,1,1,1 digit_order=big", 0, {0, 0, 0}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct explanation x = {0};
        struct parameters p;
        struct error e;
        float out, want = 1;

        make(&p, 1000, 1, rows[i].settings);
        for (unsigned t = 0; t < 3; t++) {
            for (uint64_t j = 0; j < p.tensor[t].count; j++)
                core(&p, t)[j] = (float)(j + (16u << 4 * t));
            want *= (float)(rows[i].digit[t] + (16u << 4 * t));
        }
        assert_ok(kit_check(&p, &e), e);
        p.method->rows(&p, &rows[i].id, 1, &out);
        assert_true(out == want);
        parameters_explain(&p, rows[i].id, &x);
        assert_int_equal(x.fact[0].kind, FACT_NUMBERS);
        for (unsigned t = 0; t < 3; t++)
            assert_int_equal(x.fact[0].list[t], rows[i].digit[t]);
        explanation_done(&x);
        kit_done(&p);
    }
}

/* Rows so wide that A B goes through its room in parts; ids in order, which share A B. */
static void test_tiles(void **state)
{
    static const struct {
        const char *settings;
        uint32_t dim;
    } shapes[] = {
        {"n=2,3,4 d=3,12,5 r=1,2,1500,1 digit_order=big", 171},
        {"n=2,3,4 d=9,1,4 r=1,2,4096,1 digit_order=big", 33},
        {"n=2,3,4 d=1,9,4 r=1,2,4000,1 digit_order=little", 36},
        {"n=2,3,4 d=2,2,4 r=1,5,7,1 digit_order=big", 15},
    };
    struct random r = {72};

    (void)state;
    for (size_t s = 0; s < COUNT(shapes); s++) {
        uint32_t dim = shapes[s].dim;
        float *all = malloc(24 * dim * sizeof *all), *one = malloc(dim * sizeof *one);
        float *grad = malloc(dim * sizeof *grad);
        struct gradients g = {0};
        uint64_t d[3], r1, r2, id[24];
        struct parameters p;
        struct error e;

        make(&p, 24, dim, shapes[s].settings);
        kit_fill(&p, &r);
        assert_ok(kit_check(&p, &e), e);
        for (unsigned t = 0; t < 3; t++)
            d[t] = (uint64_t)p.value[1].list[t];
        r1 = (uint64_t)p.value[2].list[1];
        r2 = (uint64_t)p.value[2].list[2];
        for (uint64_t i = 0; i < 24; i++)
            id[i] = i;
        p.method->rows(&p, id, 24, all);
        for (uint64_t i = 0; i < 24; i++) {
            bool big = p.value[3].i == 1;
            const float *a = core(&p, 0) + (big ? i / 12 : i % 2) * d[0] * r1;
            const float *b = core(&p, 1) + (big ? i / 4 % 3 : i / 2 % 3) * r1 * d[1] * r2;
            const float *c = core(&p, 2) + (big ? i % 4 : i / 6) * r2 * d[2];
            double largest = 0, furthest = 0;

            for (uint32_t j = 0; j < dim; j++) {
                float want = 0;

                for (uint64_t l = 0; l < r2; l++) {
                    float first = 0;

                    for (uint64_t k = 0; k < r1; k++)
                        first +=
                            a[j / d[2] / d[1] * r1 + k] * b[(k * d[1] + j / d[2] % d[1]) * r2 + l];
                    want += first * c[l * d[2] + j % d[2]];
                }
                largest = fmax(largest, fabs((double)want));
                furthest = fmax(furthest, fabs((double)all[i * dim + j] - (double)want));
            }
            assert_true(furthest <= 1e-5 * largest);
            p.method->rows(&p, &i, 1, one);
            assert_memory_equal(one, all + i * dim, dim * sizeof *one);
        }
        /* e is linear in each core, so sum grad * core = grad . e for all three. */
        for (uint64_t i = 0; i < 24; i += 5) {
            double loss = 0, size = 0;

            for (uint32_t j = 0; j < dim; j++) {
                grad[j] = random_normal(&r);
                loss += (double)grad[j] * all[i * dim + j];
                size += fabs((double)grad[j] * all[i * dim + j]);
            }
            assert_ok(gradients_reserve(&g, &p, 1, &e), e);
            p.method->gradient(&p, &i, 1, grad, &g);
            for (unsigned t = 0; t < 3; t++) {
                const struct gradient *of = &g.tensor[t];
                double sum = 0;

                assert_int_equal(of->count, 1);
                for (size_t j = 0; j < of->width; j++)
                    sum += (double)of->value[j] * core(&p, t)[of->unit[0] * of->width + j];
                assert_true(fabs(sum - loss) <= 1e-5 * size);
            }
        }
        gradients_done(&g);
        free(grad);
        free(one);
        free(all);
        kit_done(&p);
    }
}

/* Rows have the same bits from kept products, at every level, whatever the shape; and nothing is
   kept that is over the limit. */
static void test_kept(void **state)
{
    static const struct {
        const char *settings;
        uint32_t dim;
        bool keeps;
    } shapes[] = {
        {"n=5,6,7 d=4,4,4 r=1,16,16,1 digit_order=little", 64, true},
        {"n=5,6,7 d=4,4,4 r=1,16,16,1 digit_order=big", 60, true},   /* padded by whole parts */
        {"n=5,6,7 d=4,4,4 r=1,16,16,1 digit_order=big", 62, false},  /* padded within one */
        {"n=5,6,7 d=3,7,5 r=1,3,9,1 digit_order=little", 105, true}, /* nothing fits a vector */
        {"n=5,6,7 d=2,2,20 r=1,5,6,1 digit_order=big", 80, true},
        {"n=5,6,7 d=1,1,1 r=1,1,1,1 digit_order=big", 1, true},
        {"n=5,6,7 d=9,1,4 r=1,2,4096,1 digit_order=big", 36, false}, /* no tile holds A B */
    };
    struct random r = {73};
    struct error e;

    (void)state;
    for (size_t s = 0; s < COUNT(shapes); s++)
        for (const struct kernels *const *k = kernels_levels; *k; k++) {
            size_t bytes = 200 * shapes[s].dim * sizeof(float);
            unsigned char *made = malloc(bytes), *kept = malloc(bytes);
            struct parameters p;
            uint64_t id[200];

            if (kernels_supported(*k)) {
                assert_ok(kernels_init((*k)->isa, &e), e);
                make(&p, 210, shapes[s].dim, shapes[s].settings);
                kit_fill(&p, &r);
                assert_ok(kit_check(&p, &e), e);
                for (size_t i = 0; i < 200; i++)
                    id[i] = random_below(&r, 210);
                p.method->rows(&p, id, 200, made);
                p.method->keep(&p, 1000);
                assert_true(!p.kept || p.kept_bytes <= 1000);
                mem_free(p.kept);
                p.kept = NULL;
                p.method->keep(&p, (size_t)1 << 24);
                assert_int_equal(p.kept != NULL, shapes[s].keeps);
                memset(kept, 0x5a, bytes);
                p.method->rows(&p, id, 200, kept);
                assert_memory_equal(made, kept, bytes);
                kit_done(&p);
            }
            free(kept);
            free(made);
        }
    assert_ok(kernels_init(NULL, &e), e);
}

static void test_starts(void **state)
{
    static const double wishes[] = {0, 0.05, 3};

    (void)state;
    for (size_t i = 0; i < COUNT(wishes); i++) {
        struct init init = {.seed = 5, .deviation = wishes[i]};
        double limit = 2 * cbrt(1 / sqrt(1000.0 / 3)), sum = 0;
        struct parameters p, again;
        float out[16];
        struct error e;

        make(&p, 1000, 16, "n=10,10,10 d=2,2,4 r=1,7,9,1");
        make(&again, 1000, 16, "n=10,10,10 d=2,2,4 r=1,7,9,1");
        assert_ok(init_parameters(&init, &p, &e), e);
        assert_ok(init_parameters(&init, &again, &e), e);
        for (unsigned t = 0; t < 3; t++)
            assert_memory_equal(core(&p, t), core(&again, t), p.tensor[t].bytes);
        init.seed = 6;
        assert_ok(init_parameters(&init, &again, &e), e);
        assert_memory_not_equal(core(&p, 0), core(&again, 0), p.tensor[0].bytes);
        assert_ok(kit_check(&p, &e), e);
        for (uint64_t id = 0; id < 1000; id++) {
            p.method->rows(&p, &id, 1, out);
            for (size_t j = 0; j < 16; j++)
                sum += (double)out[j] * out[j];
        }
        if (wishes[i] > 0) {
            assert_true(fabs(sqrt(sum / 16000) / wishes[i] - 1) < 0.2);
        } else { /* cut at twice the scale, and near it somewhere */
            float largest = 0;

            for (size_t j = 0; j < p.tensor[1].count; j++)
                largest = fmaxf(largest, fabsf(core(&p, 1)[j]));
            assert_true(largest < limit && largest > 0.95 * limit);
        }
        kit_done(&again);
        kit_done(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked_ids),
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_starts),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
