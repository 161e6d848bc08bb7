/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of every method's tables: what goes in comes out, bit for bit. */
#include "tests/unit/snapshot_scene.h"

#include <pthread.h>
#include <stdatomic.h>

static const char *const optimizer_names[] = {"sgd", "adagrad", "rowwise_adagrad", "adam"};

static void expect_settings(const struct table *t, const struct optimizer_settings *s)
{
    struct error e;
    char *text;

    assert_ok(optimizer_settings_write(&text, s, &e), e);
    assert_string_equal(t->optimizer, text);
    mem_free(text);
}

/* Every element of a state. */
static void expect_state(const struct file_tensor *ft, const struct table *t, float value)
{
    const unsigned char *data = table_tensor(t, ft);

    for (size_t i = 0; i < ft->tensor.count; i++)
        assert_memory_equal(data + i * sizeof value, &value, sizeof value);
}

/* All that the source has, and the states of its optimizer, and nothing else. */
static void expect_started(const struct table *t, const struct table *source,
                           const struct optimizer_settings *settings)
{
    const struct optimizer *o = settings->optimizer;
    size_t states = 0;

    for (size_t i = 0; i < source->header.tensor_count; i++) {
        const struct file_tensor *from = &source->header.tensor[i];
        const struct file_tensor *to = header_tensor(&t->header, from->tensor.name);
        char name[300];

        assert_non_null(to);
        assert_int_equal(to->tensor.dtype, from->tensor.dtype);
        assert_int_equal(to->tensor.bytes, from->tensor.bytes);
        assert_memory_equal(table_tensor(t, to), table_tensor(source, from), to->tensor.bytes);
        if (from->tensor.rank != 2 || !strcmp(from->tensor.name, "qparams"))
            continue;
        for (unsigned k = 0; k < OPTIMIZER_STATES && o->state[k]; k++) {
            snprintf(name, sizeof name, "optimizer.%s.%s", from->tensor.name, o->state[k]);
            to = header_tensor(&t->header, name);
            assert_non_null(to);
            assert_int_equal(to->tensor.rank, o->scalar ? 1 : 2);
            assert_int_equal(to->tensor.shape[0], from->tensor.shape[0]);
            assert_int_equal(to->tensor.count,
                             o->scalar ? from->tensor.shape[0] : from->tensor.count);
            expect_state(to, t, strcmp(o->state[k], "sum") ? 0 : 0.25f);
            states++;
        }
    }
    assert_int_equal(t->header.tensor_count, source->header.tensor_count + states);
}

static void test_start_of_every_method_and_optimizer(void **state)
{
    struct optimizer_settings settings;
    struct snapshot snapshot;
    struct table *source, *t;
    struct scene s;
    struct error e;

    (void)state;
    scene_begin(&s);
    for (size_t i = 0; i < SCENE_TABLES; i++)
        for (size_t k = 0; k < 4; k++) {
            const struct scene_table *table = &scene_tables[i];
            struct snapshot_start start = {
                .settings = &settings, .generation = 1 + i, .version = 5 + k, .lsn = 7};
            enum status st;

            scene_write(unit_path(&s.folder, "source"), table, &s.random, NULL, NULL);
            settings = scene_settings(optimizer_names[k]);
            settings.initial_accumulator = 0.25;
            source = scene_open(unit_path(&s.folder, "source"), k % 2 ? REGION_MAP : REGION_COPY);
            st = snapshot_start(s.name, source, &start, &snapshot, &e);
            if (settings.optimizer->full_only && table->tensor[0].dtype != DT_F32) {
                assert_int_equal(st, ST_INVALID);
                table_close(source);
                continue;
            }
            assert_ok(st, e);
            assert_int_equal(snapshot.version, 5 + k);
            assert_true(snapshot.whole && snapshot.files == 1 && snapshot.lineage == 0);
            assert_true(snapshot.chain_bytes == snapshot.bytes && snapshot.checksum != 0);
            t = scene_open_snapshot(&snapshot);
            assert_true(t->applied == 5 + k && t->lsn == 7 && t->generation == 1 + i);
            assert_true(t->checksum == snapshot.checksum);
            assert_string_equal(header_metadata(&t->header, "foreign"), "caf\xc3\xa9");
            expect_settings(t, &settings);
            expect_started(t, source, &settings);
            table_close(t);
            table_close(source);
        }
    assert_int_equal(scene_files(&s, ".tmp"), 0);
    scene_end(&s);
}

static void expect_same(const struct snapshot *a, const struct snapshot *b)
{
    assert_true(a->generation == b->generation && a->version == b->version && a->lsn == b->lsn &&
                a->lineage == b->lineage && a->whole == b->whole && !a->damaged &&
                a->files == b->files && a->bytes == b->bytes && a->chain_bytes == b->chain_bytes &&
                a->time_us == b->time_us && a->checksum == b->checksum);
    assert_string_equal(a->path, b->path);
}

/* Random pushes, snapshots of both lineages in turn while changes go on, folded when they are due,
   pruned: each opens to the memory of its instant, and no more than two chains are kept. */
static void run(const struct scene_table *table, const char *optimizer)
{
    unsigned char *copy;
    unsigned lineage = 1, folds = 0;
    struct scene s;
    struct error e;

    scene_begin(&s);
    scene_start(&s, table, optimizer);
    blocks_reset(s.blocks, 1, true);
    copy = malloc(s.table->region->size);
    for (int round = 0; round < 60; round++, lineage ^= 1) {
        const struct snapshot *base = s.newest[lineage].path[0] ? &s.newest[lineage] : NULL;
        bool whole = snapshot_fold(base, s.table->header.data_bytes);
        struct snapshot *list;
        struct table *t;
        size_t count;

        scene_push(&s, (unsigned)random_below(&s.random, 8));
        assert_ok(scene_snapshot(&s, lineage, whole, copy, scene_change_on, &e), e);
        folds += whole;
        t = scene_open_snapshot(&s.newest[lineage]);
        assert_int_equal(t->region->size, s.table->region->size);
        assert_memory_equal(t->region->data, copy, t->region->size);
        assert_true(t->applied == s.version && t->lsn == s.lsn);
        assert_true(t->checksum == hash_bytes(copy, t->region->size));
        expect_settings(t, &s.settings);
        table_close(t);
        assert_ok(snapshot_verify(&s.newest[lineage], &e), e);
        assert_ok(snapshot_prune(s.name, 3, 0, &e), e);
        assert_ok(snapshot_list(&list, &count, s.name, 3, &e), e);
        expect_same(&list[0], &s.newest[lineage]);
        /* What the other lineage needs is there too, and nothing else. */
        assert_int_equal(scene_files(&s, ""),
                         s.newest[0].files + (s.newest[1].path[0] ? s.newest[1].files : 0));
        assert_int_equal(count, scene_files(&s, ""));
        mem_free(list);
        if (s.newest[lineage ^ 1].path[0])
            assert_ok(snapshot_verify(&s.newest[lineage ^ 1], &e), e);
    }
    assert_true(folds > 1 && folds < 60);
    free(copy);
    scene_end(&s);
}

static void test_memory_of_every_instant(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENE_TABLES; i++)
        run(&scene_tables[i],
            scene_tables[i].tensor[0].dtype == DT_F32 ? "adam" : "rowwise_adagrad");
}

/* A thread that writes a snapshot while another one changes the table. */
struct saver {
    const char *folder;
    struct snapshot_moment m;
    struct snapshot made;
    struct error e;
    enum status st;
    atomic_bool done;
};

static void *save(void *context)
{
    struct saver *saver = context;

    saver->st = snapshot_write(saver->folder, &saver->m, &saver->made, &saver->e);
    atomic_store(&saver->done, true);
    return NULL;
}

static void test_while_the_writer_goes_on(void **state)
{
    static const struct scene_table large = {"large", "full", "{}",
                                             "20000", NULL,   {{"weight", DT_F32, 2, {20000, 6}}}};
    struct optimizer_settings settings;
    unsigned char *copy;
    struct scene s;
    struct error e;

    (void)state;
    scene_begin(&s);
    scene_start(&s, &large, "adagrad");
    blocks_reset(s.blocks, 1, true);
    copy = malloc(s.table->region->size);
    for (unsigned round = 0; round < 12; round++) {
        unsigned lineage = round % LINEAGES ^ 1;
        struct saver saver = {.folder = s.name};
        struct table *t;
        pthread_t thread;

        scene_push(&s, 50);
        assert_ok(scene_moment(&s, &saver.m, lineage, round < 2 || round > 9, copy, &saver.e),
                  saver.e);
        settings = s.settings;
        saver.m.settings = &settings;
        assert_int_equal(pthread_create(&thread, NULL, save, &saver), 0);
        while (!atomic_load(&saver.done))
            scene_push(&s, 3);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_ok(saver.st, saver.e);
        image_end(saver.m.image, true);
        s.newest[lineage] = saver.made;
        t = scene_open_snapshot(&saver.made);
        assert_memory_equal(t->region->data, copy, t->region->size);
        expect_settings(t, &settings);
        table_close(t);
    }
    assert_ok(snapshot_prune(s.name, 3, 0, &e), e);
    free(copy);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_of_every_method_and_optimizer),
        cmocka_unit_test(test_memory_of_every_instant),
        cmocka_unit_test(test_while_the_writer_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
