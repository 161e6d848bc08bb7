/* SPDX-License-Identifier: Apache-2.0 */
/* What a folder of snapshots says, what is deleted from it, and how it begins. */
#include "tests/unit/snapshot_scene.h"

static void touch(struct scene *s, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", s->name, name);
    unit_write(path, "x", 1);
}

static size_t listed(const struct scene *s, uint64_t generation)
{
    struct snapshot *list;
    struct error e;
    size_t count;

    assert_ok(snapshot_list(&list, &count, s->name, generation, &e), e);
    mem_free(list);
    return count;
}

static void snap(struct scene *s, unsigned lineage, bool whole)
{
    struct error e;

    scene_push(s, 3);
    assert_ok(scene_snapshot(s, lineage, whole, NULL, NULL, &e), e);
}

static void test_no_folder(void **state)
{
    struct scene s;
    struct error e;

    (void)state;
    scene_begin(&s);
    assert_int_equal(listed(&s, 3), 0);
    assert_ok(snapshot_prune(s.name, 3, 0, &e), e);
    assert_ok(snapshot_forget(s.name, &e), e);
    scene_end(&s);
}

static void test_list_is_newest_first(void **state)
{
    struct snapshot *list;
    struct error e;
    struct scene s;
    size_t count;

    (void)state;
    scene_begin(&s);
    scene_start(&s, &scene_tables[0], "sgd"); /* a 10 */
    snap(&s, 0, false);                       /* a 11 */
    snap(&s, 1, true);                        /* b 12 */
    snap(&s, 0, false);                       /* a 13 */
    assert_ok(scene_snapshot(&s, 1, false, NULL, NULL, &e),
              e); /* b 13: of the same version, later */
    assert_ok(snapshot_list(&list, &count, s.name, 3, &e), e);
    static const struct {
        uint64_t version, files;
        unsigned lineage;
        bool whole;
    } expected[] = {{13, 2, 1, false},
                    {13, 3, 0, false},
                    {12, 1, 1, true},
                    {11, 2, 0, false},
                    {10, 1, 0, true}};
    assert_int_equal(count, 5);
    for (size_t i = 0; i < 5; i++) {
        struct stat st;

        assert_int_equal(list[i].version, expected[i].version);
        assert_int_equal(list[i].files, expected[i].files);
        assert_int_equal(list[i].lineage, expected[i].lineage);
        assert_true(list[i].whole == expected[i].whole && !list[i].damaged);
        assert_int_equal(list[i].generation, 3);
        assert_int_equal(list[i].lsn, 100 + 2 * (list[i].version - 10));
        assert_int_equal(stat(list[i].path, &st), 0);
        assert_int_equal(list[i].bytes, st.st_size);
        assert_int_equal(list[i].time_us / 1000000, st.st_mtim.tv_sec);
    }
    assert_int_equal(list[1].chain_bytes, list[1].bytes + list[3].bytes + list[4].bytes);
    /* Of one version and lineage, the one that has more of the log behind it. */
    mem_free(list);
    s.lsn += 5;
    assert_fails(scene_snapshot(&s, 1, false, NULL, NULL, &e), ST_EXISTS, e, "it must be whole");
    assert_ok(scene_snapshot(&s, 1, true, NULL, NULL, &e), e);
    assert_ok(snapshot_list(&list, &count, s.name, 3, &e), e);
    assert_int_equal(count, 6);
    assert_true(list[0].whole && list[0].lineage == 1 && list[0].lsn == s.lsn);
    assert_true(list[1].version == 13 && list[2].version == 13);
    mem_free(list);
    scene_end(&s);
}

static void test_other_files_are_left_out(void **state)
{
    static const char *const names[] = {
        "notes.txt",
        "00000000000000000003-00000000000000000099-a.safetensors~",
        "00000000000000000003-00000000000000000099-a.safetensor",
        "00000000000000000003-00000000000000000099-c.safetensors",
        "00000000000000000003-00000000000000000099-a",
        "0000000000000000003-00000000000000000099-a.blocks",
        "000000000000000000003-00000000000000000099-a.blocks",
        "00000000000000000003-0000000000000000009x-a.blocks",
        "00000000000000000003-00000000000000000099-a.blocks.tmp",
        "00000000000000000003-00000000000000000099-a.blocks.0123456789abcdeg.tmp",
        "00000000000000000003-09999999999999999999-a.blocks", /* no number is above 2^63 - 1 */
        "99999999999999999999-00000000000000000099-a.blocks",
        "00000000000000000004-00000000000000000099-a.blocks", /* another life */
    };
    static const char *const temporaries[] = {
        "00000000000000000003-00000000000000000099-a.blocks.0123456789abcdef.tmp",
        "00000000000000000003-00000000000000000099-b.safetensors.fedcba9876543210.tmp",
        "00000000000000000009-00000000000000000001-b.safetensors.fedcba9876543210.tmp",
    };
    const size_t n = sizeof names / sizeof names[0];
    struct scene s;
    struct error e;

    (void)state;
    scene_begin(&s);
    scene_start(&s, &scene_tables[0], "sgd");
    for (size_t i = 0; i < n; i++)
        touch(&s, names[i]);
    for (size_t i = 0; i < 3; i++)
        touch(&s, temporaries[i]);
    assert_int_equal(listed(&s, 3), 1);
    assert_int_equal(listed(&s, 4), 1);
    /* With one snapshot alone nothing goes but what nobody will ever open. */
    assert_ok(snapshot_prune(s.name, 3, 0, &e), e);
    assert_int_equal(scene_files(&s, ""), 1 + n);
    snap(&s, 1, true);
    touch(&s, temporaries[0]);
    assert_ok(snapshot_prune(s.name, 3, 0, &e), e);
    assert_int_equal(scene_files(&s, ""), 2 + n - 1); /* and now the other life's */
    assert_int_equal(listed(&s, 4), 0);
    assert_int_equal(listed(&s, 3), 2);
    scene_end(&s);
}

/* `since`: what the table held before is no snapshot of what it holds now. */
static void test_prune_of_replaced_content(void **state)
{
    struct scene s;
    struct error e;

    (void)state;
    scene_begin(&s);
    scene_start(&s, &scene_tables[0], "sgd"); /* a 10 */
    snap(&s, 1, true);                        /* b 11 */
    snap(&s, 0, false);                       /* a 12 */
    snap(&s, 0, true);                        /* a 13: the table was replaced */
    assert_ok(snapshot_prune(s.name, 3, 13, &e), e);
    assert_int_equal(listed(&s, 3), 4);
    snap(&s, 0, false); /* a 14 */
    assert_ok(snapshot_prune(s.name, 3, 13, &e), e);
    assert_int_equal(listed(&s, 3), 5);
    snap(&s, 1, true); /* b 15 */
    assert_ok(snapshot_prune(s.name, 3, 13, &e), e);
    assert_int_equal(listed(&s, 3), 3); /* a 13 and 14, b 15 */
    scene_end(&s);
}

/* A newest snapshot that is damaged does not take the place of a good one. */
static void test_prune_keeps_good_ones(void **state)
{
    struct snapshot bad;
    struct scene s;
    struct error e;

    (void)state;
    scene_begin(&s);
    scene_start(&s, &scene_tables[0], "sgd"); /* a 10 */
    snap(&s, 1, true);                        /* b 11 */
    snap(&s, 0, true);                        /* a 12 */
    bad = s.newest[0];
    snap(&s, 0, false); /* a 13, on top of it */
    assert_int_equal(truncate(bad.path, (off_t)bad.bytes - 1), 0);
    assert_ok(snapshot_prune(s.name, 3, 0, &e), e);
    assert_int_equal(listed(&s, 3), 4); /* who knows whether the disk reads them tomorrow */
    assert_int_equal(truncate(bad.path, (off_t)bad.bytes), 0);
    snap(&s, 0, true); /* a 14 */
    assert_ok(snapshot_prune(s.name, 3, 0, &e), e);
    assert_int_equal(listed(&s, 3), 2); /* b 11, a 14 */
    assert_ok(snapshot_verify(&s.newest[0], &e), e);
    assert_ok(snapshot_verify(&s.newest[1], &e), e);
    scene_end(&s);
}

static void test_fold(void **state)
{
    struct snapshot s = {.whole = true, .files = 1, .chain_bytes = 1100};

    (void)state;
    assert_true(snapshot_fold(NULL, 1000));
    assert_false(snapshot_fold(&s, 1000));
    s.chain_bytes = 1600; /* the whole file's own header is no reason */
    assert_false(snapshot_fold(&s, 1000));
    s.files = 2;
    s.chain_bytes = 1499;
    assert_false(snapshot_fold(&s, 1000));
    s.chain_bytes = 1500;
    assert_true(snapshot_fold(&s, 1000));
    s.chain_bytes = 1499;
    s.files = 64;
    assert_false(snapshot_fold(&s, 1000));
    s.files = 65;
    assert_true(snapshot_fold(&s, 1000));
    s.files = 2;
    s.damaged = true;
    assert_true(snapshot_fold(&s, 1000));
}

static void test_forget(void **state)
{
    char path[PATH_MAX];
    struct scene s;
    struct error e;

    (void)state;
    scene_begin(&s);
    scene_start(&s, &scene_tables[0], "sgd");
    snap(&s, 1, true);
    touch(&s, "notes.txt");
    snprintf(path, sizeof path, "%s/folder", s.name);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_fails(snapshot_forget(s.name, &e), ST_UNAVAILABLE, e, "cannot delete the folder");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_ok(snapshot_forget(s.name, &e), e);
    assert_int_equal(access(s.name, F_OK), -1);
    assert_int_equal(access("/etc/passwd", F_OK), 0);
    scene_end(&s);
}

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

/* ---- States that the source brings ---- */

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
    snap(&s, 0, false);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_list_is_newest_first),
        cmocka_unit_test(test_other_files_are_left_out),
        cmocka_unit_test(test_prune_of_replaced_content),
        cmocka_unit_test(test_prune_keeps_good_ones),
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_folders_are_made),
        cmocka_unit_test(test_states_of_the_source),
        cmocka_unit_test(test_start_from_a_snapshot),
        cmocka_unit_test(test_start_from_a_foreign_layout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
