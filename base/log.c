/* SPDX-License-Identifier: Apache-2.0 */
/* The log: a line is built on the stack and leaves in one write(2), so lines of several threads do
   not mix. Shared state is the level and the form, both set once. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_MAX_BYTES 4096 /* PIPE_BUF: up to here a write to a pipe is not split */

static _Atomic int level_now = LOG_INFO;
static bool to_journal;
static pthread_once_t form_once = PTHREAD_ONCE_INIT;

static const struct {
    const char *name, *journal;
} levels[] = {
    [LOG_ERROR] = {"error", "<3>"},
    [LOG_WARN] = {"warn", "<4>"},
    [LOG_INFO] = {"info", "<6>"},
    [LOG_DEBUG] = {"debug", "<7>"},
};

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

enum log_level log_level_now(void)
{
    return (enum log_level)atomic_load_explicit(&level_now, memory_order_relaxed);
}

int log_level_parse(const char *name)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (!strcmp(name, levels[i].name))
            return (int)i;
    return -1;
}

/* JOURNAL_STREAM is "device:inode" of the journal's socket. A child inherits it even when its
   standard error goes elsewhere, so the numbers are compared. */
static void find_form(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    to_journal = stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
                 fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static void write_all(const char *line, size_t n)
{
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, line, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* there is nowhere left to complain */
        line += done;
        n -= (size_t)done;
    }
}

static void PRINTF_LIKE(3, 0)
    write_line(enum log_level level, unsigned suppressed, const char *format, va_list args)
{
    char line[LINE_MAX_BYTES], time[32], tail[32] = "";
    size_t room, begin, n;
    int added;

    pthread_once(&form_once, find_form);
    if (to_journal) /* the journal keeps the time itself */
        added = snprintf(line, sizeof line, "%s", levels[level].journal);
    else
        added = snprintf(line, sizeof line, "%s %s ", clock_format(time, clock_wall_us()),
                         levels[level].name);
    begin = n = (size_t)added;
    if (suppressed)
        snprintf(tail, sizeof tail, " suppressed=%u", suppressed);
    room = sizeof line - n - sizeof tail - 1;
    added = vsnprintf(line + n, room, format, args);
    if (added > 0)
        n += (size_t)added < room ? (size_t)added : room - 1;
    for (size_t i = begin; i < n; i++) /* one event, one line, whatever the arguments hold */
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    memcpy(line + n, tail, strlen(tail));
    n += strlen(tail);
    line[n++] = '\n';
    write_all(line, n);
}

void log_write(enum log_level level, const char *format, ...)
{
    va_list args;
    int kept = errno;

    if (level > log_level_now())
        return;
    va_start(args, format);
    write_line(level, 0, format, args);
    va_end(args);
    errno = kept;
}

void log_limited(struct log_limit *limit, unsigned per_second, enum log_level level,
                 const char *format, ...)
{
    uint64_t second = clock_now_us() / 1000000, window;
    unsigned suppressed;
    va_list args;
    int kept = errno;

    if (level > log_level_now())
        return;
    window = atomic_load(&limit->window);
    /* Of the threads that meet a new second one opens it; a line more or less at the edge is fine.
     */
    if (window != second && atomic_compare_exchange_strong(&limit->window, &window, second))
        atomic_store(&limit->passed, 0);
    if (atomic_fetch_add(&limit->passed, 1) >= per_second) {
        atomic_fetch_add(&limit->suppressed, 1);
        return;
    }
    suppressed = atomic_exchange(&limit->suppressed, 0);
    va_start(args, format);
    write_line(level, suppressed, format, args);
    va_end(args);
    errno = kept;
}
