/* SPDX-License-Identifier: Apache-2.0 */
/* Counting in training: each push adds to the frequency of the rows that it names, and changes
   nothing else. That it is marked before it is written is in training_test.c. */
#include "base/memory.h"
#include "kernels/kernels.h"
#include "lookup_tables.h"
#include "table/image.h"
#include "tests/unit/training_kit.h"

static const struct shape {
    const char *method, *settings;
    uint64_t budget;
} shapes[] = {
    {"full", "", 0},
    {"hash", "", 11 * 6 * 4},
    {"compo", "op=mult collisions=7", 0},
    {"compo", "op=add pool=pool_first collisions=7", 0},
    {"fp16", "", 0},
    {"bf16", "", 0},
    {"int8", "qparam=row", 0},
    {"int16", "qparam=row", 0},
    {"alpt", "digit=8", 0},
    {"deeplight", "form=csr", 90 * 5 + 8 * 41},
    {"autosrh", "form=csr", 90 * 5 + 8 * 41},
    {"pep", "form=coo", 60 * 9},
    {"adapt", "remap=dense", 20 * 6 * 4},
    {"robe", "block=2", 90 * 4},
    {"mde", "dims=3", 0},
    {"autodim", "dims=4", 0},
    {"optembed", "form=compact", 40 * 6 * 2},
    {"tt", "digit_order=little n=2,4,5 d=2,1,3 r=1,3,2,1", 0},
    {"dhe", "k=3 width=4", 0},
    {"dedup", "bx=2 by=3", 20 * 6 * 4},
    {"dpq", "parts=3 k=7", 0},
    {"mgqe", "parts=3 k_high=7 k_low=3", 0},
};
#define SHAPES (sizeof shapes / sizeof shapes[0])
#define SETTINGS "{\"name\":\"rowwise_adagrad\",\"learning_rate\":0.02,\"clip_norm\":2}"
enum { ROWS = 40, DIM = 6, PUSHES = 8, IDS = 60 };

/* All tensors but the frequency are as in the other table. */
static void check_others(const struct table *t, const struct table *other)
{
    for (size_t i = 0; i < t->header.tensor_count; i++) {
        const struct file_tensor *ft = &t->header.tensor[i];
        const struct file_tensor *of = header_tensor(&other->header, ft->tensor.name);

        if (!strcmp(ft->tensor.name, "frequency"))
            continue;
        assert_non_null(of);
        assert_int_equal(of->tensor.bytes, ft->tensor.bytes);
        assert_memory_equal(table_tensor(t, ft), table_tensor(other, of), ft->tensor.bytes);
    }
}

static uint64_t check_counts(const struct table *t, const int64_t *due)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < t->rows; i++) {
        assert_int_equal(t->frequency[i], due[i]);
        sum += (uint64_t)due[i];
    }
    return sum;
}

/* The same pushes into a table that counts and into one that does not. */
static void run(const struct table *base)
{
    struct table *t = kit_counted(&folder, base, SETTINGS);
    struct table *plain = kit_trainable(&folder, base, SETTINGS);
    int64_t *due = calloc(t->rows, sizeof *due);
    struct random r = {.state = base->rows}, same = r;
    struct training *training, *other;
    struct error e;

    assert_non_null(due);
    assert_ok(training_new(&training, t, &e), e);
    assert_ok(training_new(&other, plain, &e), e);
    assert_true(training_can_count(training));
    assert_false(training_can_count(other));
    for (uint64_t v = 1; v <= PUSHES; v++) {
        struct kit_push push, twin;

        kit_push(&push, t, &r, v == 3 ? 0 : IDS, 0.5f);
        kit_push(&twin, plain, &same, v == 3 ? 0 : IDS, 0.5f);
        push.update.counted = v != 5; /* one that is not counted */
        twin.update.counted = true;   /* and one that nobody can count */
        for (size_t i = 0; push.update.counted && i < push.query.id_count; i++)
            if ((uint64_t)push.id[i] < t->rows)
                due[push.id[i]]++;
        kit_apply(training, &push, 0.02f, v);
        kit_apply(other, &twin, 0.02f, v);
        check_others(t, plain);
        assert_int_equal(check_counts(t, due), training_accesses(training));
        assert_int_equal(training_accesses(other), 0);
        kit_push_done(&push);
        kit_push_done(&twin);
    }
    training_free(training);
    training_free(other);
    table_close(t);
    table_close(plain);
    free(due);
}

static void test_counts_and_nothing_else(void **state)
{
    (void)state;
    for (size_t k = 0; k < SHAPES; k++) {
        struct table *base = kit_table_file(&folder, "base", shapes[k].method, ROWS, DIM,
                                            shapes[k].budget, shapes[k].settings);

        run(base);
        table_close(base);
    }
}

/* Rows are those of the whole table, also where some fields pool first. */
static void test_counts_fields(void **state)
{
    struct table *base = open_table(8);

    (void)state;
    run(base);
    table_close(base);
}

static void test_counts_stop_at_the_largest(void **state)
{
    static const int64_t id[] = {1, 2, 1, 1, -1, 40};
    struct table *base = kit_table_file(&folder, "base", "full", ROWS, DIM, 0, "");
    struct table *t = kit_counted(&folder, base, SETTINGS);
    float gradient[sizeof id / sizeof id[0] * DIM] = {0};
    struct training *training;
    struct kit_push push;
    struct error e;

    (void)state;
    ((int64_t *)t->frequency)[1] = INT64_MAX - 2;
    ((int64_t *)t->frequency)[3] = INT64_MAX;
    assert_ok(training_new(&training, t, &e), e);
    assert_int_equal(training_accesses(training), UINT64_MAX - 3);
    kit_push_rows(&push, t, id, sizeof id / sizeof id[0], gradient);
    push.update.counted = true;
    for (uint64_t v = 1; v <= 3; v++)
        kit_apply(training, &push, 0.1f, v);
    assert_int_equal(t->frequency[1], INT64_MAX);
    assert_int_equal(t->frequency[2], 3);
    assert_int_equal(t->frequency[3], INT64_MAX);
    assert_int_equal(training_accesses(training), UINT64_MAX); /* and no further */
    kit_push_done(&push);
    training_free(training);
    table_close(t);
    table_close(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_and_nothing_else),
        cmocka_unit_test(test_counts_fields),
        cmocka_unit_test(test_counts_stop_at_the_largest),
    };

    return cmocka_run_group_tests(tests, lookup_start, lookup_stop);
}
