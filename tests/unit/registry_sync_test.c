/* SPDX-License-Identifier: Apache-2.0 */
/* What of a log of pushes is synced and when, how large its -wal becomes, and what happens when a
   sync fails or a file goes away in the middle. */
#include <errno.h>

#include "tests/unit/faulty_vfs.h"
#include "tests/unit/push_steps.h"

static unsigned own_syncs; /* by registry_sync(); SQLite's end in the faulty layer */
static int own_error;      /* errno of the next ones, 0: they go well */

/* In place of the C library's. */
int fdatasync(int fd)
{
    char link[64], path[PATH_MAX] = "";

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    assert_true(readlink(link, path, sizeof path - 1) > 0);
    assert_non_null(strstr(path, "/log.db-wal"));
    own_syncs++;
    errno = own_error;
    return own_error ? -1 : 0;
}

static void remove_wal(void *folder)
{
    assert_int_equal(unlink(unit_path(folder, "log.db-wal")), 0);
}

/* A file that goes away between the look before a commit and its end. */
static void test_file_that_goes_away_while_writing_is_noticed(void **state)
{
    struct faulty fault = {.operations = FAULTY_WRITE};
    struct registry *r = open_with_tables(state);
    struct error e;

    push_ok(r, "a", 1, "ads", 10);
    faulty_arm(&fault);
    faulty_call(remove_wal, *state);
    assert_fails(push_one(r, "a", 2, "ads", 10, true, &e), ST_UNAVAILABLE, e,
                 "log.db-wal\" was removed while it was open");
    faulty_arm(NULL);
    assert_int_equal(fault.hits, 1);
    assert_int_equal(registry_position(r, "a")->sequence, 1);
    assert_int_equal(registry_lsn(r), 3);
    assert_fails(registry_trouble(r, &e), ST_UNAVAILABLE, e, "until a restart");
    registry_close(r);
}

static void count(void *context) /* which `hits` does */
{
    (void)context;
}

/* What is synced, by SQLite, for one push or another step. */
static void test_only_what_has_to_be_is_synced(void **state)
{
    struct faulty fault = {.operations = FAULTY_SYNC, .for_ever = true};
    struct registry *r = open_with_tables(state);
    unsigned expected = 0, own = own_syncs;
    uint64_t sequence = 0;
    struct error e;
    bool more;

    faulty_arm(&fault);
    faulty_call(count, NULL);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            assert_ok(push_one(r, "a", ++sequence, "ads", 10, false, &e), e);
        assert_int_equal(fault.hits, expected);
        push_ok(r, "a", ++sequence, "ads", 10);
        assert_int_equal(fault.hits, ++expected);
        assert_ok(push_one(r, "a", ++sequence, "ads", 10, false, &e), e);
        assert_ok(registry_shorten(r, registry_first(r) + 1, &more, &e), e);
        assert_ok(registry_sync(r, &e), e);
        assert_ok(registry_sync(r, &e), e); /* there is nothing more */
        assert_int_equal(own_syncs, ++own);
        assert_int_equal(fault.hits, expected);
        assert_ok(registry_shorten(r, registry_first(r) + 1, &more, &e), e);
        change_ok(r, CHANGE_OPTIONS, "ads"); /* a change is never left to luck */
        assert_int_equal(fault.hits, ++expected);
    }
    faulty_arm(NULL);
    registry_close(r);
}

/* A writer that is never idle: the -wal stays below its cap and one push, is moved once each time
   it is full, and nothing is added to it while that fails. */
static void test_wal_is_capped(void **state)
{
    const off_t cap = 64 << 20, bytes = 12 << 20;
    struct faulty full = {FAULTY_WRITE, 0, false, SQLITE_FULL, ENOSPC, 0};
    struct faulty fault = {.operations = FAULTY_SYNC, .for_ever = true};
    struct registry *r = open_with_tables(state);
    unsigned refused = 0;
    struct error e;
    struct stat st;

    faulty_arm(&fault);
    faulty_call(count, NULL);
    for (uint64_t i = 1; i <= 16; i++) {
        assert_int_equal(stat(unit_path(*state, "log.db-wal"), &st), 0);
        if (st.st_size >= cap && refused < 1) {
            faulty_arm(&full);
            assert_fails(push_one(r, "a", i, "ads", 10, false, &e), ST_EXHAUSTED, e,
                         "the disk is full");
            refused++;
            assert_int_equal(full.hits, 1);
            assert_ok(registry_trouble(r, &e), e);
            assert_int_equal(registry_position(r, "a")->sequence, i - 1);
            faulty_arm(&fault);
            faulty_call(count, NULL);
        }
        assert_ok(push_one(r, "a", i, "ads", (size_t)bytes, false, &e), e);
        assert_int_equal(stat(unit_path(*state, "log.db-wal"), &st), 0);
        assert_true(st.st_size <= cap + bytes + bytes / 8);
    }
    assert_int_equal(refused, 1);
    /* Of the -wal and of log.db for each of the two times it was moved, of the -wal before the time
       that failed, and of its header whenever it begins anew. */
    assert_true(fault.hits <= 8);
    faulty_arm(NULL);
    r = reopen(r, state);
    assert_int_equal(registry_position(r, "a")->sequence, 16);
    registry_close(r);
}

/* Pages that could not be written may be gone, and the next sync would say that all is well. */
static void test_failed_sync_is_trouble_for_ever(void **state)
{
    static const int errors[] = {EIO, ENOSPC, EDQUOT};

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct unit_folder f;
        struct registry *r;
        struct error e;

        unit_folder_make(&f);
        put_log(&f);
        r = open_ok(f.path);
        assert_ok(push_one(r, "late", 1, "ads", 10, false, &e), e);
        own_error = errors[i];
        assert_fails(registry_sync(r, &e), ST_UNAVAILABLE, e, "log.db-wal\" cannot be synced");
        own_error = 0;
        check_trouble(r);
        assert_int_equal(registry_position(r, "late")->sequence, 1);
        registry_close(r);
        r = open_ok(f.path);
        assert_int_equal(registry_position(r, "late")->sequence, 1);
        registry_close(r);
        unit_folder_remove(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
        TEST(test_file_that_goes_away_while_writing_is_noticed),
        TEST(test_only_what_has_to_be_is_synced),
        TEST(test_wal_is_capped),
        TEST(test_failed_sync_is_trouble_for_ever),
    };

    faulty_install();
    return cmocka_run_group_tests(tests, make_first, remove_first);
}
