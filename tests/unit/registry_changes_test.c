/* SPDX-License-Identifier: Apache-2.0 */
/* Several changes in one transaction: all of them or none, whatever fails, and after a kill. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/memory.h"
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

#define GROUP 3
static const char *const names[GROUP] = {"a", "new", "z"};

/* "a" and "z" are replaced, "new" is loaded; the file says which try it was. */
static enum status try(struct registry *r, const char *file, struct registered out[GROUP],
                       struct error *e)
{
    enum change_kind kind[GROUP];

    for (int i = 0; i < GROUP; i++) {
        const struct registered *known = registry_find(r, names[i]);

        kind[i] = known && known->served ? CHANGE_REPLACE : CHANGE_LOAD;
        out[i] = sample(names[i], file, "{}");
    }
    return registry_changes(r, kind, out, GROUP, e);
}

static void begin(struct registry *r)
{
    change_ok(r, CHANGE_LOAD, "a");
    change_ok(r, CHANGE_LOAD, "m");
    change_ok(r, CHANGE_LOAD, "z");
}

/* How many of the group the registry has with that file: all or none. */
static bool has(const struct registry *r, const char *file)
{
    int n = 0;

    for (int i = 0; i < GROUP; i++) {
        const struct registered *t = registry_find(r, names[i]);

        n += t && !strcmp(t->file, file);
    }
    if (n != 0 && n != GROUP)
        fail_msg("%d of %d changes are there", n, GROUP);
    return n;
}

static void test_all_at_once(void **state)
{
    const char *folder = ((struct unit_folder *)*state)->path;
    struct registry *r = open_ok(folder);
    struct registered t[GROUP];
    struct error e;

    begin(r);
    assert_ok(try(r, "/1", t, &e), e);
    for (int i = 0; i < GROUP; i++) {
        assert_int_equal(t[i].lsn, 4 + i);
        assert_int_equal(t[i].generation, 1);
        assert_true(t[i].served && t[i].time_us > 0);
        assert_int_equal(registry_find(r, names[i])->lsn, 4 + i);
    }
    assert_int_equal(registry_lsn(r), 6);
    assert_ok(registry_changes(r, NULL, NULL, 0, &e), e); /* none */
    assert_int_equal(registry_lsn(r), 6);
    change_ok(r, CHANGE_UNLOAD, "new");
    assert_ok(try(r, "/2", t, &e), e);
    assert_int_equal(t[1].generation, 2);
    registry_close(r);
    r = open_ok(folder); /* the rows and the tables agree */
    assert_int_equal(registry_lsn(r), 10);
    assert_true(has(r, "/2"));
    assert_int_equal(registry_find(r, "m")->lsn, 2);
    registry_close(r);
}

/* One that cannot be takes the others with it. */
static void test_one_is_refused(void **state)
{
    struct registry *r = open_ok(((struct unit_folder *)*state)->path);
    enum change_kind kind[2] = {CHANGE_REPLACE, CHANGE_LOAD};
    struct registered t[2] = {sample("a", "/1", "{}"), sample("z", "/1", "{}")};
    struct error e;

    begin(r);
    assert_fails(registry_changes(r, kind, t, 2, &e), ST_EXISTS, e, "table \"z\" is served");
    kind[1] = CHANGE_REPLACE;
    t[1] = sample("b", "/1", "{}");
    assert_fails(registry_changes(r, kind, t, 2, &e), ST_NOT_FOUND, e, "table \"b\"");
    t[1] = sample("z", "relative", "{}");
    assert_fails(registry_changes(r, kind, t, 2, &e), ST_INVALID, e, "absolute path");
    t[1] = sample("z", "/1", "[]");
    assert_fails(registry_changes(r, kind, t, 2, &e), ST_INVALID, e, "JSON object");
    assert_int_equal(registry_lsn(r), 3);
    assert_false(has(r, "/1"));
    registry_close(r);
}

/* The n-th operation on the disk fails: nothing of the group is there unless all of it is. */
static void test_faults(void **state)
{
    static const struct {
        struct faulty fault;
        bool heals;
    } cases[] = {
        {{FAULTY_WRITE, 0, false, SQLITE_FULL, ENOSPC, 0}, true},
        {{FAULTY_WRITE, 0, false, SQLITE_IOERR_WRITE, EIO, 0}, false},
        {{FAULTY_SYNC, 0, false, SQLITE_IOERR_FSYNC, EIO, 0}, false},
    };

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        bool hit = true;

        for (unsigned n = 0; hit; n++) {
            struct faulty fault = cases[c].fault;
            struct registered t[GROUP];
            struct unit_folder f;
            struct registry *r;
            enum status st;
            struct error e;

            unit_folder_make(&f);
            r = open_ok(f.path);
            begin(r);
            fault.after = n;
            faulty_arm(&fault);
            st = try(r, "/1", t, &e);
            hit = fault.hits > 0;
            faulty_arm(NULL);
            assert_int_equal(st == ST_OK, !hit);
            assert_int_equal(has(r, "/1"), !hit);
            assert_int_equal(registry_lsn(r), hit ? 3 : 6);
            if (hit && cases[c].heals) {
                assert_int_equal(st, ST_EXHAUSTED);
                assert_ok(try(r, "/2", t, &e), e);
            } else if (hit) {
                assert_fails(try(r, "/2", t, &e), ST_UNAVAILABLE, e, "until a restart");
            }
            registry_close(r);
            r = open_ok(f.path);
            if (hit && cases[c].heals)
                assert_true(has(r, "/2"));
            else if (!hit)
                assert_true(has(r, "/1"));
            else
                (void)has(r, "/1"); /* either, but not some of it */
            registry_close(r);
            unit_folder_remove(&f);
        }
    }
}

/* The child of the next test: groups without end. */
static void change_until_killed(const char *folder, int tell)
{
    struct registered t[GROUP];
    struct registry *r = NULL;
    struct error e;
    char file[64];

    if (registry_open(&r, folder, &e) != ST_OK)
        _exit(1);
    for (;;) {
        snprintf(file, sizeof file, "/%llu", (unsigned long long)registry_lsn(r));
        if (try(r, file, t, &e) != ST_OK ||
            write(tell, &t[GROUP - 1].lsn, sizeof t[0].lsn) != sizeof t[0].lsn)
            _exit(2);
        if (t[0].lsn % 5 == 0 && registry_checkpoint(r, true, &e) != ST_OK)
            _exit(3);
    }
}

static void test_kills(void **state)
{
    const char *folder = ((struct unit_folder *)*state)->path;
    struct registry *r = open_ok(folder);
    uint64_t answered = 0;

    begin(r);
    registry_close(r);
    for (unsigned round = 0; round < 12; round++) {
        int tell[2], status;
        uint64_t enough;
        char file[64];
        pid_t child;

        assert_int_equal(pipe(tell), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(tell[0]);
            change_until_killed(folder, tell[1]);
        }
        close(tell[1]);
        enough = (answered ? answered : 3) + GROUP * (1 + round);
        while (read(tell[0], &answered, sizeof answered) == sizeof answered)
            if (answered == enough)
                assert_int_equal(kill(child, SIGKILL), 0);
        close(tell[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        r = open_ok(folder);
        assert_true(registry_lsn(r) == answered || registry_lsn(r) == answered + GROUP);
        answered = registry_lsn(r);
        snprintf(file, sizeof file, "/%llu", (unsigned long long)(answered - GROUP));
        assert_true(has(r, file));
        registry_close(r);
    }
}

#ifdef EMBD_DEVELOPER
static void test_failing_allocations(void **state)
{
    struct registry *r = open_ok(((struct unit_folder *)*state)->path);
    struct registered t[GROUP];
    bool failed = true;
    struct error e;
    char file[64];

    begin(r);
    for (uint64_t n = 1; failed; n++) {
        uint64_t lsn = registry_lsn(r);
        enum status st;

        snprintf(file, sizeof file, "/%llu", (unsigned long long)n);
        mem_fail_at(n, false);
        st = try(r, file, t, &e);
        failed = mem_failed();
        mem_fail_at(0, false);
        assert_true(st == ST_OK || st == ST_EXHAUSTED);
        assert_int_equal(has(r, file), st == ST_OK);
        assert_int_equal(registry_lsn(r), lsn + (st == ST_OK ? GROUP : 0));
    }
    registry_close(r);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kills, setup, teardown),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test_setup_teardown(test_failing_allocations, setup, teardown),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
