/* SPDX-License-Identifier: Apache-2.0 */
/* Folding minutes into hours and deleting old hours, a bounded amount a call, so that the thread
   that owns the statistics is not held up. A minute is in its own row or in that of its hour, never
   in both or in neither: each call is one transaction. */
#include "storage/statistics_parts.h"

#define USAGE_ROWS_A_CALL 100  /* each with up to 280 buckets */
#define PLAIN_ROWS_A_CALL 1000 /* of each other table */

/* Any row that is older than `before`, if there is one. */
static enum status find_old(struct statistics *s, enum stats_statement number, int64_t before,
                            int64_t *id, bool *found, struct error *e)
{
    sqlite3_stmt *statement = database_statement(s->db, number);

    sqlite3_bind_int64(statement, 1, before);
    return one_number(s, statement, id, found, e);
}

static enum status run_with(struct statistics *s, enum stats_statement number, int64_t first,
                            int64_t second, struct error *e)
{
    sqlite3_stmt *statement = database_statement(s->db, number);

    sqlite3_bind_int64(statement, 1, first);
    if (sqlite3_bind_parameter_count(statement) > 1)
        sqlite3_bind_int64(statement, 2, second);
    return database_run(s->db, statement, e);
}

static enum status fold_one(struct statistics *s, int64_t id, struct error *e)
{
    sqlite3_stmt *statement = database_statement(s->db, USAGE_TO_HOUR);
    enum status st;
    int64_t hour = 0;
    bool found;

    sqlite3_bind_int64(statement, 1, id);
    if ((st = one_number(s, statement, &hour, &found, e)) != ST_OK)
        return st;
    if ((st = run_with(s, BUCKETS_TO_HOUR, id, hour, e)) != ST_OK ||
        (st = run_with(s, ERRORS_TO_HOUR, id, hour, e)) != ST_OK)
        return st;
    return run_with(s, USAGE_DROP, id, 0, e);
}

static enum status fold_usage(struct statistics *s, int64_t minutes, int64_t hours, bool *more,
                              struct error *e)
{
    enum status st = ST_OK;
    bool found;
    int64_t id = 0;

    for (int i = 0; i < USAGE_ROWS_A_CALL; i++) {
        if ((st = find_old(s, USAGE_OLDEST, minutes, &id, &found, e)) != ST_OK)
            return st;
        if (found) {
            st = fold_one(s, id, e);
        } else {
            if ((st = find_old(s, USAGE_EXPIRED, hours, &id, &found, e)) != ST_OK || !found)
                return st;
            st = run_with(s, USAGE_DROP, id, 0, e);
        }
        if (st != ST_OK)
            return st;
    }
    *more = true;
    return ST_OK;
}

/* A table whose rows stand for themselves, and how it is folded. */
struct plain {
    enum stats_statement to_hour, drop_folded, drop_expired;
};

static enum status fold_plain(struct statistics *s, const struct plain *p, int64_t minutes,
                              int64_t hours, bool *more, struct error *e)
{
    enum status st;

    if ((st = run_with(s, p->to_hour, minutes, PLAIN_ROWS_A_CALL, e)) != ST_OK ||
        (st = run_with(s, p->drop_folded, minutes, PLAIN_ROWS_A_CALL, e)) != ST_OK)
        return st;
    if (sqlite3_changes(s->db->db) == PLAIN_ROWS_A_CALL)
        *more = true;
    if ((st = run_with(s, p->drop_expired, hours, PLAIN_ROWS_A_CALL, e)) != ST_OK)
        return st;
    if (sqlite3_changes(s->db->db) == PLAIN_ROWS_A_CALL)
        *more = true;
    return ST_OK;
}

static enum status fold_all(struct statistics *s, int64_t minutes, int64_t hours, bool *more,
                            struct error *e)
{
    static const struct plain plain[] = {
        {MEMORY_TO_HOUR, MEMORY_DROP_FOLDED, MEMORY_DROP_EXPIRED},
        {TRAINING_TO_HOUR, TRAINING_DROP_FOLDED, TRAINING_DROP_EXPIRED},
        {REFUSAL_TO_HOUR, REFUSAL_DROP_FOLDED, REFUSAL_DROP_EXPIRED},
        {LOG_TO_HOUR, LOG_DROP_FOLDED, LOG_DROP_EXPIRED},
    };
    enum status st = fold_usage(s, minutes, hours, more, e);

    for (size_t i = 0; i < sizeof plain / sizeof *plain && st == ST_OK; i++)
        st = fold_plain(s, &plain[i], minutes, hours, more, e);
    if (st == ST_OK)
        st = run_with(s, START_DROP_EXPIRED, hours, PLAIN_ROWS_A_CALL, e);
    if (st == ST_OK && sqlite3_changes(s->db->db) == PLAIN_ROWS_A_CALL)
        *more = true;
    return st;
}

/* The first second that is kept. */
static int64_t kept_since(int64_t time_s, uint64_t keep_s)
{
    return keep_s < (uint64_t)INT64_MAX && time_s > (int64_t)keep_s ? time_s - (int64_t)keep_s : 0;
}

enum status statistics_fold(struct statistics *s, int64_t time_s, bool *more, struct error *e)
{
    int64_t minutes = kept_since(time_s, s->options.keep_minutes_s);
    int64_t hours = kept_since(time_s, s->options.keep_hours_s);
    enum status st;

    *more = false;
    if ((st = database_begin(s->db, e)) != ST_OK)
        return st;
    if ((st = fold_all(s, minutes, hours, more, e)) == ST_OK)
        return database_commit(s->db, e);
    database_rollback(s->db);
    return st;
}
