/* SPDX-License-Identifier: Apache-2.0 */
/* dpq beyond what all methods share: the loader's rules, packings that agree, fits that find what
   is there, plans, explanations. */
#include "methods/init.h"
#include "tests/unit/codes_kit.h"

static void test_lookup_worked(void **state)
{
    static const float book[] = {1, 2, 3, 4, 5, 6, /* part 0 */ 10, 20, 30, 40, 50, 60 /* 1 */};
    uint64_t id[] = {1, 0, 1};
    struct parameters p;
    float out[12];
    struct error e;

    (void)state;
    make(&p, "dpq", 2, 4, "parts=2 k=3 packing=bits"); /* 2 bits a code */
    memcpy(data_of(&p, "codebook"), book, sizeof book);
    memcpy(data_of(&p, "codes"), (uint8_t[]){2 | 0 << 2, 1 | 2 << 2}, 2);
    assert_ok(kit_check(&p, &e), e);
    p.method->rows(&p, id, 3, out);
    assert_memory_equal(out, ((float[]){3, 4, 50, 60, 5, 6, 10, 20, 3, 4, 50, 60}), sizeof out);
    kit_done(&p);
    make(&p, "dpq", 2, 4, "parts=2 k=3 shared=true mode=sx");
    memcpy(data_of(&p, "codebook"), book, 6 * sizeof *book);
    memcpy(data_of(&p, "codes"), (uint8_t[]){2, 0, 1, 2}, 4);
    assert_ok(kit_check(&p, &e), e);
    p.method->rows(&p, id, 2, out);
    assert_memory_equal(out, ((float[]){3, 4, 5, 6, 5, 6, 1, 2}), 8 * sizeof *out);
    kit_done(&p);
}

static void test_check(void **state)
{
    static const struct {
        const char *settings;
        uint64_t rows;
        size_t at; /* this byte of the codes */
        uint8_t byte;
        const char *words; /* NULL: accepted */
    } rows[] = {
        {"parts=3 k=20", 9, 26, 19, NULL},
        {"parts=3 k=20", 9, 26, 20, "row 8 has the code 20 in part 2; it must be below 20"},
        {"parts=3 k=20", 9, 0, 255, "row 0 has the code 255 in part 0"},
        {"parts=3 k=256", 9, 26, 255, NULL},
        {"parts=3 k=1", 9, 4, 1, "row 1 has the code 1 in part 1; it must be below 1"},
        {"parts=3 k=300", 9, 1, 2, "row 0 has the code 512 in part 0; it must be below 300"},
        {"parts=3 k=300", 9, 53, 1, NULL},
        {"parts=3 k=20 packing=bits", 9, 16, 0x13, NULL},
        {"parts=3 k=20 packing=bits", 9, 16, 0x14, "row 8 has the code 20 in part 0"},
        {"parts=3 k=20 packing=bits", 9, 17, 0x4c, NULL}, /* 19 in part 2 */
        {"parts=3 k=20 packing=bits", 9, 17, 0x80, "row 8 has bits behind its last code"},
        {"parts=6 k=5 packing=bits", 9, 26, 0x02, NULL}, /* 4 in part 5 */
        {"parts=6 k=5 packing=bits", 9, 26, 0x04, "row 8 has bits behind its last code"},
        {"parts=6 k=8 packing=bits", 9, 24, 0xff, NULL},
        {"parts=6 k=8 packing=bits", 9, 26, 0x04, "row 8 has bits behind its last code"},
        {"parts=2 k=16 packing=bits", 9, 8, 0xff, NULL},
        {"parts=2 k=15 packing=bits", 9, 8, 0xf0, "row 8 has the code 15 in part 1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameters p;
        struct error e;

        make(&p, "dpq", rows[i].rows, 6, rows[i].settings);
        ((uint8_t *)data_of(&p, "codes"))[rows[i].at] = rows[i].byte;
        if (rows[i].words)
            assert_fails(kit_check(&p, &e), ST_INVALID, e, rows[i].words);
        else
            assert_ok(kit_check(&p, &e), e);
        kit_done(&p);
    }
}

static void test_check_shapes(void **state)
{
    struct parameters p;
    struct tensor *codes;
    struct error e;

    (void)state;
    make(&p, "dpq", 9, 6, "parts=3 k=20 packing=bits");
    codes = &p.tensor[3];
    codes->shape[1] = 3;
    assert_fails(kit_check(&p, &e), ST_INVALID, e, "3 bytes a row; 3 codes of 5 bits take 2");
    codes->shape[1] = 2;
    p.value[0].i = 4; /* parts */
    assert_fails(kit_check(&p, &e), ST_INVALID, e, "it must be [parts*k = 80, D/parts]");
    kit_done(&p);
    make(&p, "dpq", 9, 6, "parts=3 k=300");
    p.tensor[2].dtype = DT_U8;
    assert_fails(kit_check(&p, &e), ST_INVALID, e, "holds U8, which cannot name 300 vectors");
    kit_done(&p);
}

/* The same seed gives the same codes, however they are packed. */
static void test_packings_agree(void **state)
{
    static const struct {
        const char *plain, *packed;
        uint64_t rows;
        uint32_t dim;
    } rows[] = {
        {"parts=4 k=20", "parts=4 k=20 packing=bits", 203, 12},
        {"parts=3 k=1", "parts=3 k=1 packing=bits", 10, 12},
        {"parts=1 k=300", "parts=1 k=300 packing=bits", 301, 3},
        {"parts=5 k=2", "parts=5 k=2 packing=bits", 9, 5},
        {"parts=5000 k=3", "parts=5000 k=3 packing=bits", 7, 10000}, /* more than go at a time */
        {"parts=5 k=100 shared=true", "parts=5 k=100 shared=true packing=bits", 77, 10},
    };
    struct random r = {51};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameters plain, packed;
        const struct init init = {.seed = 3};
        struct fit_error error;
        struct kit_table t;
        struct error e;

        make(&plain, "dpq", rows[i].rows, rows[i].dim, rows[i].plain);
        make(&packed, "dpq", rows[i].rows, rows[i].dim, rows[i].packed);
        assert_ok(init_parameters(&init, &plain, &e), e);
        assert_ok(init_parameters(&init, &packed, &e), e);
        assert_ok(kit_check(&plain, &e), e);
        assert_ok(kit_check(&packed, &e), e);
        expect_same_rows(&plain, &packed);
        kit_table_init(&t, rows[i].rows, rows[i].dim);
        kit_table_random(&t, &r, i % 2);
        kit_fit(&t, &plain, &error);
        kit_fit(&t, &packed, &error);
        expect_same_rows(&plain, &packed);
        kit_table_done(&t);
        kit_done(&packed);
        kit_done(&plain);
    }
}

static void test_distinct_vectors_are_found(void **state)
{
    static const struct {
        const char *settings;
        uint64_t rows, k;
        uint32_t dim, parts;
        bool shared;
    } rows[] = {
        {"parts=4 k=20", 2000, 20, 12, 4, false},
        {"parts=4 k=20 packing=bits", 2001, 20, 12, 4, false},
        {"parts=4 k=25", 2000, 20, 12, 4, false}, /* some are left over */
        {"parts=12 k=20", 2000, 20, 12, 12, false},
        {"parts=12 k=33", 2000, 20, 12, 12, false},
        {"parts=4 k=20 shared=true", 2000, 20, 12, 4, true},
        {"parts=1 k=256", 5000, 256, 7, 1, false},
        {"parts=2 k=1", 50, 1, 6, 2, false},
    };
    struct random r = {52};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int weights = 0; weights < 2; weights++) {
            struct kit_table t;
            double error;

            kit_table_init(&t, rows[i].rows, rows[i].dim);
            kit_table_random(&t, &r, weights);
            for (uint64_t w = 0; w < rows[i].rows; w++)
                t.weight[w] += 0.5f;
            few_vectors(&t, rows[i].parts, rows[i].k, rows[i].shared, &r);
            error = expect_error(&t, "dpq", rows[i].settings);
            if (error != 0)
                fail_msg("%s, weights %d: error %g", rows[i].settings, weights, error);
            kit_table_done(&t);
        }
}

/* Against the tables of Lloyd and Max for one normal number: errors of 2, 4, 16 steps. */
static void test_numbers_come_near_the_optimum(void **state)
{
    static const struct {
        const char *settings;
        double error;
    } rows[] = {{"parts=2 k=2", 0.3634}, {"parts=2 k=4", 0.1175}, {"parts=2 k=16", 0.009497}};
    struct random r = {53};
    struct kit_table t;

    (void)state;
    kit_table_init(&t, 20000, 2);
    kit_table_random(&t, &r, false);
    for (size_t i = 0; i < COUNT(rows); i++) {
        double error = expect_error(&t, "dpq", rows[i].settings);

        if (!(error > 0.97 * rows[i].error && error < 1.03 * rows[i].error))
            fail_msg("%s: error %g, not %g", rows[i].settings, error, rows[i].error);
    }
    kit_table_done(&t);
}

/* Rows without weight have no say; a heavy one is met exactly. */
static void test_weights(void **state)
{
    struct fit_error error;
    struct parameters p;
    struct kit_table t;
    float out;

    (void)state;
    kit_table_init(&t, 100, 1);
    for (uint64_t i = 0; i < 100; i++)
        t.data[i] = (float)(i * i);
    t.fit.weight = t.weight;
    t.weight[9] = 2;
    t.weight[50] = 1e6f;
    make(&p, "dpq", 100, 1, "parts=1 k=2");
    kit_fit(&t, &p, &error);
    assert_true(error.relative == 0);
    p.method->rows(&p, (uint64_t[]){50}, 1, &out);
    assert_true(out == 2500);
    p.method->rows(&p, (uint64_t[]){10}, 1, &out); /* the nearest there is */
    assert_true(out == 81);
    kit_done(&p);
    kit_table_done(&t);
}

/* A sample of 1024 rows would hardly have one of 20,000, but it weighs as much as all others. */
static void test_heavy_rows_are_in_the_sample(void **state)
{
    struct fit_error error;
    struct random r = {54};
    struct parameters p;
    struct kit_table t;
    float out[2];

    (void)state;
    kit_table_init(&t, 20000, 2);
    kit_table_random(&t, &r, false);
    t.fit.weight = t.weight;
    for (uint64_t i = 0; i < 20000; i++)
        t.weight[i] = 1;
    t.weight[12345] = 1e6f;
    make(&p, "dpq", 20000, 2, "parts=1 k=4");
    kit_fit(&t, &p, &error);
    p.method->rows(&p, (uint64_t[]){12345}, 1, out);
    for (int j = 0; j < 2; j++)
        assert_true(fabsf(out[j] - t.data[12345 * 2 + j]) < 0.01f);
    assert_true(error.plain_relative < 0.6); /* three for all others: 0.44 at best */
    kit_done(&p);
    kit_table_done(&t);
}

static void test_plan(void **state)
{
    static const struct {
        uint64_t rows;
        uint32_t dim;
        uint64_t budget;
        const char *settings;
        int64_t parts, k, packing;
    } rows[] = {
        {100000, 100, 4000000, "", 50, 64, CODES_BITS},
        {100000, 100, 2000000, "", 25, 64, CODES_BITS},
        {100000, 100, 2602400, "parts=25", 25, 256, CODES_BYTES},
        {100000, 100, 2602399, "parts=25 packing=bytes", 25, 255, CODES_BYTES},
        {100000, 16, 0, "", 8, 32, CODES_BYTES},
        {20, 6, 0, "", 6, 20, CODES_BYTES},
        {1000, 7, 100000, "k=5 packing=bits", 7, 5, CODES_BITS},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;

        make_plan(&plan, "dpq", rows[i].rows, rows[i].dim, rows[i].budget, rows[i].settings);
        assert_int_equal(planned(&plan, "parts"), rows[i].parts);
        assert_int_equal(planned(&plan, "k"), rows[i].k);
        assert_int_equal(planned(&plan, "packing"), rows[i].packing);
        plan_done(&plan);
    }
}

static void test_plan_refuses(void **state)
{
    struct plan plan;
    struct error e;

    (void)state;
    kit_plan(&plan, method_find("dpq", 3), 1000, 16, 1127, "");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "dpq needs at least 1.10 KiB");
    assert_int_equal(plan.need, 1000 + 2 * 16 * 4);
    plan_done(&plan);
    kit_plan(&plan, method_find("dpq", 3), 1000, 16, 0, "parts=5");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "parts is 5, which does not divide 16");
    plan_done(&plan);
}

static void test_fields_have_it_in_common(void **state)
{
    const struct plan *one;
    struct layout l;
    struct error e;
    uint64_t bytes = 0;

    (void)state;
    one = share_criteo(&l, "dpq", 0.1);
    assert_int_equal(planned(one, "parts"), 8);
    assert_int_equal(planned(one, "k"), 64);
    layout_done(&l);
    one = share_criteo(&l, "dpq", 0.04);
    assert_ok(layout_bytes(&l, &bytes, &e), e);
    assert_true(bytes > l.budget / 5 * 3); /* and makes something of it */
    layout_done(&l);
}

static void test_fields_refuse(void **state)
{
    static const uint64_t first[] = {0, 1000, 1000, 1003};
    const struct fields fields = {first, 3};
    struct layout l;
    struct error e;

    (void)state;
    /* A byte a row and two vectors, nothing, and the same for three rows, which is less than full.
     */
    assert_ok(layout_open(&l, method_find("dpq", 3), 1003, 4, &fields, 1066, NULL, &e), e);
    assert_fails(layout_make(&l, &e), ST_INVALID, e, "dpq needs at least 1.04 KiB");
    assert_int_equal(l.need, 1000 + 2 * 16 + 3 + 2 * 16);
    layout_done(&l);
    assert_ok(layout_open(&l, method_find("dpq", 3), 1003, 4, &fields, 1067, NULL, &e), e);
    assert_ok(layout_make(&l, &e), e);
    layout_done(&l);
}

static void test_author_words(void **state)
{
    struct plan plan;

    (void)state;
    make_plan(&plan, "dpq", 1000, 16, 0, "parts=8 k=32");
    assert_true(plan.method->author_words(&plan) == 1000 * 8 + 32 * 16);
    plan_done(&plan);
}

static void test_explain(void **state)
{
    struct explanation x = {0};
    struct parameters p;
    struct error e;

    (void)state;
    make(&p, "dpq", 4, 6, "parts=3 k=5");
    memcpy(data_of(&p, "codes"), (uint8_t[]){1, 2, 3, /**/ 1, 0, 3, /**/ 2, 2, 3, /**/ 4, 1, 0},
           12);
    assert_ok(kit_check(&p, &e), e);
    parameters_explain(&p, 0, &x);
    assert_int_equal(x.status, ST_OK);
    assert_memory_equal(fact_of(&x, "codes", 0)->list, ((int64_t[]){1, 2, 3}), 24);
    for (size_t i = 0; i < 3; i++) {
        const struct fact *f = fact_of(&x, "codebook", i);

        assert_int_equal(f->number, ((int64_t[]){1, 7, 13})[i]);
        assert_int_equal(f->n, 2);
        assert_int_equal(f->sharers, ((uint64_t[]){1, 1, 2})[i]);
    }
    explanation_done(&x);
    kit_done(&p);
    make(&p, "dpq", 4, 6, "parts=3 k=5 shared=true");
    memcpy(data_of(&p, "codes"), (uint8_t[]){1, 2, 1, /**/ 1, 1, 3, /**/ 2, 0, 3, /**/ 4, 1, 0},
           12);
    assert_ok(kit_check(&p, &e), e);
    parameters_explain(&p, 0, &x);
    for (size_t i = 0; i < 3; i++) { /* wherever others have it, each row once */
        const struct fact *f = fact_of(&x, "codebook", i);

        assert_int_equal(f->number, ((int64_t[]){1, 2, 1})[i]);
        assert_int_equal(f->sharers, ((uint64_t[]){2, 1, 2})[i]);
    }
    explanation_done(&x);
    kit_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup_worked),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_check_shapes),
        cmocka_unit_test(test_packings_agree),
        cmocka_unit_test(test_distinct_vectors_are_found),
        cmocka_unit_test(test_numbers_come_near_the_optimum),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_heavy_rows_are_in_the_sample),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_plan_refuses),
        cmocka_unit_test(test_fields_have_it_in_common),
        cmocka_unit_test(test_fields_refuse),
        cmocka_unit_test(test_author_words),
        cmocka_unit_test(test_explain),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
