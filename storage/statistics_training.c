/* SPDX-License-Identifier: Apache-2.0 */
/* Writing what is about training. */
#include "storage/statistics_training.h"

#include "storage/statistics_parts.h"

/* Run it, and give the whole transaction up if that fails. */
static enum status finish(struct statistics *s, sqlite3_stmt *statement, struct error *e)
{
    enum status st = database_run(s->db, statement, e);

    if (st != ST_OK)
        database_rollback(s->db);
    return st;
}

static void bind_counts(sqlite3_stmt *statement, int place, const uint64_t *counts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bind_count(statement, place + (int)i, counts[i]);
}

enum status statistics_training(struct statistics *s, int64_t time_s, const char *table,
                                const struct training_sums *sums,
                                const struct training_state *state, struct error *e)
{
    const uint64_t counts[] = {
        sums->pushes,    sums->ids,
        sums->rows,      sums->skipped,
        sums->kept,      sums->saturated,
        sums->clipped,   sums->changed_bytes,
        sums->snapshots, sums->snapshot_bytes,
        sums->save_us,   sums->save_pause_us,
        state->version,  state->snapshot_version,
    };
    const uint64_t growth[] = {sums->admitted, sums->evicted, sums->crowded, state->used_rows};
    const int n = sizeof counts / sizeof *counts;
    sqlite3_stmt *statement;
    int64_t id = 0;
    enum status st = statistics_table_id(s, table, &id, e);

    if (st != ST_OK) {
        database_rollback(s->db);
        return st;
    }
    statement = database_statement(s->db, TRAINING_ADD);
    sqlite3_bind_int64(statement, 1, minute_of(time_s));
    sqlite3_bind_int64(statement, 2, id);
    bind_counts(statement, 3, counts, (size_t)n);
    sqlite3_bind_int64(statement, 3 + n, state->snapshot_s);
    bind_count(statement, 4 + n, state->memory_bytes);
    bind_counts(statement, 5 + n, growth, sizeof growth / sizeof *growth);
    return finish(s, statement, e);
}

enum status statistics_refusal(struct statistics *s, int64_t time_s, const char *trainer,
                               enum status status, const char *reason, uint64_t count,
                               struct error *e)
{
    sqlite3_stmt *statement = database_statement(s->db, REFUSAL_ADD);

    sqlite3_bind_int64(statement, 1, minute_of(time_s));
    bind_text(statement, 2, trainer);
    sqlite3_bind_int(statement, 3, (int)status);
    bind_text(statement, 4, reason);
    bind_count(statement, 5, count);
    return finish(s, statement, e);
}

enum status statistics_log(struct statistics *s, int64_t time_s, const struct log_state *state,
                           struct error *e)
{
    const uint64_t counts[] = {state->lsn, state->rows, state->bytes, state->disk_bytes,
                               state->queued_bytes};
    sqlite3_stmt *statement = database_statement(s->db, LOG_SET);

    sqlite3_bind_int64(statement, 1, minute_of(time_s));
    bind_counts(statement, 2, counts, sizeof counts / sizeof *counts);
    return finish(s, statement, e);
}

enum status statistics_start(struct statistics *s, const struct start_record *start,
                             struct error *e)
{
    const uint64_t counts[] = {start->opening_us, start->replay_us, start->replay_rows,
                               start->pushes,     start->lsn,       start->tables,
                               start->damaged};
    sqlite3_stmt *statement = database_statement(s->db, START_ADD);

    sqlite3_bind_int64(statement, 1, start->time_s);
    bind_text(statement, 2, start->version);
    bind_counts(statement, 3, counts, sizeof counts / sizeof *counts);
    return finish(s, statement, e);
}
