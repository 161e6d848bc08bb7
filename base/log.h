/* SPDX-License-Identifier: Apache-2.0 */
/* The log: one line an event, "time level sentence key=value …", to standard error (or to syslog's
   level prefixes under systemd, when JOURNAL_STREAM is set). Used by daemon/ and client/ only;
   libraries return errors. Lines are written whole, from any thread. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/status.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_level_now(void);
int log_level_parse(const char *name); /* -1 if unknown */

void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_level_now() >= LOG_DEBUG)                                                          \
            log_write(LOG_DEBUG, __VA_ARGS__);                                                     \
    } while (0)

/* For events that a peer can cause at will: at most `per_second` lines a second pass for one
   `struct log_limit`; the next line that passes says how many were left out. */
struct log_limit {
    _Atomic uint64_t window; /* second */
    atomic_uint passed, suppressed;
};
void log_limited(struct log_limit *limit, unsigned per_second, enum log_level level,
                 const char *format, ...) PRINTF_LIKE(4, 5);
