/* SPDX-License-Identifier: Apache-2.0 */
/* Failpoints of developer builds: EMBD_FAILPOINTS is read when the first point is passed, then a
   point costs one load while nothing is armed. What is armed never changes; only the counts of how
   often it was met do. Any thread. */
#include "base/failpoint.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define ARMED_MAX 64  /* points in the variable */
#define TEXT_MAX 8192 /* its bytes */

enum failpoint_action { ACTION_KILL, ACTION_SLEEP, ACTION_ERROR, ACTION_FULL };

/* One item of the variable. */
struct armed {
    const char *name; /* "*": every point */
    enum failpoint_action action;
    uint64_t sleep_ms;
    uint64_t at;      /* the time of passing that counts; 0: any */
    bool onwards;     /* and those after it */
    unsigned percent; /* 100: always */
    atomic_uint_fast64_t passed;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_bool quiet; /* read, and nothing is armed */
static struct armed armed[ARMED_MAX];
static size_t armed_count;
static char text[TEXT_MAX];
static char log_path[4096];
static atomic_uint_fast64_t draws; /* random numbers so far, from where this process began */

/* A mistake in the variable ends the process before it can seem that a test has passed. */
static _Noreturn void refuse(const char *item, const char *rule)
{
    dprintf(STDERR_FILENO, "EMBD_FAILPOINTS: %s: %s\n", QUOTE(item), rule);
    _exit(2);
}

/* Take "@N", "@N+" or "%P" off the end of the item. */
static void read_condition(struct armed *a, char *item, char *condition)
{
    uint64_t n;
    char *digits = condition + 1;
    size_t length = strlen(digits);

    if (*condition == '%') {
        if (!parse_u64(digits, length, &n) || n > 100)
            refuse(item, "after % comes a number from 0 to 100");
        a->percent = (unsigned)n;
    } else {
        a->onwards = length && digits[length - 1] == '+';
        if (!parse_u64(digits, length - a->onwards, &a->at) || !a->at)
            refuse(item, "after @ comes a number from 1, and perhaps +");
    }
    *condition = '\0';
}

static void read_item(struct armed *a, char *item)
{
    char *action, *condition;

    a->percent = 100;
    if (!(action = strchr(item, '=')) || action == item)
        refuse(item, "an item is name=action");
    *action++ = '\0';
    a->name = item;
    if ((condition = strpbrk(action, "@%")))
        read_condition(a, action, condition);
    if (!strcmp(action, "kill"))
        a->action = ACTION_KILL;
    else if (!strcmp(action, "error"))
        a->action = ACTION_ERROR;
    else if (!strcmp(action, "full"))
        a->action = ACTION_FULL;
    else if (!strncmp(action, "sleep:", 6)) {
        a->action = ACTION_SLEEP;
        if (!parse_u64(action + 6, strlen(action + 6), &a->sleep_ms) || a->sleep_ms > 3600000)
            refuse(action, "after sleep: comes a number of milliseconds");
    } else
        refuse(action, "an action is kill, sleep:MS, error or full");
}

static void read_variable(void)
{
    const char *variable = getenv("EMBD_FAILPOINTS"), *log = getenv("EMBD_FAILPOINT_LOG");
    char *rest = text;

    if (!variable || !*variable) {
        atomic_store_explicit(&quiet, true, memory_order_release);
        return;
    }
    if (strlen(variable) >= sizeof text || (log && strlen(log) >= sizeof log_path))
        refuse("", "too long");
    strcpy(text, variable);
    if (log)
        strcpy(log_path, log);
    while (rest) {
        char *item = strsep(&rest, ",");

        if (armed_count == ARMED_MAX)
            refuse(item, "too many items");
        read_item(&armed[armed_count++], item);
    }
    atomic_store(&draws, (uint64_t)clock_wall_us() ^ ((uint64_t)getpid() << 40));
}

/* Uniform in 0 to 99 (SplitMix64). */
static unsigned draw(void)
{
    uint64_t z = (atomic_fetch_add(&draws, 1) + 1) * 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (unsigned)((z ^ (z >> 31)) % 100);
}

static bool acts(struct armed *a, const char *name)
{
    uint64_t passed;

    if (strcmp(a->name, "*") && strcmp(a->name, name))
        return false;
    passed = atomic_fetch_add(&a->passed, 1) + 1;
    if (a->at && passed != a->at && !(a->onwards && passed > a->at))
        return false;
    return a->percent == 100 || draw() < a->percent;
}

/* Note it before it acts: a killed process says nothing any more. */
static void note(const char *name)
{
    char line[256];
    int fd, n;

    if (!*log_path)
        return;
    n = snprintf(line, sizeof line, "%s\n", name);
    fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        refuse(log_path, "EMBD_FAILPOINT_LOG cannot be written");
    close(fd);
}

/* True if the point is to fail; errno is set then. */
static bool act(const struct armed *a, const char *name)
{
    struct timespec wait;

    note(name);
    switch (a->action) {
    case ACTION_KILL:
        kill(getpid(), SIGKILL);
        for (;;)
            pause(); /* the signal comes to another thread first, perhaps */
    case ACTION_SLEEP:
        wait.tv_sec = (time_t)(a->sleep_ms / 1000);
        wait.tv_nsec = (long)(a->sleep_ms % 1000) * 1000000;
        while (nanosleep(&wait, &wait) && errno == EINTR)
            ;
        return false;
    case ACTION_ERROR:
        errno = EIO;
        return true;
    case ACTION_FULL:
        errno = ENOSPC;
        return true;
    }
    return false;
}

bool failpoint(const char *name)
{
    bool failed = false;
    int error = errno; /* a point that lets things go on leaves no trace */

    if (atomic_load_explicit(&quiet, memory_order_acquire))
        return false;
    pthread_once(&once, read_variable);
    for (size_t i = 0; i < armed_count; i++)
        if (acts(&armed[i], name) && act(&armed[i], name))
            failed = true, error = errno;
    errno = error;
    return failed;
}
