/* SPDX-License-Identifier: Apache-2.0 */
/* mgqe beyond what all methods share: the loader's rules, ranks in the map, packings that agree,
   which rows are frequent, fits, starts, explanations. */
#include "methods/mgqe.h"

#include "methods/init.h"
#include "tests/unit/codes_kit.h"

/* Packed parameters with so many high rows. */
static void make_high(struct parameters *p, uint64_t rows, uint32_t dim, uint64_t high,
                      const char *settings)
{
    struct plan plan;
    struct error e;

    kit_plan(&plan, method_find("mgqe", 4), rows, dim, 0, settings);
    assert_ok(plan_size(&plan, "n_high", high, &e), e);
    assert_ok(plan_make(&plan, &e), e);
    assert_ok(plan_parameters(&plan, p, &e), e);
    plan_done(&plan);
    assert_ok(kit_allocate(p, &e), e);
}

static void test_lookup_worked(void **state)
{
    static const float book[] = {1, 2, 3, 4, 5, /* part 0 */ 10, 20, 30, 40, 50 /* part 1 */};
    uint64_t id[] = {2, 0, 1};
    struct parameters p;
    float out[6];
    struct error e;

    (void)state;
    make_high(&p, 3, 2, 1, "parts=2 k_high=5 k_low=2 packing=bits"); /* 3 bits and 1 */
    memcpy(data_of(&p, "codebook"), book, sizeof book);
    *(uint8_t *)data_of(&p, "high") = 2;
    *(uint8_t *)data_of(&p, "codes.high") = 4 | 3 << 3;
    memcpy(data_of(&p, "codes.low"), (uint8_t[]){0 | 1 << 1, 1 | 0 << 1}, 2);
    assert_ok(kit_check(&p, &e), e);
    p.method->rows(&p, id, 3, out);
    assert_memory_equal(out, ((float[]){2, 10, 1, 20, 5, 40}), sizeof out);
    kit_done(&p);
}

static void test_check(void **state)
{
    static const struct {
        const char *tensor;
        size_t at;
        uint8_t byte;
        const char *words; /* NULL: accepted */
    } rows[] = {
        {"high", 1, 0x07, NULL}, /* rows 8, 9, 10 are high */
        {"high", 1, 0x03, "\"codes.high\" has 3 rows; \"high\" says 2"},
        {"high", 0, 0x01, "\"codes.high\" has 3 rows; \"high\" says 4"},
        {"high", 1, 0x0f, "\"high\" has bits behind the last row; they must be 0"},
        {"codes.high", 2, 0x12, NULL}, /* 3 bits a code, 2 parts: 18 is 2 and 2 */
        {"codes.high", 2, 0x05, "\"codes.high\": row 2 has the code 5 in part 0"},
        {"codes.high", 0, 0x30, "\"codes.high\": row 0 has the code 6 in part 1"},
        {"codes.high", 0, 0x40, "\"codes.high\": row 0 has bits behind its last code"},
        {"codes.low", 7, 0x0a, NULL},
        {"codes.low", 7, 0x03, "\"codes.low\": row 7 has the code 3 in part 0"},
        {"codes.low", 7, 0x10, "\"codes.low\": row 7 has bits behind its last code"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameters p;
        struct error e;

        make_high(&p, 11, 4, 3, "parts=2 k_high=5 k_low=3 packing=bits");
        ((uint8_t *)data_of(&p, "high"))[1] = 7;
        ((uint8_t *)data_of(&p, rows[i].tensor))[rows[i].at] = rows[i].byte;
        if (rows[i].words)
            assert_fails(kit_check(&p, &e), ST_INVALID, e, rows[i].words);
        else
            assert_ok(kit_check(&p, &e), e);
        kit_done(&p);
    }
}

static void test_check_relations(void **state)
{
    struct parameters p;
    struct error e;

    (void)state;
    make(&p, "mgqe", 9, 4, "parts=2 k_high=20 k_low=5");
    assert_ok(kit_check(&p, &e), e);
    p.value[MGQE_K_LOW].i = 20;
    assert_fails(kit_check(&p, &e), ST_INVALID, e, "k_low is 20; it must be below k_high, 20");
    p.value[MGQE_K_LOW].i = 5;
    ((uint8_t *)data_of(&p, "codes"))[17] = 19; /* low rows are not told from high ones */
    assert_ok(kit_check(&p, &e), e);
    ((uint8_t *)data_of(&p, "codes"))[17] = 20;
    assert_fails(kit_check(&p, &e), ST_INVALID, e, "row 8 has the code 20 in part 1");
    kit_done(&p);
    make(&p, "mgqe", 9, 4, "parts=2 k_high=257 k_low=5");
    p.tensor[MGQE_CODES].dtype = DT_U8;
    assert_fails(kit_check(&p, &e), ST_INVALID, e, "which cannot name 257 vectors");
    kit_done(&p);
    make_high(&p, 9, 4, 2, "parts=2 k_high=20 k_low=5 packing=bits");
    p.tensor[MGQE_MAP].count = p.tensor[MGQE_MAP].shape[0] = 1;
    assert_fails(kit_check(&p, &e), ST_INVALID, e,
                 "\"high\" has 1 bytes; a bit for each of 9 rows");
    p.tensor[MGQE_MAP].count = p.tensor[MGQE_MAP].shape[0] = 2;
    *(uint8_t *)data_of(&p, "high") = 3;
    p.tensor[MGQE_LOW].shape[0] = 6;
    assert_fails(kit_check(&p, &e), ST_INVALID, e, "\"codes.low\" has 6 rows; \"high\" says 7");
    p.tensor[MGQE_LOW].shape[0] = 7;
    p.tensor[MGQE_HIGH].shape[1] = 3;
    assert_fails(kit_check(&p, &e), ST_INVALID, e, "3 bytes a row; 2 codes of 5 bits take 2");
    kit_done(&p);
}

/* Every rank around the blocks of the directory, with all, none and some rows high. */
static void test_packings_agree(void **state)
{
    static const struct {
        uint64_t rows, high;
        const char *settings;
    } rows[] = {
        {2000, 200, "parts=3 k_high=20 k_low=5"},
        {2001, 0, "parts=3 k_high=20 k_low=5"},
        {1999, 1999, "parts=3 k_high=20 k_low=5"},
        {513, 77, "parts=3 k_high=300 k_low=1"},
        {512, 500, "parts=1 k_high=2 k_low=1"},
        {1, 1, "parts=6 k_high=9 k_low=8 shared=true"},
        {63, 6, "parts=2 k_high=7 k_low=6 shared=true"},
    };
    struct random r = {61};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameters plain, packed;
        uint32_t code[6], parts;
        char settings[100];
        uint64_t next[2] = {0, 0};
        struct code_array array[2], all;
        uint8_t *map;
        struct error e;

        snprintf(settings, sizeof settings, "%s packing=bits", rows[i].settings);
        make(&plain, "mgqe", rows[i].rows, 6, rows[i].settings);
        make_high(&packed, rows[i].rows, 6, rows[i].high, settings);
        kit_fill(&plain, &r);
        memcpy(data_of(&packed, "codebook"), data_of(&plain, "codebook"),
               kit_tensor(&plain, "codebook")->bytes);
        map = data_of(&packed, "high");
        for (uint64_t left = rows[i].high; left;) {
            uint64_t id = random_below(&r, rows[i].rows);

            left -= !(map[id / 8] >> id % 8 & 1);
            map[id / 8] |= (uint8_t)(1 << id % 8);
        }
        array[0] = mgqe_codes(&packed, false);
        array[1] = mgqe_codes(&packed, true);
        all = mgqe_codes(&plain, true);
        parts = (uint32_t)kit_setting(&plain, "parts")->i;
        for (uint64_t id = 0; id < rows[i].rows; id++) {
            bool high = map[id / 8] >> id % 8 & 1;

            for (uint32_t j = 0; j < parts; j++)
                code[j] = (uint32_t)random_below(
                    &r, (uint64_t)kit_setting(&plain, high ? "k_high" : "k_low")->i);
            codes_pack((uint8_t *)all.tensor->data + id * code_bytes(parts, all.bits), all.bits,
                       code, parts);
            codes_pack((uint8_t *)array[high].tensor->data +
                           next[high]++ * code_bytes(parts, array[high].bits),
                       array[high].bits, code, parts);
        }
        assert_ok(kit_check(&plain, &e), e);
        assert_ok(kit_check(&packed, &e), e);
        expect_same_rows(&plain, &packed);
        kit_done(&packed);
        kit_done(&plain);
    }
}

static void test_mark_high(void **state)
{
    static const float key[] = {3, 1, 4, 1, 5, 0, -0.0f, 1, 1e30f, 1};
    static const struct {
        uint64_t high;
        unsigned map;
    } rows[] = {{0, 0},     {1, 0x100}, {2, 0x110}, {4, 0x115}, {5, 0x117},
                {6, 0x11f}, {8, 0x39f}, {9, 0x3bf}, {10, 0x3ff}};
    struct error e;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned char map[2] = {0};

        assert_ok(mgqe_mark_high(key, 10, rows[i].high, map, &e), e);
        assert_int_equal(map[0] | map[1] << 8, rows[i].map);
    }
}

/* Weights choose, without them norms do, and there are exactly as many as planned. */
static void test_fit_chooses_high_rows(void **state)
{
    struct fit_error error;
    struct random r = {62};
    struct parameters p;
    struct kit_table t;
    uint8_t *map;

    (void)state;
    kit_table_init(&t, 105, 4);
    kit_table_random(&t, &r, false);
    for (uint64_t i = 0; i < 105; i++) {
        t.weight[i] = i % 10 == 3 ? 2 : 1; /* 11 of them, of which 11 are wanted */
        for (int j = 0; j < 4 && i % 10 == 7; j++)
            t.data[i * 4 + j] = 9 + random_normal(&r) / 8;
    }
    make(&p, "mgqe", 105, 4, "parts=2 k_high=8 k_low=2 packing=bits");
    assert_int_equal(kit_tensor(&p, "codes.high")->shape[0], 11);
    map = data_of(&p, "high");
    kit_fit(&t, &p, &error);
    for (uint64_t i = 0; i < 105; i++)
        if (i % 10 == 7)
            assert_true(map[i / 8] >> i % 8 & 1);
    t.fit.weight = t.weight;
    kit_fit(&t, &p, &error);
    for (uint64_t i = 0; i < 105; i++)
        assert_int_equal(map[i / 8] >> i % 8 & 1, i % 10 == 3);
    for (uint64_t i = 0; i < 105; i++)
        t.weight[i] = 1;
    kit_fit(&t, &p, &error);
    for (uint64_t i = 0; i < 105; i++) /* all the same: the first ones */
        assert_int_equal(map[i / 8] >> i % 8 & 1, i < 11);
    kit_done(&p);
    kit_table_done(&t);
}

static void test_distinct_vectors_are_found(void **state)
{
    static const struct {
        const char *settings;
        uint32_t parts;
        bool shared;
    } rows[] = {
        {"parts=4 k_high=40 k_low=20", 4, false},
        {"parts=4 k_high=40 k_low=20 packing=bits", 4, false},
        {"parts=4 k_high=40 k_low=20 packing=bits shared=true", 4, true},
        {"parts=12 k_high=40 k_low=20 packing=bits", 12, false},
    };
    struct random r = {63};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct kit_table t;
        double error;

        kit_table_init(&t, 2003, 12);
        few_vectors(&t, rows[i].parts, 20, rows[i].shared, &r);
        error = expect_error(&t, "mgqe", rows[i].settings);
        if (error != 0)
            fail_msg("%s: error %g", rows[i].settings, error);
        kit_table_done(&t);
    }
}

/* Rare rows have 4 vectors, and the frequent ones 16 more of their own: all are found, whatever the
   first four do for both. */
static void test_high_rows_get_the_rest(void **state)
{
    struct random r = {64};
    struct kit_table t;
    float vector[20];

    (void)state;
    kit_table_init(&t, 1000, 2);
    for (int k = 0; k < 20; k++)
        vector[k] = random_normal(&r) + (k < 4 ? 0 : 100);
    for (uint64_t i = 0; i < 1000; i++)
        for (int j = 0; j < 2; j++)
            t.data[i * 2 + j] = i < 100 ? vector[4 + (i + j) % 16] : vector[(i + j) % 4];
    t.fit.weight = t.weight;
    for (uint64_t i = 0; i < 1000; i++)
        t.weight[i] = i < 100 ? 1.001f : 1;
    assert_true(expect_error(&t, "mgqe", "parts=2 k_high=24 k_low=8") == 0);
    assert_true(expect_error(&t, "mgqe", "parts=2 k_high=24 k_low=8 packing=bits") == 0);
    kit_table_done(&t);
}

static void test_init(void **state)
{
    static const float weight[] = {0, 0, 5, 0, 0, 0, 0, 0, 0, 0};
    const struct init init = {.seed = 7, .weight = weight};
    struct parameters plain, packed;
    struct error e;
    double sum = 0;

    (void)state;
    make(&plain, "mgqe", 10, 40, "parts=20 k_high=200 k_low=2");
    make(&packed, "mgqe", 10, 40, "parts=20 k_high=200 k_low=2 packing=bits");
    assert_ok(init_parameters(&init, &plain, &e), e);
    assert_ok(init_parameters(&init, &packed, &e), e);
    assert_ok(kit_check(&plain, &e), e);
    assert_ok(kit_check(&packed, &e), e);
    assert_int_equal(*(uint8_t *)data_of(&packed, "high"), 4);
    for (uint64_t i = 0; i < 10 * 20; i++)
        assert_true(((uint8_t *)data_of(&plain, "codes"))[i] < (i / 20 == 2 ? 200 : 2));
    for (size_t i = 0; i < kit_tensor(&plain, "codebook")->count; i++)
        sum += pow(((float *)data_of(&plain, "codebook"))[i] / INIT_DEVIATION, 2);
    assert_true(fabs(sum / (double)kit_tensor(&plain, "codebook")->count - 1) < 0.1);
    kit_done(&packed);
    kit_done(&plain);
}

static void test_explain(void **state)
{
    struct explanation x = {0};
    struct parameters p;
    struct error e;

    (void)state;
    make_high(&p, 3, 2, 1, "parts=2 k_high=5 k_low=2 packing=bits");
    *(uint8_t *)data_of(&p, "high") = 2;
    *(uint8_t *)data_of(&p, "codes.high") = 1 | 3 << 3;
    memcpy(data_of(&p, "codes.low"), (uint8_t[]){1 | 1 << 1, 1 | 0 << 1}, 2);
    assert_ok(kit_check(&p, &e), e);
    parameters_explain(&p, 1, &x);
    assert_string_equal(fact_of(&x, "group", 0)->text, "high");
    assert_memory_equal(fact_of(&x, "codes", 0)->list, ((int64_t[]){1, 3}), 16);
    assert_int_equal(fact_of(&x, "codebook", 0)->sharers, 2);
    assert_int_equal(fact_of(&x, "codebook", 1)->sharers, 0);
    assert_int_equal(fact_of(&x, "codebook", 1)->number, 5 + 3);
    explanation_done(&x);
    parameters_explain(&p, 2, &x);
    assert_string_equal(fact_of(&x, "group", 0)->text, "low");
    explanation_done(&x);
    kit_done(&p);
    make(&p, "mgqe", 2, 2, "parts=2 k_high=5 k_low=2");
    memcpy(data_of(&p, "codes"), (uint8_t[]){1, 2, 1, 1}, 4);
    assert_ok(kit_check(&p, &e), e);
    parameters_explain(&p, 0, &x);
    assert_string_equal(fact_of(&x, "group", 0)->text, "high");
    explanation_done(&x);
    parameters_explain(&p, 1, &x);
    assert_string_equal(fact_of(&x, "group", 0)->text, "low, or high with low codes");
    explanation_done(&x);
    kit_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup_worked),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_check_relations),
        cmocka_unit_test(test_packings_agree),
        cmocka_unit_test(test_mark_high),
        cmocka_unit_test(test_fit_chooses_high_rows),
        cmocka_unit_test(test_distinct_vectors_are_found),
        cmocka_unit_test(test_high_rows_get_the_rest),
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_explain),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
