/* SPDX-License-Identifier: Apache-2.0 */
/* Reading back what is about training. */
#include <string.h>

#include "base/text.h"
#include "storage/statistics_parts.h"
#include "storage/statistics_training.h"

/* The row that is being added up. */
struct answer {
    char table[256];
    int64_t unit, start, end;
    struct training_sums sums;
    struct training_state state;
    bool open;
};

struct receiver {
    enum status (*row)(void *context, const struct training_row *row);
    void *context;
    size_t left;
};

static void bind_query(sqlite3_stmt *rows, const struct statistics_query *query)
{
    sqlite3_bind_int64(rows, 1, query->from_s);
    sqlite3_bind_int64(rows, 2, query->to_s);
    sqlite3_bind_int64(rows, 3, span_unit(query->span));
    sqlite3_bind_int64(rows, 4, span_longest(query->span));
}

/* The length of what begins at `start` and ends at `end`, in an answer of that span. */
static uint32_t length(enum span span, int64_t start, int64_t end)
{
    int64_t s = span == SPAN_TOTAL ? end - start : span_unit(span);

    return s < UINT32_MAX ? (uint32_t)s : UINT32_MAX;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Add the row of `training` that stands in `rows`, which come in the order of time. */
static void add_part(struct answer *a, sqlite3_stmt *rows)
{
    struct training_sums *sums = &a->sums;
    int64_t start = sqlite3_column_int64(rows, 2), end = start + sqlite3_column_int64(rows, 3);

    a->end = end > a->end ? end : a->end;
    sums->pushes += column_u64(rows, 4);
    sums->ids += column_u64(rows, 5);
    sums->rows += column_u64(rows, 6);
    sums->skipped += column_u64(rows, 7);
    sums->kept += column_u64(rows, 8);
    sums->saturated += column_u64(rows, 9);
    sums->clipped += column_u64(rows, 10);
    sums->changed_bytes += column_u64(rows, 11);
    sums->snapshots += column_u64(rows, 12);
    sums->snapshot_bytes += column_u64(rows, 13);
    sums->admitted += column_u64(rows, 20);
    sums->evicted += column_u64(rows, 21);
    sums->crowded += column_u64(rows, 22);
    sums->save_us = higher(sums->save_us, column_u64(rows, 14));
    sums->save_pause_us = higher(sums->save_pause_us, column_u64(rows, 15));
    a->state = (struct training_state){.version = column_u64(rows, 16),
                                       .snapshot_version = column_u64(rows, 17),
                                       .snapshot_s = sqlite3_column_int64(rows, 18),
                                       .memory_bytes = column_u64(rows, 19),
                                       .used_rows = column_u64(rows, 23)};
}

/* A copy of the name, since the texts of a statement change with its next row. */
static enum status start_answer(struct answer *a, sqlite3_stmt *rows, struct error *e)
{
    const char *table = (const char *)sqlite3_column_text(rows, 1);

    if (!table)
        return error_memory(e, "statistics");
    if (strlen(table) >= sizeof a->table)
        return error_set(e, ST_DATA_LOSS, "stats.db is damaged: the name %s is too long",
                         QUOTE(table));
    *a = (struct answer){.unit = sqlite3_column_int64(rows, 0),
                         .start = sqlite3_column_int64(rows, 2),
                         .open = true};
    strcpy(a->table, table);
    return ST_OK;
}

static enum status too_many(size_t limit, struct error *e)
{
    return error_set(e, ST_EXHAUSTED, "the answer has more than %zu rows", limit);
}

static enum status hand_over(const struct answer *a, const struct statistics_query *query,
                             struct receiver *to, struct error *e)
{
    struct training_row row = {.table = a->table,
                               .start_s = query->span == SPAN_TOTAL ? a->start : a->unit,
                               .seconds = length(query->span, a->start, a->end),
                               .sums = &a->sums,
                               .state = &a->state};

    if (!a->open)
        return ST_OK;
    if (!to->left)
        return too_many(query->limit, e);
    to->left--;
    return to->row(to->context, &row);
}

static bool belongs(const struct answer *a, sqlite3_stmt *rows)
{
    const char *table = (const char *)sqlite3_column_text(rows, 1);

    return a->open && a->unit == sqlite3_column_int64(rows, 0) && table && !strcmp(a->table, table);
}

static enum status step_through(struct statistics *s, sqlite3_stmt *rows,
                                const struct statistics_query *query, struct receiver *to,
                                struct error *e)
{
    struct answer a = {.open = false};
    size_t read = 0;
    enum status st;
    bool row;

    while ((st = database_step(s->db, rows, &row, e)) == ST_OK && row) {
        if (++read > READ_MOST)
            return error_set(e, ST_EXHAUSTED,
                             "the question is about more than %d minutes and hours of training: "
                             "ask about less time or one table",
                             READ_MOST);
        if (!belongs(&a, rows) && ((st = hand_over(&a, query, to, e)) != ST_OK ||
                                   (st = start_answer(&a, rows, e)) != ST_OK))
            return st;
        add_part(&a, rows);
    }
    return st == ST_OK ? hand_over(&a, query, to, e) : st;
}

enum status statistics_query_training(struct statistics *s, const struct statistics_query *query,
                                      enum status (*row)(void *context,
                                                         const struct training_row *row),
                                      void *context, struct error *e)
{
    sqlite3_stmt *rows = database_statement(s->db, TRAINING_ROWS);
    struct receiver to = {.row = row, .context = context, .left = query->limit};
    enum status st;

    bind_query(rows, query);
    bind_text(rows, 5, query->table);
    st = step_through(s, rows, query, &to, e);
    sqlite3_reset(rows);
    return st;
}

/* ---- Refusals ---- */

static enum status take_refusal(sqlite3_stmt *rows, const struct statistics_query *query,
                                struct refusal_row *out, struct error *e)
{
    int64_t start = sqlite3_column_int64(rows, 1), end = sqlite3_column_int64(rows, 2);
    int status = sqlite3_column_int(rows, 4);

    *out = (struct refusal_row){
        .trainer = (const char *)sqlite3_column_text(rows, 3),
        .status = status > ST_OK && status < ST_COUNT ? (enum status)status : ST_UNKNOWN,
        .reason = (const char *)sqlite3_column_text(rows, 5),
        .start_s = query->span == SPAN_TOTAL ? start : sqlite3_column_int64(rows, 0),
        .seconds = length(query->span, start, end),
        .count = column_u64(rows, 6)};
    return out->trainer && out->reason ? ST_OK : error_memory(e, "statistics");
}

enum status statistics_query_refusals(struct statistics *s, const struct statistics_query *query,
                                      enum status (*row)(void *context,
                                                         const struct refusal_row *row),
                                      void *context, struct error *e)
{
    sqlite3_stmt *rows = database_statement(s->db, REFUSAL_ROWS);
    struct refusal_row one;
    size_t count = 0;
    enum status st;
    bool found;

    bind_query(rows, query);
    bind_count(rows, 5, (uint64_t)query->limit + 1);
    while ((st = database_step(s->db, rows, &found, e)) == ST_OK && found) {
        if (++count > query->limit)
            st = too_many(query->limit, e);
        if (st == ST_OK)
            st = take_refusal(rows, query, &one, e);
        if (st == ST_OK)
            st = row(context, &one);
        if (st != ST_OK)
            break;
    }
    sqlite3_reset(rows);
    return st;
}
