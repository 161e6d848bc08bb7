/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of checkpoints: what is written is read, what was changed is seen, and what is half
   made is not there. */
#include "tests/unit/snapshot_scene.h"

#include "storage/checkpoint.h"

#define LABEL "epoch-1"

/* A checkpoint of the scene's table, under the names "a" and "b": of both lineages. */
struct pair {
    struct checkpoint c;
    struct snapshot snapshot[2];
    struct checkpoint_order order;
};

static struct pair *pair_new(const struct scene *s, const char *label)
{
    struct pair *p = calloc(1, sizeof *p);

    assert_non_null(p);
    snprintf(p->c.label, sizeof p->c.label, "%s", label);
    p->c.lsn = s->lsn;
    p->c.time_us = 1234567890123456;
    p->c.tables = 2;
    p->c.table = mem_zero(2, sizeof *p->c.table);
    p->c.positions = 1;
    p->c.position = mem_zero(1, sizeof *p->c.position);
    strcpy(p->c.position->trainer, "trainer:1");
    p->c.position->sequence = UINT64_C(1) << 60;
    for (int i = 0; i < 2; i++) {
        struct checkpoint_table *t = &p->c.table[i];
        const struct snapshot *from = &s->newest[i];

        strcpy(t->name, i ? "b" : "a");
        strcpy(t->method, "full");
        snprintf(t->file, sizeof t->file, "%s", strrchr(from->path, '/') + 1);
        t->generation = from->generation;
        t->version = from->version;
        t->lsn = from->lsn;
        t->checksum = from->checksum;
        t->rows = 300;
        t->dim = 6;
        t->options = mem_text("{\"trained\":{\"learning_rate\":0.1}}", 33);
        p->snapshot[i] = *from;
    }
    p->order.most = 3;
    return p;
}

static void pair_free(struct pair *p)
{
    checkpoint_done(&p->c);
    free(p);
}

static enum status write_pair(struct scene *s, const char *label, bool replace, size_t *bad,
                              struct error *e)
{
    struct pair *p = pair_new(s, label);
    enum status st;

    p->order.replace = replace;
    st = checkpoint_write(s->folder.path, &p->c, p->snapshot, &p->order, bad, e);
    pair_free(p);
    return st;
}

static void save(struct scene *s, const char *label)
{
    struct error e;
    size_t bad;

    assert_ok(write_pair(s, label, false, &bad, &e), e);
}

/* How many names there are below the folder of checkpoints. */
static int names(const struct scene *s, const char *pattern)
{
    char command[PATH_MAX + 128];
    FILE *list;
    int n;

    snprintf(command, sizeof command, "find '%s/checkpoints' -mindepth 1 -name '%s' | wc -l",
             s->folder.path, pattern);
    list = popen(command, "r");
    assert_int_equal(fscanf(list, "%d", &n), 1);
    pclose(list);
    return n;
}

/* A path in the checkpoint; good until the next call. */
static const char *in(const struct scene *s, const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/checkpoints/" LABEL "%s%s", s->folder.path, *name ? "/" : "",
             name);
    return path;
}

static void begin(struct scene *s)
{
    struct error e;

    scene_two(s);
    assert_ok(scene_snapshot(s, 0, false, NULL, NULL, &e), e); /* blocks on top of a whole one */
}

static void test_written_and_read(void **state)
{
    struct checkpoint c, *list;
    struct snapshot *found;
    struct scene s;
    struct error e;
    struct stat st;
    size_t n;

    (void)state;
    begin(&s);
    assert_ok(checkpoint_list(&list, &n, s.folder.path, &e), e);
    assert_int_equal(n, 0);
    checkpoints_free(list, n);
    assert_fails(checkpoint_read(&c, s.folder.path, LABEL, &e), ST_NOT_FOUND, e, LABEL);
    save(&s, LABEL);
    assert_ok(checkpoint_read(&c, s.folder.path, LABEL, &e), e);
    assert_string_equal(c.label, LABEL);
    assert_int_equal(c.lsn, s.lsn);
    assert_int_equal(c.time_us, 1234567890123456);
    assert_int_equal(c.tables, 2);
    assert_int_equal(c.positions, 1);
    assert_string_equal(c.position->trainer, "trainer:1");
    assert_int_equal(c.position->sequence, UINT64_C(1) << 60);
    for (int i = 0; i < 2; i++) {
        const struct checkpoint_table *t = &c.table[i];
        char *folder = checkpoint_folder(s.folder.path, LABEL, t->name);
        struct table *table;

        assert_int_equal(t->version, s.newest[i].version);
        assert_int_equal(t->checksum, s.newest[i].checksum);
        assert_int_equal(t->bytes, s.newest[i].chain_bytes);
        assert_string_equal(t->options, "{\"trained\":{\"learning_rate\":0.1}}");
        assert_ok(snapshot_list(&found, &n, folder, 3, &e), e);
        assert_int_equal(n, s.newest[i].files);
        assert_int_equal(found[0].version, t->version);
        assert_ok(snapshot_verify(&found[0], &e), e);
        table = scene_open_snapshot(&found[0]);
        if (!i)
            assert_memory_equal(table->region->data, s.table->region->data, table->region->size);
        table_close(table);
        mem_free(found);
        mem_free(folder);
    }
    checkpoint_done(&c);
    assert_int_equal(stat(in(&s, ""), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    /* The table's own files may go. */
    assert_ok(snapshot_forget(s.name, &e), e);
    assert_int_equal(names(&s, "*.safetensors") + names(&s, "*.blocks"), 3);
    scene_end(&s);
}

static void test_labels(void **state)
{
    struct checkpoint *list;
    struct scene s;
    struct error e;
    size_t n, bad;

    (void)state;
    begin(&s);
    save(&s, LABEL);
    assert_fails(write_pair(&s, LABEL, false, &bad, &e), ST_EXISTS, e, LABEL "\" already");
    assert_ok(write_pair(&s, LABEL, true, &bad, &e), e);
    save(&s, "b.new");
    save(&s, "a.old");
    assert_fails(write_pair(&s, "d", true, &bad, &e), ST_EXHAUSTED, e, "max_checkpoints");
    assert_ok(write_pair(&s, "b.new", true, &bad, &e), e);
    unit_write(unit_path(&s.folder, "checkpoints/file"), "x", 1); /* somebody else's */
    assert_ok(checkpoint_list(&list, &n, s.folder.path, &e), e);
    assert_int_equal(n, 3);
    assert_string_equal(list[0].label, "a.old");
    assert_string_equal(list[1].label, "b.new");
    assert_string_equal(list[2].label, LABEL);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(list[i].trouble.text, "");
        assert_int_equal(list[i].tables, 2);
    }
    checkpoints_free(list, n);
    assert_ok(checkpoint_drop(s.folder.path, "b.new", &e), e);
    assert_fails(checkpoint_drop(s.folder.path, "b.new", &e), ST_NOT_FOUND, e, "b.new");
    assert_fails(checkpoint_drop(s.folder.path, "file", &e), ST_NOT_FOUND, e, "file");
    save(&s, "d");
    assert_int_equal(names(&s, ".*"), 0);
    scene_end(&s);
}

/* A flipped bit anywhere in the text is seen, and so is a text that is cut or goes on. */
static void test_a_text_that_was_changed(void **state)
{
    struct checkpoint c, *list;
    unsigned char *text;
    struct scene s;
    struct error e;
    size_t n, count;

    (void)state;
    begin(&s);
    save(&s, LABEL);
    text = calloc(1, 1 << 16);
    FILE *file = fopen(in(&s, CHECKPOINT_TEXT), "rb");
    n = fread(text, 1, 1 << 16, file);
    fclose(file);
    assert_true(n > 500);
    for (size_t i = 0; i < 8 * n; i++) {
        text[i / 8] ^= (unsigned char)(1 << i % 8);
        unit_write(in(&s, CHECKPOINT_TEXT), text, n);
        if (checkpoint_read(&c, s.folder.path, LABEL, &e) != ST_DATA_LOSS)
            fail_msg("bit %zu was flipped and not seen", i);
        assert_non_null(strstr(e.text, CHECKPOINT_TEXT));
        text[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    for (size_t i = 0; i < n; i += 7) {
        unit_write(in(&s, CHECKPOINT_TEXT), text, i);
        assert_fails(checkpoint_read(&c, s.folder.path, LABEL, &e), ST_DATA_LOSS, e, "seal");
    }
    assert_ok(checkpoint_list(&list, &count, s.folder.path, &e), e);
    assert_int_equal(count, 1);
    assert_non_null(strstr(list[0].trouble.text, "seal"));
    checkpoints_free(list, count);
    unlink(in(&s, CHECKPOINT_TEXT));
    assert_fails(checkpoint_read(&c, s.folder.path, LABEL, &e), ST_DATA_LOSS, e, CHECKPOINT_TEXT);
    unit_write(in(&s, CHECKPOINT_TEXT), text, n);
    assert_ok(checkpoint_read(&c, s.folder.path, LABEL, &e), e);
    checkpoint_done(&c);
    free(text);
    scene_end(&s);
}

/* Whose files are gone or damaged is told by its place, and nothing is left. */
static void test_snapshots_that_are_gone(void **state)
{
    struct scene s;
    struct error e;
    size_t bad = 9;

    (void)state;
    begin(&s);
    assert_int_equal(truncate(s.newest[1].path, 100), 0);
    assert_fails(write_pair(&s, LABEL, false, &bad, &e), ST_DATA_LOSS, e, s.newest[1].path);
    assert_int_equal(bad, 1);
    assert_int_equal(unlink(s.newest[0].path), 0);
    assert_fails(write_pair(&s, LABEL, false, &bad, &e), ST_DATA_LOSS, e, "is not there");
    assert_int_equal(bad, 0);
    assert_int_equal(names(&s, "*"), 0);
    scene_end(&s);
}

/* What a crash leaves: names are as it would have them. */
static void test_swept(void **state)
{
    char from[PATH_MAX], to[PATH_MAX];
    struct checkpoint c;
    struct scene s;
    struct error e;
    size_t bad;

    (void)state;
    begin(&s);
    assert_ok(checkpoint_sweep(s.folder.path, &e), e); /* no folder */
    save(&s, LABEL);
    save(&s, "other");
    for (int i = 0; i < 4; i++) {
        static const char *const ends[] = {".new", ".gone", ".old", ".old"};

        /* The last time there is none but the old one. */
        snprintf(from, sizeof from, "%s/checkpoints/%s", s.folder.path, i < 3 ? "other" : LABEL);
        snprintf(to, sizeof to, "%s/checkpoints/." LABEL "%s", s.folder.path, ends[i]);
        assert_int_equal(rename(from, to), 0);
        assert_ok(checkpoint_sweep(s.folder.path, &e), e);
        assert_int_equal(names(&s, ".*"), 0);
        assert_ok(checkpoint_read(&c, s.folder.path, LABEL, &e), e);
        checkpoint_done(&c);
        if (i < 3) {
            assert_fails(checkpoint_read(&c, s.folder.path, "other", &e), ST_NOT_FOUND, e, "other");
            save(&s, "other");
        }
    }
    unit_write(unit_path(&s.folder, "checkpoints/.mine"), "x", 1);
    assert_ok(checkpoint_sweep(s.folder.path, &e), e);
    assert_int_equal(names(&s, ".mine"), 1);
    /* What stayed of a failed one is no hindrance. */
    snprintf(to, sizeof to, "%s/checkpoints/." LABEL ".new", s.folder.path);
    snprintf(from, sizeof from, "%s/checkpoints/other", s.folder.path);
    assert_int_equal(rename(from, to), 0);
    assert_ok(write_pair(&s, LABEL, true, &bad, &e), e);
    assert_int_equal(names(&s, ".*"), 1);
    scene_end(&s);
}

static bool never(void *context, double done)
{
    (void)context, (void)done;
    return false;
}

static void test_given_up(void **state)
{
    struct scene s;
    struct error e;
    struct pair *p;
    size_t bad;

    (void)state;
    begin(&s);
    p = pair_new(&s, LABEL);
    p->order.progress = never;
    assert_fails(checkpoint_write(s.folder.path, &p->c, p->snapshot, &p->order, &bad, &e),
                 ST_CANCELLED, e, "given up");
    assert_int_equal(names(&s, "*"), 0);
    pair_free(p);
    scene_end(&s);
}

#ifdef EMBD_DEVELOPER
static void test_without_memory(void **state)
{
    bool failed = true;
    struct scene s;

    (void)state;
    begin(&s);
    save(&s, LABEL);
    for (uint64_t n = 1; failed; n++) {
        struct pair *p = pair_new(&s, LABEL);
        struct checkpoint c, *list;
        enum status written, read, listed;
        size_t bad, count;
        struct error e;

        p->order.replace = true;
        mem_fail_at(n, false);
        written = checkpoint_write(s.folder.path, &p->c, p->snapshot, &p->order, &bad, &e);
        read = checkpoint_read(&c, s.folder.path, LABEL, &e);
        if (read == ST_OK)
            checkpoint_done(&c);
        listed = checkpoint_list(&list, &count, s.folder.path, &e);
        if (listed == ST_OK)
            checkpoints_free(list, count);
        failed = mem_failed();
        mem_fail_at(0, false);
        assert_true(written == ST_OK || written == ST_EXHAUSTED);
        assert_true(read == ST_OK || read == ST_EXHAUSTED);
        assert_true(listed == ST_OK || listed == ST_EXHAUSTED);
        assert_ok(checkpoint_read(&c, s.folder.path, LABEL, &e), e);
        checkpoint_done(&c);
        pair_free(p);
        assert_ok(checkpoint_sweep(s.folder.path, &e), e);
        assert_int_equal(names(&s, ".*"), 0);
    }
    scene_end(&s);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_and_read),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_a_text_that_was_changed),
        cmocka_unit_test(test_snapshots_that_are_gone),
        cmocka_unit_test(test_swept),
        cmocka_unit_test(test_given_up),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_without_memory),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
