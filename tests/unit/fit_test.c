/* SPDX-License-Identifier: Apache-2.0 */
/* Measures worked out by hand; fits of full, hash and the halves over several blocks; ends of the
   halves' range. */
#include "fits/fit.h"

#include <float.h>

#include "kernels/kernels.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

static void make(struct parameters *p, const char *method, uint64_t rows, uint32_t dim,
                 uint64_t budget)
{
    kit_parameters(p, method_find(method, strlen(method)), rows, dim, budget, "");
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-12;
}

static void test_measure(void **state)
{
    static const float want[] = {3, 4, 1, 0, 0, 0, 0, 2};
    static const float have[] = {3, 4, 0, 1, 5, 0, 0, 1};
    float weight[] = {1, 2, 1, 4};
    struct fit_error error;
    struct parameters p;
    struct kit_table t;
    struct error e;

    (void)state;
    kit_table_init(&t, 4, 2);
    memcpy(t.data, want, sizeof want);
    make(&p, "full", 4, 2, 0);
    memcpy(p.tensor[0].data, have, sizeof have);
    assert_ok(parameters_check(&p, &e), e);

    /* Errors 0, 2, 25, 1 over norms 25, 1, 0, 4; cosines 1, 0, none, 1. */
    assert_ok(fit_measure(&t.fit, &p, 1, &error, &e), e);
    assert_true(near(error.relative, 28.0 / 30));
    assert_true(near(error.cosine_mean, 2.0 / 3));
    assert_true(near(error.cosine_worst, 0));
    assert_int_equal(error.worst_row, 1);
    t.fit.weight = weight;
    t.done = 0;
    assert_ok(fit_measure(&t.fit, &p, 1, &error, &e), e);
    assert_true(near(error.relative, (4.0 + 25 + 4) / (25 + 2 + 16)));
    assert_true(near(error.cosine_mean, 5.0 / 7));
    assert_true(near(error.plain_relative, 28.0 / 30));
    assert_true(near(error.plain_cosine_mean, 2.0 / 3));

    memset(t.data, 0, sizeof want); /* nothing to compare with */
    t.done = 0;
    assert_ok(fit_measure(&t.fit, &p, 1, &error, &e), e);
    assert_true(isinf(error.relative) && isinf(error.plain_relative) && error.cosine_mean == 1 &&
                error.cosine_worst == 1);
    memset(p.tensor[0].data, 0, sizeof have);
    t.done = 0;
    assert_ok(fit_measure(&t.fit, &p, 1, &error, &e), e);
    assert_true(error.relative == 0);
    for (int k = 0; k < 3; k++) {
        ((float *)p.tensor[0].data)[3] = k == 0 ? NAN : k == 1 ? INFINITY : -INFINITY;
        t.done = 0;
        assert_fails(fit_measure(&t.fit, &p, 1, &error, &e), ST_INVALID, e,
                     "row 1 would not be finite");
    }
    ((float *)p.tensor[0].data)[3] = 0;

    t.fail_at = 2;
    t.done = 0;
    assert_fails(fit_measure(&t.fit, &p, 1, &error, &e), ST_DATA_LOSS, e, "row 2 is gone");
    t.fail_at = UINT64_MAX;
    t.stop_after = t.progress + 1;
    t.done = 0;
    assert_fails(fit_measure(&t.fit, &p, 1, &error, &e), ST_CANCELLED, e, "stopped");
    kit_done(&p);
    kit_table_done(&t);
}

/* More rows than a block holds, and rows as wide as a block. */
static void test_full_in_blocks(void **state)
{
    static const struct {
        uint64_t rows;
        uint32_t dim;
    } sizes[] = {{5000, 40}, {3, 65536}, {2, 40000}, {65537, 1}};
    struct random r = {51};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct fit_error error;
        struct parameters p;
        struct kit_table t;

        kit_table_init(&t, sizes[i].rows, sizes[i].dim);
        kit_table_random(&t, &r, false);
        make(&p, "full", sizes[i].rows, sizes[i].dim, 0);
        kit_fit(&t, &p, &error);
        assert_true(error.relative == 0);
        assert_memory_equal(p.tensor[0].data, t.data, p.tensor[0].bytes);
        assert_true(t.done == 1);
        kit_done(&p);
        kit_table_done(&t);
    }
}

static void test_hash_worked(void **state)
{
    static const float rows[] = {1, 10, 4, 40, 3};
    float weight[] = {1, 1, 2, 3, 0};
    struct fit_error error;
    struct parameters p;
    struct kit_table t;
    const float *table;

    (void)state;
    kit_table_init(&t, 5, 1);
    memcpy(t.data, rows, sizeof rows);
    make(&p, "hash", 5, 1, 2 * 4);
    table = p.tensor[0].data;
    kit_fit(&t, &p, &error);
    assert_true(table[0] == 8.0f / 3 && table[1] == 25); /* ids 0 2 4 and 1 3 */
    t.fit.weight = weight;
    kit_fit(&t, &p, &error);
    assert_true(table[0] == 3 && table[1] == 32.5f);
    memset(weight, 0, sizeof weight); /* nobody asks for these rows: anything will do but NaN */
    kit_fit(&t, &p, &error);
    assert_true(table[0] == 0 && table[1] == 0);
    kit_done(&p);
    kit_table_done(&t);
}

/* A table that is constant on the slots comes back bit by bit. */
static void test_hash_finds_slots(void **state)
{
    struct random r = {52};

    (void)state;
    for (int weights = 0; weights < 2; weights++) {
        struct fit_error error;
        struct parameters p;
        struct kit_table t;

        kit_table_init(&t, 5000, 40);
        kit_table_random(&t, &r, weights);
        for (uint64_t i = 97; i < 5000; i++)
            memcpy(t.data + i * 40, t.data + i % 97 * 40, 40 * sizeof(float));
        make(&p, "hash", 5000, 40, 97 * 40 * 4);
        kit_fit(&t, &p, &error);
        assert_int_equal(p.tensor[0].shape[0], 97);
        assert_true(error.relative == 0);
        assert_memory_equal(p.tensor[0].data, t.data, 97 * 40 * sizeof(float));
        kit_done(&p);
        kit_table_done(&t);
    }
}

static void test_hash_needs_a_slot(void **state)
{
    struct parameters p;
    struct error e;

    (void)state;
    make(&p, "hash", 10, 4, 0);
    p.tensor[0].shape[0] = 0;
    assert_fails(parameters_check(&p, &e), ST_INVALID, e, "tensor \"table\" has no row");
    p.rows = 0;
    assert_ok(parameters_check(&p, &e), e);
    kit_done(&p);
}

/* Nearest even, and no infinity at the ends of the range. */
static void test_halves_saturate(void **state)
{
    static const struct {
        const char *method;
        float in[8], out[8];
    } rows[] = {
        {"fp16",
         {1e30f, -65520, 65519, 65504, 2049, 2051, 0x1p-25f, -FLT_MAX},
         {65504, -65504, 65504, 65504, 2048, 2052, 0, -65504}},
        {"bf16",
         {FLT_MAX, -FLT_MAX, 0x1.fep127f, 0x1.fefffep127f, 257, 259, 0x1p-149f, 1},
         {0x1.fep127f, -0x1.fep127f, 0x1.fep127f, 0x1.fep127f, 256, 260, 0, 1}},
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct fit_error error;
        struct parameters p;
        struct kit_table t;
        uint64_t id = 0;
        float out[8];

        kit_table_init(&t, 1, 8);
        memcpy(t.data, rows[i].in, sizeof rows[i].in);
        make(&p, rows[i].method, 1, 8, 0);
        kit_fit(&t, &p, &error);
        p.method->rows(&p, &id, 1, out);
        assert_memory_equal(out, rows[i].out, sizeof out);
        kit_done(&p);
        kit_table_done(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measure),           cmocka_unit_test(test_full_in_blocks),
        cmocka_unit_test(test_hash_worked),       cmocka_unit_test(test_hash_finds_slots),
        cmocka_unit_test(test_hash_needs_a_slot), cmocka_unit_test(test_halves_saturate),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
