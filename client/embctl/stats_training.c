/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of training, in words and as JSON. No state. */
#include "client/embctl/stats_training.h"

#include "base/status.h"
#include "base/text.h"
#include "client/embctl/print.h"
#include "client/embctl/stats_json.h"

/* ---- For people ---- */

/* A count that most tables do not have: its column is there only if some table has it. */
static void put_rare(struct sheet *sheet, uint64_t n)
{
    if (n)
        sheet_count(sheet, n);
    else
        sheet_text(sheet, "");
}

static void put_snapshot(struct sheet *sheet, const Embd__V1__TrainingRow *row, int64_t now_s)
{
    int64_t end_s = row->start + row->seconds, at_s = end_s < now_s ? end_s : now_s;
    uint64_t unsaved =
        row->version > row->snapshot_version ? row->version - row->snapshot_version : 0;
    int64_t age_s = at_s - row->snapshot_time;
    char text[32];

    if (!row->snapshot_time) {
        sheet_style(sheet, STYLE_RED);
        sheet_text(sheet, "none");
        sheet_text(sheet, "");
        sheet_text(sheet, "");
        return;
    }
    sheet_count(sheet, row->snapshot_version);
    sheet_text(sheet, span_format(text, age_s > 0 ? (uint64_t)age_s * 1000000 : 0));
    sheet_count(sheet, unsaved);
}

/* What the snapshots of that time cost. */
static void put_saves(struct sheet *sheet, const Embd__V1__TrainingRow *row)
{
    double written =
        row->changed_bytes ? (double)row->snapshot_bytes / (double)row->changed_bytes : 0;

    if (row->snapshots)
        sheet_us(sheet, (double)row->save_pause_us);
    else
        sheet_text(sheet, "");
    if (row->snapshots && row->changed_bytes)
        sheet_format(sheet, "%.*f ×", written < 10 ? 2 : written < 100, written);
    else
        sheet_text(sheet, "");
}

void print_training(const Embd__V1__StatsResponse *s, bool times)
{
    struct column columns[] = {
        {"", false},     {"training", false}, {"version", true}, {"pushes", true},
        {"/s", true},    {"skipped", true},   {"clipped", true}, {"saturated", true},
        {"kept", true},  {"saved", true},     {"age", true},     {"unsaved", true},
        {"pause", true}, {"written", true},
    };
    struct sheet sheet;
    char text[32];

    if (!s->n_training)
        return;
    putchar('\n');
    columns[0].title = times ? "from" : "";
    sheet_init(&sheet, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < s->n_training; i++) {
        const Embd__V1__TrainingRow *row = s->training[i];

        sheet_text(&sheet, times ? time_format(text, sizeof text, row->start) : "");
        sheet_style(&sheet, STYLE_BOLD);
        sheet_text(&sheet, row->table);
        sheet_count(&sheet, row->version);
        sheet_count(&sheet, row->pushes);
        sheet_format(&sheet, "%.*f", row->pushes < 100 * (uint64_t)row->seconds,
                     row->seconds ? (double)row->pushes / row->seconds : 0);
        put_rare(&sheet, row->skipped);
        put_rare(&sheet, row->clipped);
        put_rare(&sheet, row->saturated);
        sheet_style(&sheet, row->kept ? STYLE_RED : STYLE_NONE);
        sheet_count(&sheet, row->kept);
        put_snapshot(&sheet, row, s->now);
        put_saves(&sheet, row);
    }
    sheet_print(&sheet, 0, "");
    sheet_done(&sheet);
}

static bool has_grown(const Embd__V1__TrainingRow *row)
{
    return row->used_rows || row->admitted || row->evicted || row->crowded;
}

void print_growth(const Embd__V1__StatsResponse *s, bool times)
{
    struct column columns[] = {{"", false},        {"growth", false}, {"rows in use", true},
                               {"admitted", true}, {"evicted", true}, {"no room", true}};
    struct sheet sheet;
    char text[32];
    size_t rows = 0;

    for (size_t i = 0; i < s->n_training; i++)
        rows += has_grown(s->training[i]);
    if (!rows)
        return;
    putchar('\n');
    columns[0].title = times ? "from" : "";
    sheet_init(&sheet, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < s->n_training; i++) {
        const Embd__V1__TrainingRow *row = s->training[i];

        if (!has_grown(row))
            continue;
        sheet_text(&sheet, times ? time_format(text, sizeof text, row->start) : "");
        sheet_style(&sheet, STYLE_BOLD);
        sheet_text(&sheet, row->table);
        sheet_count(&sheet, row->used_rows);
        sheet_count(&sheet, row->admitted);
        sheet_count(&sheet, row->evicted);
        put_rare(&sheet, row->crowded);
    }
    sheet_print(&sheet, 0, "");
    sheet_done(&sheet);
}

static const char *trainer_name(const Embd__V1__RefusalRow *row)
{
    return !row->trainer[0]                             ? "(none)"
           : row->trainer[0] == '*' && !row->trainer[1] ? "(others)"
                                                        : row->trainer;
}

void print_refusals(const Embd__V1__StatsResponse *s, bool times)
{
    struct column columns[] = {
        {"", false}, {"refused", false}, {"status", false}, {"reason", false}, {"pushes", true}};
    struct sheet sheet;
    char text[32];

    if (!s->n_refusals)
        return;
    putchar('\n');
    columns[0].title = times ? "from" : "";
    sheet_init(&sheet, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < s->n_refusals; i++) {
        const Embd__V1__RefusalRow *row = s->refusals[i];

        sheet_text(&sheet, times ? time_format(text, sizeof text, row->start) : "");
        sheet_style(&sheet, STYLE_BOLD);
        sheet_text(&sheet, trainer_name(row));
        sheet_style(&sheet, STYLE_RED);
        sheet_text(&sheet, status_name((enum status)row->status));
        sheet_text(&sheet, row->reason);
        sheet_count(&sheet, row->count);
    }
    sheet_print(&sheet, 0, "");
    sheet_done(&sheet);
}

void print_log(const Embd__V1__StatsResponse *s)
{
    const Embd__V1__LogInfo *log = s->log;
    char bytes[32], rows[32], time[32];

    if (!log || !s->n_training)
        return;
    printf("\n%sthe log: %s row%s, %s", style(STYLE_DIM), format_count(rows, log->rows),
           log->rows == 1 ? "" : "s", format_bytes(bytes, log->bytes));
    if (log->queued_bytes)
        printf("; %s of pushes wait", format_bytes(bytes, log->queued_bytes));
    if (log->replay_rows)
        printf("; the start read %s row%s in %s", format_count(rows, log->replay_rows),
               log->replay_rows == 1 ? "" : "s", format_duration(time, (double)log->replay_us));
    printf("%s\n", style(STYLE_NONE));
}

/* ---- JSON ---- */

static void put_training(struct document *j, const Embd__V1__TrainingRow *row)
{
    doc_object(j, NULL);
    doc_text(j, "table", row->table);
    doc_i64(j, "start", row->start);
    doc_u64(j, "seconds", row->seconds);
    doc_u64(j, "pushes", row->pushes);
    doc_u64(j, "ids", row->ids);
    doc_u64(j, "rows", row->rows);
    doc_u64(j, "skipped", row->skipped);
    doc_u64(j, "kept", row->kept);
    doc_u64(j, "saturated", row->saturated);
    doc_u64(j, "clipped", row->clipped);
    doc_u64(j, "changed_bytes", row->changed_bytes);
    doc_u64(j, "snapshots", row->snapshots);
    doc_u64(j, "snapshot_bytes", row->snapshot_bytes);
    doc_u64(j, "save_us", row->save_us);
    doc_u64(j, "save_pause_us", row->save_pause_us);
    doc_u64(j, "version", row->version);
    doc_u64(j, "snapshot_version", row->snapshot_version);
    doc_i64(j, "snapshot_time", row->snapshot_time);
    doc_u64(j, "memory_bytes", row->memory_bytes);
    doc_u64(j, "admitted", row->admitted);
    doc_u64(j, "evicted", row->evicted);
    doc_u64(j, "crowded", row->crowded);
    doc_u64(j, "used_rows", row->used_rows);
    doc_close(j);
}

static void put_refusal(struct document *j, const Embd__V1__RefusalRow *row)
{
    doc_object(j, NULL);
    doc_text(j, "trainer", row->trainer[0] ? row->trainer : NULL);
    doc_text(j, "status", status_name((enum status)row->status));
    doc_text(j, "reason", row->reason);
    doc_i64(j, "start", row->start);
    doc_u64(j, "seconds", row->seconds);
    doc_u64(j, "count", row->count);
    doc_close(j);
}

void json_training(struct document *j, const Embd__V1__StatsResponse *s)
{
    const Embd__V1__LogInfo *log = s->log;

    doc_array(j, "training");
    for (size_t i = 0; i < s->n_training; i++)
        put_training(j, s->training[i]);
    doc_close(j);
    doc_array(j, "refusals");
    for (size_t i = 0; i < s->n_refusals; i++)
        put_refusal(j, s->refusals[i]);
    doc_close(j);
    if (!log)
        return;
    doc_object(j, "log");
    doc_u64(j, "lsn", log->lsn);
    doc_u64(j, "rows", log->rows);
    doc_u64(j, "bytes", log->bytes);
    doc_u64(j, "disk_bytes", log->disk_bytes);
    doc_u64(j, "queued_bytes", log->queued_bytes);
    doc_u64(j, "replay_us", log->replay_us);
    doc_u64(j, "replay_rows", log->replay_rows);
    doc_u64(j, "replay_pushes", log->replay_pushes);
    doc_close(j);
}
