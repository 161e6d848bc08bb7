/* SPDX-License-Identifier: Apache-2.0 */
/* Failpoints: each case is a process of its own, since the variable is read once. */
#include "base/failpoint.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* Run `body` in a child with this variable, its standard error going to `said`; the wait status. */
static int run(const char *variable, const char *log, int (*body)(void), char said[256])
{
    int to[2], status;
    ssize_t n;
    pid_t child;

    assert_int_equal(pipe(to), 0);
    assert_true((child = fork()) >= 0);
    if (!child) {
        dup2(to[1], STDERR_FILENO);
        variable ? setenv("EMBD_FAILPOINTS", variable, 1) : unsetenv("EMBD_FAILPOINTS");
        log ? setenv("EMBD_FAILPOINT_LOG", log, 1) : unsetenv("EMBD_FAILPOINT_LOG");
        _exit(body());
    }
    close(to[1]);
    n = read(to[0], said, 255);
    said[n > 0 ? n : 0] = '\0';
    close(to[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* As bits: which of six passings of "part.step" failed with errno `error_wanted`. */
static int error_wanted;
static int pass_six(void)
{
    int bits = 0;

    for (int i = 0; i < 6; i++) {
        errno = EDOM;
        if (FAILPOINT("part.step"))
            bits |= (errno == error_wanted) << i;
        else if (errno != EDOM)
            return 255;
        FAILPOINT("part.other") ? bits |= 64 : 0;
    }
    return bits;
}

static void test_which_passings_fail(void **state)
{
    static const struct {
        const char *variable;
        int error, bits;
    } rows[] = {
        {NULL, 0, 0},
        {"", 0, 0},
        {"part.step=error", EIO, 0x3f},
        {"part.step=full", ENOSPC, 0x3f},
        {"part.step=error@1", EIO, 1},
        {"part.step=error@3", EIO, 4},
        {"part.step=full@5+", ENOSPC, 0x30},
        {"part.step=error@7", EIO, 0},
        {"part.step=error%100", EIO, 0x3f},
        {"part.step=error%0", EIO, 0},
        {"part.ste=error,part.step.=error", EIO, 0},
        {"part.step=error@1,part.step=error@4", EIO, 9},
        {"part.step=error@2,part.other=error@2", EIO, 66},
        {"*=error@2", EIO, 64}, /* of all passings, whatever their names */
        {"*=error@1", EIO, 1},
        {"part.step=sleep:0", EIO, 0},
    };
    char said[256];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        error_wanted = rows[i].error;
        int status = run(rows[i].variable, NULL, pass_six, said);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != rows[i].bits)
            fail_msg("%s: status %#x, not %#x", rows[i].variable, status, rows[i].bits << 8);
        assert_string_equal(said, "");
    }
}

static void test_percent_is_random(void **state)
{
    unsigned failed = 0;
    char said[256];

    (void)state;
    error_wanted = EIO;
    for (int i = 0; i < 40; i++) {
        int status = run("part.step=error%50", NULL, pass_six, said);
        assert_true(WIFEXITED(status));
        failed += (unsigned)__builtin_popcount((unsigned)WEXITSTATUS(status));
    }
    /* 240 draws; 60 or less, or 180 and more, come once in 10^14. */
    assert_in_range(failed, 61, 179);
}

static void test_kill_is_at_once_and_noted(void **state)
{
    struct unit_folder f;
    char said[256], noted[64] = "";
    FILE *log;
    int status;

    (void)state;
    unit_folder_make(&f);
    status = run("part.other=kill@2,part.step=sleep:0", unit_path(&f, "log"), pass_six, said);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_non_null(log = fopen(unit_path(&f, "log"), "r"));
    assert_true(fread(noted, 1, sizeof noted - 1, log) > 0);
    fclose(log);
    assert_string_equal(noted, "part.step\npart.step\npart.other\n");
    unit_folder_remove(&f);
}

static int sleep_a_while(void)
{
    uint64_t begin = clock_now_us();

    return FAILPOINT("part.step") || clock_now_us() - begin < 30000;
}

static void test_sleep_waits(void **state)
{
    char said[256];

    (void)state;
    assert_int_equal(run("part.step=sleep:30", NULL, sleep_a_while, said), 0);
}

static void test_mistakes_end_the_process(void **state)
{
    static const struct {
        const char *variable, *says;
    } rows[] = {
        {"part.step", "name=action"},          {"=kill", "name=action"},
        {"part.step=", "an action is"},        {"part.step=die", "an action is"},
        {"part.step=error,", "name=action"},   {"part.step=sleep:", "milliseconds"},
        {"part.step=sleep:x", "milliseconds"}, {"part.step=error@", "after @"},
        {"part.step=error@0", "after @"},      {"part.step=error@+", "after @"},
        {"part.step=error@1x", "after @"},     {"part.step=error%", "after %"},
        {"part.step=error%101", "after %"},    {"other=kill,part.step=die", "an action is"},
    };
    char said[256];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int status = run(rows[i].variable, NULL, pass_six, said);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 2 || !strstr(said, rows[i].says) ||
            !strstr(said, "EMBD_FAILPOINTS"))
            fail_msg("%s: status %#x, \"%s\"", rows[i].variable, status, said);
    }
}

static atomic_int failures;

static void *pass_often(void *unused)
{
    for (int i = 0; i < 1000; i++)
        if (FAILPOINT("part.threads"))
            atomic_fetch_add(&failures, 1);
    return unused;
}

static int pass_in_threads(void)
{
    pthread_t thread[4];

    for (size_t i = 0; i < COUNT(thread); i++)
        if (pthread_create(&thread[i], NULL, pass_often, NULL))
            return 255;
    for (size_t i = 0; i < COUNT(thread); i++)
        pthread_join(thread[i], NULL);
    return atomic_load(&failures);
}

static void test_threads_count_together(void **state)
{
    char said[256];

    (void)state;
    assert_int_equal(run("part.threads=error@2000", NULL, pass_in_threads, said), 1 << 8);
    assert_int_equal(run("part.threads=error@3994+", NULL, pass_in_threads, said), 7 << 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_passings_fail),
        cmocka_unit_test(test_percent_is_random),
        cmocka_unit_test(test_kill_is_at_once_and_noted),
        cmocka_unit_test(test_sleep_waits),
        cmocka_unit_test(test_mistakes_end_the_process),
        cmocka_unit_test(test_threads_count_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
