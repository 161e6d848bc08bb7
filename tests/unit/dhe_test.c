/* SPDX-License-Identifier: Apache-2.0 */
/* dhe beyond what all methods share: worked hashes, the loader's rules, starts. Its budgets are in
   dhe_plan_test.c, its fit in dhe_fit_test.c. */
#include "methods/dhe.h"

#include "kernels/kernels.h"
#include "methods/explain.h"
#include "methods/init.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct method *dhe(void)
{
    return method_find("dhe", 3);
}

static int64_t *constants(const struct parameters *p, unsigned tensor)
{
    return p->tensor[tensor].data;
}

/* Parameters that pass their check: drawn as for training from nothing. */
static void begin(struct parameters *p, uint64_t rows, uint32_t dim, const char *settings,
                  double deviation)
{
    struct init init = {.seed = 5, .deviation = deviation};
    struct error e;

    kit_parameters(p, dhe(), rows, dim, 0, settings);
    assert_ok(init_parameters(&init, p, &e), e);
    assert_ok(parameters_check(p, &e), e);
}

static void test_worked_hashes(void **state)
{
    static const struct {
        const char *settings;
        int64_t at_3, at_5000;
    } rows[] = {
        {"k=1 width=2 hash_arith=u64", 757567, 297575},
        {"k=1 width=2 hash_arith=i32_trunc", 757567, -656839},
        {"k=1 width=2 hash_arith=i32_floor", 757567, 343164},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameters p;
        struct error e;
        float z;

        begin(&p, 10000, 2, rows[i].settings, 0);
        constants(&p, DHE_A)[0] = 777777;
        constants(&p, DHE_B)[0] = 424242;
        constants(&p, DHE_P)[0] = 1000003;
        assert_ok(kit_check(&p, &e), e);
        assert_int_equal(dhe_hash(&p, 0, 3), rows[i].at_3);
        assert_int_equal(dhe_hash(&p, 0, 5000), rows[i].at_5000);
        dhe_inputs(&p, p.state, 3, &z);
        assert_true(z == 2 * (757567.0f / 999999.0f) - 1);
        dhe_inputs(&p, p.state, 5000, &z);
        assert_true(z == 2 * ((float)rows[i].at_5000 / 999999.0f) - 1);
        kit_done(&p);
    }
}

/* Hashes in doubles and in 128 bits are the same numbers, also where ids are too large for the
   former. */
static void test_ways_of_hashing_agree(void **state)
{
    static const char *const settings[] = {"k=40 width=2", "k=40 width=2 m=2",
                                           "k=40 width=2 m=30000000",
                                           "k=40 width=2 dist=normal m=77"};
    struct random r = {71};

    (void)state;
    for (size_t i = 0; i < COUNT(settings); i++) {
        struct parameters p;
        float a[40], b[40];

        begin(&p, INT64_MAX, 1, settings[i], 0);
        assert_non_null(p.state);
        for (int turn = 0; turn < 2000; turn++) {
            uint64_t id = random_u64(&r) >> (1 + turn % 60);

            dhe_inputs(&p, p.state, id, a);
            dhe_inputs(&p, NULL, id, b);
            assert_memory_equal(a, b, sizeof a);
        }
        kit_done(&p);
    }
}

/* One number of a good file is changed. */
static void test_check(void **state)
{
    static const struct {
        const char *settings;
        unsigned tensor;
        int64_t integer;   /* of a hash constant */
        float real;        /* of another tensor */
        const char *words; /* NULL: accepted */
    } rows[] = {
        {"", DHE_P, 1000003, 0, NULL},
        {"", DHE_P, 1000000, 0, "hash.p[2] is 1000000; with m = 1000000 it must be above m"},
        {"", DHE_P, 0, 0, "hash.p[2] is 0;"},
        {"", DHE_P, -7, 0, "hash.p[2] is -7;"},
        {"", DHE_P, INT64_MAX, 0, NULL},
        {"", DHE_A, -1, 0, "hash.a[2] is -1; it must be from 0 to"},
        {"", DHE_A, 0, 0, NULL},
        {"", DHE_A, 3000000, 0, "hash.a[2] is 3000000; it must be from 0 to"},
        {"", DHE_B, INT64_MIN, 0, "hash.b[2] is -9223372036854775808;"},
        {"", DHE_B, 3000000, 0, "hash.b[2] is 3000000; it must be from 0 to"},
        {"hash_arith=i32_trunc", DHE_P, 1000000, 0, NULL},
        {"hash_arith=i32_trunc", DHE_P, 999999, 0, "it must be at least m and below 2^31"},
        {"hash_arith=i32_floor", DHE_P, (int64_t)1 << 31, 0,
         "it must be at least m and below 2^31"},
        {"hash_arith=i32_floor", DHE_P, INT32_MAX, 0, NULL},
        {"hash_arith=i32_floor", DHE_A, INT32_MAX, 0, NULL},
        {"hash_arith=i32_trunc", DHE_A, (int64_t)1 << 31, 0,
         "hash.a[2] is 2147483648; it must be from 0 to 2147483647"},
        {"hash_arith=i32_trunc", DHE_B, -1, 0, "hash.b[2] is -1; it must be from 0 to 2147483647"},
        {"", DHE_BN + DHE_VAR, 0, 0, NULL},
        {"", DHE_BN + DHE_VAR, 0, -1e-30f, "bn.1.running_var[2] is -1e-30"},
        {"", DHE_BN + 4 * DHE_OF_BN + DHE_VAR, 0, NAN, "bn.5.running_var[2] is nan"},
        {"bn_eps=0", DHE_BN + DHE_OF_BN + DHE_VAR, 0, 0, "bn.2.running_var[2] is 0"},
        {"bn_eps=0", DHE_BN + DHE_OF_BN + DHE_VAR, 0, 1e-30f, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameters p;
        char settings[100];
        struct error e;

        snprintf(settings, sizeof settings, "k=6 width=5 %s", rows[i].settings);
        begin(&p, 100, 3, settings, 0);
        if (rows[i].tensor <= DHE_P)
            constants(&p, rows[i].tensor)[2] = rows[i].integer;
        else
            dhe_floats(&p, rows[i].tensor)[2] = rows[i].real;
        if (rows[i].words)
            assert_fails(kit_check(&p, &e), ST_INVALID, e, rows[i].words);
        else
            assert_ok(kit_check(&p, &e), e);
        kit_done(&p);
    }
}

/* Settings that no plan makes, as a file may hold them. */
static void test_check_settings(void **state)
{
    static const struct {
        unsigned setting;
        int64_t i;
        double r;
        uint64_t rows;
        const char *arith, *words;
    } rows[] = {
        {DHE_DIST, DHE_NORMAL, 0, 100, "u64", "dist=normal takes hashes in pairs, and k is 7"},
        {DHE_M, (int64_t)1 << 31, 0, 100, "i32_trunc", "m must be below 2^31"},
        {DHE_K, 7, 0, ((uint64_t)1 << 31) + 1, "i32_floor", "at most 2^31 rows"},
        {DHE_BN_EPS, 0, -1e-9, 100, "u64", "bn_eps must not be negative"},
        {DHE_BN_MOMENTUM, 0, 1.5, 100, "u64", "bn_momentum must be from 0 to 1"},
        {DHE_NORM_EPS, 0, 0, 100, "u64", "norm_eps must be above 0"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameters p;
        char settings[100];
        struct error e;

        snprintf(settings, sizeof settings, "k=7 width=5 hash_arith=%s", rows[i].arith);
        begin(&p, 100, 3, settings, 0);
        p.rows = rows[i].rows;
        p.value[rows[i].setting].i = rows[i].i;
        p.value[rows[i].setting].r = rows[i].r;
        assert_fails(kit_check(&p, &e), ST_INVALID, e, rows[i].words);
        kit_done(&p);
    }
}

/* A width that no setting names is held to the same limit. */
static void test_check_width(void **state)
{
    struct parameters p;
    struct error e;
    char nothing;

    (void)state;
    kit_parameters(&p, dhe(), 100, 3, 0, "k=6 width=5");
    p.value[DHE_WIDTH].set = false;
    for (unsigned t = 0; t < p.method->tensors_count; t++) {
        free(p.tensor[t].data);
        p.tensor[t].data = &nothing; /* the shapes are looked at first */
        for (unsigned d = 0; d < p.tensor[t].rank; d++)
            if (p.tensor[t].shape[d] == 5)
                p.tensor[t].shape[d] = DHE_MOST + 1;
    }
    assert_fails(parameters_check(&p, &e), ST_INVALID, e,
                 "\"mlp.1.weight\" has 16385 columns; a layer has from 1 to 16384");
    for (unsigned t = 0; t < p.method->tensors_count; t++)
        p.tensor[t].data = NULL;
    kit_done(&p);
}

static bool prime(int64_t n)
{
    for (int64_t d = 2; d * d <= n; d++)
        if (n % d == 0)
            return false;
    return n > 1;
}

/* Constants by their rules, other ones for another seed; rows as large as is asked for. */
static void test_init(void **state)
{
    static const char *const settings[] = {"k=64 width=40", "k=64 width=40 dist=normal",
                                           "k=30 width=50 hash_arith=i32_trunc",
                                           "k=10 width=300 hash_arith=i32_floor m=1000"};

    (void)state;
    for (size_t i = 0; i < COUNT(settings); i++) {
        struct parameters p, again;
        uint64_t id[500];
        float out[500 * 8];
        double squares = 0;
        bool differs = false;

        begin(&p, 5000, 8, settings[i], 0.3);
        begin(&again, 5000, 8, settings[i], 0.3);
        for (size_t t = 0; t < p.method->tensors_count; t++)
            assert_memory_equal(p.tensor[t].data, again.tensor[t].data, p.tensor[t].bytes);
        for (size_t t = 0; t < p.tensor[0].count; t++) {
            int64_t m = p.value[DHE_M].i;

            assert_true(constants(&p, DHE_A)[t] >= 1 && constants(&p, DHE_A)[t] < m);
            assert_true(constants(&p, DHE_B)[t] >= 1 && constants(&p, DHE_B)[t] < m);
            assert_true(constants(&p, DHE_P)[t] > m && prime(constants(&p, DHE_P)[t]));
            differs = differs || constants(&p, DHE_P)[t] != constants(&p, DHE_P)[0];
        }
        assert_true(differs);
        for (size_t n = 0; n < 500; n++)
            id[n] = n * 10 + 3;
        p.method->rows(&p, id, 500, out);
        for (size_t j = 0; j < COUNT(out); j++)
            squares += (double)out[j] * (double)out[j];
        assert_true(fabs(sqrt(squares / (double)COUNT(out)) / 0.3 - 1) < 0.25);
        kit_done(&p);
        kit_done(&again);
    }
}

static void test_init_edges(void **state)
{
    struct init init = {.seed = 1}, other = {.seed = 2};
    struct parameters p;
    struct error e;
    int64_t kept;

    (void)state;
    begin(&p, 0, 3, "k=4 width=3", 0);
    kit_done(&p);
    begin(&p, 1, 3, "k=4 width=3", 0);
    kit_done(&p);
    kit_parameters(&p, dhe(), 10, 3, 0, "k=4 width=3 m=2147483647 hash_arith=i32_trunc");
    assert_fails(init_parameters(&init, &p, &e), ST_INVALID, e, "no prime lies between m = ");
    kit_done(&p);
    kit_parameters(&p, dhe(), 10, 3, 0, "k=4 width=3 m=9223372036854775782");
    assert_ok(init_parameters(&init, &p, &e), e);
    for (size_t t = 0; t < 4; t++) /* the largest prime below 2^63, and the only one left */
        assert_int_equal(constants(&p, DHE_P)[t], 9223372036854775783);
    assert_ok(kit_check(&p, &e), e);
    kit_done(&p);
    kit_parameters(&p, dhe(), 10, 3, 0, "k=4 width=3");
    assert_ok(init_parameters(&init, &p, &e), e);
    kept = constants(&p, DHE_A)[0];
    assert_ok(init_parameters(&other, &p, &e), e);
    assert_true(constants(&p, DHE_A)[0] != kept);
    kit_done(&p);
}

static void test_explain(void **state)
{
    struct explanation x = {0};
    struct parameters p;

    (void)state;
    begin(&p, 100, 3, "k=20 width=5", 0);
    parameters_explain(&p, 42, &x);
    assert_int_equal(x.status, ST_OK);
    assert_int_equal(x.count, 5);
    assert_int_equal(x.fact[0].number, 20);
    assert_int_equal(x.fact[1].n, 8);
    for (size_t t = 0; t < 8; t++)
        assert_int_equal(x.fact[1].list[t], dhe_hash(&p, t, 42));
    assert_int_equal(x.fact[2].n, 7);
    assert_int_equal(x.fact[2].list[0], 20);
    assert_int_equal(x.fact[2].list[5], 5);
    assert_int_equal(x.fact[2].list[6], 3);
    assert_int_equal(x.fact[4].number, 99);
    explanation_done(&x);
    assert_int_equal(parameters_work(&p), 5 * (20 + 4 * 5 + 3));
    kit_done(&p);
}

/* The largest network that a file may hold answers from the stack that there is. */
static void test_largest(void **state)
{
    struct parameters p;
    uint64_t id[3] = {0, 5, 9};
    float together[3], alone;
    struct error e;

    (void)state;
    kit_parameters(&p, dhe(), 10, 1, 0, "k=16384 width=100");
    assert_ok(init_parameters(&(struct init){.seed = 3}, &p, &e), e);
    assert_ok(kit_check(&p, &e), e);
    p.method->rows(&p, id, 3, together);
    for (size_t i = 0; i < 3; i++) {
        p.method->rows(&p, id + i, 1, &alone);
        assert_memory_equal(&alone, together + i, sizeof alone);
    }
    kit_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked_hashes), cmocka_unit_test(test_ways_of_hashing_agree),
        cmocka_unit_test(test_check),         cmocka_unit_test(test_check_settings),
        cmocka_unit_test(test_check_width),   cmocka_unit_test(test_init),
        cmocka_unit_test(test_init_edges),    cmocka_unit_test(test_explain),
        cmocka_unit_test(test_largest),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
