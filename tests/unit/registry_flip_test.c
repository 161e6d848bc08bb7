/* SPDX-License-Identifier: Apache-2.0 */
/* A log with flipped bits or lost pages, one of another process, and one that may not be written.
 */
#include <sys/wait.h>

#include "tests/unit/log_push_scene.h"

#define TEXT_MAX (1 << 17)

/* Either the log is refused, or it says all that it said before. */
static bool check_flip(struct scene *s, const char *expected, const char *what, size_t at)
{
    static char text[TEXT_MAX];
    struct registry *r = NULL;
    struct error e;
    enum status st = registry_open(&r, s->folder.path, &e);

    if (st == ST_DATA_LOSS || st == ST_PRECONDITION)
        return true;
    if (st != ST_OK)
        fail_msg("%s %zu: %s: %s", what, at, status_name(st), e.text);
    if (strcmp(describe_all(r, text, sizeof text), expected))
        fail_msg("%s %zu is not noticed: %s", what, at, text);
    change_ok(r, CHANGE_LOAD, "new");
    push_ok(r, "new", 1, "new", 10);
    registry_close(r);
    return false;
}

static void flip_many(void (*make)(const char *folder, struct scene *s), int which, unsigned rounds)
{
    static char expected[TEXT_MAX];
    struct random random = {88172645463325252u};
    struct scene *s = scene_new(make);
    unsigned refused = 0;
    struct registry *r;
    struct copy good;
    void *own = s;

    keep(s, &good); /* before the registry moves the -wal */
    r = open_ok(s->folder.path);
    describe_all(r, expected, sizeof expected);
    registry_close(r);
    for (unsigned i = 0; i < rounds; i++) {
        size_t at = random_below(&random, good.size[which]);
        unsigned char was;

        while (i % 2 && !good.data[which][at]) /* every other one where something is */
            at = random_below(&random, good.size[which]);
        was = good.data[which][at];
        good.data[which][at] ^= (unsigned char)(1 << random_below(&random, 8));
        restore(s, &good);
        good.data[which][at] = was;
        refused +=
            check_flip(s, expected, which ? "bit in log.db-wal, byte" : "bit in log.db, byte", at);
    }
    assert_true(refused > rounds / 10);
    for (size_t page = 0; page * 4096 < good.size[which]; page++) {
        unsigned char was[4096];
        size_t n = good.size[which] - page * 4096 < 4096 ? good.size[which] - page * 4096 : 4096;

        memcpy(was, good.data[which] + page * 4096, n);
        memset(good.data[which] + page * 4096, 0, n);
        restore(s, &good);
        memcpy(good.data[which] + page * 4096, was, n);
        check_flip(s, expected, which ? "zeros in log.db-wal, page" : "zeros in log.db, page",
                   page);
    }
    for (int i = 0; i < 3; i++)
        free(good.data[i]);
    teardown(&own);
}

/* The same log in one file. */
static void make_settled(const char *folder, struct scene *s)
{
    make_changes(folder, s);
    settle(s);
}

static void make_pushes_settled(const char *folder, struct scene *s)
{
    make_push_changes(folder, s);
    settle(s);
}

static void test_flipped_bits_of_the_database_are_noticed(void **state)
{
    (void)state;
    flip_many(make_settled, 0, 300);
    flip_many(make_pushes_settled, 0, 900);
}

static void test_flipped_bits_of_the_wal_are_noticed(void **state)
{
    (void)state;
    flip_many(make_changes, 1, 300);
    flip_many(make_push_changes, 1, 600);
}

static void test_log_of_another_process_is_refused(void **state)
{
    struct scene *s = *state;
    int up[2], down[2], status;
    struct registry *r = NULL;
    struct error e;
    pid_t child;
    char byte;

    assert_int_equal(pipe(up) | pipe(down), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(down[1]);
        if (registry_open(&r, s->folder.path, NULL) != ST_OK || write(up[1], "x", 1) != 1)
            _exit(1);
        _exit(read(down[0], &byte, 1) == 0 ? 0 : 2); /* until the parent has looked */
    }
    assert_int_equal(read(up[0], &byte, 1), 1);
    assert_fails(registry_open(&r, s->folder.path, &e), ST_UNAVAILABLE, e,
                 "log.db\" is locked by another process");
    close(down[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(up[0]), close(up[1]), close(down[0]);
    r = open_ok(s->folder.path);
    assert_int_equal(registry_lsn(r), 5);
    registry_close(r);
}

/* Become somebody whom permissions hold back, with the files being theirs. */
static void give_up_root(struct scene *s)
{
    if (geteuid() != 0)
        return;
    assert_int_equal(chown(s->folder.path, 65534, 65534), 0);
    assert_int_equal(chown(s->db, 65534, 65534), 0);
    assert_int_equal(chown(s->mark, 65534, 65534), 0);
    assert_int_equal(setegid(65534) | seteuid(65534), 0);
}

static void take_root_back(void)
{
    if (getuid() == 0)
        assert_int_equal(seteuid(0) | setegid(0), 0);
}

static void test_missing_permission_is_named(void **state)
{
    static const struct {
        mode_t folder, file, mark;
        const char *words;
    } cases[] = {
        {0555, 0600, 0600, "cannot be written"}, {0755, 0400, 0600, "log.db\" cannot be written"},
        {0755, 0000, 0600, "cannot open"},       {0755, 0600, 0000, "log.mark"},
        {0755, 0600, 0400, "log.mark"},          {0000, 0600, 0600, "log.mark"},
    };
    struct scene *s = *state;

    settle(s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct registry *r = NULL;
        struct error e;
        enum status st;

        give_up_root(s);
        assert_int_equal(chmod(s->mark, cases[i].mark) | chmod(s->db, cases[i].file) |
                             chmod(s->folder.path, cases[i].folder),
                         0);
        st = registry_open(&r, s->folder.path, &e);
        assert_int_equal(chmod(s->folder.path, 0700), 0);
        take_root_back();
        if (st != ST_PERMISSION || !strstr(e.text, cases[i].words))
            fail_msg("case %zu: %s: %s", i, status_name(st), st == ST_OK ? "" : e.text);
    }
    assert_int_equal(chmod(s->db, 0600) | chmod(s->mark, 0600), 0);
    settle(s);
}

static void test_missing_folder_is_named(void **state)
{
    struct registry *r = NULL;
    struct error e;

    assert_fails(registry_open(&r, unit_path(&((struct scene *)*state)->folder, "none"), &e),
                 ST_NOT_FOUND, e, "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flipped_bits_of_the_database_are_noticed),
        cmocka_unit_test(test_flipped_bits_of_the_wal_are_noticed),
        cmocka_unit_test_setup_teardown(test_log_of_another_process_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_permission_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_folder_is_named, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
