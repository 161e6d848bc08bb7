/* SPDX-License-Identifier: Apache-2.0 */
/* What the service Tables says about a table. No state. */
#include "daemon/table_info.h"

#include <assert.h>
#include <string.h>

#include "daemon/keep.h"

/* The enums of the wire are those of the table, number for number. */
static_assert((int)EMBD__V1__TABLE_MEMORY__TABLE_MEMORY_MAP == REGION_MAP, "memory");
static_assert((int)EMBD__V1__TABLE_MEMORY__TABLE_MEMORY_COPY == REGION_COPY, "memory");
static_assert((int)EMBD__V1__TABLE_MEMORY__TABLE_MEMORY_LOCK == REGION_LOCK, "memory");
static_assert((int)EMBD__V1__TABLE_IDS__TABLE_IDS_ROWS == IDS_ROWS, "ids");
static_assert((int)EMBD__V1__TABLE_IDS__TABLE_IDS_KEYS == IDS_KEYS, "ids");
static_assert((int)EMBD__V1__TABLE_IDS__TABLE_IDS_HASH == IDS_HASH, "ids");

const char *entry_trouble(const struct entry *entry)
{
    if (!entry->table)
        return entry->trouble;
    return table_damaged(entry->table) ? "the file was changed or cut while it was served" : NULL;
}

void snapshot_info(Embd__V1__SnapshotInfo *info, const struct kept *kept)
{
    *info = (Embd__V1__SnapshotInfo)EMBD__V1__SNAPSHOT_INFO__INIT;
    info->version = kept->version;
    info->lsn = kept->lsn;
    info->whole = kept->whole;
    info->bytes = kept->bytes;
    info->time_us = kept->time_us;
    info->file = (char *)kept->file;
    info->checksum = kept->checksum;
}

/* Of the optimizer's state. */
static uint64_t state_bytes(const struct table *t)
{
    static const char prefix[] = "optimizer.";
    uint64_t bytes = 0;

    for (size_t i = 0; i < t->header.tensor_count; i++)
        if (!strncmp(t->header.tensor[i].tensor.name, prefix, sizeof prefix - 1))
            bytes += t->header.tensor[i].tensor.bytes;
    return bytes;
}

void table_info(Embd__V1__TableInfo *info, const struct entry *entry)
{
    const struct table *t = entry->table;
    const char *trouble = entry_trouble(entry);

    *info = (Embd__V1__TableInfo)EMBD__V1__TABLE_INFO__INIT;
    info->name = (char *)entry->name;
    info->version = entry->version;
    info->generation = entry->generation;
    if (entry->file)
        info->file = entry->file;
    if (trouble) {
        info->state = EMBD__V1__TABLE_STATE__TABLE_STATE_DAMAGED;
        info->trouble = (char *)trouble;
    }
    if (!t)
        return;
    info->method = (char *)t->method->name;
    info->rows = t->rows;
    info->dim = t->dim;
    info->memory = (Embd__V1__TableMemory)t->memory;
    info->ids = (Embd__V1__TableIds)t->ids;
    info->grows = t->grows;
    if (t->grows)
        info->used_rows = entry->gauges ? entry->gauges->used_rows : t->used;
    info->parameter_bytes = t->bytes;
    info->ratio = table_ratio(t);
    table_memory(t, &info->private_bytes, &info->mapped_bytes);
    info->cache_bytes = entry_cache_bytes(entry);
    info->optimizer_bytes = state_bytes(t);
    if (!entry->keep)
        return;
    info->trainable = true;
    info->snapshot_version = entry->gauges->snapshot_version;
    info->private_bytes += entry->gauges->memory_bytes;
}

static enum status describe_tensors(Embd__V1__DescribeResponse *reply, const struct table *t,
                                    struct arena *arena, struct error *e)
{
    size_t n = t->header.tensor_count;
    Embd__V1__TensorInfo *info = arena_alloc(arena, n, sizeof *info);

    reply->tensors = arena_alloc(arena, n, sizeof *reply->tensors);
    if (!info || !reply->tensors)
        return error_memory(e, "the reply");
    for (size_t i = 0; i < n; i++) {
        const struct tensor *tensor = &t->header.tensor[i].tensor;

        info[i] = (Embd__V1__TensorInfo)EMBD__V1__TENSOR_INFO__INIT;
        info[i].name = (char *)tensor->name;
        info[i].dtype = (char *)dtype_name(tensor->dtype);
        info[i].n_shape = tensor->rank;
        info[i].shape = (uint64_t *)tensor->shape;
        info[i].bytes = tensor->bytes;
        reply->tensors[i] = &info[i];
    }
    reply->n_tensors = n;
    return ST_OK;
}

/* What the table has besides if it is trained. */
static enum status describe_training(Embd__V1__DescribeResponse *reply, const struct entry *entry,
                                     struct arena *arena, struct error *e)
{
    Embd__V1__SnapshotInfo *info;
    struct keep_description d;
    enum status st = keep_describe(&d, entry, arena, e);

    if (st != ST_OK)
        return st;
    arena->cap += d.count * (sizeof *info + sizeof *reply->snapshots) + 64;
    info = arena_alloc(arena, d.count, sizeof *info);
    reply->snapshots = arena_alloc(arena, d.count, sizeof *reply->snapshots);
    if (!info || !reply->snapshots)
        return error_memory(e, "the reply");
    for (size_t i = 0; i < d.count; i++) {
        snapshot_info(&info[i], &d.kept[i]);
        reply->snapshots[i] = &info[i];
    }
    reply->n_snapshots = d.count;
    reply->optimizer = (char *)d.optimizer;
    reply->durability = (char *)d.durability;
    reply->count = (char *)d.counted;
    reply->accesses = d.accesses;
    return ST_OK;
}

enum status table_describe(Embd__V1__DescribeResponse *reply, Embd__V1__TableInfo *info,
                           const struct entry *entry, struct arena *arena, struct error *e)
{
    const struct table *t = entry->table;

    table_info(info, entry);
    *reply = (Embd__V1__DescribeResponse)EMBD__V1__DESCRIBE_RESPONSE__INIT;
    reply->table = info;
    reply->loaded_us = entry->loaded_us;
    reply->lsn = entry->lsn;
    reply->checksum = entry->checksum;
    if (!t)
        return ST_OK;
    reply->config = t->config;
    reply->origin = t->origin;
    if (t->optimizer)
        reply->optimizer = t->optimizer;
    reply->fields = t->field_rows;
    reply->n_fields = t->field_count;
    reply->extra_bytes = t->extra_bytes;
    reply->work = t->work;
    arena->cap += t->header.tensor_count * (sizeof(Embd__V1__TensorInfo) + sizeof(void *) + 32);
    if (entry->keep && describe_training(reply, entry, arena, e) != ST_OK)
        return ST_EXHAUSTED;
    return describe_tensors(reply, t, arena, e);
}
