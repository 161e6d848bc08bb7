/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that were opened at the start are served at once, from wherever their bytes are: pages of
   files that may not be in memory yet, or not mapped. The writer brings them in, a piece a turn of
   its loop, so that pushes and loads go on meanwhile; then the daemon is ready. */
#include "daemon/control.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"

void fetch_begin(struct writer *w)
{
    w->fetching = true;
    opening_phase(&w->server->opening, OPENING_FETCH, w->catalog->count);
}

bool fetch_turn(struct writer *w)
{
    if (!w->fetching)
        return false;
    if (w->fetch_number != w->catalog->number) { /* places have moved */
        w->fetch_number = w->catalog->number;
        w->fetch_next = 0;
    }
    for (; w->fetch_next < w->catalog->count; w->fetch_next++) {
        struct entry *entry = w->catalog->entry[w->fetch_next];

        if (entry->fetched)
            continue;
        entry->fetched = !entry->table || !table_fetch(entry->table);
        atomic_store(&w->server->opening.done, w->fetch_next);
        return true;
    }
    w->fetching = false;
    opening_phase(&w->server->opening, OPENING_DONE, 0);
    w->fetched.deliver = control_take_fetched;
    mailbox_send(&w->server->main, &w->fetched);
    return false;
}
