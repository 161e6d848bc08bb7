/* SPDX-License-Identifier: Apache-2.0 */
/* The optimizer's settings as text: read, written, set one by one, merged. */
#include "unit.h"

#include <float.h>

#include "base/memory.h"
#include "random.h"
#include "table/optimizer_settings.h"

static struct optimizer_settings read_text(const char *text)
{
    struct optimizer_settings s;
    struct error e;

    assert_ok(optimizer_settings_read(&s, text, 0, &e), e);
    return s;
}

static char *write_text(const struct optimizer_settings *s)
{
    struct error e;
    char *text;

    assert_ok(optimizer_settings_write(&text, s, &e), e);
    return text;
}

static void test_reads_defaults(void **state)
{
    struct optimizer_settings s = read_text("{\"name\":\"sgd\"}"), bare;

    (void)state;
    assert_string_equal(s.optimizer->name, "sgd");
    assert_true(s.learning_rate == 0.01 && s.epsilon == 1e-8 && s.beta1 == 0.9);
    assert_true(s.beta2 == 0.999 && s.weight_decay == 0 && !s.decoupled);
    assert_true(s.initial_accumulator == 0 && s.clip_norm == 0 && s.scale_lr < 0);
    assert_true(s.step == 0 && !s.rate && s.rates == 0);
    optimizer_settings_init(&bare);
    assert_null(bare.optimizer);
    bare.optimizer = s.optimizer;
    assert_true(optimizer_settings_equal(&bare, &s));
}

static const char everything[] =
    "{\"beta1\":0.5,\"beta2\":0.25,\"clip_norm\":3.0,\"epsilon\":1e-10,\"initial_accumulator\":0.1,"
    "\"learning_rate\":0.001,\"name\":\"adam\",\"scale_lr\":1e-5,\"step\":77,\"tensors\":{"
    "\"a\":{\"learning_rate\":0.0},\"f0.q.weight\":{\"learning_rate\":0.3}},"
    "\"weight_decay\":0.0625,\"weight_decay_mode\":\"decoupled\"}";

static void test_writes_what_it_reads(void **state)
{
    struct optimizer_settings s = read_text(everything), again;
    char *text = write_text(&s);

    (void)state;
    assert_true(s.beta1 == 0.5 && s.beta2 == 0.25 && s.clip_norm == 3 && s.epsilon == 1e-10);
    assert_true(s.initial_accumulator == 0.1 && s.learning_rate == 0.001 && s.scale_lr == 1e-5);
    assert_true(s.step == 77 && s.weight_decay == 0.0625 && s.decoupled);
    assert_int_equal(s.rates, 2);
    assert_string_equal(s.rate[1].name, "f0.q.weight");
    assert_true(s.rate[0].learning_rate == 0 && s.rate[1].learning_rate == 0.3);
    assert_string_equal(text, everything);
    again = read_text(text);
    assert_true(optimizer_settings_equal(&s, &again));
    mem_free(text);
    optimizer_settings_done(&s);
    optimizer_settings_done(&s);
    optimizer_settings_done(&again);
}

/* In whatever order the file has them, also the exceptions. */
static void test_order_is_the_writers(void **state)
{
    struct optimizer_settings s =
        read_text(" { \"tensors\" : {\"b\":{\"learning_rate\":1},\"a\":{\"learning_rate\":-0.0}},"
                  "\"step\":\"18446744073709551615\", \"name\":\"adagrad\",\"epsilon\":0} ");
    char *text = write_text(&s);

    (void)state;
    assert_string_equal(text,
                        "{\"beta1\":0.9,\"beta2\":0.999,\"clip_norm\":0.0,\"epsilon\":0.0,"
                        "\"initial_accumulator\":0.0,\"learning_rate\":0.01,\"name\":\"adagrad\","
                        "\"step\":\"18446744073709551615\",\"tensors\":{"
                        "\"a\":{\"learning_rate\":0.0},\"b\":{\"learning_rate\":1.0}},"
                        "\"weight_decay\":0.0,\"weight_decay_mode\":\"l2\"}");
    mem_free(text);
    optimizer_settings_done(&s);
}

/* Any double from 0 to FLT_MAX comes back to the bit. */
static void test_numbers_read_back(void **state)
{
    struct random r = {.state = 3};
    struct optimizer_settings s, again;

    (void)state;
    optimizer_settings_init(&s);
    s.optimizer = optimizer_find("adam", 4);
    assert_non_null(s.optimizer);
    for (int i = 0; i < 3000; i++) {
        char *text;

        s.learning_rate = ldexp(random_unit(&r), (int)random_below(&r, 1100) - 1000);
        s.weight_decay = i ? ldexp(random_unit(&r), (int)random_below(&r, 20) - 19) : FLT_MAX;
        s.clip_norm = i ? nextafter((double)random_below(&r, 1000) / 1000, 1) : 0x1p-1074;
        s.step = random_u64(&r) >> random_below(&r, 64);
        if (s.learning_rate > FLT_MAX)
            s.learning_rate = 0.1;
        text = write_text(&s);
        again = read_text(text);
        assert_true(optimizer_settings_equal(&s, &again));
        assert_int_equal(s.step, again.step);
        mem_free(text);
    }
}

static void test_refuses_bad_objects(void **state)
{
    static const char *const cases[][2] = {
        {"", "is empty"},
        {"[]", "is not a JSON object"},
        {"{", "JSON"},
        {"{}", "name is missing"},
        {"{\"name\":1}", "name must be sgd, adagrad, rowwise_adagrad or adam"},
        {"{\"name\":\"lion\"}", "name must be sgd, adagrad, rowwise_adagrad or adam"},
        {"{\"name\":\"sgd\",\"lr\":1}", "unknown key \"lr\""},
        {"{\"name\":\"sgd\",\"learning_rate\":-1e-9}",
         "learning_rate must be a number from 0 on that float32 can hold"},
        {"{\"name\":\"sgd\",\"learning_rate\":\"1\"}", "learning_rate must be a number"},
        {"{\"name\":\"sgd\",\"clip_norm\":3.5e38}", "clip_norm must be a number"},
        {"{\"name\":\"sgd\",\"epsilon\":null}", "epsilon must be a number"},
        {"{\"name\":\"sgd\",\"beta1\":1}", "beta1 must be a number from 0 to below 1"},
        {"{\"name\":\"sgd\",\"beta2\":0.99999999999}", "beta2 must be a number from 0 to below 1"},
        {"{\"name\":\"sgd\",\"weight_decay_mode\":\"l1\"}", "must be l2 or decoupled"},
        {"{\"name\":\"sgd\",\"weight_decay_mode\":2}", "must be l2 or decoupled"},
        {"{\"name\":\"sgd\",\"step\":-1}", "step must be an integer from 0 on"},
        {"{\"name\":\"sgd\",\"step\":\"1e3\"}", "step must be an integer from 0 on"},
        {"{\"name\":\"sgd\",\"tensors\":[]}", "tensors must be an object"},
        {"{\"name\":\"sgd\",\"tensors\":{\"w\":1}}", "tensors: \"w\" must have a learning_rate"},
        {"{\"name\":\"sgd\",\"tensors\":{\"w\":{}}}", "tensors: \"w\" must have a learning_rate"},
        {"{\"name\":\"sgd\",\"tensors\":{\"w\":{\"learning_rate\":1,\"beta1\":0}}}",
         "and that alone"},
        {"{\"name\":\"sgd\",\"tensors\":{\"w\":{\"learning_rate\":-1}}}", "from 0 on"},
        {"{\"name\":\"sgd\",\"tensors\":{\"w\\\"x\":{\"learning_rate\":1}}}",
         "not a tensor's name"},
        {"{\"name\":\"sgd\",\"tensors\":{\"a234567890123456789012345678901234567890123456789012345"
         "678901234\":{\"learning_rate\":1}}}",
         "not a tensor's name"},
        {"{\"name\":\"sgd\",\"name\":\"sgd\"}", "names \"name\" twice"},
    };
    struct optimizer_settings s = {.step = 5};
    struct error e;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_fails(optimizer_settings_read(&s, cases[i][0], 0, &e), ST_INVALID, e, cases[i][1]);
    assert_int_equal(s.step, 5);
    assert_fails(optimizer_settings_read(&s, everything, 8, &e), ST_INVALID, e, "token");
}

static void test_sets_options(void **state)
{
    struct optimizer_settings s = read_text("{\"name\":\"sgd\",\"step\":4}");
    struct error e;

    (void)state;
    assert_ok(optimizer_settings_set(&s, "optimizer", "adam", &e), e);
    assert_string_equal(s.optimizer->name, "adam");
    assert_ok(optimizer_settings_set(&s, "learning_rate", "1e-3", &e), e);
    assert_true(s.learning_rate == 1e-3);
    assert_ok(optimizer_settings_set(&s, "weight_decay_mode", "decoupled", &e), e);
    assert_true(s.decoupled);
    assert_ok(optimizer_settings_set(&s, "tensors", "{\"w\":{\"learning_rate\":2}}", &e), e);
    assert_int_equal(s.rates, 1);
    assert_fails(optimizer_settings_set(&s, "tensors", "{\"w\":2}", &e), ST_INVALID, e,
                 "tensors: \"w\" must");
    assert_fails(optimizer_settings_set(&s, "tensors", "w", &e), ST_INVALID, e, "tensors: ");
    assert_int_equal(s.rates, 1); /* as before */
    assert_ok(optimizer_settings_set(&s, "tensors", "{}", &e), e);
    assert_int_equal(s.rates, 0);
    assert_fails(optimizer_settings_set(&s, "optimizer", "lion", &e), ST_INVALID, e,
                 "optimizer must be sgd, adagrad");
    assert_fails(optimizer_settings_set(&s, "learning_rate", "fast", &e), ST_INVALID, e,
                 "learning_rate must be a number");
    assert_fails(optimizer_settings_set(&s, "learning_rate", "nan", &e), ST_INVALID, e, "number");
    assert_fails(optimizer_settings_set(&s, "beta1", "1", &e), ST_INVALID, e, "below 1");
    assert_fails(optimizer_settings_set(&s, "step", "1", &e), ST_INVALID, e, "unknown");
    assert_fails(optimizer_settings_set(&s, "name", "sgd", &e), ST_INVALID, e, "unknown");
    assert_fails(optimizer_settings_set(&s, "memory", "map", &e), ST_INVALID, e,
                 "unknown optimizer setting \"memory\"");
    assert_true(optimizer_option_known("optimizer") && optimizer_option_known("clip_norm"));
    assert_true(optimizer_option_known("tensors") && !optimizer_option_known("step"));
    assert_true(!optimizer_option_known("name") && !optimizer_option_known("memory"));
    assert_int_equal(s.step, 4);
    optimizer_settings_done(&s);
}

static void test_merges(void **state)
{
    static const struct optimizer_option adam[] = {{"learning_rate", "0.5"}, {"optimizer", "adam"}},
                                         rate[] = {{"learning_rate", "0.25"}},
                                         bad[] = {{"tensors", "{}"}, {"epsilon", "-1"}};
    struct optimizer_settings file = read_text(everything), none, out = {.step = 9};
    struct error e;

    (void)state;
    optimizer_settings_init(&none);
    assert_ok(optimizer_settings_merge(&out, NULL, NULL, 0, false, &e), e);
    assert_null(out.optimizer);
    assert_ok(optimizer_settings_merge(&out, NULL, adam, 2, false, &e), e);
    assert_string_equal(out.optimizer->name, "adam");
    assert_true(out.learning_rate == 0.5 && out.step == 0);
    assert_fails(optimizer_settings_merge(&out, &none, rate, 1, false, &e), ST_INVALID, e,
                 "learning_rate is given, but neither the options nor the file name an optimizer");
    assert_ok(optimizer_settings_merge(&out, &file, rate, 1, false, &e), e);
    assert_true(out.learning_rate == 0.25 && out.beta1 == 0.5 && out.step == 77 && out.rates == 2);
    optimizer_settings_done(&out);
    assert_ok(optimizer_settings_merge(&out, &file, adam, 2, true, &e), e);
    assert_true(out.learning_rate == 0.5 && out.step == 0);
    optimizer_settings_done(&out);
    assert_ok(optimizer_settings_merge(&out, &file, adam, 2, false, &e), e); /* the same one */
    assert_int_equal(out.step, 77);
    optimizer_settings_done(&out);
    file.optimizer = optimizer_find("adagrad", 7);
    assert_fails(optimizer_settings_merge(&out, &file, adam, 2, false, &e), ST_INVALID, e,
                 "the optimizer is adam, but the file has the state of adagrad");
    assert_fails(optimizer_settings_merge(&out, &file, bad, 2, false, &e), ST_INVALID, e,
                 "epsilon must be");
    assert_ok(optimizer_settings_merge(&out, &file, adam, 2, true, &e), e);
    assert_string_equal(out.optimizer->name, "adam");
    assert_int_equal(out.step, 0);
    optimizer_settings_done(&out);
    optimizer_settings_done(&file);
}

static void test_equal_sees_every_setting(void **state)
{
    static const struct optimizer_option change[] = {
        {"optimizer", "sgd"},
        {"learning_rate", "7"},
        {"epsilon", "7"},
        {"beta1", "0.7"},
        {"beta2", "0.7"},
        {"weight_decay", "7"},
        {"clip_norm", "7"},
        {"weight_decay_mode", "l2"},
        {"scale_lr", "7"},
        {"initial_accumulator", "7"},
        {"tensors", "{}"},
        {"tensors", "{\"a\":{\"learning_rate\":0}}"},
        {"tensors", "{\"a\":{\"learning_rate\":1},\"f0.q.weight\":{\"learning_rate\":0.3}}"},
        {"tensors", "{\"a\":{\"learning_rate\":0},\"f1.q.weight\":{\"learning_rate\":0.3}}"},
    };
    struct optimizer_settings file = read_text(everything), s;
    struct error e;

    (void)state;
    for (size_t i = 0; i < sizeof change / sizeof change[0]; i++) {
        assert_ok(optimizer_settings_copy(&s, &file, &e), e);
        s.step++;
        assert_true(optimizer_settings_equal(&s, &file));
        assert_ok(optimizer_settings_set(&s, change[i].key, change[i].text, &e), e);
        assert_false(optimizer_settings_equal(&s, &file));
        optimizer_settings_done(&s);
    }
    optimizer_settings_done(&file);
}

#ifdef EMBD_DEVELOPER
static void test_survives_failing_allocations(void **state)
{
    static const struct optimizer_option option[] = {{"tensors", "{\"w\":{\"learning_rate\":2}}"}};
    enum status st = ST_EXHAUSTED;

    (void)state;
    for (uint64_t n = 1; st != ST_OK; n++) {
        struct optimizer_settings s = {0}, merged = {0};
        char *text = NULL;
        struct error e;

        mem_fail_at(n, false);
        st = optimizer_settings_read(&s, everything, 0, &e);
        if (st == ST_OK)
            st = optimizer_settings_merge(&merged, &s, option, 1, false, &e);
        if (st == ST_OK)
            st = optimizer_settings_write(&text, &merged, &e);
        mem_fail_at(0, false);
        assert_true(st == ST_OK ? n > 4 : st == ST_EXHAUSTED);
        mem_free(text);
        optimizer_settings_done(&s);
        optimizer_settings_done(&merged);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_defaults),
        cmocka_unit_test(test_writes_what_it_reads),
        cmocka_unit_test(test_order_is_the_writers),
        cmocka_unit_test(test_numbers_read_back),
        cmocka_unit_test(test_refuses_bad_objects),
        cmocka_unit_test(test_sets_options),
        cmocka_unit_test(test_merges),
        cmocka_unit_test(test_equal_sees_every_setting),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_survives_failing_allocations),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
