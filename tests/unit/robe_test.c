/* SPDX-License-Identifier: Apache-2.0 */
/* robe beyond what all methods share: worked cells and signs, the loader's rules, arithmetic at the
   ends of its range, budgets, starts and explanations. */
#include "methods/robe.h"

#include "base/memory.h"
#include "kernels/kernels.h"
#include "methods/explain.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const int64_t published[] = {2038074743, 1042867437, 776235098, 1538469021, 33224412,
                                    901337215,  1620035811, 415500127, 660214873,  0};

static const struct method *robe(void)
{
    return method_find("robe", 4);
}

static void make(struct parameters *p, uint64_t rows, uint32_t dim, uint64_t budget,
                 const char *settings, const int64_t *numbers)
{
    struct error e;

    kit_parameters(p, robe(), rows, dim, budget, settings);
    memcpy(p->tensor[ROBE_RAND].data, numbers, p->tensor[ROBE_RAND].bytes);
    for (size_t i = 0; i < p->tensor[ROBE_ARRAY].count; i++)
        ((float *)p->tensor[ROBE_ARRAY].data)[i] = (float)(i + 1); /* + 1: 0 would hide its sign */
    assert_ok(kit_check(p, &e), e);
}

/* methods.md 4.3: x = 12345, D = 4, M = 1000. */
static void test_worked_cells(void **state)
{
    static const struct {
        const char *settings;
        float cell[4];
        bool sign;
    } rows[] = {
        {"block=4", {665, 666, 667, 668}, true},
        {"block=2", {665, 666, 763, 764}, true},
        {"block=1", {665, 763, 118, 216}, true},
        {"block=4 signs=false", {665, 666, 667, 668}, false},
        {"block=2 signs=false use_slot=true slot_of_field=3", {901, 902, 999, 0}, false},
        {"variant=uma block=1", {665, 763, 118, 216}, false},
        {"variant=uma block=2", {691, 692, 801, 802}, false},
        {"variant=uma block=4", {505, 506, 507, 508}, false},
    };
    static const float sign[] = {1, -1, -1, -1};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t id = 12345;
        struct parameters p;
        float out[4];

        make(&p, 20000, 4, 1000 * 4 + 80, rows[i].settings, published);
        assert_int_equal(p.tensor[ROBE_ARRAY].shape[0], 1000);
        p.method->rows(&p, &id, 1, out);
        for (size_t j = 0; j < 4; j++)
            if (out[j] != (rows[i].cell[j] + 1) * (rows[i].sign ? sign[j] : 1))
                fail_msg("%s: column %zu is %g", rows[i].settings, j, (double)out[j]);
        kit_done(&p);
    }
}

/* The same place by way of the field: its id 12345 is row 12400. */
static void test_slots_are_of_fields(void **state)
{
    static const uint64_t first[] = {0, 55, 55, 20000};
    uint64_t id = 12400; /* of the last field */
    struct parameters p;
    struct error e;
    float out[4];

    (void)state;
    kit_parameters(&p, robe(), 20000, 4, 1000 * 4 + 80,
                   "block=2 signs=false use_slot=true slot_of_field=1,2,3");
    p.fields = (struct fields){first, 3};
    memcpy(p.tensor[ROBE_RAND].data, published, sizeof published);
    for (size_t i = 0; i < 1000; i++)
        ((float *)p.tensor[ROBE_ARRAY].data)[i] = (float)i;
    assert_ok(kit_check(&p, &e), e);
    p.method->rows(&p, &id, 1, out);
    assert_true(out[0] == 901 && out[1] == 902 && out[2] == 999 && out[3] == 0);
    kit_done(&p);
}

static void test_check(void **state)
{
    static const struct {
        const char *settings;
        size_t number; /* of rand: 0 P, … */
        int64_t value;
        uint64_t cells, numbers;
        const char *words; /* NULL: accepted */
    } rows[] = {
        {"block=4", 0, 100, 100, 10, NULL},
        {"block=4", 0, 100, 100, 9, NULL},
        {"block=4", 0, 100, 100, 8, "tensor \"rand\" has 8 numbers; it needs 9"},
        {"variant=uma block=3", 0, 100, 100, 4, NULL},
        {"variant=uma block=3", 0, 100, 100, 3, "tensor \"rand\" has 3 numbers; it needs 4"},
        {"variant=uma block=3", 0, 100, 100, 0, "tensor \"rand\" has 0 numbers; it needs 4"},
        {"block=4", 0, 1, 1, 10, "rand[0] is 1; P must be from 2"},
        {"block=4", 0, 0, 1, 10, "rand[0] is 0"},
        {"block=4", 0, (int64_t)1 << 31, 100, 10, "rand[0] is 2147483648"},
        {"block=4", 0, INT64_MIN, 100, 10, "P must be from 2 to 2147483647"},
        {"block=4", 0, 99, 100, 10, "has 100 cells, more than P = 99"},
        {"block=4", 3, 100, 100, 10, "rand[3] is 100; it must be from 0 to P - 1 = 99"},
        {"block=4", 9, -1, 100, 10, "rand[9] is -1"},
        {"block=4", 0, 49, 30, 10, "50 rows with val_offset 0 are more than P = 49"},
        {"variant=uma block=4 val_offset=50", 0, 100, 30, 10, NULL},
        {"variant=uma block=4 val_offset=51", 0, 100, 30, 10, "val_offset 51 are more than P"},
        {"block=4", 0, 100, 0, 10, "\"array\" has no cell"},
        {"variant=uma block=8", 0, 100, 8, 10, NULL},
        {"variant=uma block=8", 0, 100, 7, 10, "block is 8, and tensor \"array\" has 7 cells"},
        {"use_slot=true slot_of_field=1,2", 0, 100, 30, 10, "slot_of_field has 2 slots"},
        {"variant=uma use_slot=true", 0, 100, 30, 10, "use_slot goes with variant=hetu only"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t numbers[10] = {100, 1, 2, 3, 4, 5, 6, 7, 8, 9};
        struct parameters p;
        struct plan plan;
        struct error e;
        char nothing; /* the check reads rand alone */

        kit_plan(&plan, robe(), 50, 4, 0, rows[i].settings);
        assert_ok(plan_make(&plan, &e), e);
        assert_ok(plan_parameters(&plan, &p, &e), e);
        plan_done(&plan);
        numbers[rows[i].number] = rows[i].value;
        p.tensor[ROBE_ARRAY].data = &nothing;
        p.tensor[ROBE_ARRAY].shape[0] = p.tensor[ROBE_ARRAY].count = rows[i].cells;
        p.tensor[ROBE_RAND].data = numbers;
        p.tensor[ROBE_RAND].shape[0] = p.tensor[ROBE_RAND].count = rows[i].numbers;
        if (rows[i].words)
            assert_fails(parameters_check(&p, &e), ST_INVALID, e, rows[i].words);
        else
            assert_ok(parameters_check(&p, &e), e);
        parameters_done(&p);
    }
}

/* What only a file can say: the plan would refuse it. */
static void test_check_of_blocks(void **state)
{
    struct parameters p;
    struct error e;

    (void)state;
    make(&p, 50, 6, 0, "block=3", published);
    p.value[ROBE_BLOCK].i = 4;
    assert_fails(parameters_check(&p, &e), ST_INVALID, e, "block is 4; it must divide the 6");
    p.value[ROBE_BLOCK].i = 12;
    assert_fails(parameters_check(&p, &e), ST_INVALID, e, "block is 12; it must divide the 6");
    kit_done(&p);
}

/* The largest of everything: what the sums would be in 128 bits. */
static void test_largest_numbers(void **state)
{
    static const uint32_t dim = 65536;
    const int64_t most = INT32_MAX;
    int64_t numbers[10] = {most};
    uint64_t id[] = {0, 1, (uint64_t)most - 2, (uint64_t)most - 1};
    float *out = malloc(dim * sizeof *out), array[1000];
    struct parameters p;
    struct plan plan;
    struct error e;

    (void)state;
    for (size_t i = 1; i < 10; i++)
        numbers[i] = most - 1;
    for (size_t i = 0; i < 1000; i++)
        array[i] = (float)i + 1;
    kit_plan(&plan, robe(), (uint64_t)most, dim, 1000 * 4 + 80,
             "block=1 use_slot=true slot_of_field=1048575");
    assert_ok(plan_make(&plan, &e), e);
    assert_ok(plan_parameters(&plan, &p, &e), e);
    plan_done(&plan);
    p.tensor[ROBE_ARRAY].data = array;
    p.tensor[ROBE_RAND].data = numbers;
    assert_ok(parameters_check(&p, &e), e);
    for (size_t i = 0; i < COUNT(id); i++) {
        p.method->rows(&p, &id[i], 1, out);
        for (uint32_t j = 0; j < dim; j++) {
            __int128 sum = (__int128)(most - 1) * ((__int128)id[i] + 1 + j + 1048575);
            float want = array[sum % most % 1000];

            assert_true(sum < ((__int128)1 << 63));
            assert_true(out[j] == (sum % most % 2 ? want : -want));
        }
    }
    free(out);
    parameters_done(&p);
}

/* The remainder without a division against the one with. */
static void test_places(void **state)
{
    struct random r = {41};

    (void)state;
    for (int turn = 0; turn < 200000; turn++) {
        uint32_t modulus = 1 + (uint32_t)random_below(&r, turn % 2 ? 100 : INT32_MAX);
        struct robe m = {.places = divider_of(modulus)};
        uint32_t term = (uint32_t)random_below(&r, (uint64_t)1 << 31);

        term = turn % 3 ? term : term / modulus * modulus - (term >= modulus);
        assert_int_equal(robe_place(&m, term), term % modulus);
    }
}

static void test_plan(void **state)
{
    static const struct {
        const char *settings;
        uint64_t rows, budget, cells;
        uint32_t dim;
        int64_t block;
        const char *words;
    } rows[] = {
        {"", 1000, 6400, 1580, 16, 16, NULL}, /* a tenth of the table, the ten numbers in it */
        {"", 1000, 6403, 1580, 16, 16, NULL},
        {"", 1000, 6404, 1581, 16, 16, NULL},
        {"", 1000, 0, 16000, 16, 16, NULL},
        {"", 1000, 1 << 20, 16000, 16, 16, NULL}, /* no more cells than elements */
        {"", 1000, 84, 1, 16, 16, NULL},
        {"", 1000, 83, 0, 16, 0, "robe needs at least 84 B for 1,000 x 16; the budget is 83 B"},
        {"", 0, 80, 0, 16, 16, NULL},
        {"variant=uma", 1000, 120, 10, 16, 10, NULL},
        {"variant=uma block=16", 1000, 143, 0, 16, 0, "robe needs at least 144 B"},
        {"block=5", 1000, 0, 0, 16, 0, "block is 5; it must divide the 16 columns"},
        {"", (uint64_t)1 << 31, 1 << 20, 0, 16, 0, "robe is for at most 2147483647 rows"},
        {"variant=uma val_offset=2147483647", 1, 1 << 20, 0, 16, 0, "val_offset included"},
        {"", INT32_MAX, (uint64_t)1 << 40, INT32_MAX, 65536, 65536, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;
        struct error e;
        uint64_t cells;

        kit_plan(&plan, robe(), rows[i].rows, rows[i].dim, rows[i].budget, rows[i].settings);
        if (rows[i].words) {
            assert_fails(plan_make(&plan, &e), ST_INVALID, e, rows[i].words);
        } else {
            assert_ok(plan_make(&plan, &e), e);
            assert_true(symbols_get(&plan.size, "M", 1, &cells));
            assert_int_equal(cells, rows[i].cells);
            assert_int_equal(plan.value[ROBE_BLOCK].i, rows[i].block);
            assert_true(robe()->author_words(&plan) == (double)rows[i].cells);
        }
        plan_done(&plan);
    }
}

static void test_start(void **state)
{
    struct init init = {.seed = 5, .deviation = 0.1};
    struct parameters p, q;
    struct error e;
    double sum = 0;

    (void)state;
    kit_parameters(&p, robe(), 1000, 16, 0, "");
    kit_parameters(&q, robe(), 1000, 16, 0, "");
    assert_ok(init_parameters(&init, &p, &e), e);
    assert_ok(init_parameters(&init, &q, &e), e);
    assert_ok(kit_check(&p, &e), e);
    assert_memory_equal(p.tensor[ROBE_ARRAY].data, q.tensor[ROBE_ARRAY].data,
                        p.tensor[ROBE_ARRAY].bytes);
    assert_memory_equal(p.tensor[ROBE_RAND].data, q.tensor[ROBE_RAND].data, 80);
    for (size_t i = 0; i < 16000; i++)
        sum += pow(((float *)p.tensor[ROBE_ARRAY].data)[i], 2);
    assert_true(fabs(sqrt(sum / 16000) - 0.1) < 0.003);
    kit_done(&p);
    kit_done(&q);
}

/* Sharers counted by hand: rows whose cells meet those of the run. */
static void test_explain(void **state)
{
    struct explanation x = {0};
    struct parameters p;
    uint64_t sharers = 0;
    float out[2], other[2];
    uint64_t id = 7;

    (void)state;
    make(&p, 60, 2, 40 * 4 + 80, "block=2", published);
    p.method->rows(&p, &id, 1, out);
    for (uint64_t i = 0; i < 60; i++) {
        p.method->rows(&p, &i, 1, other);
        sharers +=
            i != id && (fabsf(other[0]) == fabsf(out[0]) || fabsf(other[0]) == fabsf(out[1]) ||
                        fabsf(other[1]) == fabsf(out[0]));
    }
    assert_true(sharers > 0);
    parameters_explain(&p, id, &x);
    assert_int_equal(x.status, ST_OK);
    assert_int_equal(x.count, 2);
    assert_string_equal(x.fact[0].name, "array");
    assert_int_equal(x.fact[0].number, fabsf(out[0]) - 1);
    assert_int_equal(x.fact[0].n, 2);
    assert_int_equal(x.fact[0].sharers, sharers);
    assert_string_equal(x.fact[1].name, "signs");
    assert_int_equal(x.fact[1].list[0], out[0] > 0 ? 1 : -1);
    explanation_done(&x);
    x.scan_most = 10;
    parameters_explain(&p, id, &x);
    assert_true(x.fact[0].sharers == SHARERS_UNKNOWN);
    explanation_done(&x);
    kit_done(&p);
    make(&p, 60, 64, 0, "block=1", published); /* more runs than are told one by one */
    parameters_explain(&p, id, &x);
    assert_string_equal(x.fact[0].name, "cells");
    assert_int_equal(x.fact[0].n, 64);
    explanation_done(&x);
    kit_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked_cells),
        cmocka_unit_test(test_slots_are_of_fields),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_check_of_blocks),
        cmocka_unit_test(test_largest_numbers),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_explain),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
