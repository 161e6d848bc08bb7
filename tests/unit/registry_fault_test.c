/* SPDX-License-Identifier: Apache-2.0 */
/* A registry on a disk that fails: full, broken at each of its operations in turn, and files that
   go away under it. No change is answered that is not there afterwards. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/unit/faulty_vfs.h"
#include "tests/unit/storage_unit.h"

static int setup(void **state)
{
    struct unit_folder *f = calloc(1, sizeof *f);

    unit_folder_make(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    faulty_arm(NULL);
    unit_folder_remove(*state);
    free(*state);
    return 0;
}

/* A log with two tables that a run will change, made once and then copied. */
static void put_log(struct unit_folder *f)
{
    static unsigned char *db, *mark;
    static size_t db_size, mark_size;
    struct registry *r;

    if (!db) {
        r = open_ok(f->path);
        change_ok(r, CHANGE_LOAD, "replace");
        change_ok(r, CHANGE_LOAD, "forget");
        registry_close(r);
        db = bytes_of(unit_path(f, "log.db"), &db_size);
        mark = bytes_of(unit_path(f, "log.mark"), &mark_size);
    }
    unit_write(unit_path(f, "log.db"), db, db_size);
    unit_write(unit_path(f, "log.mark"), mark, mark_size);
}

/* What the answers said: the state of each of the tables that a run tries to change. */
struct answers {
    enum status load, checkpoint, replace, forget, known;
};

static enum status try(struct registry *r, enum change_kind kind, const char *name, struct error *e)
{
    struct registered t = sample(name, kind == CHANGE_REPLACE ? "/new" : "/old", "{}");

    return registry_change(r, kind, &t, e);
}

static void run(struct registry *r, struct answers *a)
{
    static const struct file_identity id = {1, 2, 3, 4, 5};
    struct error e;

    a->load = try(r, CHANGE_LOAD, "load", &e);
    a->checkpoint = registry_checkpoint(r, true, &e);
    a->replace = try(r, CHANGE_REPLACE, "replace", &e);
    a->forget = try(r, CHANGE_FORGET, "forget", &e);
    a->known = registry_file_remember(r, &id, 9, &e);
}

/* What was answered is there; what was refused is not, unless `unknown` (the outcome of a failed
   sync), where the last one tried may be. Returns the number of changes that are there. */
static unsigned check_answers(const struct registry *r, const struct answers *a, bool unknown)
{
    bool loaded = registry_find(r, "load") != NULL;
    bool replaced = !strcmp(registry_find(r, "replace")->file, "/new");
    bool forgotten = registry_find(r, "forget") == NULL;

    assert_true(loaded || a->load != ST_OK);
    assert_true(replaced || a->replace != ST_OK);
    assert_true(forgotten || a->forget != ST_OK);
    if (!unknown) {
        assert_true(!loaded || a->load == ST_OK);
        assert_true(!replaced || a->replace == ST_OK);
        assert_true(!forgotten || a->forget == ST_OK);
    }
    return (unsigned)loaded + replaced + forgotten;
}

struct fault_case {
    const char *name;
    struct faulty fault;
    enum status st; /* of what fails */
    bool heals;     /* afterwards all goes on */
};

static const struct fault_case faults[] = {
    {"full", {FAULTY_WRITE, 0, false, SQLITE_FULL, ENOSPC, 0}, ST_EXHAUSTED, true},
    {"quota", {FAULTY_WRITE, 0, false, SQLITE_IOERR_WRITE, EDQUOT, 0}, ST_EXHAUSTED, true},
    {"no memory", {FAULTY_WRITE, 0, false, SQLITE_IOERR_NOMEM, 0, 0}, ST_UNAVAILABLE, false},
    {"write", {FAULTY_WRITE, 0, false, SQLITE_IOERR_WRITE, EIO, 0}, ST_UNAVAILABLE, false},
    {"sync", {FAULTY_SYNC, 0, false, SQLITE_IOERR_FSYNC, EIO, 0}, ST_UNAVAILABLE, false},
    {"sync, disk full",
     {FAULTY_SYNC, 0, false, SQLITE_IOERR_FSYNC, ENOSPC, 0},
     ST_UNAVAILABLE,
     false},
    {"truncate", {FAULTY_TRUNCATE, 0, false, SQLITE_IOERR_TRUNCATE, EIO, 0}, ST_UNAVAILABLE, false},
    {"read", {FAULTY_READ, 0, false, SQLITE_IOERR_READ, EIO, 0}, ST_UNAVAILABLE, false},
};

/* One run with the fault at its n-th place; false if that is behind the end of the run. */
static bool run_with_fault(const struct fault_case *c, unsigned n, bool for_ever)
{
    struct answers a = {ST_OK, ST_OK, ST_OK, ST_OK, ST_OK};
    struct faulty fault = c->fault;
    struct unit_folder f;
    struct registry *r;
    uint64_t lsn;
    struct error e;
    bool hit;

    unit_folder_make(&f);
    put_log(&f);
    r = open_ok(f.path);
    fault.after = n;
    fault.for_ever = for_ever;
    faulty_arm(&fault);
    run(r, &a);
    hit = fault.hits > 0;
    if (!hit || !for_ever || c->heals)
        faulty_arm(NULL);
    /* The answer comes after the sync: the first is that of the header of the -wal, the second that
       of the commit. */
    if (c->fault.operations == FAULTY_SYNC && n < 2)
        assert_int_not_equal(a.load, ST_OK);
    if (hit) {
        assert_true(a.load != ST_OK || a.checkpoint != ST_OK || a.replace != ST_OK ||
                    a.forget != ST_OK || a.known != ST_OK || (c->fault.operations & FAULTY_READ));
        check_answers(r, &a, false);
    }
    if (hit && !c->heals && registry_trouble(r, &e) == ST_UNAVAILABLE) {
        assert_fails(try(r, CHANGE_LOAD, "later", &e), ST_UNAVAILABLE, e, "until a restart");
        assert_fails(registry_checkpoint(r, true, &e), ST_UNAVAILABLE, e, "until a restart");
    } else {
        assert_ok(registry_trouble(r, &e), e);
        assert_ok(try(r, CHANGE_LOAD, "later", &e), e);
        assert_ok(registry_checkpoint(r, true, &e), e);
    }
    lsn = registry_lsn(r);
    registry_close(r);
    faulty_arm(NULL);
    r = open_ok(f.path);
    check_answers(r, &a, !c->heals);
    assert_true(registry_lsn(r) >= lsn && registry_lsn(r) <= lsn + 1);
    change_ok(r, CHANGE_LOAD, "last");
    registry_close(r);
    unit_folder_remove(&f);
    return hit;
}

static void test_fault_at_each_operation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        for (int for_ever = 0; for_ever < 2; for_ever++) {
            unsigned n = 0;

            while (run_with_fault(&faults[i], n, for_ever))
                n++;
            /* Reads and truncations happen when the cache is cold or the -wal large. */
            if (n == 0 && !(faults[i].fault.operations & (FAULTY_READ | FAULTY_TRUNCATE)))
                fail_msg("%s never happened", faults[i].name);
        }
}

/* Opening and creating with the fault at its n-th place: refused or fine, and whole the next time.
 */
static bool open_with_fault(int operations, int code, bool existing, unsigned n)
{
    struct faulty fault = {operations, n, false, code, EIO, 0};
    struct registry *r = NULL;
    struct unit_folder f;
    enum status st;
    struct error e;
    bool hit;

    unit_folder_make(&f);
    if (existing) {
        char from[PATH_MAX];

        assert_int_equal(mkdir(unit_path(&f, "live"), 0700), 0);
        snprintf(from, sizeof from, "%s", unit_path(&f, "live"));
        r = open_ok(from);
        change_ok(r, CHANGE_LOAD, "ads");
        change_ok(r, CHANGE_LOAD, "users");
        copy_file(unit_path(&f, "live/log.db"), unit_path(&f, "log.db"));
        copy_file(unit_path(&f, "live/log.db-wal"), unit_path(&f, "log.db-wal"));
        copy_file(unit_path(&f, "live/log.mark"), unit_path(&f, "log.mark"));
        registry_close(r);
    }
    faulty_arm(&fault);
    st = registry_open(&r, f.path, &e);
    hit = fault.hits > 0;
    faulty_arm(NULL);
    assert_true(st == ST_OK || hit);
    if (st == ST_OK)
        registry_close(r);
    r = open_ok(f.path);
    assert_int_equal(registry_lsn(r), existing ? 2 : 0);
    change_ok(r, CHANGE_LOAD, "new");
    registry_close(r);
    unit_folder_remove(&f);
    return hit;
}

static void test_fault_while_opening(void **state)
{
    static const struct {
        const char *name;
        int operations, code;
        bool created, existing; /* whether it comes up at all */
    } cases[] = {
        {"read", FAULTY_READ, SQLITE_IOERR_READ, true, true},
        {"write", FAULTY_WRITE, SQLITE_IOERR_WRITE, true, true},
        {"full", FAULTY_WRITE, SQLITE_FULL, true, true},
        {"sync", FAULTY_SYNC, SQLITE_IOERR_FSYNC, true, true},
        {"truncate", FAULTY_TRUNCATE, SQLITE_IOERR_TRUNCATE, false, false},
        {"open", FAULTY_OPEN, SQLITE_CANTOPEN, true, true},
        {"delete", FAULTY_DELETE, SQLITE_IOERR_DELETE, true, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int existing = 0; existing < 2; existing++) {
            unsigned n = 0;

            while (open_with_fault(cases[i].operations, cases[i].code, existing, n))
                n++;
            if ((existing ? cases[i].existing : cases[i].created) && n == 0)
                fail_msg("%s never happened", cases[i].name);
        }
}

/* A limit on file sizes is what a full disk looks like without a file system of its own. */
static void test_disk_full_refuses_and_recovers(void **state)
{
    const char *folder = ((struct unit_folder *)*state)->path;
    struct registry *r = open_ok(folder);
    struct rlimit old, low;
    unsigned refused = 0;
    struct stat st;
    struct error e;
    uint64_t lsn;
    char name[64];

    signal(SIGXFSZ, SIG_IGN);
    change_ok(r, CHANGE_LOAD, "ads");
    for (int round = 0; round < 5; round++) {
        assert_int_equal(stat(unit_path(*state, "log.db-wal"), &st), 0);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        low = old;
        low.rlim_cur = (rlim_t)st.st_size + 3000; /* in the middle of a page */
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
        for (int i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "t%d-%d", round, i);
            lsn = registry_lsn(r);
            if (try(r, CHANGE_LOAD, name, &e) == ST_OK)
                continue;
            refused++;
            assert_non_null(strstr(e.text, "the disk is full"));
            assert_fails(try(r, CHANGE_UNLOAD, "ads", &e), ST_EXHAUSTED, e, "log.db cannot grow");
            assert_ok(registry_trouble(r, &e), e);
            assert_int_equal(registry_lsn(r), lsn);
            assert_null(registry_find(r, name));
            assert_true(registry_find(r, "ads")->served);
        }
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        snprintf(name, sizeof name, "again%d", round);
        assert_ok(try(r, CHANGE_LOAD, name, &e), e);
    }
    signal(SIGXFSZ, SIG_DFL);
    assert_true(refused >= 5);
    lsn = registry_lsn(r);
    registry_close(r);
    r = open_ok(folder);
    assert_int_equal(registry_lsn(r), lsn);
    assert_non_null(registry_find(r, "again4"));
    registry_close(r);
}

static void remove_db(struct unit_folder *f)
{
    assert_int_equal(unlink(unit_path(f, "log.db")), 0);
}

static void remove_wal(struct unit_folder *f)
{
    assert_int_equal(unlink(unit_path(f, "log.db-wal")), 0);
}

static void rename_db(struct unit_folder *f)
{
    assert_int_equal(rename(unit_path(f, "log.db"), unit_path(f, "old")), 0);
}

static void replace_db(struct unit_folder *f)
{
    copy_file(unit_path(f, "log.db"), unit_path(f, "copy"));
    assert_int_equal(rename(unit_path(f, "copy"), unit_path(f, "log.db")), 0);
}

static void replace_wal(struct unit_folder *f)
{
    copy_file(unit_path(f, "log.db-wal"), unit_path(f, "copy"));
    assert_int_equal(rename(unit_path(f, "copy"), unit_path(f, "log.db-wal")), 0);
}

static void cut_db(struct unit_folder *f)
{
    assert_int_equal(truncate(unit_path(f, "log.db"), 4096), 0);
}

static void cut_wal(struct unit_folder *f)
{
    assert_int_equal(truncate(unit_path(f, "log.db-wal"), 32), 0);
}

static void rename_folder(struct unit_folder *f)
{
    char to[PATH_MAX];

    snprintf(to, sizeof to, "%s.moved", f->path);
    assert_int_equal(rename(f->path, to), 0);
}

static void test_files_that_go_away_are_noticed(void **state)
{
    static const struct {
        const char *name;
        void (*how)(struct unit_folder *f);
        const char *words;
    } cases[] = {
        {"log.db removed", remove_db, "log.db\" was removed while it was open"},
        {"-wal removed", remove_wal, "log.db-wal\" was removed while it was open"},
        {"log.db renamed", rename_db, "log.db\" was removed while it was open"},
        {"log.db replaced", replace_db, "log.db\" was replaced while it was open"},
        {"-wal replaced", replace_wal, "log.db-wal\" was replaced while it was open"},
        {"log.db cut", cut_db, "log.db\" was cut while it was open"},
        {"-wal cut", cut_wal, "log.db-wal\" was cut while it was open"},
        {"folder moved", rename_folder, "was removed while it was open"},
    };
    static const struct file_identity id = {1, 2, 3, 4, 5};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct unit_folder f;
        struct registry *r;
        struct error e;
        char moved[PATH_MAX];

        unit_folder_make(&f);
        r = open_ok(f.path);
        change_ok(r, CHANGE_LOAD, "ads");
        cases[i].how(&f);
        for (int again = 0; again < 2; again++) {
            if (again == 0)
                assert_fails(try(r, CHANGE_LOAD, "users", &e), ST_UNAVAILABLE, e, cases[i].words);
            assert_fails(registry_trouble(r, &e), ST_UNAVAILABLE, e, cases[i].words);
            assert_fails(registry_trouble(r, &e), ST_UNAVAILABLE, e, "until a restart");
            assert_fails(registry_file_remember(r, &id, 1, &e), ST_UNAVAILABLE, e, cases[i].words);
            assert_int_equal(registry_lsn(r), 1);
            assert_non_null(registry_find(r, "ads")); /* what is known stays known */
            assert_null(registry_find(r, "users"));
        }
        registry_close(r);
        snprintf(moved, sizeof moved, "%s.moved", f.path);
        unit_folder_remove(&f);
        snprintf(f.path, sizeof f.path, "%.50s", moved);
        unit_folder_remove(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fault_at_each_operation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fault_while_opening, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disk_full_refuses_and_recovers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_that_go_away_are_noticed, setup, teardown),
    };

    faulty_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
