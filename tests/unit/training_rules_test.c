/* SPDX-License-Identifier: Apache-2.0 */
/* Which tables can be trained and which cannot, what becomes of numbers that leave their range, and
   that nothing needs memory once it is reserved. */
#include "tests/unit/training_kit.h"

#include <math.h>

#include "base/memory.h"
#include "lookup_tables.h"
#include "table/catalog.h"
#include "table/optimizer_settings.h"

static struct table *make(const char *method, const char *settings, const char *optimizer)
{
    struct table *base = kit_table_file(&folder, "base", method, 40, 8, 0, settings);
    struct table *t = kit_trainable(&folder, base, optimizer);

    table_close(base);
    return t;
}

static void refuse(struct table *t, enum status st, const char *words)
{
    struct training *training = NULL;
    struct error e;

    assert_fails(training_new(&training, t, &e), st, e, words);
    assert_null(training);
    table_close(t);
}

static void test_refuses_optimizers_that_do_not_suit(void **state)
{
    static const char *const methods_of[] = {"int8", "int16", "fp16", "bf16"};
    static const char *const names[] = {"{\"name\":\"adam\"}", "{\"name\":\"adagrad\"}"};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 2; k++)
            refuse(make(methods_of[i], "", names[k]), ST_INVALID, "is for tensors of F32");
}

static void test_refuses_tables_without_a_state(void **state)
{
    static const char *const lost[] = {"optimizer.r.weight.m", "optimizer.q.weight.v"};
    struct table *base = kit_table_file(&folder, "base", "compo", 40, 8, 0, "collisions=5");
    const struct table_options options = {.memory = REGION_COPY};
    const char *path = unit_path(&folder, "t");
    struct table *t;
    struct error e;
    char words[80];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        kit_trainable_file(path, base, "{\"name\":\"adam\"}", lost[i]);
        assert_ok(table_open(&t, path, &options, &e), e);
        snprintf(words, sizeof words, "tensor \"%s\" is missing, the state of adam", lost[i]);
        refuse(t, ST_INVALID, words);
    }
    assert_ok(table_open(&t, path, &(struct table_options){.memory = REGION_MAP}, &e), e);
    refuse(t, ST_INVALID, "a table whose file is mapped cannot be trained");
    assert_ok(table_open(&t, unit_path(&folder, "base"), &options, &e), e);
    refuse(t, ST_INVALID, "embd.optimizer is missing");
    table_close(base);
}

/* A state of a shape that a file may have, but of another optimizer. */
static void test_refuses_another_optimizers_state(void **state)
{
    static const struct table_file wide = {
        .header = HEAD(FULL ",'embd.optimizer':'{`name`:`rowwise_adagrad`}'",
                       WEIGHT "," TENSOR("optimizer.weight.sum", "F32", "[2,4]", "32", "64")),
        .zeros = 64,
        .align = 64};
    static const struct table_file narrow = {
        .header = HEAD(FULL ",'embd.optimizer':'{`name`:`adagrad`}'",
                       WEIGHT "," TENSOR("optimizer.weight.sum", "F32", "[2]", "32", "40")),
        .zeros = 40,
        .align = 64};

    (void)state;
    refuse(table_file_load(&folder, &wide, REGION_COPY), ST_INVALID,
           "tensor \"optimizer.weight.sum\" holds 8 F32; rowwise_adagrad needs 2 F32");
    refuse(table_file_load(&folder, &narrow, REGION_COPY), ST_INVALID,
           "holds 2 F32; adagrad needs 8 F32");
}

/* Such a tensor was copied out of the memory that snapshots see. */
static void test_refuses_tensors_that_are_not_aligned(void **state)
{
    static const struct table_file parameter = {
        .header = HEAD(
            META("int8", "2", "3") CONFIG(
                "{`digit`:8,`signed`:false,`qparam`:`row`}") ",'embd.optimizer':'{`name`:`sgd`}'",
            TENSOR("q", "U8", "[2,3]", "0", "6") "," TENSOR("qparams", "F32", "[2,2]", "6", "22")),
        .zeros = 22,
        .align = 64};
    static const struct table_file sum = {
        .header = HEAD(META("fp16", "1", "3") ",'embd.optimizer':'{`name`:`rowwise_adagrad`}'",
                       TENSOR("weight", "F16", "[1,3]", "0",
                              "6") "," TENSOR("optimizer.weight.sum", "F32", "[1]", "6", "10")),
        .zeros = 10,
        .align = 64};

    (void)state;
    refuse(table_file_load(&folder, &parameter, REGION_COPY), ST_INVALID,
           "tensor \"qparams\" is not aligned to its elements");
    refuse(table_file_load(&folder, &sum, REGION_COPY), ST_INVALID,
           "tensor \"optimizer.weight.sum\" is not aligned to its elements");
}

/* A method that has no gradient, here one that lost it. */
static void test_refuses_methods_without_a_gradient(void **state)
{
    struct table *t = make("full", "", "{\"name\":\"sgd\"}");
    struct method dull = *t->method;

    (void)state;
    dull.gradient = NULL;
    t->method = t->part[0].method = &dull;
    refuse(t, ST_PRECONDITION, "a table of the method full cannot be trained");
}

static void test_keeps_what_would_not_be_finite(void **state)
{
    static const int64_t id[] = {3, 4};
    float gradient[16] = {[1] = 1e38f, [2] = 1, [9] = -1e38f};
    struct table *t = make("full", "", "{\"name\":\"sgd\"}");
    const float *weight = t->part[0].tensor[0].data;
    struct training_counts c;
    struct training *training;
    struct kit_push push;
    struct error e;
    float before[16];

    (void)state;
    memcpy(before, weight + 3 * 8, sizeof before);
    assert_ok(training_new(&training, t, &e), e);
    kit_push_rows(&push, t, id, 2, gradient);
    kit_apply(training, &push, 1e3f, 1);
    training_counts(training, &c);
    assert_int_equal(c.kept, 2);
    for (size_t j = 0; j < 16; j++)
        assert_true(weight[3 * 8 + j] == (j == 2 ? before[2] - 1e3f : before[j]));
    kit_apply(training, &push, 1, 2);
    training_counts(training, &c);
    assert_int_equal(c.kept, 2); /* this time they are finite */
    assert_true(weight[3 * 8 + 1] == -1e38f);
    kit_push_done(&push);
    training_free(training);
    table_close(t);
}

static void test_counts_what_is_cut_off(void **state)
{
    static const int64_t id[] = {0};
    float gradient[8] = {-1e6f, 0, 0, 1e6f, 1e6f};
    struct table *t = make("fp16", "", "{\"name\":\"sgd\"}");
    struct training_counts c;
    struct training *training;
    struct kit_push push;
    struct error e;
    float now[8];

    (void)state;
    assert_ok(training_new(&training, t, &e), e);
    kit_push_rows(&push, t, id, 1, gradient);
    kit_apply(training, &push, 1, 1);
    training_counts(training, &c);
    assert_int_equal(c.saturated, 3);
    unit_load(&t->part[0], 0, 0, now);
    assert_true(now[0] == 65504 && now[3] == -65504 && now[4] == -65504);
    kit_push_done(&push);
    training_free(training);
    table_close(t);
}

static void test_takes_other_settings(void **state)
{
    struct table *t = make("full", "", "{\"name\":\"adam\",\"step\":5}");
    struct optimizer_settings s;
    struct training *training;
    struct random r = {.state = 1};
    struct kit_push push;
    struct error e;

    (void)state;
    assert_ok(training_new(&training, t, &e), e);
    kit_push(&push, t, &r, 20, 1);
    kit_apply(training, &push, 0.1f, 1);
    assert_ok(optimizer_settings_copy(&s, training_settings(training), &e), e);
    assert_int_equal(s.step, 6);
    s.step = 99;
    assert_ok(optimizer_settings_set(&s, "learning_rate", "0.5", &e), e);
    assert_ok(optimizer_settings_set(&s, "tensors", "{\"weight\":{\"learning_rate\":2}}", &e), e);
    assert_ok(training_set(training, &s, &e), e);
    assert_true(optimizer_settings_equal(&s, training_settings(training)));
    assert_int_equal(training_settings(training)->step, 6); /* a count, not a setting */
    assert_ptr_not_equal(training_settings(training)->rate, s.rate);
    assert_ok(optimizer_settings_set(&s, "tensors", "{\"w\":{\"learning_rate\":2}}", &e), e);
    assert_fails(training_set(training, &s, &e), ST_INVALID, e, "there is no tensor \"w\"");
    assert_string_equal(training_settings(training)->rate[0].name, "weight");
    s.optimizer = optimizer_find("sgd", 3);
    assert_fails(training_set(training, &s, &e), ST_INVALID, e, "the optimizer is adam; it cannot");
    assert_string_equal(training_settings(training)->optimizer->name, "adam");
    optimizer_settings_done(&s);
    kit_push_done(&push);
    training_free(training);
    table_close(t);
}

/* A push of which every id was skipped is a push all the same. */
static void test_counts_pushes_without_rows(void **state)
{
    static const int64_t id[] = {40, -1};
    static const float gradient[16] = {1};
    struct table *t = make("full", "", "{\"name\":\"adam\"}");
    struct training_counts c;
    struct training *training;
    struct kit_push push;
    struct error e;

    (void)state;
    assert_ok(training_new(&training, t, &e), e);
    kit_push_rows(&push, t, id, 2, gradient);
    kit_apply(training, &push, 1, 1);
    training_counts(training, &c);
    assert_true(c.pushes == 1 && c.skipped == 2 && c.ids == 2 && c.rows == 0);
    assert_true(c.changed_bytes == 0);
    assert_int_equal(training_settings(training)->step, 1);
    assert_int_equal(blocks_changed(training_blocks(training), 0), 0);
    kit_push_done(&push);
    training_free(training);
    table_close(t);
}

static void test_tells_its_memory(void **state)
{
    struct table *t = make("full", "", "{\"name\":\"adam\"}");
    struct random r = {.state = 1};
    struct training *training;
    struct kit_push push;
    struct error e;
    uint64_t before;

    (void)state;
    assert_ok(training_new(&training, t, &e), e);
    before = training_bytes(training);
    assert_true(before > blocks_bytes(training_blocks(training)));
    kit_push(&push, t, &r, 100, 1);
    assert_ok(training_reserve(training, &push.update, &e), e);
    assert_true(training_bytes(training) >=
                before + push.update.rows * 8 * sizeof(float) * 2); /* gradient, value */
    kit_push_done(&push);
    training_free(training);
    training_free(NULL);
    table_close(t);
}

static void test_belongs_to_its_entry(void **state)
{
    struct table *t = make("full", "", "{\"name\":\"sgd\"}");
    struct training *training;
    struct entry *entry;
    struct error e;

    (void)state;
    assert_ok(training_new(&training, t, &e), e);
    assert_ok(entry_new(&entry, "t", t, 12, 1, 0, 1, &e), e);
    assert_null(entry->gauges);
    assert_int_equal(atomic_load(&entry->version), 12);
    assert_ok(entry_train(entry, training, &e), e);
    assert_ptr_equal(entry->training, training);
    assert_int_equal(atomic_load(&entry->gauges->pushes), 0);
    entry_free(entry); /* with all of it: the leak checker looks */
}

#ifdef EMBD_DEVELOPER
/* Several pushes are reserved, then applied in order, and no allocation is made any more. */
static void test_needs_no_memory_once_reserved(void **state)
{
    static const struct {
        const char *method, *settings, *optimizer;
    } cases[] = {
        {"full", "", "{\"name\":\"adam\",\"clip_norm\":1}"},
        {"hash", "", "{\"name\":\"rowwise_adagrad\"}"},
        {"compo", "op=mult pool=pool_first collisions=7", "{\"name\":\"adagrad\"}"},
        {"bf16", "", "{\"name\":\"rowwise_adagrad\"}"},
        {"int8", "qparam=row", "{\"name\":\"sgd\"}"},
        {"int16", "qparam=table", "{\"name\":\"sgd\"}"},
    };
    static const size_t ids[] = {5, 300, 40, 0};

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct table *t = make(cases[k].method, cases[k].settings, cases[k].optimizer);
        struct random r = {.state = k};
        struct training *training;
        struct kit_push push[4];
        struct error e;

        assert_ok(training_new(&training, t, &e), e);
        for (size_t i = 0; i < 4; i++) {
            kit_push(&push[i], t, &r, ids[i], 10);
            assert_ok(training_reserve(training, &push[i].update, &e), e);
        }
        mem_fail_at(1, true);
        for (size_t i = 0; i < 4; i++) {
            training_step(training, &push[i].update, 0.1f, i + 1);
            training_mark(training);
            training_write(training);
        }
        mem_fail_at(0, false);
        assert_false(mem_failed());
        for (size_t i = 0; i < 4; i++)
            kit_push_done(&push[i]);
        training_free(training);
        table_close(t);
    }
}

static void test_survives_failing_allocations(void **state)
{
    struct table *t = make("compo", "collisions=7",
                           "{\"name\":\"adam\",\"tensors\":{\"q.weight\":{\"learning_rate\":1}}}");
    struct random r = {.state = 1};
    enum status st = ST_EXHAUSTED;
    struct optimizer_settings s;
    struct kit_push push;
    struct error e;
    uint64_t n = 1;

    (void)state;
    assert_ok(optimizer_settings_read(&s, t->optimizer, 0, &e), e);
    kit_push(&push, t, &r, 20, 1);
    for (; st != ST_OK; n++) {
        struct training *training = NULL;

        mem_fail_at(n, false);
        st = training_new(&training, t, &e);
        if (st == ST_OK)
            st = training_set(training, &s, &e);
        if (st == ST_OK)
            st = training_reserve(training, &push.update, &e);
        mem_fail_at(0, false);
        assert_true(st == ST_OK || st == ST_EXHAUSTED);
        if (training && st != ST_OK) { /* one that failed to reserve can try again */
            kit_apply(training, &push, 0.1f, 1);
            assert_int_equal(training_settings(training)->step, 1);
        }
        training_free(training);
    }
    assert_true(n > 15);
    optimizer_settings_done(&s);
    kit_push_done(&push);
    table_close(t);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_optimizers_that_do_not_suit),
        cmocka_unit_test(test_refuses_tables_without_a_state),
        cmocka_unit_test(test_refuses_another_optimizers_state),
        cmocka_unit_test(test_refuses_tensors_that_are_not_aligned),
        cmocka_unit_test(test_refuses_methods_without_a_gradient),
        cmocka_unit_test(test_keeps_what_would_not_be_finite),
        cmocka_unit_test(test_counts_what_is_cut_off),
        cmocka_unit_test(test_takes_other_settings),
        cmocka_unit_test(test_counts_pushes_without_rows),
        cmocka_unit_test(test_tells_its_memory),
        cmocka_unit_test(test_belongs_to_its_entry),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_needs_no_memory_once_reserved),
        cmocka_unit_test(test_survives_failing_allocations),
#endif
    };

    return cmocka_run_group_tests(tests, lookup_start, lookup_stop);
}
