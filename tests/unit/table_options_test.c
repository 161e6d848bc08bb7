/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a table: set from text, and kept as JSON in the log. */
#include "tests/unit/unit.h"

#include "base/memory.h"
#include "daemon/table_options.h"

static void set(struct table_settings *s, const char *key, const char *value)
{
    struct error e;

    assert_ok(table_settings_set(s, key, value, &e), e);
}

/* Write, compare, read back, compare. */
static void check_json(const struct table_settings *s, const struct optimizer_settings *trained,
                       const char *want)
{
    struct table_settings back;
    struct error e;
    char *json;

    assert_ok(table_settings_write(&json, s, trained, &e), e);
    assert_string_equal(json, want);
    assert_ok(table_settings_read(&back, json, &e), e);
    assert_true(table_settings_same(s, &back));
    mem_free(json);
}

static void test_memory(void **state)
{
    static const char *const memory[] = {"map", "copy", "lock"};
    struct table_settings s;
    char want[64];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        table_settings_init(&s);
        set(&s, "memory", memory[i]);
        snprintf(want, sizeof want, "{\"memory\":\"%s\"}", memory[i]);
        check_json(&s, NULL, want);
    }
}

static void test_all_keys_in_any_order(void **state)
{
    static const char *const words[][2] = {
        {"weight_decay_mode", "decoupled"},
        {"optimizer", "adam"},
        {"learning_rate", "0.05"},
        {"tensors", "{\"q.weight\":{\"learning_rate\":0.5}}"},
        {"durability", "interval"},
        {"beta2", "0.99"},
        {"reset_optimizer", "yes"},
        {"memory", "lock"},
        {"cache", "2.5%"},
        {"epsilon", "1e-3"},
        {"beta1", "0.5"},
        {"initial_accumulator", "0.25"},
        {"clip_norm", "3"},
        {"count", "both"},
        {"scale_lr", "2e-5"},
        {"weight_decay", "0.125"},
        {"admit_after", "3"},
        {"evict_after", "86400"},
        {"admit_room", "1000"},
    };
    struct optimizer_option option[TABLE_OPTIMIZER_OPTIONS];
    struct table_settings s, t;

    (void)state;
    assert_int_equal(sizeof words / sizeof words[0], table_option_count);
    table_settings_init(&s);
    table_settings_init(&t);
    for (size_t i = 0; i < table_option_count; i++) {
        set(&s, words[i][0], words[i][1]);
        set(&t, words[table_option_count - 1 - i][0], words[table_option_count - 1 - i][1]);
    }
    assert_true(table_settings_same(&s, &t));
    check_json(
        &s, NULL,
        "{\"admit_after\":\"3\",\"admit_room\":\"1000\",\"beta1\":\"0.5\",\"beta2\":\"0.99\",\"cache\":\"2.5%\","
        "\"clip_norm\":\"3\",\"count\":\"both\",\"durability\":\"interval\","
        "\"epsilon\":\"1e-3\",\"evict_after\":\"86400\",\"initial_accumulator\":\"0.25\","
        "\"learning_rate\":\"0.05\","
        "\"memory\":\"lock\",\"optimizer\":\"adam\",\"reset_optimizer\":\"yes\","
        "\"scale_lr\":\"2e-5\",\"tensors\":\"{\\\"q.weight\\\":{\\\"learning_rate\\\":0.5}}\","
        "\"weight_decay\":\"0.125\",\"weight_decay_mode\":\"decoupled\"}");
    assert_int_equal(table_settings_optimizer(&s, option), 11);
    assert_string_equal(option[0].key, "beta1");
    assert_string_equal(option[10].text, "decoupled");
}

static void test_the_last_word_holds(void **state)
{
    struct table_settings s, t;

    (void)state;
    table_settings_init(&s);
    table_settings_init(&t);
    for (const char *const *w = (const char *const[]){"0.1", "0.123456789", "1", NULL}; *w; w++) {
        set(&s, "epsilon", "0.5");
        set(&s, "learning_rate", *w);
        set(&s, "optimizer", "sgd");
        set(&s, "durability", "interval");
        set(&s, "count", "pushes");
        set(&s, "reset_optimizer", "yes");
    }
    set(&s, "durability", "always");
    assert_int_equal(s.count, COUNT_PUSHES);
    set(&s, "count", "no");
    set(&s, "reset_optimizer", "no");
    set(&t, "learning_rate", "1");
    assert_false(table_settings_same(&s, &t));
    set(&t, "epsilon", "0.5");
    set(&t, "optimizer", "sgd");
    assert_true(table_settings_same(&s, &t));
    set(&t, "optimizer", "adam");
    assert_false(table_settings_same(&s, &t));
    check_json(
        &s, NULL,
        "{\"epsilon\":\"0.5\",\"learning_rate\":\"1\",\"memory\":\"map\",\"optimizer\":\"sgd\"}");
}

static void test_numbers_of_growth(void **state)
{
    struct table_settings s;
    struct error e;

    (void)state;
    table_settings_init(&s);
    assert_true(s.growth.admit_after == 1 && s.growth.evict_after == 0 &&
                s.growth.admit_room == 1048576);
    set(&s, "admit_after", "2");
    set(&s, "admit_after", "1"); /* as when nothing is said, and so not written */
    check_json(&s, NULL, "{\"memory\":\"map\"}");
    assert_fails(table_settings_set(&s, "admit_after", "0", &e), ST_INVALID, e,
                 "admit_after: \"0\" is no number from 1 to 1000000");
    assert_fails(table_settings_set(&s, "evict_after", "1d", &e), ST_INVALID, e,
                 "evict_after: \"1d\" is no number from 0 to 3153600000");
    assert_fails(table_settings_set(&s, "admit_room", "268435457", &e), ST_INVALID, e,
                 "admit_room: \"268435457\" is no number from 1 to 268435456");
    assert_fails(table_settings_set(&s, "admit_afterr", "1", &e), ST_INVALID, e,
                 "the nearest is admit_after");
}

static void test_refusals_change_nothing(void **state)
{
    static const struct {
        const char *key, *value, *words;
    } bad[] = {
        {"memory", "disk", "memory: \"disk\" is none of map, copy, lock"},
        {"durability", "sometimes", "durability: \"sometimes\" is neither always nor interval"},
        {"count", "yes", "count: \"yes\" is none of no, pushes, both"},
        {"reset_optimizer", "maybe", "reset_optimizer: \"maybe\" is neither yes nor no"},
        {"optimizer", "lamb", "optimizer"},
        {"learning_rate", "-1", "learning_rate"},
        {"learning_rate", "nan", "learning_rate"},
        {"beta1", "1", "beta1"},
        {"tensors", "[]", "tensors"},
        {"step", "7", "unknown option \"step\""},
        {"trained", "{}", "unknown option \"trained\""},
        {"optimiser", "sgd", "the nearest is optimizer"},
    };
    struct table_settings s, before;
    char longest[TABLE_OPTIMIZER_BYTES * 2];
    struct error e;

    (void)state;
    table_settings_init(&s);
    set(&s, "optimizer", "sgd");
    set(&s, "memory", "copy");
    before = s;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_fails(table_settings_set(&s, bad[i].key, bad[i].value, &e), ST_INVALID, e,
                     bad[i].words);
    memset(longest, ' ', sizeof longest);
    memcpy(longest, "{}", 2);
    longest[sizeof longest - 1] = '\0';
    assert_fails(table_settings_set(&s, "tensors", longest, &e), ST_INVALID, e, "longer than");
    longest[TABLE_OPTIMIZER_BYTES - s.optimizer_bytes - sizeof "tensors" - 1] = '\0';
    set(&s, "tensors", longest); /* just fits */
    assert_int_equal(s.optimizer_bytes, TABLE_OPTIMIZER_BYTES);
    set(&s, "tensors", "{}");
    assert_false(table_settings_same(&s, &before));
}

static void test_what_the_settings_came_to(void **state)
{
    struct optimizer_settings trained, back;
    struct optimizer_option option[TABLE_OPTIMIZER_OPTIONS];
    struct table_settings s;
    struct error e;
    char *json;

    (void)state;
    table_settings_init(&s);
    set(&s, "optimizer", "adam");
    set(&s, "learning_rate", "0.1");
    assert_ok(optimizer_settings_merge(&trained, NULL, option, table_settings_optimizer(&s, option),
                                       false, &e),
              e);
    trained.step = 77; /* is not a setting */
    assert_ok(table_settings_write(&json, &s, &trained, &e), e);
    assert_non_null(strstr(json, "\"optimizer\":\"adam\",\"trained\":{\"beta1\":0.9"));
    assert_ok(table_settings_trained(&back, json, &e), e);
    assert_true(optimizer_settings_equal(&trained, &back));
    assert_int_equal(back.step, 0);
    check_json(&s, &trained, json);
    mem_free(json);
    optimizer_settings_done(&back);
    optimizer_settings_done(&trained);
    assert_fails(table_settings_trained(&back, "{\"memory\":\"map\"}", &e), ST_NOT_FOUND, e, "");
}

static void test_json_of_others(void **state)
{
    struct table_settings t;
    struct error e;

    (void)state;
    assert_ok(table_settings_read(&t, "{}", &e), e);
    assert_int_equal(t.memory, REGION_MAP);
    assert_fails(table_settings_read(&t, "{", &e), ST_DATA_LOSS, e, "no JSON object");
    assert_fails(table_settings_read(&t, "[]", &e), ST_DATA_LOSS, e, "no JSON object");
    assert_fails(table_settings_read(&t, "{\"memory\":3}", &e), ST_INVALID, e, "memory");
    assert_fails(table_settings_read(&t, "{\"learning\":\"x\"}", &e), ST_INVALID, e, "learning");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_all_keys_in_any_order),
        cmocka_unit_test(test_the_last_word_holds),
        cmocka_unit_test(test_numbers_of_growth),
        cmocka_unit_test(test_refusals_change_nothing),
        cmocka_unit_test(test_what_the_settings_came_to),
        cmocka_unit_test(test_json_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
