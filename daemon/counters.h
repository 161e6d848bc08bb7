/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of one worker: written by it alone (relaxed atomics, no contention), read by the main
   thread each second. One block for each table and call that the worker has seen, made when first
   needed. */
#pragma once

#include "base/status.h"
#include "storage/statistics.h"

/* Calls that have counters; the names are those of statistics and metrics. */
enum call_index {
    CALL_LOOKUP,
    CALL_PUSH,
    CALL_PUSH_STREAM,
    CALL_POSITION,
    CALL_FORGET,
    CALL_LIST,
    CALL_DESCRIBE,
    CALL_LOAD,
    CALL_UNLOAD,
    CALL_SAVE,
    CALL_RESTORE,
    CALL_CREATE,
    CALL_EXPLAIN,
    CALL_SAVE_GROUP,
    CALL_RESTORE_GROUP,
    CALL_LOAD_GROUP,
    CALL_GROUPS,
    CALL_DROP_GROUP,
    CALL_COUNTS,
    CALL_STATS,
    CALL_HEALTH_CHECK,
    CALL_HEALTH_WATCH,
    CALL_HEALTH_LIST,
    CALL_REFLECTION,
    CALL_UNKNOWN,
    CALL_INDEX_COUNT
};
const char *call_index_name(unsigned index);

/* Slots of names that are no table's; real tables get slots from SLOT_FIRST on (entry.slot). */
enum {
    SLOT_ANY = 0 /* "*": calls about no table */,
    SLOT_NONE = 1 /* "?": no such table */,
    SLOT_FIRST = 2
};

struct counters;

/* For `slots` slots (SLOT_FIRST + max_tables). */
MUST_CHECK enum status counters_new(struct counters **out, unsigned slots, struct error *e);
void counters_free(struct counters *c);
/* By the owner: one finished call. Never fails; without memory for a block it is left out. */
void counters_record(struct counters *c, unsigned slot, unsigned call, enum status st, uint64_t ids,
                     uint64_t missing, uint64_t latency_us);
/* By the owner, before counters_record(): ids of that call whose row a cache had or had not. */
void counters_cache(struct counters *c, unsigned slot, unsigned call, uint64_t hits,
                    uint64_t misses);
/* By any thread: the totals since start; false if nothing was ever recorded there. */
bool counters_read(const struct counters *c, unsigned slot, unsigned call, struct call_counts *out);
/* By any thread: how many calls were recorded there, without reading the rest. */
uint64_t counters_count(const struct counters *c, unsigned slot, unsigned call);

/* Add `from` to `into`. */
void counts_merge(struct call_counts *into, const struct call_counts *from);
/* Leave in `counts` what came since they were `from`. The highest latency of that time is known by
   its bucket; it is exact if it is the highest of all. */
void counts_subtract(struct call_counts *counts, const struct call_counts *from);
