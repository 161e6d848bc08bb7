/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the statistics back: minutes and hours alike are added up to the rows that were asked
 * for. */
#include <string.h>

#include "base/text.h"
#include "storage/statistics_parts.h"

/* The row that is being added up; its counts are s->sum. */
struct answer {
    char table[256], call[256];
    int64_t unit, start, end;
    bool open;
};

static enum status read_buckets(struct statistics *s, int64_t id, struct histogram *latency,
                                struct error *e)
{
    sqlite3_stmt *buckets = database_statement(s->db, USAGE_BUCKETS);
    enum status st;
    bool row;

    sqlite3_bind_int64(buckets, 1, id);
    while ((st = database_step(s->db, buckets, &row, e)) == ST_OK && row) {
        uint64_t count = column_u64(buckets, 1);

        latency->bucket[histogram_index(column_u64(buckets, 0))] += count;
        latency->count += count;
    }
    return st;
}

static enum status read_errors(struct statistics *s, int64_t id, uint64_t errors[ST_COUNT],
                               struct error *e)
{
    sqlite3_stmt *rows = database_statement(s->db, USAGE_ERRORS);
    enum status st;
    bool row;

    sqlite3_bind_int64(rows, 1, id);
    while ((st = database_step(s->db, rows, &row, e)) == ST_OK && row) {
        int status = sqlite3_column_int(rows, 0);

        if (status > ST_OK && status < ST_COUNT)
            errors[status] += column_u64(rows, 1);
    }
    return st;
}

/* Add the row of `usage` that stands in `rows` to the sum. */
static enum status add_part(struct statistics *s, sqlite3_stmt *rows, struct error *e)
{
    struct call_counts *sum = &s->sum, *part = &s->part;
    int64_t id = sqlite3_column_int64(rows, 3);
    enum status st;

    memset(part, 0, sizeof *part);
    part->latency.sum_us = column_u64(rows, 9);
    part->latency.max_us = column_u64(rows, 10);
    if ((st = read_buckets(s, id, &part->latency, e)) != ST_OK ||
        (st = read_errors(s, id, sum->errors, e)) != ST_OK)
        return st;
    sum->count += column_u64(rows, 6);
    sum->ids += column_u64(rows, 7);
    sum->missing += column_u64(rows, 8);
    sum->hits += column_u64(rows, 11);
    sum->misses += column_u64(rows, 12);
    histogram_merge(&sum->latency, &part->latency);
    return ST_OK;
}

static bool belongs(const struct answer *a, sqlite3_stmt *rows)
{
    return a->open && a->unit == sqlite3_column_int64(rows, 0) &&
           !strcmp(a->table, (const char *)sqlite3_column_text(rows, 1)) &&
           !strcmp(a->call, (const char *)sqlite3_column_text(rows, 2));
}

/* Copies, since the texts of a statement change with its next row. */
static enum status start_answer(struct statistics *s, struct answer *a, sqlite3_stmt *rows,
                                struct error *e)
{
    const char *table = (const char *)sqlite3_column_text(rows, 1);
    const char *call = (const char *)sqlite3_column_text(rows, 2);

    if (!table || !call)
        return error_memory(e, "statistics");
    if (strlen(table) >= sizeof a->table || strlen(call) >= sizeof a->call)
        return error_set(e, ST_DATA_LOSS, "stats.db is damaged: the name %s is too long",
                         QUOTE(strlen(table) >= sizeof a->table ? table : call));
    strcpy(a->table, table);
    strcpy(a->call, call);
    a->unit = sqlite3_column_int64(rows, 0);
    a->start = a->end = sqlite3_column_int64(rows, 4);
    a->open = true;
    memset(&s->sum, 0, sizeof s->sum);
    return ST_OK;
}

struct receiver {
    enum status (*row)(void *context, const struct statistics_row *row);
    void *context;
    size_t left;
};

static enum status hand_over(struct statistics *s, struct answer *a,
                             const struct statistics_query *q, struct receiver *to, struct error *e)
{
    int64_t unit = q->span == SPAN_MINUTE ? MINUTE : HOUR;
    struct statistics_row row = {.table = a->table, .call = a->call, .counts = &s->sum};

    if (!a->open)
        return ST_OK;
    a->open = false;
    if (!to->left)
        return error_set(e, ST_EXHAUSTED, "the answer has more than %zu rows", q->limit);
    to->left--;
    row.start_s = q->span == SPAN_TOTAL ? a->start : a->unit;
    unit = q->span == SPAN_TOTAL ? a->end - a->start : unit;
    row.seconds = unit < UINT32_MAX ? (uint32_t)unit : UINT32_MAX;
    return to->row(to->context, &row);
}

static enum status step_through(struct statistics *s, sqlite3_stmt *rows,
                                const struct statistics_query *q, struct receiver *to,
                                struct error *e)
{
    struct answer a = {.open = false};
    size_t read = 0;
    enum status st;
    bool row;

    while ((st = database_step(s->db, rows, &row, e)) == ST_OK && row) {
        if (++read > READ_MOST)
            return error_set(e, ST_EXHAUSTED,
                             "the question is about more than %d minutes and hours of tables: ask "
                             "about less time or one table",
                             READ_MOST);
        if (!belongs(&a, rows) && ((st = hand_over(s, &a, q, to, e)) != ST_OK ||
                                   (st = start_answer(s, &a, rows, e)) != ST_OK))
            return st;
        if (a.start > sqlite3_column_int64(rows, 4))
            a.start = sqlite3_column_int64(rows, 4);
        if (a.end < sqlite3_column_int64(rows, 4) + sqlite3_column_int64(rows, 5))
            a.end = sqlite3_column_int64(rows, 4) + sqlite3_column_int64(rows, 5);
        if ((st = add_part(s, rows, e)) != ST_OK)
            return st;
    }
    return st == ST_OK ? hand_over(s, &a, q, to, e) : st;
}

enum status statistics_query(struct statistics *s, const struct statistics_query *query,
                             enum status (*row)(void *context, const struct statistics_row *row),
                             void *context, struct error *e)
{
    sqlite3_stmt *rows = database_statement(s->db, USAGE_ROWS);
    struct receiver to = {.row = row, .context = context, .left = query->limit};
    enum status st;

    sqlite3_bind_int64(rows, 1, query->from_s);
    sqlite3_bind_int64(rows, 2, query->to_s);
    sqlite3_bind_int64(rows, 3, span_unit(query->span));
    sqlite3_bind_int64(rows, 4, span_longest(query->span));
    bind_text(rows, 5, query->table);
    bind_text(rows, 6, query->call);
    st = step_through(s, rows, query, &to, e);
    sqlite3_reset(rows);
    return st;
}

enum status statistics_query_memory(struct statistics *s, int64_t from_s, int64_t to_s,
                                    void (*row)(void *context, const char *table, int64_t start_s,
                                                const struct memory_counts *counts),
                                    void *context, struct error *e)
{
    sqlite3_stmt *rows = database_statement(s->db, MEMORY_ROWS);
    enum status st;
    bool found;

    sqlite3_bind_int64(rows, 1, from_s);
    sqlite3_bind_int64(rows, 2, to_s);
    while ((st = database_step(s->db, rows, &found, e)) == ST_OK && found) {
        const char *table = (const char *)sqlite3_column_text(rows, 0);
        struct memory_counts counts = {column_u64(rows, 2), column_u64(rows, 3),
                                       column_u64(rows, 4), column_u64(rows, 5)};

        if (!table) {
            st = error_memory(e, "statistics");
            break;
        }
        row(context, table, sqlite3_column_int64(rows, 1), &counts);
    }
    sqlite3_reset(rows);
    return st;
}
