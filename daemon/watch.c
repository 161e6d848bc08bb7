/* SPDX-License-Identifier: Apache-2.0 */
/* What the writer looks after once a second: files of served tables that change under it, and the
   log. The writer's. */
#include "base/log.h"
#include "base/text.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"

/* Files looked at in a second: one stat(2) each, a few microseconds. */
#define FILES_A_SECOND 1000

static void look_at(struct entry *entry)
{
    if (!entry->table || entry->reported)
        return;
    if (table_file_changed(entry->table))
        table_mark_damaged(entry->table);
    if (!table_damaged(entry->table)) /* a lookup may have found it so, too */
        return;
    entry->reported = true;
    log_error("the file of a table was changed or cut under the daemon, so its lookups are refused "
              "until it is loaded again table=%s file=%s",
              entry->name, QUOTE(entry->file));
}

void watch_files(struct writer *w)
{
    size_t n = w->catalog->count;

    for (size_t i = 0; i < n && i < FILES_A_SECOND; i++) {
        if (w->watch_next >= n)
            w->watch_next = 0;
        look_at(w->catalog->entry[w->watch_next++]);
    }
}

void writer_checkpoint(struct writer *w, bool idle)
{
    struct error e;

    if (registry_checkpoint(w->registry, idle, &e) != ST_OK)
        log_debug("the log was not moved into its database error=%s", e.text);
}

void writer_measure(struct writer *w)
{
    struct server *server = w->server;

    if (!w->registry)
        return;
    atomic_store(&server->log_lsn, registry_lsn(w->registry));
    atomic_store(&server->log_rows, registry_lsn(w->registry) - registry_first(w->registry));
    atomic_store(&server->log_bytes, registry_bytes(w->registry));
    atomic_store(&server->log_disk_bytes, registry_disk_bytes(w->registry));
}

void watch_log(struct writer *w)
{
    struct error e;

    writer_measure(w);
    if (w->troubled || !w->registry)
        return;
    if (registry_trouble(w->registry, &e) != ST_OK)
        writer_give_up(w, &e);
    else /* idle: no group in this second */
        writer_checkpoint(w, w->pushes.number == w->pushes.watched);
    w->pushes.watched = w->pushes.number;
}
