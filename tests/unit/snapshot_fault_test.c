/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots when memory, disk or patience run out: a status comes back, nothing half-done is left,
   and what was there before still opens. */
#include "tests/unit/snapshot_scene.h"

#include <signal.h>
#include <sys/resource.h>

static bool stop_after(void *context, double done)
{
    struct scene *s = context;

    (void)done;
    return s->lsn-- > 0; /* the number of calls that are still to come */
}

static void test_stopped(void **state)
{
    struct scene s;
    struct error e;

    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        uint64_t n = 0, lsn;
        enum status st;

        scene_two(&s);
        do {
            struct snapshot kept = s.newest[0];

            lsn = s.lsn;
            s.lsn = n;
            st = scene_snapshot(&s, 0, whole, NULL, stop_after, &e);
            s.lsn = lsn;
            if (st != ST_OK) {
                assert_fails(st, ST_CANCELLED, e, "stopped");
                assert_memory_equal(&s.newest[0], &kept, sizeof kept);
                scene_expect_two(&s);
                n++;
            }
        } while (st != ST_OK);
        assert_true(n >= 2); /* while it writes, and while it reads back */
        scene_end(&s);
    }
}

static bool stop_start(void *context, double done)
{
    (void)done;
    return --*(int *)context >= 0;
}

static void test_start_stopped(void **state)
{
    struct optimizer_settings settings = scene_settings("adam");
    struct snapshot_start start = {
        .settings = &settings, .generation = 1, .version = 1, .lsn = 1, .progress = stop_start};
    struct snapshot made;
    struct table *source;
    struct scene s;
    struct error e;
    enum status st = ST_CANCELLED;

    (void)state;
    scene_begin(&s);
    scene_write(unit_path(&s.folder, "source"), &scene_tables[1], &s.random, NULL, NULL);
    source = scene_open(unit_path(&s.folder, "source"), REGION_MAP);
    for (int n = 0; st != ST_OK; n++) {
        int left = n;

        start.context = &left;
        st = snapshot_start(s.name, source, &start, &made, &e);
        assert_true(st == ST_OK || st == ST_CANCELLED);
        assert_int_equal(scene_files(&s, ""), st == ST_OK);
    }
    table_close(source);
    scene_end(&s);
}

static void test_open_stopped(void **state)
{
    struct table_options options = {.memory = REGION_COPY, .progress = stop_start};
    struct table *t = NULL;
    struct scene s;
    struct error e;
    enum status st = ST_CANCELLED;

    (void)state;
    scene_two(&s);
    scene_expect_next(&s, false);
    for (int n = 0; st != ST_OK; n++) {
        int left = n;

        options.context = &left;
        st = snapshot_open(&t, &s.newest[0], &options, &e);
        assert_true(st == ST_OK || (st == ST_CANCELLED && !t));
    }
    table_close(t);
    scene_end(&s);
}

/* A file size that the system does not allow is met before the first byte is written. */
static void test_no_room(void **state)
{
    struct rlimit old, low;
    struct scene s;
    struct error e;

    (void)state;
    scene_two(&s);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = (struct rlimit){1000, old.rlim_max};
    for (int whole = 0; whole < 2; whole++) {
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
        assert_fails(scene_snapshot(&s, 0, whole, NULL, NULL, &e), ST_UNAVAILABLE, e,
                     "cannot reserve");
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_non_null(strstr(e.text, s.name));
        scene_expect_two(&s);
    }
    signal(SIGXFSZ, SIG_DFL);
    scene_expect_next(&s, false);
    scene_end(&s);
}

static void test_folder_is_gone_or_read_only(void **state)
{
    struct scene s;
    struct error e;
    char away[PATH_MAX];

    (void)state;
    scene_two(&s);
    snprintf(away, sizeof away, "%s/away", s.folder.path);
    assert_int_equal(rename(s.name, away), 0);
    assert_fails(scene_snapshot(&s, 0, false, NULL, NULL, &e), ST_NOT_FOUND, e, s.name);
    assert_int_equal(rename(away, s.name), 0);
    if (geteuid() != 0) { /* root may write anywhere */
        assert_int_equal(chmod(s.name, 0500), 0);
        assert_fails(scene_snapshot(&s, 0, false, NULL, NULL, &e), ST_PERMISSION, e, s.name);
        assert_int_equal(chmod(s.name, 0700), 0);
    }
    scene_expect_two(&s);
    scene_expect_next(&s, false);
    scene_end(&s);
}

/* The source of a first snapshot is cut short while it is read, and after it was opened. */
static void test_source_changes(void **state)
{
    struct optimizer_settings settings = scene_settings("adam");
    const struct snapshot_start start = {
        .settings = &settings, .generation = 1, .version = 1, .lsn = 1};
    const char *path;
    struct snapshot made;
    struct table *source;
    struct scene s;
    struct error e;
    struct stat st;

    (void)state;
    scene_begin(&s);
    region_init();
    path = unit_path(&s.folder, "source");
    scene_write(path, &scene_tables[0], &s.random, NULL, NULL);
    source = scene_open(path, REGION_MAP);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, 100), 0);
    assert_fails(snapshot_start(s.name, source, &start, &made, &e), ST_DATA_LOSS, e, path);
    assert_int_equal(scene_files(&s, ""), 0);
    table_close(source);
    scene_end(&s);
}

#ifdef EMBD_DEVELOPER
/* Every allocation of `call` fails once; at last none does. Whatever it says then is returned. */
#define EACH_ALLOCATION(s, st, call, after)                                                        \
    do {                                                                                           \
        uint64_t n_ = 0;                                                                           \
        bool failed_;                                                                              \
                                                                                                   \
        do {                                                                                       \
            mem_fail_at(++n_, false);                                                              \
            st = (call);                                                                           \
            failed_ = mem_failed();                                                                \
            mem_fail_at(0, false);                                                                 \
            if (failed_) {                                                                         \
                assert_fails(st, ST_EXHAUSTED, e, "emory");                                        \
                after;                                                                             \
            }                                                                                      \
        } while (failed_);                                                                         \
        assert_ok(st, e);                                                                          \
        assert_true(n_ > 3);                                                                       \
    } while (0)

static void test_failing_allocations(void **state)
{
    const struct table_options options = {.memory = REGION_COPY};
    struct snapshot_start start = {.generation = 9, .version = 1, .lsn = 1};
    struct snapshot *list, made;
    struct table *t = NULL;
    enum status st;
    struct scene s;
    struct error e;
    size_t count;

    (void)state;
    scene_two(&s);
    start.settings = &s.settings;
    EACH_ALLOCATION(&s, st, snapshot_start(s.name, s.table, &start, &made, &e),
                    scene_expect_two(&s));
    assert_int_equal(unlink(made.path), 0);
    EACH_ALLOCATION(&s, st, scene_snapshot(&s, 0, false, NULL, NULL, &e), scene_expect_two(&s));
    EACH_ALLOCATION(&s, st, snapshot_open(&t, &s.newest[0], &options, &e), assert_null(t));
    table_close(t);
    EACH_ALLOCATION(&s, st, snapshot_verify(&s.newest[0], &e), (void)0);
    EACH_ALLOCATION(&s, st, snapshot_list(&list, &count, s.name, 3, &e), (void)0);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++)
        assert_false(list[i].damaged); /* for lack of memory no file is called bad */
    mem_free(list);
    scene_push(&s, 1);
    EACH_ALLOCATION(&s, st, scene_snapshot(&s, 1, true, NULL, NULL, &e), (void)0);
    EACH_ALLOCATION(&s, st, snapshot_prune(s.name, 3, 0, &e), (void)0);
    assert_int_equal(scene_files(&s, ""), 3);
    scene_end(&s);
}

/* An image that found no memory for a block. */
static bool change_without_memory(void *context, double done)
{
    struct scene *s = context;

    if (done < 0.5) {
        mem_fail_at(1, true);
        for (int i = 0; i < 200; i++)
            scene_change(s);
        mem_fail_at(0, false);
    }
    return true;
}

static void test_broken_image(void **state)
{
    struct scene s;
    struct error e;
    enum status st;

    (void)state;
    /* Large enough that not all is taken at once. */
    static const struct scene_table large = {"large", "full", "{}",
                                             "20000", NULL,   {{"weight", DT_F32, 2, {20000, 6}}}};
    scene_begin(&s);
    scene_start(&s, &large, "sgd");
    scene_push(&s, 4);
    assert_ok(scene_snapshot(&s, 1, true, NULL, NULL, &e), e);
    st = scene_snapshot(&s, 0, true, NULL, change_without_memory, &e);
    assert_fails(st, ST_EXHAUSTED, e, "out of memory");
    scene_expect_two(&s);
    scene_expect_next(&s, false);
    scene_end(&s);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_start_stopped),
        cmocka_unit_test(test_open_stopped),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_folder_is_gone_or_read_only),
        cmocka_unit_test(test_source_changes),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_broken_image),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
