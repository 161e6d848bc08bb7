/* SPDX-License-Identifier: Apache-2.0 */
/* The list of optimizers, the numbers of a step, and which parameters an optimizer trains. */
#include "methods/optimizer.h"

#include <math.h>

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct optimizer *find(const char *name)
{
    const struct optimizer *o = optimizer_find(name, strlen(name));

    assert_non_null(o);
    return o;
}

static void test_find(void **state)
{
    static const char *const names[] = {"sgd", "adagrad", "rowwise_adagrad", "adam"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_ptr_equal(find(names[i]), optimizers[i]);
        assert_string_equal(find(names[i])->name, names[i]);
        assert_true(strlen(find(names[i])->help) > 10);
    }
    assert_null(optimizers[COUNT(names)]);
    assert_null(optimizer_find("adamw", 5));
    assert_null(optimizer_find("adam", 3));
    assert_null(optimizer_find("", 0));
}

static void test_defaults(void **state)
{
    struct optimizer_settings s;

    (void)state;
    optimizer_settings_init(&s);
    assert_true(s.learning_rate == 0.01 && s.epsilon == 1e-8 && s.beta1 == 0.9);
    assert_true(s.beta2 == 0.999 && s.weight_decay == 0 && !s.decoupled && s.clip_norm == 0);
    assert_true(s.initial_accumulator == 0 && s.scale_lr < 0 && s.step == 0);
    assert_true(!s.optimizer && !s.rate && s.rates == 0);
}

static void test_step_make(void **state)
{
    struct tensor_rate rates[] = {{"f0.q.weight", 0.5}, {"f0.r.weight", 0}};
    struct optimizer_settings s;
    struct optimizer_step step;

    (void)state;
    optimizer_settings_init(&s);
    s.rate = rates;
    s.rates = COUNT(rates);
    s.weight_decay = 0.25;
    optimizer_step_make(&step, &s, "f0.q.weight", false, 0.125, 1);
    assert_true(step.learning_rate == 0.5f && step.l2 == 0.25f && step.shrink == 0);
    assert_false(step.element_wise);
    s.decoupled = true;
    optimizer_step_make(&step, &s, "f0.q.weight", true, 0.125, 1);
    assert_true(step.shrink == 0.125f && step.l2 == 0 && step.element_wise);
    optimizer_step_make(&step, &s, "f0.r.weight", true, 0.125, 1);
    assert_true(step.learning_rate == 0 && step.shrink == 0);
    optimizer_step_make(&step, &s, "q.weight", true, 0.125, 1);
    assert_true(step.learning_rate == 0.125f && step.shrink == 0.03125f);
    assert_true(step.rest1 == 0.1f && step.rest2 == 0.001f); /* not 1 - 0.9f and 1 - 0.999f */
    assert_true(step.correction1 == 0.1f && step.correction2 == 0.001f);
    optimizer_step_make(&step, &s, "q.weight", true, 0.125, 3);
    assert_true(step.correction1 == 0.271f && fabsf(step.correction2 - 0.002997001f) < 1e-9f);
    optimizer_step_make(&step, &s, "q.weight", true, 0.125, UINT64_MAX);
    assert_true(step.correction1 == 1 && step.correction2 == 1);
}

static void test_suits(void **state)
{
    static const struct tensor_decl decl[] = {
        {"weight", DT(F32) | DT(F16), "N D", .flags = TENSOR_TRAINED},
        {"note", DT(U8), "N", .flags = TENSOR_FOLLOWS},
        {"bias", DT(F32), "D", .flags = TENSOR_TRAINED | TENSOR_OPTIONAL},
        {"cells", DT(F32), "N D", .flags = TENSOR_TRAINED | TENSOR_ELEMENTWISE},
    };
    struct method method = *method_find("full", 4);
    struct parameters p = {.method = &method, .rows = 3, .dim = 4};
    struct optimizer_settings s;
    struct error e;
    float data[12];

    (void)state;
    method.name = "odd";
    method.tensors = decl;
    method.tensors_count = COUNT(decl);
    p.tensor[0] = (struct tensor){"f1.weight", DT_F16, 2, {3, 4}, 12, 24, data};
    p.tensor[1] = (struct tensor){"f1.note", DT_U8, 1, {3}, 3, 3, data};
    p.tensor[3] = (struct tensor){"f1.cells", DT_F32, 2, {3, 4}, 12, 48, data};
    assert_true(tensor_trained(&p, 0) && !tensor_trained(&p, 1));
    assert_false(tensor_trained(&p, 2)); /* absent */
    p.tensor[2] = (struct tensor){"f1.bias", DT_F32, 1, {4}, 4, 16, data};
    assert_true(tensor_trained(&p, 2));
    assert_true(!tensor_element_wise(&p, 0) && tensor_element_wise(&p, 2));
    assert_true(tensor_element_wise(&p, 3));

    optimizer_settings_init(&s);
    assert_fails(optimizer_suits(&s, &p, &e), ST_PRECONDITION, e, "the table has no optimizer");
    for (const struct optimizer *const *o = optimizers; *o; o++) {
        s.optimizer = *o;
        if ((*o)->full_only)
            assert_fails(optimizer_suits(&s, &p, &e), ST_INVALID, e, "\"f1.weight\" holds F16");
        else
            assert_ok(optimizer_suits(&s, &p, &e), e);
        p.tensor[0].dtype = DT_F32;
        assert_ok(optimizer_suits(&s, &p, &e), e);
        p.tensor[0].dtype = DT_F16;
    }
    assert_true(find("adam")->full_only && find("adagrad")->full_only);
    assert_true(!find("sgd")->full_only && !find("rowwise_adagrad")->full_only);
    method.gradient = NULL;
    assert_fails(optimizer_suits(&s, &p, &e), ST_PRECONDITION, e,
                 "a table of the method odd cannot be trained");

    assert_int_equal(optimizer_state_count(find("sgd"), 0, &p, 3), 0);
    assert_int_equal(optimizer_state_count(find("adagrad"), 0, &p, 3), 12);
    assert_int_equal(optimizer_state_count(find("adagrad"), 1, &p, 3), 0);
    assert_int_equal(optimizer_state_count(find("rowwise_adagrad"), 0, &p, 0), 3);
    assert_int_equal(optimizer_state_count(find("rowwise_adagrad"), 0, &p, 3), 12);
    assert_int_equal(optimizer_state_count(find("adam"), 0, &p, 3), 12);
    assert_int_equal(optimizer_state_count(find("adam"), 1, &p, 3), 12);
    assert_string_equal(find("adam")->state[1], "v");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_step_make),
        cmocka_unit_test(test_suits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
