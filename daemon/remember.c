/* SPDX-License-Identifier: Apache-2.0 */
/* Files whose every byte was read and found good, by what identifies them; log.db keeps them. The
   writer's. */
#include "base/log.h"
#include "daemon/writer_parts.h"

void writer_remember(struct writer *w, const char *table, const struct file_identity *file,
                     uint64_t checksum)
{
    struct error e;

    if (w->troubled || registry_file_known(w->registry, file, &(uint64_t){0}))
        return;
    if (registry_file_remember(w->registry, file, checksum, &e) != ST_OK)
        log_warn("the next start will read the whole file again table=%s error=%s", table, e.text);
}

void writer_remember_snapshot(struct writer *w, const char *table, const struct snapshot *s)
{
    struct file_identity file;

    if (file_identify(&file, s->path, NULL) == ST_OK)
        writer_remember(w, table, &file, s->checksum);
}
