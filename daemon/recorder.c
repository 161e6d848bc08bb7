/* SPDX-License-Identifier: Apache-2.0 */
/* From the workers' counters to stats.db. The main thread's. */
#include "daemon/recorder.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/config.h"
#include "daemon/counters.h"
#include "daemon/process.h"
#include "daemon/recorder_training.h"
#include "daemon/server.h"
#include "daemon/worker.h"

#define WARN_US 60000000 /* one line a minute while writing fails */

/* What we know of one slot. */
struct record {
    char name[TABLE_NAME_MAX + 1];                 /* empty: none yet */
    int64_t loaded_us;                             /* of the entry whose memory was written last */
    struct call_counts *written[CALL_INDEX_COUNT]; /* totals that are in the database */
    struct call_counts *before[CALL_INDEX_COUNT];  /* of the name that had the slot before */
};

/* A total that is in the database once the transaction at hand is. */
struct pending {
    unsigned slot, call;
    struct call_counts total;
};

struct recorder {
    struct server *server;
    struct statistics *db;
    struct error trouble; /* why there is no db */
    const struct catalog *catalog;
    struct training_recorder *training;
    struct record *record; /* [slots] */
    unsigned slots, used;
    struct pending *pending;
    size_t pending_count, pending_room;
    int64_t memory_minute;  /* whose memory rows are written, 0: none */
    uint64_t memory_number; /* the catalog that they are of */
    uint64_t cache_bytes;   /* of all caches, when they were written */
    bool failing, folding;
    uint64_t warned_us;
};

enum status recorder_new(struct recorder **out, struct server *server, struct error *e)
{
    const struct config *config = server->config;
    struct statistics_options options = {.keep_minutes_s = config->statistics_minutes / 1000000,
                                         .keep_hours_s = config->statistics_hours / 1000000};
    struct recorder *r = mem_zero(1, sizeof *r);

    if (!r)
        return error_memory(e, "statistics");
    r->server = server;
    r->slots = SLOT_FIRST + (unsigned)config->max_tables;
    r->record = mem_zero(r->slots, sizeof *r->record);
    if (!r->record || training_recorder_new(&r->training, server, r->slots, e) != ST_OK) {
        mem_free(r->record);
        mem_free(r);
        return error_memory(e, "statistics");
    }
    strcpy(r->record[SLOT_ANY].name, "*");
    strcpy(r->record[SLOT_NONE].name, "?");
    r->used = SLOT_FIRST;
    if (statistics_open(&r->db, config->data_dir, &options, &r->trouble) != ST_OK)
        log_error("no statistics are kept error=%s", r->trouble.text);
    *out = r;
    return ST_OK;
}

void recorder_free(struct recorder *r)
{
    if (!r)
        return;
    recorder_tick(r);
    statistics_close(r->db);
    for (unsigned slot = 0; slot < r->used; slot++)
        for (unsigned call = 0; call < CALL_INDEX_COUNT; call++) {
            mem_free(r->record[slot].written[call]);
            mem_free(r->record[slot].before[call]);
        }
    training_recorder_free(r->training);
    mem_free(r->record);
    mem_free(r->pending);
    mem_free(r);
}

struct statistics *recorder_statistics(struct recorder *r, struct error *e)
{
    if (!r->db)
        error_set(e, ST_UNAVAILABLE, "no statistics are kept: %s", r->trouble.text);
    return r->db;
}

bool recorder_failing(const struct recorder *r)
{
    return !r->db || r->failing;
}

unsigned recorder_slots(const struct recorder *r)
{
    return r->used;
}

const char *recorder_name(const struct recorder *r, unsigned slot)
{
    return r->record[slot].name[0] ? r->record[slot].name : NULL;
}

/* Everything the workers counted in that place; false if nothing. */
static bool sum_workers(const struct recorder *r, unsigned slot, unsigned call,
                        struct call_counts *out)
{
    const struct server *server = r->server;
    struct call_counts one;
    bool any = false;

    for (unsigned i = 0; i < server->worker_count; i++) {
        if (!counters_read(server->worker[i]->counters, slot, call, &one))
            continue;
        if (any)
            counts_merge(out, &one);
        else
            *out = one;
        any = true;
    }
    return any;
}

static uint64_t count_workers(const struct recorder *r, unsigned slot, unsigned call)
{
    const struct server *server = r->server;
    uint64_t n = 0;

    for (unsigned i = 0; i < server->worker_count; i++)
        n += counters_count(server->worker[i]->counters, slot, call);
    return n;
}

bool recorder_totals(const struct recorder *r, unsigned slot, unsigned call,
                     struct call_counts *out)
{
    const struct call_counts *before = r->record[slot].before[call];

    if (!sum_workers(r, slot, call, out))
        return false;
    if (before)
        counts_subtract(out, before);
    return out->count > 0;
}

void recorder_training(const struct recorder *r, const struct entry *entry,
                       struct training_sums *out)
{
    training_recorder_totals(r->training, entry, out);
}

size_t recorder_refusals(struct recorder *r, const struct refusal **out)
{
    return training_recorder_refusals(r->training, out);
}

/* ---- Names ---- */

/* Another name takes the slot over: from here on its counts begin at nothing. */
static void begin_anew(struct recorder *r, unsigned slot)
{
    struct record *record = &r->record[slot];
    struct call_counts total;

    for (unsigned call = 0; call < CALL_INDEX_COUNT; call++) {
        struct call_counts **kept[] = {&record->before[call], &record->written[call]};

        if (!sum_workers(r, slot, call, &total))
            continue;
        for (unsigned i = 0; i < 2; i++) {
            if (!*kept[i])
                *kept[i] = mem_alloc(sizeof total);
            if (*kept[i]) /* else the old name's counts stay with the new one */
                **kept[i] = total;
        }
    }
}

void recorder_take_catalog(struct recorder *r, const struct catalog *c)
{
    bool flushed = false;

    training_recorder_look(r->training);
    r->catalog = c;
    for (size_t i = 0; i < c->count; i++) {
        const struct entry *entry = c->entry[i];
        struct record *record = &r->record[entry->slot];

        if (!strcmp(record->name, entry->name))
            continue;
        if (record->name[0]) {
            if (!flushed)
                recorder_tick(r);
            flushed = true;
            begin_anew(r, entry->slot);
            training_recorder_anew(r->training, entry->slot);
        }
        memcpy(record->name, entry->name, sizeof record->name);
        record->loaded_us = 0;
        if (entry->slot >= r->used)
            r->used = entry->slot + 1;
    }
    training_recorder_take(r->training, c);
}

/* ---- Writing ---- */

static struct pending *add_pending(struct recorder *r)
{
    size_t room = r->pending_room ? r->pending_room * 2 : 16;
    struct pending *grown;

    if (r->pending_count == r->pending_room) {
        grown = mem_resize(r->pending, room, sizeof *grown);
        if (!grown)
            return NULL;
        r->pending = grown;
        r->pending_room = room;
    }
    return &r->pending[r->pending_count++];
}

/* Note the place if something happened there since it was written. */
static enum status note_change(struct recorder *r, unsigned slot, unsigned call, struct error *e)
{
    const struct call_counts *written = r->record[slot].written[call];
    struct pending *p;

    if (count_workers(r, slot, call) == (written ? written->count : 0))
        return ST_OK;
    p = add_pending(r);
    if (!p)
        return error_memory(e, "statistics");
    p->slot = slot;
    p->call = call;
    sum_workers(r, slot, call, &p->total);
    return ST_OK;
}

static enum status write_calls(struct recorder *r, int64_t now, struct error *e)
{
    struct call_counts since;
    enum status st = ST_OK;

    for (size_t i = 0; i < r->pending_count && st == ST_OK; i++) {
        const struct pending *p = &r->pending[i];
        const struct call_counts *written = r->record[p->slot].written[p->call];

        since = p->total;
        if (written)
            counts_subtract(&since, written);
        st = statistics_add(r->db, now, r->record[p->slot].name, call_index_name(p->call), &since,
                            e);
    }
    return st;
}

/* Every minute, with a new catalog, and when workers have made caches or given them up. */
static bool memory_due(const struct recorder *r, int64_t now)
{
    return r->catalog && (r->memory_minute != now / 60 || r->memory_number != r->catalog->number ||
                          r->cache_bytes != atomic_load(&r->server->caches.bytes));
}

/* What a table is, when it is another one than before. */
static enum status write_content(struct recorder *r, const struct entry *entry, struct error *e)
{
    const struct table *t = entry->table;
    struct table_content content;

    if (!t || r->record[entry->slot].loaded_us == entry->loaded_us)
        return ST_OK;
    content = (struct table_content){.method = t->method->name,
                                     .rows = t->rows,
                                     .dim = t->dim,
                                     .parameter_bytes = t->bytes,
                                     .work = t->work};
    return statistics_content(r->db, entry->name, &content, e);
}

/* The rows of the minute: all once, and those of tables that are new in it. */
static enum status write_memory(struct recorder *r, int64_t now, struct error *e)
{
    bool all = r->memory_minute != now / 60 || r->memory_number == r->catalog->number;
    struct memory_counts m = {0};
    struct process_usage usage;
    enum status st;

    process_look(&usage);
    for (size_t i = 0; i < r->catalog->count; i++) {
        const struct entry *entry = r->catalog->entry[i];
        struct memory_counts t = {0};

        if (entry->table)
            table_memory(entry->table, &t.private_bytes, &t.mapped_bytes);
        t.cache_bytes = entry_cache_bytes(entry);
        m.mapped_bytes += t.mapped_bytes;
        m.cache_bytes += t.cache_bytes;
        if (!all && r->record[entry->slot].loaded_us == entry->loaded_us)
            continue;
        st = statistics_memory(r->db, now, entry->name, &t, e);
        if (st == ST_OK)
            st = write_content(r, entry, e);
        if (st != ST_OK)
            return st;
    }
    m.private_bytes = usage.resident_bytes;
    m.allocated_bytes = usage.allocated_bytes;
    return statistics_memory(r->db, now, "", &m, e);
}

/* It is in the database: remember. */
static void settle(struct recorder *r, int64_t now, bool memory)
{
    for (size_t i = 0; i < r->pending_count; i++) {
        const struct pending *p = &r->pending[i];
        struct call_counts **written = &r->record[p->slot].written[p->call];

        **written = p->total;
    }
    if (!memory)
        return;
    for (size_t i = 0; i < r->catalog->count; i++)
        r->record[r->catalog->entry[i]->slot].loaded_us = r->catalog->entry[i]->loaded_us;
    r->memory_minute = now / 60;
    r->memory_number = r->catalog->number;
    r->cache_bytes = atomic_load(&r->server->caches.bytes);
}

/* Room for what settle() will remember. */
static enum status make_room(struct recorder *r, struct error *e)
{
    for (size_t i = 0; i < r->pending_count; i++) {
        struct call_counts **written = &r->record[r->pending[i].slot].written[r->pending[i].call];

        if (!*written && !(*written = mem_zero(1, sizeof **written)))
            return error_memory(e, "statistics");
    }
    return ST_OK;
}

static enum status write_all(struct recorder *r, int64_t now, struct error *e)
{
    bool memory = memory_due(r, now), new_minute = r->memory_minute != now / 60, training;
    enum status st = ST_OK;

    training_recorder_look(r->training);
    training = training_recorder_due(r->training, now);

    r->pending_count = 0;
    for (unsigned slot = 0; slot < r->used; slot++)
        for (unsigned call = 0; call < CALL_INDEX_COUNT && st == ST_OK; call++)
            st = note_change(r, slot, call, e);
    if (st == ST_OK)
        st = make_room(r, e);
    if (st == ST_OK && (r->pending_count || memory || training)) {
        st = statistics_begin(r->db, e);
        if (st == ST_OK)
            st = write_calls(r, now, e);
        if (st == ST_OK && memory)
            st = write_memory(r, now, e);
        if (st == ST_OK && training)
            st = training_recorder_write(r->training, r->db, r, now, e);
        if (st == ST_OK)
            st = statistics_commit(r->db, e);
        if (st == ST_OK)
            settle(r, now, memory);
        if (st == ST_OK && training)
            training_recorder_settle(r->training, now);
    }
    if (st == ST_OK && (new_minute || r->folding))
        st = statistics_fold(r->db, now, &r->folding, e);
    return st;
}

void recorder_tick(struct recorder *r)
{
    uint64_t now_us = clock_now_us();
    struct error e;

    if (!r->db)
        return;
    r->failing = write_all(r, clock_wall_s(), &e) != ST_OK;
    if (r->failing && (!r->warned_us || now_us - r->warned_us >= WARN_US)) {
        r->warned_us = now_us;
        log_warn("statistics could not be written and are kept for the next try error=%s", e.text);
    }
}
