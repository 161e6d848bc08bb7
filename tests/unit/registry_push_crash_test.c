/* SPDX-License-Identifier: Apache-2.0 */
/* A log of pushes that is killed: at each of its failpoints, at random moments, and one whose
   memory runs out. What was answered is there, once. */
#include <signal.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "tests/unit/push_steps.h"

#define BATCH 5 /* pushes of a group in the test of kills */

/* The child of the next test: groups without end, the last answered sequence of each of three
   trainers told to the parent. */
static _Noreturn void push_until_killed(const char *folder, int tell, unsigned round)
{
    struct random random = {round};
    struct registry *r = NULL;
    struct error e;
    bool more;

    if (registry_open(&r, folder, &e) != ST_OK)
        _exit(1);
    for (;;) {
        uint64_t t = random_below(&random, 3), n = 1 + random_below(&random, BATCH), last;
        char trainer[8] = {'t', (char)('0' + t), '\0'};
        const struct position *p = registry_position(r, trainer);
        struct push_row row[BATCH];
        struct made m[BATCH];

        last = p ? p->sequence : 0;
        for (size_t i = 0; i < n; i++) {
            make_push(&m[i], r, i, trainer, last + i + 1, i % 2 ? "users" : "ads,users",
                      random_below(&random, 9000));
            row[i] = m[i].row;
        }
        if (registry_push(r, row, n, random_below(&random, 2), &e) != ST_OK)
            _exit(2);
        for (size_t i = 0; i < n; i++)
            free_push(&m[i]);
        last = t << 56 | (last + n);
        if (write(tell, &last, sizeof last) != sizeof last)
            _exit(3);
        if (random_below(&random, 8) == 0 && registry_checkpoint(r, true, &e) != ST_OK)
            _exit(4);
        if (random_below(&random, 8) == 0 &&
            registry_shorten(r, registry_lsn(r) - random_below(&random, 20), &more, &e) != ST_OK)
            _exit(5);
        if (random_below(&random, 8) == 0 && registry_sync(r, &e) != ST_OK)
            _exit(6);
    }
}

static void test_answered_pushes_survive_kill_9(void **state)
{
    const char *folder = folder_of(state);
    uint64_t answered[3] = {0}, told;
    struct random random = {17};
    struct told rows;

    registry_close(open_with_tables(state));
    for (unsigned round = 0; round < 40; round++) {
        uint64_t until = 1 + random_below(&random, 40), messages = 0;
        int tell[2], status;
        struct registry *r;
        pid_t child;

        assert_int_equal(pipe(tell), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(tell[0]);
            push_until_killed(folder, tell[1], round);
        }
        close(tell[1]);
        while (read(tell[0], &told, sizeof told) == sizeof told) {
            answered[told >> 56] = told & 0xffffff;
            if (++messages == until) { /* and read what is still in the pipe */
                usleep((useconds_t)random_below(&random, 500));
                assert_int_equal(kill(child, SIGKILL), 0);
            }
        }
        close(tell[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        r = open_ok(folder); /* it checks every sequence */
        for (unsigned t = 0; t < 3; t++) {
            char trainer[8] = {'t', (char)('0' + t), '\0'};
            const struct position *p = registry_position(r, trainer);
            uint64_t is = p ? p->sequence : 0;

            assert_true(is >= answered[t] && is <= answered[t] + BATCH);
            answered[t] = is;
        }
        replayed(r, 0, &rows); /* and this, every message */
        assert_int_equal(rows.rows, registry_lsn(r) - registry_first(r));
        registry_close(r);
    }
}

#ifdef EMBD_DEVELOPER

static const char *const points[] = {
    "log.begin.before",     "log.begin.after",    "log.insert.before",   "log.insert.after",
    "log.positions.before", "log.commit.before",  "log.commit.after",    "log.mark.before",
    "log.mark.after",       "log.sync.before",    "log.sync.after",      "log.checkpoint.before",
    "log.checkpoint.after", "log.shorten.before", "log.shorten.deleted", "log.shorten.after",
    "log.replay.row",       "log.replay.after",
};

/* What is armed is read once in a process, so the child is this program anew. */
static _Noreturn void begin_steps(const char *folder, int tell, const char *arm, const char *log)
{
    char number[16];

    snprintf(number, sizeof number, "%d", tell);
    setenv("EMBD_FAILPOINTS", arm, 1);
    setenv("EMBD_FAILPOINT_LOG", log, 1);
    execl("/proc/self/exe", "steps", folder, number, (char *)NULL);
    _exit(7);
}

/* The child: all steps, each answer told to the parent. */
static int run_steps(const char *folder, int tell)
{
    struct registry *r = NULL;
    struct error e;

    if (registry_open(&r, folder, &e) != ST_OK)
        return 0;
    for (int step = 0; step < STEPS; step++) {
        enum status st = run_step(r, (enum step)step, &e);

        if (write(tell, &st, sizeof st) != sizeof st)
            return 1;
    }
    registry_close(r);
    return 0;
}

/* Whether the point did something. */
static bool run_with_point(const char *point, const char *action, unsigned at)
{
    enum status answer[STEPS], told;
    char arm[128], what[160];
    struct unit_folder f;
    struct registry *r;
    int tell[2], status, step = 0;
    struct error e;
    bool lost = false;
    size_t logged;
    pid_t child;

    for (int i = 0; i < STEPS; i++)
        answer[i] = ST_UNKNOWN;
    unit_folder_make(&f);
    put_log(&f);
    snprintf(arm, sizeof arm, "%s=%s@%u", point, action, at);
    snprintf(what, sizeof what, "%s", arm);
    assert_int_equal(pipe(tell), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        begin_steps(f.path, tell[1], arm, unit_path(&f, "points"));
    close(tell[1]);
    while (read(tell[0], &told, sizeof told) == sizeof told)
        answer[step++] = told;
    close(tell[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    free(bytes_of(unit_path(&f, "points"), &logged));
    if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL || strcmp(action, "kill")
                            : WEXITSTATUS(status) != 0)
        fail_msg("%s: the child ended with %d", what, status);
    for (int i = 0; i < step; i++) /* no step is answered after one whose outcome nobody knows */
        if (answer[i] == ST_OK && lost && i != FIND && i != REPLAY)
            fail_msg("%s: step %d was answered after the log had failed", what, i);
        else if (answer[i] == ST_UNAVAILABLE)
            lost = true;
    r = open_ok(f.path);
    check_facts(r, answer, true, what);
    for (int i = 0; i < STEPS; i++) /* each trainer would try again */
        if (answer[i] != ST_OK && !(i == GROUP && registry_position(r, "g1")) &&
            !(i == LATE && registry_position(r, "late")) &&
            !(i == LAST && registry_position(r, "last")) &&
            !(i == FORGET && !registry_position(r, "old")))
            assert_ok(run_step(r, (enum step)i, &e), e);
    registry_close(r);
    r = open_ok(f.path);
    for (int i = 0; i < STEPS; i++)
        answer[i] = ST_OK;
    check_facts(r, answer, false, what); /* now everything is there, once */
    registry_close(r);
    unit_folder_remove(&f);
    return logged > 0;
}

static void test_failpoint_at_each_step(void **state)
{
    static const char *const actions[] = {"kill", "error", "full"};

    (void)state;
    for (size_t p = 0; p < sizeof points / sizeof points[0]; p++)
        for (size_t a = 0; a < sizeof actions / sizeof actions[0]; a++) {
            unsigned at = 1;

            while (run_with_point(points[p], actions[a], at))
                at++;
            if (at == 1)
                fail_msg("%s is never passed", points[p]);
        }
}

/* All steps with the n-th of our allocations failing, until all of them were tried. */
static void test_failing_allocations_are_survived(void **state)
{
    enum status answer[STEPS];
    bool failed = true;

    (void)state;
    for (uint64_t n = 1; failed; n += n > 300 ? n / 7 : 1) {
        struct registry *r = NULL;
        struct unit_folder f;
        struct error e;
        enum status opened;
        char what[32];

        snprintf(what, sizeof what, "allocation %d", (int)n);
        unit_folder_make(&f);
        put_log(&f);
        mem_fail_at(n, false);
        opened = registry_open(&r, f.path, &e);
        for (int step = 0; step < STEPS && opened == ST_OK; step++)
            answer[step] = run_step(r, (enum step)step, &e);
        failed = mem_failed();
        mem_fail_at(0, false);
        assert_true(opened == ST_OK || opened == ST_EXHAUSTED);
        if (opened != ST_OK)
            r = open_ok(f.path);
        for (int step = 0; step < STEPS; step++) {
            if (opened == ST_OK && answer[step] != ST_OK && answer[step] != ST_EXHAUSTED)
                fail_msg("%s: step %d ended with %s", what, step, status_name(answer[step]));
            if (opened != ST_OK || answer[step] != ST_OK) {
                assert_ok(run_step(r, (enum step)step, &e), e);
                answer[step] = ST_OK;
            }
        }
        check_facts(r, answer, false, what);
        registry_close(r);
        r = open_ok(f.path);
        check_facts(r, answer, false, what);
        registry_close(r);
        unit_folder_remove(&f);
    }
}
#endif

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answered_pushes_survive_kill_9, make_folder,
                                        remove_folder),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_failpoint_at_each_step),
        cmocka_unit_test(test_failing_allocations_are_survived),
#endif
    };

#ifdef EMBD_DEVELOPER
    if (argc == 3)
        return run_steps(argv[1], atoi(argv[2]));
#endif
    (void)argc, (void)argv;
    return cmocka_run_group_tests(tests, make_first, remove_first);
}
