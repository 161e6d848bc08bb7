/* SPDX-License-Identifier: Apache-2.0 */
/* A writer without its thread registers a table, saves it, and starts again: with every allocation
   failing once on the way; and what it keeps the log for. */
#include "tests/unit/push_scene.h"

#include <dirent.h>

#include "base/log.h"
#include "base/memory.h"
#include "daemon/order.h"
#include "daemon/saver.h"

static void begin(struct scene *s)
{
    struct error e;

    log_set_level(LOG_ERROR);
    scene_begin(s);
    s->config->data_dir = s->folder.path;
    assert_ok(slots_init(&s->writer.slots, 20, &e), e);
}

static void end(struct scene *s)
{
    slots_done(&s->writer.slots);
    holds_done(&s->writer);
    scene_end(s);
}

/* Files of snapshots that the table "t" has. */
static unsigned files(struct scene *s)
{
    DIR *dir = opendir(unit_path(&s->folder, "tables/t"));
    struct dirent *d;
    unsigned n = 0;

    while (dir && (d = readdir(dir)))
        n += d->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return n;
}

static struct order *load_order(struct scene *s)
{
    static const struct table_file file = {
        .header = HEAD(META("full", "4", "2"), TENSOR("weight", "F32", "[4,2]", "0", "32")),
        .zeros = 32,
        .align = 64};
    struct order *o;
    struct error e;

    table_file_write(unit_path(&s->folder, "t.st"), &file);
    assert_ok(order_new(&o, ORDER_LOAD, "t", unit_path(&s->folder, "t.st"), &e), e);
    assert_ok(table_settings_set(&o->settings, "optimizer", "adagrad", &e), e);
    o->by = BY_CALL;
    o->replace = true;
    return o;
}

/* Serve the table "t". */
static struct entry *serve(struct scene *s)
{
    struct error e;

    assert_ok(loads_now(&s->writer, load_order(s), false, &e), e);
    return scene_table(s, "t");
}

static void push(struct scene *s, uint64_t version)
{
    scene_send(s, &PUSH("", 0, 1, 1, "t"));
    pushes_finish(&s->writer);
    scene_applied(s, false, version, 0);
}

static void test_registering_without_memory(void **state)
{
    struct scene s;
    struct error e;
    enum status st;
    uint64_t lsn;

    (void)state;
    begin(&s);
    lsn = registry_lsn(s.writer.registry);
    for (uint64_t n = 1;; n++) {
        struct order *o = load_order(&s);

        mem_fail_at(n, false);
        st = loads_now(&s.writer, o, false, &e);
        if (!mem_failed())
            break;
        mem_fail_at(0, false);
        if (st == ST_OK) { /* what failed was not needed */
            s.writer.stopping = true;
            break;
        }
        assert_int_equal(st, ST_EXHAUSTED);
        assert_null(scene_table(&s, "t"));
        assert_int_equal(files(&s), 0);
        assert_int_equal(registry_lsn(s.writer.registry), lsn);
    }
    mem_fail_at(0, false);
    assert_int_equal(st, ST_OK);
    assert_non_null(scene_table(&s, "t")->keep);
    assert_int_equal(files(&s), 1);
    assert_int_equal(registry_lsn(s.writer.registry), lsn + 1);
    assert_true(registry_find(s.writer.registry, "t")->trainable);
    end(&s);
}

static void test_saving_without_memory(void **state)
{
    struct scene s;
    struct entry *t;
    struct error e;
    enum status st;

    (void)state;
    begin(&s);
    t = serve(&s);
    push(&s, 1);
    for (uint64_t n = 1;; n++) {
        mem_fail_at(n, false);
        st = saves_now(&s.writer, t, &e);
        if (!mem_failed() || st == ST_OK)
            break;
        mem_fail_at(0, false);
        assert_int_equal(st, ST_EXHAUSTED);
        assert_null(t->keep->saving);
        assert_false(t->keep->lineage[1].exists);
        assert_int_equal(files(&s), 1);
    }
    mem_fail_at(0, false);
    assert_int_equal(st, ST_OK);
    assert_int_equal(t->keep->lineage[1].snapshot.version, 1);
    assert_int_equal(t->gauges->snapshots, 1);
    push(&s, 2);
    assert_ok(saves_now(&s.writer, t, &e), e);
    assert_int_equal(keep_newest(t->keep)->lineage, 0);
    assert_int_equal(t->keep->kept_count, 3);
    end(&s);
}

/* Settings change, and with them what the log is held for, while the version stays. */
static void test_saving_a_version_again(void **state)
{
    struct scene s;
    struct entry *t;
    struct error e;

    (void)state;
    begin(&s);
    t = serve(&s);
    push(&s, 1);
    for (int i = 0; i < 5; i++) {
        if (i < 3)
            keep_changed(t->keep, registry_lsn(s.writer.registry));
        assert_ok(saves_now(&s.writer, t, &e), e);
        assert_int_equal(keep_newest(t->keep)->version, 1);
    }
    assert_true(keep_complete(t->keep));
    assert_int_equal(files(&s), 2);
    end(&s);
}

/* A start of the same data folder, with tables that the writer of the scene has left behind. */
static enum status start(struct scene *s, struct writer *w, struct error *e)
{
    enum status st;

    *w = (struct writer){.server = &s->server, .config = s->config, .import_fd = -1};
    w->registry = s->writer.registry;
    mem_fail_at(0, false);
    st = catalog_new(&w->catalog, e);
    assert_int_equal(st, ST_OK);
    st = slots_init(&w->slots, 20, e);
    assert_int_equal(st, ST_OK);
    return ST_OK;
}

static void leave(struct writer *w)
{
    publish_retire(w);
    for (size_t i = 0; i < w->catalog->count; i++)
        scene_entry_free(w->catalog->entry[i]);
    catalog_free(w->catalog);
    slots_done(&w->slots);
    holds_done(w);
}

static void test_starting_without_memory(void **state)
{
    uint64_t failures = 0;
    struct writer w;
    struct scene s;
    struct entry *t;
    struct error e;
    enum status st;

    (void)state;
    begin(&s);
    t = serve(&s);
    push(&s, 1);
    assert_ok(saves_now(&s.writer, t, &e), e);
    for (uint64_t version = 2; version < 6; version++)
        push(&s, version);
    for (uint64_t n = 1;; n++) {
        (void)start(&s, &w, &e);
        mem_fail_at(n, false);
        st = revive_table(&w, "t", &e);
        if (st == ST_OK)
            st = replay_log(&w, &e);
        if (!mem_failed() || st == ST_OK)
            break;
        mem_fail_at(0, false);
        assert_int_equal(st, ST_EXHAUSTED);
        leave(&w);
        failures++;
    }
    mem_fail_at(0, false);
    assert_int_equal(st, ST_OK);
    assert_true(failures > 20);
    t = catalog_find(w.catalog, "t", 1);
    assert_int_equal(t->version, 5);
    assert_int_equal(t->keep->lineage[1].snapshot.version, 1);
    assert_int_equal(keep_hold(t->keep), registry_lsn(s.writer.registry) - 4); /* the first push */
    assert_memory_equal(t->table->part[0].tensor[0].data,
                        scene_table(&s, "t")->table->part[0].tensor[0].data, 32);
    leave(&w);
    end(&s);
}

static void test_orphans_are_weeded(void **state)
{
    struct order *o;
    struct scene s;
    struct error e;
    char *folder;

    (void)state;
    begin(&s);
    (void)serve(&s);
    push(&s, 1);
    folder = writer_folder(&s.writer, "t");
    /* A replacement that never came to the log. */
    o = load_order(&s);
    o->folder = mem_text(folder, strlen(folder));
    o->generation = 1;
    o->replaces = true;
    o->old = 1;
    assert_ok(order_prepare(o, s.writer.registry, -1), o->error);
    order_load(o);
    assert_ok(o->status, o->error);
    assert_int_equal(o->first.version, 2);
    assert_int_equal(files(&s), 2);
    assert_ok(saving_weed(folder, 1, 0, &e), e);
    assert_int_equal(files(&s), 1);
    assert_ok(saving_weed(folder, 1, 0, &e), e);
    assert_int_equal(files(&s), 1);
    order_unref(o);
    mem_free(folder);
    end(&s);
}

static void front_is(struct scene *s, uint64_t lsn)
{
    log_front(&s->writer);
    assert_int_equal(s->writer.front, lsn);
}

static void test_rows_that_are_needed(void **state)
{
    struct scene s;
    struct entry *t;
    struct error e;
    uint64_t lsn;

    (void)state;
    begin(&s);
    t = serve(&s);
    lsn = registry_lsn(s.writer.registry);
    front_is(&s, lsn);
    push(&s, 1);
    front_is(&s, lsn); /* the one snapshot has not seen it */
    assert_ok(saves_now(&s.writer, t, &e), e);
    front_is(&s, lsn);
    push(&s, 2);
    assert_ok(saves_now(&s.writer, t, &e), e);
    front_is(&s, lsn + 1);
    assert_ok(saves_now(&s.writer, t, &e), e);
    front_is(&s, lsn + 2);
    /* Those who cannot be saved hold theirs. */
    assert_ok(holds_add(&s.writer, "gone", 3, 5, lsn, &e), e);
    assert_ok(holds_add(&s.writer, "gone", 3, 5, lsn + 2, &e), e);
    front_is(&s, lsn - 1);
    assert_ok(holds_add(&s.writer, "t", 1, 0, 2, &e), e);
    front_is(&s, 1);
    holds_saved(&s.writer, t->keep); /* of the same content: it stays */
    front_is(&s, 1);
    t->keep->since = 1;
    holds_saved(&s.writer, t->keep);
    front_is(&s, lsn - 1);
    holds_forget(&s.writer, "none");
    holds_forget(&s.writer, "gone");
    front_is(&s, lsn + 2);
    assert_false(log_turn(&s.writer, true));
    assert_int_equal(registry_first(s.writer.registry), lsn + 2);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registering_without_memory),
        cmocka_unit_test(test_saving_without_memory),
        cmocka_unit_test(test_saving_a_version_again),
        cmocka_unit_test(test_starting_without_memory),
        cmocka_unit_test(test_orphans_are_weeded),
        cmocka_unit_test(test_rows_that_are_needed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
