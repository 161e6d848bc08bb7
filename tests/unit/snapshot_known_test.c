/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots whose files were read before are opened without reading them again, and are the same
   tables. */
#include "tests/unit/snapshot_scene.h"

#include "base/region.h"

#define FILES 8

/* A memory such as log.db is. */
struct notes {
    struct file_identity file[FILES];
    uint64_t checksum[FILES];
    size_t count;
};

static bool is_known(void *context, const struct file_identity *file)
{
    const struct notes *n = context;

    for (size_t i = 0; i < n->count; i++)
        if (file_same(&n->file[i], file))
            return true;
    return false;
}

static void was_read(void *context, const struct file_identity *file, uint64_t checksum)
{
    struct notes *n = context;

    assert_true(n->count < FILES);
    n->file[n->count] = *file;
    n->checksum[n->count++] = checksum;
}

static enum status try_open(struct table **out, const struct snapshot *s, struct notes *notes,
                            struct error *e)
{
    const struct snapshot_memory memory = {is_known, was_read, notes};
    const struct table_options options = {.memory = REGION_COPY, .borrow = true};

    return snapshot_open_known(out, s, &options, &memory, e);
}

static struct table *open_known(const struct snapshot *s, struct notes *notes)
{
    struct table *t = NULL;
    struct error e;

    assert_ok(try_open(&t, s, notes, &e), e);
    return t;
}

static void expect_copy(struct table *t, const unsigned char *copy)
{
    assert_memory_equal(t->region->data, copy, t->region->size);
    while (table_fetch(t))
        ;
    assert_memory_equal(t->region->data, copy, t->region->size);
}

static void test_known_chain(void **state)
{
    struct notes notes = {.count = 0};
    unsigned char *copy;
    struct table *t;
    struct scene s;
    struct error e;

    (void)state;
    scene_begin(&s);
    scene_start(&s, &scene_tables[0], "adagrad");
    copy = malloc(s.table->region->size);
    for (int i = 0; i < 2; i++) {
        scene_push(&s, 3);
        assert_ok(scene_snapshot(&s, 0, false, copy, NULL, &e), e);
    }
    t = open_known(&s.newest[0], &notes); /* nothing is known: all is read, and told */
    assert_int_equal(notes.count, 3);
    assert_true(notes.checksum[2] == s.newest[0].checksum);
    assert_true(t->checksum != 0);
    expect_copy(t, copy);
    table_close(t);

    t = open_known(&s.newest[0], &notes);
    assert_int_equal(notes.count, 3);
    assert_true(t->checksum == 0); /* it was not read */
    assert_true(t->applied == s.version && t->lsn == s.lsn && t->generation == 3);
    expect_copy(t, copy);
    table_close(t);

    notes.count = 2; /* a file of the chain is not known: all are read */
    t = open_known(&s.newest[0], &notes);
    assert_true(t->checksum != 0);
    table_close(t);
    free(copy);
    scene_end(&s);
}

/* Damage is found as long as the file is not known as it is. */
static void test_damage(void **state)
{
    struct notes notes = {.count = 0};
    struct table *t = NULL;
    struct scene s;
    struct error e;
    unsigned char byte;
    int fd;

    (void)state;
    scene_begin(&s);
    scene_start(&s, &scene_tables[0], "adagrad");
    table_close(open_known(&s.newest[0], &notes));
    assert_int_equal(notes.count, 1);
    fd = open(s.newest[0].path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, (off_t)s.newest[0].bytes - 1), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)s.newest[0].bytes - 1), 1);
    close(fd);
    assert_fails(try_open(&t, &s.newest[0], &notes, &e), ST_DATA_LOSS, e, "checksum");
    assert_int_equal(notes.count, 1);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_chain),
        cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
