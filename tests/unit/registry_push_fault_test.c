/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes on a disk that fails at each of its operations in turn. What was answered is there
   afterwards; what was refused by a full disk is not; what has no answer is whole or absent. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/unit/faulty_vfs.h"
#include "tests/unit/push_steps.h"

struct fault_case {
    const char *name;
    struct faulty fault;
    bool heals; /* afterwards all goes on */
};

static const struct fault_case faults[] = {
    {"full", {FAULTY_WRITE, 0, false, SQLITE_FULL, ENOSPC, 0}, true},
    {"quota", {FAULTY_WRITE, 0, false, SQLITE_IOERR_WRITE, EDQUOT, 0}, true},
    {"no memory", {FAULTY_WRITE, 0, false, SQLITE_IOERR_NOMEM, 0, 0}, false},
    {"write", {FAULTY_WRITE, 0, false, SQLITE_IOERR_WRITE, EIO, 0}, false},
    {"sync", {FAULTY_SYNC, 0, false, SQLITE_IOERR_FSYNC, EIO, 0}, false},
    {"sync, disk full", {FAULTY_SYNC, 0, false, SQLITE_IOERR_FSYNC, ENOSPC, 0}, false},
    {"truncate", {FAULTY_TRUNCATE, 0, false, SQLITE_IOERR_TRUNCATE, EIO, 0}, false},
    {"read", {FAULTY_READ, 0, false, SQLITE_IOERR_READ, EIO, 0}, false},
};

/* A row of more than SQLite's cache holds, so that it has to read. */
static void put_long_row(const char *folder)
{
    struct registry *r = open_ok(folder);

    push_ok(r, "long", 1, "users", 2600 << 10);
    registry_close(r);
}

/* One run with the fault at its n-th place; false if that is behind the end of the run. */
static bool run_with_fault(const struct fault_case *c, unsigned n, bool for_ever,
                           unsigned *came_back)
{
    enum status answer[STEPS];
    struct faulty fault = c->fault;
    struct unit_folder f;
    bool hit, troubled, any = false;
    struct registry *r;
    struct error e;
    uint64_t lsn;
    char what[64];

    snprintf(what, sizeof what, "%s at %u%s", c->name, n, for_ever ? " and on" : "");
    unit_folder_make(&f);
    put_log(&f);
    if (c->fault.operations == FAULTY_READ)
        put_long_row(f.path);
    r = open_ok(f.path);
    fault.after = n;
    fault.for_ever = for_ever;
    faulty_arm(&fault);
    for (int step = 0; step < STEPS; step++) {
        answer[step] = run_step(r, (enum step)step, &e);
        any = any || answer[step] != ST_OK;
    }
    hit = fault.hits > 0;
    faulty_arm(NULL);
    if (hit && !any && c->fault.operations != FAULTY_READ)
        fail_msg("%s: all was answered", what);
    troubled = registry_trouble(r, &e) != ST_OK;
    if (troubled && (!hit || c->heals))
        fail_msg("%s: %s", what, e.text);
    if (troubled)
        check_trouble(r);
    else
        for (int step = 0; step < STEPS; step++) /* what was refused goes through now */
            if (answer[step] != ST_OK) {
                answer[step] = run_step(r, (enum step)step, &e);
                if (answer[step] != ST_OK)
                    fail_msg("%s, again: %s", what, e.text);
            }
    lsn = registry_lsn(r);
    if (c->fault.operations != FAULTY_READ || !troubled)
        check_facts(r, answer, false, what);
    registry_close(r);
    r = open_ok(f.path);
    *came_back += check_facts(r, answer, troubled, what);
    assert_true(registry_lsn(r) >= lsn && registry_lsn(r) <= lsn + 3);
    push_ok(r, "after", 1, "ads", 10);
    registry_close(r);
    unit_folder_remove(&f);
    return hit;
}

static void test_fault_at_each_operation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        for (int for_ever = 0; for_ever < 2; for_ever++) {
            bool reads = faults[i].fault.operations == FAULTY_READ;
            unsigned n = 0, came_back = 0;

            /* The long row takes hundreds of reads that are all alike. */
            while (run_with_fault(&faults[i], n, for_ever, &came_back))
                n += reads && n > 20 ? n / 4 : 1;
            if (n == 0 && faults[i].fault.operations != FAULTY_TRUNCATE)
                fail_msg("%s never happened", faults[i].name);
            /* A commit whose sync failed is in the -wal all the same. */
            if (faults[i].fault.operations == FAULTY_SYNC && !came_back)
                fail_msg("%s: nothing that was refused came back", faults[i].name);
        }
}

/* Opening a log with pushes, with the fault at its n-th place: refused or fine, and whole the next
   time. */
static void test_fault_while_opening(void **state)
{
    static const struct {
        int operation, code;
    } cases[] = {
        {FAULTY_READ, SQLITE_IOERR_READ},
        {FAULTY_WRITE, SQLITE_IOERR_WRITE},
        {FAULTY_WRITE, SQLITE_FULL},
        {FAULTY_SYNC, SQLITE_IOERR_FSYNC},
        {FAULTY_TRUNCATE, SQLITE_IOERR_TRUNCATE},
        {FAULTY_OPEN, SQLITE_CANTOPEN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool hit = true;

        for (unsigned n = 0; hit; n += n > 20 ? n / 4 : 1) {
            struct faulty fault = {cases[i].operation, n, false, cases[i].code, EIO, 0};
            struct registry *r = NULL;
            struct unit_folder f;
            struct error e;
            enum status st;

            unit_folder_make(&f);
            put_log(&f);
            faulty_arm(&fault);
            st = registry_open(&r, f.path, &e);
            hit = fault.hits > 0;
            faulty_arm(NULL);
            assert_true(st == ST_OK || hit);
            if (st == ST_OK)
                registry_close(r);
            r = open_ok(f.path);
            assert_int_equal(registry_position(r, "old")->sequence, 3);
            registry_close(r);
            unit_folder_remove(&f);
        }
    }
}

/* A limit on file sizes is what a full disk looks like without a file system of its own. */
static void test_disk_full_and_freed_again(void **state)
{
    struct registry *r = open_with_tables(state);
    struct rlimit old, low;
    uint64_t sequence = 0, refused = 0;
    struct error e;
    struct told told;
    bool more;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (int round = 0; round < 20; round++) {
        struct stat st;

        push_ok(r, "a", ++sequence, "ads", 100);
        assert_int_equal(stat(unit_path(*state, "log.db-wal"), &st), 0);
        low = old;
        low.rlim_cur = (rlim_t)st.st_size + (rlim_t)(round * 1511 % 12000);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
        for (int i = 0; i < 4; i++) {
            enum status pushed =
                push_one(r, "a", sequence + 1, "users,ads", (size_t)(20000 * i + 10), i % 2, &e);

            if (pushed == ST_OK) {
                sequence++;
                continue;
            }
            refused++;
            assert_int_equal(pushed, ST_EXHAUSTED);
            assert_non_null(strstr(e.text, "the disk is full"));
            assert_int_equal(registry_position(r, "a")->sequence, sequence);
            assert_ok(registry_trouble(r, &e), e);
            if (round % 4 == 3) /* none of these does harm, either */
                assert_true(registry_checkpoint(r, true, &e) == ST_OK || strstr(e.text, "full"));
            if (round % 4 == 2)
                assert_true(registry_shorten(r, registry_first(r) + 1, &more, &e) == ST_OK ||
                            strstr(e.text, "full"));
        }
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_ok(registry_sync(r, &e), e);
        if (round % 7 == 6) {
            replayed(r, 0, &told);
            r = reopen(r, state);
            assert_int_equal(registry_position(r, "a")->sequence, sequence);
        }
    }
    signal(SIGXFSZ, SIG_DFL);
    assert_true(refused >= 20);
    r = reopen(r, state);
    assert_int_equal(registry_position(r, "a")->sequence, sequence);
    registry_close(r);
}

static void test_files_that_go_away_stop_pushes(void **state)
{
    static const char *const files[] = {"log.db", "log.db-wal"};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct unit_folder f;
        struct registry *r;
        struct error e;

        unit_folder_make(&f);
        put_log(&f);
        r = open_ok(f.path);
        assert_ok(push_one(r, "a", 1, "ads", 10, false, &e), e);
        if (i < 2)
            assert_int_equal(unlink(unit_path(&f, files[i])), 0);
        else
            assert_int_equal(truncate(unit_path(&f, files[i - 2]), 1), 0);
        assert_fails(i % 2 ? registry_sync(r, &e) : push_one(r, "a", 2, "ads", 10, true, &e),
                     ST_UNAVAILABLE, e, files[i % 2]);
        check_trouble(r);
        assert_int_equal(registry_position(r, "a")->sequence, 1);
        registry_close(r);
        unit_folder_remove(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_at_each_operation),
        cmocka_unit_test(test_fault_while_opening),
        cmocka_unit_test_setup_teardown(test_disk_full_and_freed_again, make_folder, remove_folder),
        cmocka_unit_test(test_files_that_go_away_stop_pushes),
    };

    faulty_install();
    return cmocka_run_group_tests(tests, make_first, remove_first);
}
