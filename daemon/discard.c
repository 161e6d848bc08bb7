/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that are gone. No state. */
#include "daemon/discard.h"

#include "daemon/thread.h"
#include "table/table.h"

#define LARGE ((uint64_t)16 << 20) /* bytes that are unmapped in about half a millisecond */

static void *run(void *table)
{
    thread_works();
    table_close(table);
    return NULL;
}

void discard(struct table *t)
{
    struct error e;

    if (t &&
        (t->header.data_bytes < LARGE || thread_start(NULL, "embd-discard", run, t, &e) != ST_OK))
        table_close(t);
}
