/* SPDX-License-Identifier: Apache-2.0 */
/* From ids to row numbers, and from row numbers to rows. Any thread. */
#include <string.h>

#include "base/hash.h"
#include "table/key_index.h"
#include "table/part.h"
#include "table/table.h"

#define LOCAL_ROWS 256 /* row numbers made local to a part at a time; on the stack */

static size_t resolve_rows(uint64_t rows, const unsigned char *ids, size_t n, uint64_t *row)
{
    size_t unknown = 0;

    /* No branches: an id out of range, also a negative one, becomes all ones. */
    for (size_t i = 0; i < n; i++) {
        uint64_t id;

        memcpy(&id, ids + i * sizeof id, sizeof id);
        row[i] = id | -(uint64_t)(id >= rows);
        unknown += id >= rows;
    }
    return unknown;
}

static size_t resolve_hashed(uint64_t rows, uint64_t seed, const unsigned char *ids, size_t n,
                             uint64_t *row)
{
    for (size_t i = 0; i < n; i++) {
        int64_t id;

        memcpy(&id, ids + i * sizeof id, sizeof id);
        row[i] = rows ? hash_key(id, seed) % rows : ROW_UNKNOWN;
    }
    return rows ? 0 : n;
}

size_t table_resolve(const struct table *t, const void *ids, size_t n, uint64_t *row)
{
    switch (t->ids) {
    case IDS_KEYS:
        return key_index_find(t->keys, ids, n, row);
    case IDS_HASH:
        return resolve_hashed(t->rows, t->seed, ids, n, row);
    default:
        return resolve_rows(t->rows, ids, n, row);
    }
}

size_t table_part(const struct table *t, uint64_t row)
{
    size_t low = 0, high = t->part_count;

    /* The last part that begins at or before the row; empty parts before it begin there too. */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (t->part_first[middle] <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

void table_rows(const struct table *t, const uint64_t *row, size_t n, void *out)
{
    size_t row_bytes = sizeof(float) * t->dim;
    uint64_t local[LOCAL_ROWS];
    unsigned char *to = out;

    if (t->part_count == 1) {
        t->part[0].method->rows(&t->part[0], row, n, out);
        return;
    }
    for (size_t i = 0; i < n;) {
        size_t part = table_part(t, row[i]), run = 0;
        uint64_t first = t->part_first[part], rows = t->part_first[part + 1] - first;

        while (run < LOCAL_ROWS && i + run < n && row[i + run] - first < rows) {
            local[run] = row[i + run] - first;
            run++;
        }
        t->part[part].method->rows(&t->part[part], local, run, to);
        to += run * row_bytes;
        i += run;
    }
}
