/* SPDX-License-Identifier: Apache-2.0 */
/* What a folder of snapshots says, and what is deleted from it. */
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
