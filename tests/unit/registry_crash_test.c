/* SPDX-License-Identifier: Apache-2.0 */
/* A registry that is killed, or whose memory runs out, keeps every change that was answered. */
#include <signal.h>
#include <sys/wait.h>

#include "base/memory.h"
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
    unit_folder_remove(*state);
    free(*state);
    return 0;
}

/* The child of the next test: changes without end, each told to the parent when it was answered. */
static void change_until_killed(const char *folder, int tell, unsigned round)
{
    struct registry *r = NULL;
    struct registered t;
    struct error e;
    char name[64];

    if (registry_open(&r, folder, &e) != ST_OK)
        _exit(1);
    for (unsigned i = 0;; i++) {
        snprintf(name, sizeof name, "t%u", i % 50);
        t = sample(name, "/srv/f", "{}");
        if (registry_change(r, registry_find(r, name) ? CHANGE_FORGET : CHANGE_LOAD, &t, &e) !=
                ST_OK ||
            write(tell, &t.lsn, sizeof t.lsn) != sizeof t.lsn)
            _exit(2);
        if (i % 16 == round && registry_checkpoint(r, true, &e) != ST_OK)
            _exit(3);
    }
}

static void test_answered_changes_survive_kill_9(void **state)
{
    const char *folder = ((struct unit_folder *)*state)->path;
    uint64_t answered = 0, at_least;

    for (unsigned round = 0; round < 16; round++) {
        int tell[2], status;
        struct registry *r;
        pid_t child;

        assert_int_equal(pipe(tell), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(tell[0]);
            change_until_killed(folder, tell[1], round);
        }
        close(tell[1]);
        at_least = answered + 3 + round * 2;
        while (read(tell[0], &answered, sizeof answered) == sizeof answered)
            if (answered == at_least)
                assert_int_equal(kill(child, SIGKILL), 0); /* and read what is still in the pipe */
        close(tell[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_true(answered >= at_least);
        r = open_ok(folder);
        assert_true(registry_lsn(r) >= answered);
        assert_true(registry_lsn(r) <= answered + 1);
        answered = registry_lsn(r);
        registry_close(r);
    }
}

#ifdef EMBD_DEVELOPER
/* Open, change and look, with the n-th of our allocations failing, until all of them were tried. */
static void test_failing_allocations_are_survived(void **state)
{
    static const struct file_identity id = {1, 2, 3, 4, 5};
    const char *folder = ((struct unit_folder *)*state)->path;
    char path[PATH_MAX], mark[PATH_MAX], name[64];
    struct registry *r = open_ok(folder);
    enum status opened, changed, kept;
    unsigned char *begin;
    bool failed = true;
    struct registered t;
    uint64_t checksum;
    struct error e;
    size_t size;

    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "t%d", i);
        change_ok(r, CHANGE_LOAD, name);
    }
    registry_close(r);
    snprintf(path, sizeof path, "%s/log.db", folder);
    snprintf(mark, sizeof mark, "%s/log.mark", folder);
    begin = bytes_of(path, &size);
    for (uint64_t n = 1; failed; n++) {
        unit_write(path, begin, size); /* the same each time, so that there is an end */
        unlink(mark);
        changed = kept = ST_OK;
        t = sample("t7", "/other", "{}");
        mem_fail_at(n, false);
        opened = registry_open(&r, folder, &e);
        if (opened == ST_OK) {
            changed = registry_change(r, CHANGE_REPLACE, &t, &e);
            kept = registry_file_remember(r, &id, 6, &e);
            registry_file_known(r, &id, &checksum);
        }
        failed = mem_failed();
        mem_fail_at(0, false);
        assert_true(opened == ST_OK || opened == ST_EXHAUSTED);
        assert_true(changed == ST_OK || changed == ST_EXHAUSTED);
        assert_true(kept == ST_OK || kept == ST_EXHAUSTED);
        if (opened != ST_OK)
            r = open_ok(folder);
        assert_int_equal(registry_lsn(r), 20 + (opened == ST_OK && changed == ST_OK));
        assert_ok(registry_trouble(r, &e), e);
        registry_close(r);
    }
    free(begin);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answered_changes_survive_kill_9, setup, teardown),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test_setup_teardown(test_failing_allocations_are_survived, setup, teardown),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
