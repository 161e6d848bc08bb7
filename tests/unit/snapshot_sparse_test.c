/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of pruned tables, of which some rows have no entry: the states have a number for each
   row or for each entry, are found again, and go on from a snapshot as from memory. */
#include "tests/unit/snapshot_scene.h"

#include "methods/sparse_rows.h"
#include "tests/unit/training_kit.h"

enum { ROWS = 60, DIM = 6, ENTRIES = 70 };

static const struct form {
    const char *settings, *data;
    uint64_t budget;
} forms[] = {
    {"form=csr", "csr.data", ENTRIES * 5 + 8 * (ROWS + 1)},
    {"form=coo", "coo.data", ENTRIES * 9},
};
static const char *const optimizers_of[] = {"sgd", "adagrad", "rowwise_adagrad", "adam"};

static struct table *start(struct scene *s, struct table *source, const char *optimizer,
                           uint64_t version)
{
    struct optimizer_settings settings = scene_settings(optimizer);
    struct snapshot_start start = {
        .settings = &settings, .generation = version, .version = version, .lsn = 1};
    struct snapshot made;
    struct error e;

    assert_ok(snapshot_start(s->name, source, &start, &made, &e), e);
    return scene_open_snapshot(&made);
}

static void expect_states(const struct table *t, const struct form *form, const char *optimizer)
{
    static const char *const states[] = {"sum", "m", "v"};
    bool rows = !strcmp(optimizer, "rowwise_adagrad");

    for (size_t i = 0; i < 3; i++) {
        bool due = i == 0 ? rows || !strcmp(optimizer, "adagrad") : !strcmp(optimizer, "adam");
        const struct file_tensor *ft;
        char name[100];

        snprintf(name, sizeof name, "optimizer.%s.%s", form->data, states[i]);
        ft = header_tensor(&t->header, name);
        assert_int_equal(due, ft != NULL);
        if (!due)
            continue;
        assert_int_equal(ft->tensor.rank, 1);
        assert_int_equal(ft->tensor.shape[0], rows ? ROWS : ENTRIES);
    }
}

/* Six pushes; the table is opened anew from a snapshot of itself after half of them, or not. */
static unsigned char *train(struct scene *s, const struct form *form, const char *optimizer,
                            bool again, uint64_t *version, size_t *bytes)
{
    struct table *base =
        kit_table_file(&s->folder, "base", "deeplight", ROWS, DIM, form->budget, form->settings);
    struct table *t = start(s, base, optimizer, ++*version), *next;
    struct random r = {.state = 5};
    unsigned char *copy;
    struct training *training;
    struct error e;

    assert_int_equal(t->part[0].tensor[sparse_data(t->part[0].value)].count, ENTRIES);
    expect_states(t, form, optimizer);
    assert_ok(training_new(&training, t, &e), e);
    for (uint64_t i = 1; i <= 6; i++) {
        struct kit_push push;

        kit_push(&push, t, &r, 50, 1);
        kit_apply(training, &push, 0.1f, i);
        kit_push_done(&push);
        if (i != 3 || !again)
            continue;
        next = start(s, t, optimizer, ++*version); /* as it lies in memory */
        training_free(training);
        table_close(t);
        t = next;
        expect_states(t, form, optimizer);
        assert_ok(training_new(&training, t, &e), e);
    }
    training_free(training);
    copy = malloc(t->region->size);
    memcpy(copy, t->region->data, t->region->size);
    *bytes = t->region->size;
    table_close(t);
    table_close(base);
    return copy;
}

static void test_states(void **state)
{
    uint64_t version = 0;
    size_t bytes;
    struct scene s;

    (void)state;
    scene_begin(&s);
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++)
        for (size_t o = 0; o < 4; o++) {
            unsigned char *calm = train(&s, &forms[f], optimizers_of[o], false, &version, &bytes);
            unsigned char *again = train(&s, &forms[f], optimizers_of[o], true, &version, &bytes);

            if (strcmp(optimizers_of[o], "adam")) /* whose step begins anew without a log */
                assert_memory_equal(calm, again, bytes);
            free(calm);
            free(again);
        }
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_states)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
