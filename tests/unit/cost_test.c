/* SPDX-License-Identifier: Apache-2.0 */
/* What a layout will cost beside its bytes. */
#include "methods/cost.h"

#include "base/memory.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { DIM = 6 };

/* What a layout will cost, told without values. */
static void test_costs(void **state)
{
    static const struct {
        const char *method, *optimizer;
        uint64_t bytes, work;
        bool suits;
    } cases[] = {
        {"full", "sgd", 0, 0, true},
        {"full", "adagrad", 4 * 1000 * DIM, 0, true},
        {"full", "rowwise_adagrad", 4 * 1000, 0, true},
        {"full", "adam", 8 * 1000 * DIM, 0, true},
        {"fp16", "rowwise_adagrad", 4 * 1000, 0, true},
        {"fp16", "adam", 8 * 1000 * DIM, 0, false},
        {"compo", "rowwise_adagrad", 4 * (32 + 32), DIM, true},
        {"int8", "rowwise_adagrad", 4 * 1000, DIM, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct method *m = method_find(cases[i].method, strlen(cases[i].method));
        struct optimizer_settings s;
        uint64_t bytes, work;
        struct layout l;
        struct error e;

        optimizer_settings_init(&s);
        s.optimizer = optimizer_find(cases[i].optimizer, strlen(cases[i].optimizer));
        assert_non_null(s.optimizer);
        assert_ok(layout_open(&l, m, 1000, DIM, NULL, 0, NULL, &e), e);
        assert_ok(layout_make(&l, &e), e);
        assert_ok(layout_state_bytes(&l, s.optimizer, &bytes, &e), e);
        assert_ok(layout_work(&l, &work, &e), e);
        assert_int_equal(bytes, cases[i].bytes);
        assert_int_equal(work, cases[i].work);
        assert_int_equal(layout_suits(&l, &s, &e), cases[i].suits ? ST_OK : ST_INVALID);
        layout_done(&l);
    }
}

/* Every method tells its costs without having values, alone and in fields. */
static void test_every_method_tells(void **state)
{
    static const uint64_t first[] = {0, 700, 700, 1000};
    const struct fields fields = {first, 3};

    (void)state;
    for (size_t i = 0; methods[i]; i++)
        for (int turn = 0; turn < 2; turn++)
            for (size_t o = 0; optimizers[o]; o++) {
                uint64_t bytes, work, states;
                struct layout l;
                struct error e;

                assert_ok(layout_open(&l, methods[i], 1000, 32, turn ? &fields : NULL, 0, NULL, &e),
                          e);
                assert_ok(layout_make(&l, &e), e);
                assert_ok(layout_bytes(&l, &bytes, &e), e);
                assert_ok(layout_work(&l, &work, &e), e);
                assert_ok(layout_state_bytes(&l, optimizers[o], &states, &e), e);
                assert_true(work < 1u << 24);
                /* At most two numbers for each that is stored, which has a bit or more. */
                assert_true(states <= bytes * 8 * sizeof(float) * OPTIMIZER_STATES);
                assert_true(optimizers[o]->state[0] || !states);
                layout_done(&l);
            }
}

/* Ten thousand fields are planned in no time worth the name. */
static void test_many_fields(void **state)
{
    enum { MANY = 10000 };
    uint64_t *place = mem_zero(MANY + 1, sizeof *place), bytes;
    const struct fields fields = {place, MANY};
    struct layout l;
    struct error e;

    (void)state;
    assert_non_null(place);
    for (size_t i = 0; i < MANY; i++)
        place[i + 1] = place[i] + i % 1000;
    assert_ok(layout_open(&l, method_find("compo", 5), place[MANY], DIM, &fields, place[MANY] * DIM,
                          NULL, &e),
              e);
    assert_ok(layout_make(&l, &e), e);
    assert_ok(layout_bytes(&l, &bytes, &e), e);
    assert_true(bytes <= place[MANY] * DIM); /* one R for all: a step of it is much of the table */
    assert_true(bytes > place[MANY] * DIM / 4 * 3);
    assert_true(layout_tensors(&l) > MANY && layout_tensors(&l) <= 2 * MANY);
    layout_done(&l);
    mem_free(place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_costs),
        cmocka_unit_test(test_every_method_tells),
        cmocka_unit_test(test_many_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
