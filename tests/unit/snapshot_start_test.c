/* SPDX-License-Identifier: Apache-2.0 */
/* How a table becomes a trainable one: its folder, the states that its file brings or that begin,
   and layouts of other writers. */
#include "tests/unit/snapshot_scene.h"

static void test_folders_are_made(void **state)
{
    struct scene s;
    struct stat st;

    (void)state;
    scene_begin(&s);
    scene_start(&s, &scene_tables[0], "sgd");
    assert_int_equal(stat(s.name, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(unit_path(&s.folder, "tables"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    scene_end(&s);
}

static enum status start_with(struct scene *s, const char *state, const char *text,
                              const char *optimizer, bool reset, struct table **t, struct error *e)
{
    struct optimizer_settings settings = scene_settings(optimizer);
    struct snapshot_start start = {
        .settings = &settings, .reset = reset, .generation = 1, .version = 1, .lsn = 1};
    struct snapshot made;
    struct table *source;
    enum status st;

    settings.step = 41;
    scene_write(unit_path(&s->folder, "source"), &scene_tables[0], &s->random, state, text);
    source = scene_open(unit_path(&s->folder, "source"), REGION_MAP);
    st = snapshot_start(s->name, source, &start, &made, e);
    if (st == ST_OK) {
        const struct file_tensor *from = state ? header_tensor(&source->header, state) : NULL, *to;

        *t = scene_open_snapshot(&made);
        to = from ? header_tensor(&(*t)->header, state) : NULL;
        if (!reset && from)
            assert_memory_equal(table_tensor(*t, to), table_tensor(source, from),
                                from->tensor.bytes);
    }
    table_close(source);
    return st;
}

static void test_states_of_the_source(void **state)
{
    static const struct {
        const char *state, *text, *optimizer;
        bool reset;
        const char *words; /* of a refusal, NULL: none */
        const char *step;  /* in the new embd.optimizer */
    } cases[] = {
        {NULL, NULL, "adam", false, NULL, "\"step\":0"},
        {NULL, NULL, "sgd", false, NULL, "\"step\":41"}, /* it has no state that would begin */
        {NULL, NULL, "sgd", true, NULL, "\"step\":0"},
        {"optimizer.weight.sum", "{\"name\":\"adagrad\"}", "adagrad", false, NULL, "\"step\":41"},
        {"optimizer.weight.sum", NULL, "adagrad", false, NULL, "\"step\":41"},
        {"optimizer.weight.sum", "{\"name\":\"adagrad\"}", "adagrad", true, NULL, "\"step\":0"},
        {"optimizer.weight.sum", "{\"name\":\"adagrad\"}", "adam", true, NULL, "\"step\":0"},
        {"optimizer.weight.sum", "{\"name\":\"adagrad\"}", "rowwise_adagrad", false,
         "the state of adagrad, not of rowwise_adagrad", NULL},
        {"optimizer.weight.sum", NULL, "rowwise_adagrad", false, "the shape of", NULL},
        {"optimizer.weight.sum", "{\"name\":\"adagrad\"}", "sgd", false, "not of sgd", NULL},
        {"optimizer.weight.sum", NULL, "sgd", false, "of which sgd keeps 0", NULL},
        {"optimizer.weight.sum", NULL, "adam", false, "not \"optimizer.weight.m\"", NULL},
        {"optimizer.weight.m", "{\"name\":\"adam\"}", "adam", false, "not \"optimizer.weight.v\"",
         NULL},
    };
    struct scene s;
    struct error e;

    (void)state;
    scene_begin(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct table *t = NULL;
        enum status st = start_with(&s, cases[i].state, cases[i].text, cases[i].optimizer,
                                    cases[i].reset, &t, &e);

        if (cases[i].words) {
            assert_fails(st, ST_INVALID, e, cases[i].words);
            assert_non_null(strstr(e.text, "reset_optimizer"));
            continue;
        }
        assert_ok(st, e);
        assert_non_null(strstr(t->optimizer, cases[i].step));
        table_close(t);
    }
    scene_end(&s);
}

/* A snapshot is a table file: another table can begin with it, states and all. */
static void test_start_from_a_snapshot(void **state)
{
    struct snapshot_start start = {.generation = 4, .version = 1, .lsn = 1};
    struct snapshot made;
    struct table *source, *t;
    struct scene s;
    struct error e;

    (void)state;
    scene_begin(&s);
    scene_start(&s, &scene_tables[9], "adam");
    scene_push(&s, 3);
    assert_ok(scene_snapshot(&s, 0, false, NULL, NULL, &e), e);
    source = scene_open_snapshot(&s.newest[0]);
    start.settings = &s.settings;
    assert_ok(snapshot_start(s.name, source, &start, &made, &e), e);
    t = scene_open_snapshot(&made);
    assert_true(t->generation == 4 && t->applied == 1 && t->lsn == 1);
    assert_string_equal(t->optimizer, source->optimizer);
    assert_int_equal(t->region->size, source->region->size);
    assert_memory_equal(t->region->data, source->region->data, t->region->size);
    assert_int_equal(made.checksum, source->checksum);
    table_close(t);
    table_close(source);
    scene_end(&s);
}

/* The layout of any other writer: tensors in another order and not aligned. */
static void test_start_from_a_foreign_layout(void **state)
{
    static const char header[] =
        "{\"__metadata__\":{\"embd.version\":\"1\",\"embd.method\":\"full\",\"embd.rows\":\"2\","
        "\"embd.dim\":\"2\"},\"default\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
        "\"frequency\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[8,24]},"
        "\"weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[24,40]}}   ";
    const float values[] = {1, 2, 3, 4, 5, 6};
    const int64_t counts[] = {7, 8};
    struct optimizer_settings settings = scene_settings("rowwise_adagrad");
    struct snapshot_start start = {.settings = &settings, .generation = 1, .version = 1, .lsn = 1};
    struct snapshot made;
    struct table *source, *t;
    struct scene s;
    struct error e;
    const char *path;
    FILE *file;

    (void)state;
    scene_begin(&s);
    path = unit_path(&s.folder, "source");
    file = fopen(path, "wb");
    assert_non_null(file);
    uint64_t n = sizeof header - 1 - (sizeof header - 1) % 2; /* so that the data are not aligned */
    assert_true((8 + n) % 8 != 0);
    fwrite(&n, 8, 1, file);
    fwrite(header, 1, n, file);
    fwrite(values, 4, 2, file);
    fwrite(counts, 8, 2, file);
    fwrite(values + 2, 4, 4, file);
    fclose(file);
    for (int memory = REGION_MAP; memory <= REGION_COPY; memory++) {
        source = scene_open(path, (enum region_mode)memory);
        start.counts = memory == REGION_COPY; /* it has some */
        assert_ok(snapshot_start(s.name, source, &start, &made, &e), e);
        table_close(source);
        t = scene_open_snapshot(&made);
        assert_memory_equal(t->fallback, values, 8);
        assert_memory_equal(t->frequency, counts, 16);
        assert_memory_equal(t->part[0].tensor[0].data, values + 2, 16);
        assert_int_equal(t->header.tensor_count, 4);
        table_close(t);
    }
    scene_end(&s);
}

static void test_counts_begin(void **state)
{
    struct snapshot_start start = {.generation = 1, .version = 1, .lsn = 1, .counts = true};
    struct snapshot made;
    struct table *source, *t;
    struct scene s;
    struct error e;

    (void)state;
    scene_begin(&s);
    scene_start(&s, &scene_tables[9], "adam");
    source = scene_open_snapshot(&s.newest[0]);
    assert_null(source->frequency);
    start.settings = &s.settings;
    assert_ok(snapshot_start(s.name, source, &start, &made, &e), e);
    t = scene_open_snapshot(&made);
    assert_non_null(t->frequency);
    for (uint64_t i = 0; i < t->rows; i++)
        assert_int_equal(t->frequency[i], 0);
    assert_int_equal(t->header.tensor_count, source->header.tensor_count + 1);
    assert_string_equal(t->optimizer, source->optimizer);
    table_close(t);
    table_close(source);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folders_are_made),
        cmocka_unit_test(test_states_of_the_source),
        cmocka_unit_test(test_start_from_a_snapshot),
        cmocka_unit_test(test_start_from_a_foreign_layout),
        cmocka_unit_test(test_counts_begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
