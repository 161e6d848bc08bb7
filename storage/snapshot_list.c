/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/memory.h"
#include "storage/snapshot_parts.h"

#define CHAIN_FILES 64 /* of blocks, before the next snapshot is whole again */

static int newest_first(const void *a, const void *b)
{
    const struct snapshot_link *x = a, *y = b;

    return snapshot_newer(y, x) - snapshot_newer(x, y);
}

enum status snapshot_list(struct snapshot **list, size_t *count, const char *folder,
                          uint64_t generation, struct error *e)
{
    struct snapshot_scan scan;
    struct snapshot *made;
    enum status st = snapshot_scan(&scan, folder, generation, e);

    if (st != ST_OK)
        return st;
    made = mem_zero(scan.count, sizeof *made);
    if (made) {
        if (scan.count)
            qsort(scan.link, scan.count, sizeof *scan.link, newest_first);
        for (size_t i = 0; i < scan.count; i++)
            made[i] = scan.link[i].s;
        *list = made;
        *count = scan.count;
    } else {
        st = error_memory(e, "snapshots");
    }
    snapshot_scan_done(&scan);
    return st;
}

bool snapshot_fold(const struct snapshot *base, uint64_t whole_bytes)
{
    uint64_t blocks;

    if (!base || base->damaged)
        return true;
    blocks = base->chain_bytes > whole_bytes ? base->chain_bytes - whole_bytes : 0;
    return base->files > CHAIN_FILES || (base->files > 1 && blocks >= whole_bytes / 2);
}
