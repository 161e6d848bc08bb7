/* SPDX-License-Identifier: Apache-2.0 */
/* From gauges and counts of refusals to stats.db. The main thread's. */
#include "daemon/recorder_training.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "daemon/recorder.h"
#include "daemon/server.h"
#include "daemon/table_info.h"
#include "table/catalog.h"

/* What we know of the table in one slot. */
struct place {
    bool served;                /* in the catalog, and trainable */
    int64_t loaded_us;          /* of the entry whose gauges were read last; 0: none */
    struct training_sums seen;  /* what they said */
    struct training_sums fresh; /* what is not in the database yet */
    struct training_sums total; /* since the start */
    struct training_state state, written;
};

struct training_recorder {
    const struct server *server;
    const struct catalog *catalog; /* NULL: none yet */
    struct place *place;           /* [slots] */
    unsigned slots;
    struct refusal *refusal; /* [room], as they were last read … */
    uint64_t *refused;       /* … and how many of each are in the database */
    size_t room, refusals;
    struct log_state log, written_log;
    struct start_record start;
    bool start_due;
    int64_t minute; /* for which all rows are written, 0: none */
};

enum status training_recorder_new(struct training_recorder **out, struct server *server,
                                  unsigned slots, struct error *e)
{
    struct training_recorder *t = mem_zero(1, sizeof *t);

    if (!t)
        return error_memory(e, "statistics");
    t->server = server;
    t->slots = slots;
    t->room = refusals_room(server->refusals);
    t->place = mem_zero(slots, sizeof *t->place);
    t->refusal = mem_zero(t->room, sizeof *t->refusal);
    t->refused = mem_zero(t->room, sizeof *t->refused);
    if (!t->place || !t->refusal || !t->refused) {
        training_recorder_free(t);
        return error_memory(e, "statistics");
    }
    *out = t;
    return ST_OK;
}

void training_recorder_free(struct training_recorder *t)
{
    if (!t)
        return;
    mem_free(t->place);
    mem_free(t->refusal);
    mem_free(t->refused);
    mem_free(t);
}

/* ---- Looking ---- */

static uint64_t load(atomic_uint_fast64_t *gauge)
{
    return atomic_load_explicit(gauge, memory_order_relaxed);
}

static void read_gauges(struct training_sums *out, struct training_gauges *g)
{
    *out = (struct training_sums){.pushes = load(&g->pushes),
                                  .ids = load(&g->ids),
                                  .rows = load(&g->rows),
                                  .skipped = load(&g->skipped),
                                  .kept = load(&g->kept),
                                  .saturated = load(&g->saturated),
                                  .clipped = load(&g->clipped),
                                  .changed_bytes = load(&g->changed_bytes),
                                  .admitted = load(&g->admitted),
                                  .evicted = load(&g->evicted),
                                  .crowded = load(&g->crowded),
                                  .snapshots = load(&g->snapshots),
                                  .snapshot_bytes = load(&g->snapshots_bytes),
                                  .save_us = load(&g->save_us),
                                  .save_pause_us = load(&g->save_pause_us)};
}

/* Add what has happened between two looks. */
static void add_since(struct training_sums *to, const struct training_sums *now,
                      const struct training_sums *before)
{
    to->pushes += now->pushes - before->pushes;
    to->ids += now->ids - before->ids;
    to->rows += now->rows - before->rows;
    to->skipped += now->skipped - before->skipped;
    to->kept += now->kept - before->kept;
    to->saturated += now->saturated - before->saturated;
    to->clipped += now->clipped - before->clipped;
    to->changed_bytes += now->changed_bytes - before->changed_bytes;
    to->admitted += now->admitted - before->admitted;
    to->evicted += now->evicted - before->evicted;
    to->crowded += now->crowded - before->crowded;
    to->snapshots += now->snapshots - before->snapshots;
    to->snapshot_bytes += now->snapshot_bytes - before->snapshot_bytes;
}

/* The times of saves are those of the last one: a sum over more keeps the longest that was seen. */
static void raise(uint64_t *longest, uint64_t us)
{
    *longest = us > *longest ? us : *longest;
}

static void look_at(struct place *p, const struct entry *entry)
{
    struct training_gauges *g = entry->gauges;
    struct training_sums now;

    read_gauges(&now, g);
    add_since(&p->fresh, &now, &p->seen);
    add_since(&p->total, &now, &p->seen);
    if (now.snapshots != p->seen.snapshots) {
        raise(&p->fresh.save_us, now.save_us);
        raise(&p->fresh.save_pause_us, now.save_pause_us);
    }
    p->seen = now;
    p->state = (struct training_state){.version = entry->version,
                                       .snapshot_version = load(&g->snapshot_version),
                                       .snapshot_s = (int64_t)(load(&g->snapshot_us) / 1000000),
                                       .memory_bytes = load(&g->memory_bytes),
                                       .used_rows = load(&g->used_rows)};
}

void training_recorder_look(struct training_recorder *t)
{
    for (size_t i = 0; t->catalog && i < t->catalog->count; i++) {
        const struct entry *entry = t->catalog->entry[i];

        if (entry->gauges)
            look_at(&t->place[entry->slot], entry);
    }
    t->refusals = refusals_read(t->server->refusals, t->refusal, t->room);
    t->log = log_state_now(t->server);
}

struct log_state log_state_now(const struct server *server)
{
    uint64_t lsn = server->lsn, logged = server->log_lsn;

    return (struct log_state){.lsn = logged > lsn ? logged : lsn,
                              .rows = server->log_rows,
                              .bytes = server->log_bytes,
                              .disk_bytes = server->log_disk_bytes,
                              .queued_bytes = server->queued_push_bytes};
}

/* ---- Names ---- */

/* The first catalog: the daemon serves. */
static void note_start(struct training_recorder *t)
{
    const struct server *server = t->server;
    struct start_record *s = &t->start;

    s->opening_us = clock_now_us() - server->start_us;
    s->time_s = clock_wall_s() - (int64_t)(s->opening_us / 1000000);
    s->version = PACKAGE_VERSION;
    s->replay_us = server->opening.replay_us;
    s->replay_rows = server->opening.replayed;
    s->pushes = server->opening.pushes;
    s->lsn = server->lsn;
    s->tables = t->catalog->count;
    for (size_t i = 0; i < t->catalog->count; i++)
        s->damaged += entry_trouble(t->catalog->entry[i]) != NULL;
    t->start_due = true;
}

void training_recorder_take(struct training_recorder *t, const struct catalog *c)
{
    bool first = !t->catalog;

    for (unsigned slot = 0; slot < t->slots; slot++)
        t->place[slot].served = false;
    t->catalog = c;
    for (size_t i = 0; i < c->count; i++) {
        const struct entry *entry = c->entry[i];
        struct place *p = &t->place[entry->slot];

        p->served = entry->gauges != NULL;
        if (!entry->gauges || p->loaded_us == entry->loaded_us)
            continue;
        p->loaded_us = entry->loaded_us;
        p->seen = (struct training_sums){0};
        if (first)
            read_gauges(&p->seen, entry->gauges);
    }
    if (first)
        note_start(t);
    training_recorder_look(t);
}

void training_recorder_anew(struct training_recorder *t, unsigned slot)
{
    t->place[slot] = (struct place){0};
}

/* ---- Writing ---- */

static bool differ(const void *a, const void *b, size_t n)
{
    return memcmp(a, b, n) != 0;
}

/* Words of 64 bits alone: no padding that memcmp() would see. */
static bool place_due(const struct place *p, bool all)
{
    static const struct training_sums none;

    return (all && p->served) || differ(&p->fresh, &none, sizeof none) ||
           (p->served && differ(&p->state, &p->written, sizeof p->state));
}

static bool new_minute(const struct training_recorder *t, int64_t now)
{
    return t->catalog && t->minute != now / 60;
}

bool training_recorder_due(const struct training_recorder *t, int64_t now)
{
    bool due = t->start_due || new_minute(t, now) ||
               (t->catalog && differ(&t->log, &t->written_log, sizeof t->log));

    for (unsigned slot = 0; slot < t->slots && !due; slot++)
        due = place_due(&t->place[slot], false);
    for (size_t i = 0; i < t->refusals && !due; i++)
        due = t->refusal[i].count != t->refused[i];
    return due;
}

static enum status write_places(const struct training_recorder *t, struct statistics *db,
                                const struct recorder *names, int64_t now, struct error *e)
{
    bool all = new_minute(t, now);
    enum status st = ST_OK;

    for (unsigned slot = 0; slot < t->slots && st == ST_OK; slot++) {
        const struct place *p = &t->place[slot];

        if (place_due(p, all))
            st = statistics_training(db, now, recorder_name(names, slot), &p->fresh, &p->state, e);
    }
    return st;
}

static enum status write_refusals(const struct training_recorder *t, struct statistics *db,
                                  int64_t now, struct error *e)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < t->refusals && st == ST_OK; i++) {
        const struct refusal *r = &t->refusal[i];

        if (r->count != t->refused[i])
            st = statistics_refusal(db, now, r->trainer, r->status, r->reason,
                                    r->count - t->refused[i], e);
    }
    return st;
}

enum status training_recorder_write(struct training_recorder *t, struct statistics *db,
                                    const struct recorder *names, int64_t now, struct error *e)
{
    enum status st = write_places(t, db, names, now, e);

    if (st == ST_OK)
        st = write_refusals(t, db, now, e);
    if (st == ST_OK && t->catalog)
        st = statistics_log(db, now, &t->log, e);
    if (st == ST_OK && t->start_due)
        st = statistics_start(db, &t->start, e);
    return st;
}

void training_recorder_settle(struct training_recorder *t, int64_t now)
{
    for (unsigned slot = 0; slot < t->slots; slot++) {
        struct place *p = &t->place[slot];

        p->fresh = (struct training_sums){0};
        p->written = p->state;
    }
    for (size_t i = 0; i < t->refusals; i++)
        t->refused[i] = t->refusal[i].count;
    t->written_log = t->log;
    t->start_due = false;
    if (t->catalog)
        t->minute = now / 60;
}

/* ---- For those who ask ---- */

void training_recorder_totals(const struct training_recorder *t, const struct entry *entry,
                              struct training_sums *out)
{
    const struct place *p = &t->place[entry->slot];
    struct training_sums now;

    read_gauges(&now, entry->gauges);
    *out = p->total;
    add_since(out, &now, &p->seen);
    out->save_us = now.save_us;
    out->save_pause_us = now.save_pause_us;
}

size_t training_recorder_refusals(struct training_recorder *t, const struct refusal **out)
{
    t->refusals = refusals_read(t->server->refusals, t->refusal, t->room);
    *out = t->refusal;
    return t->refusals;
}
