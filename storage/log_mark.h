/* SPDX-License-Identifier: Apache-2.0 */
/* log.mark: how far the log has come, kept outside of it. SQLite takes a -wal that is gone or
   broken off for one that ends there, and changes that were answered would be missing without a
   word; a log that ends before its mark shows it. One line of text, written over in place after
   each commit and not synced, so that after a power cut it may be behind the log but is never ahead
   of it. */
#pragma once

#include <stdint.h>

#include "base/status.h"

struct log_mark {
    int fd;
};

/* What DATA_DIR/log.mark says, 0 if there is none. ST_DATA_LOSS if it is not a mark. */
MUST_CHECK enum status log_mark_read(const char *data_dir, uint64_t *lsn, struct error *e);
/* Make it if need be, and open it for log_mark_set(). */
MUST_CHECK enum status log_mark_open(struct log_mark *m, const char *data_dir, uint64_t lsn,
                                     struct error *e);
/* Write the lsn of a durable change. A failure is no error of the change: the mark stays behind. */
void log_mark_set(struct log_mark *m, uint64_t lsn);
void log_mark_close(struct log_mark *m);
