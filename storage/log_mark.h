/* SPDX-License-Identifier: Apache-2.0 */
/* log.mark: how far the log has come, kept outside of it. SQLite takes a -wal that is gone or
   broken off for one that ends there, and that of another log for its own; changes that were
   answered would be missing without a word. Two lines of text, of which the older one is written
   over in place after each commit and not synced, so that after a power cut it may be behind the
   log but is never ahead of it. */
#pragma once

#include <stdint.h>

#include "base/status.h"

struct log_mark {
    int fd;            /* -1 until it is open for writing */
    uint64_t lsn;      /* of the last change; 0: none, or there is no mark */
    uint64_t checksum; /* of that change's row, by which another log is known */
    unsigned line;     /* that says so */
    unsigned lines;    /* of the file; 0: there is none */
};

/* What DATA_DIR/log.mark says. ST_DATA_LOSS if it is not a mark. */
MUST_CHECK enum status log_mark_read(struct log_mark *m, const char *data_dir, struct error *e);
/* Write what `m` says, into a new file if there is none, and keep it open for log_mark_set(). */
MUST_CHECK enum status log_mark_open(struct log_mark *m, const char *data_dir, struct error *e);
/* Write where a durable change is. A failure is no error of the change: the mark stays behind. */
void log_mark_set(struct log_mark *m, uint64_t lsn, uint64_t checksum);
void log_mark_close(struct log_mark *m);
