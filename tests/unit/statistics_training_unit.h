/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the statistics of training share: rows to add, and answers as text. */
#pragma once

#include "storage/statistics_training.h"
#include "tests/unit/statistics_unit.h"

/* `n` pushes, and a save that took n * 100 us; all other numbers follow from `n`. */
static inline struct training_sums sums_of(uint64_t n)
{
    return (struct training_sums){.pushes = n,
                                  .ids = n * 10,
                                  .rows = n * 8,
                                  .skipped = n * 2,
                                  .kept = n * 3,
                                  .saturated = n * 4,
                                  .clipped = n * 5,
                                  .changed_bytes = n * 1000,
                                  .admitted = n * 6,
                                  .evicted = n * 11,
                                  .crowded = n * 12,
                                  .snapshots = 1,
                                  .snapshot_bytes = n * 1500,
                                  .save_us = n * 100,
                                  .save_pause_us = n * 7};
}

static inline void train(struct scene *scene, int64_t time_s, const char *table, uint64_t n,
                         uint64_t version)
{
    struct training_state state = {version, version / 2, NOON - 100, 4096, version + 9};
    struct training_sums sums = sums_of(n);
    struct error e;

    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_training(scene->s, time_s, table, &sums, &state, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
}

static inline void refuse(struct scene *scene, int64_t time_s, const char *trainer,
                          enum status status, const char *reason, uint64_t count)
{
    struct error e;

    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_refusal(scene->s, time_s, trainer, status, reason, count, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
}

static inline void set_log(struct scene *scene, int64_t time_s, const struct log_state *log)
{
    struct error e;

    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_log(scene->s, time_s, log, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
}

static inline void start(struct scene *scene, int64_t time_s, uint64_t damaged)
{
    struct start_record r = {time_s, "1.2", 100, 50, 9, 8, 7, 6, damaged};
    struct error e;

    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_start(scene->s, &r, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
}

static inline void fold(struct scene *scene, int64_t time_s)
{
    struct error e;
    bool more = true;

    while (more)
        assert_ok(statistics_fold(scene->s, time_s, &more, &e), e);
}

static inline const char *sql(struct scene *scene, const char *text)
{
    return sql_text(unit_path(&scene->folder, "stats.db"), text);
}

/* ---- Answers as text ---- */

static inline enum status write_training(void *context, const struct training_row *row)
{
    const struct training_sums *s = row->sums;
    struct text *t = context;
    size_t n = strlen(t->text);

    /* What sums_of() made of the pushes is added up like them. */
    assert_int_equal(s->ids, s->pushes * 10);
    assert_int_equal(s->rows, s->pushes * 8);
    assert_int_equal(s->skipped, s->pushes * 2);
    assert_int_equal(s->kept, s->pushes * 3);
    assert_int_equal(s->saturated, s->pushes * 4);
    assert_int_equal(s->clipped, s->pushes * 5);
    assert_int_equal(s->changed_bytes, s->pushes * 1000);
    assert_int_equal(s->snapshot_bytes, s->pushes * 1500);
    assert_int_equal(s->save_pause_us * 100, s->save_us * 7);
    assert_int_equal(row->state->snapshot_version, row->state->version / 2);
    assert_int_equal(row->state->snapshot_s, NOON - 100);
    assert_int_equal(row->state->memory_bytes, 4096);
    assert_int_equal(s->admitted, s->pushes * 6);
    assert_int_equal(s->evicted, s->pushes * 11);
    assert_int_equal(s->crowded, s->pushes * 12);
    assert_int_equal(row->state->used_rows, row->state->version + 9);
    snprintf(t->text + n, sizeof t->text - n,
             "%" PRId64 "+%u %s %" PRIu64 "/%" PRIu64 " v%" PRIu64 " %" PRIu64 "us;",
             row->start_s - NOON, row->seconds, row->table, s->pushes, s->snapshots,
             row->state->version, s->save_us);
    return ++t->rows == t->stop_after ? ST_CANCELLED : ST_OK;
}

static inline const char *ask_training(struct scene *scene, enum span span, const char *table,
                                       int64_t from, int64_t to)
{
    static struct text t;
    struct statistics_query q = {table, NULL, NOON + from, NOON + to, span, 1000};
    struct error e;

    memset(&t, 0, sizeof t);
    assert_ok(statistics_query_training(scene->s, &q, write_training, &t, &e), e);
    return t.text;
}

static inline enum status write_refusal(void *context, const struct refusal_row *row)
{
    struct text *t = context;
    size_t n = strlen(t->text);

    snprintf(t->text + n, sizeof t->text - n, "%" PRId64 "+%u '%s' %s %s %" PRIu64 ";",
             row->start_s - NOON, row->seconds, row->trainer, status_name(row->status), row->reason,
             row->count);
    return ++t->rows == t->stop_after ? ST_CANCELLED : ST_OK;
}

static inline const char *ask_refusals(struct scene *scene, enum span span, int64_t from,
                                       int64_t to)
{
    static struct text t;
    struct statistics_query q = {NULL, NULL, NOON + from, NOON + to, span, 1000};
    struct error e;

    memset(&t, 0, sizeof t);
    assert_ok(statistics_query_refusals(scene->s, &q, write_refusal, &t, &e), e);
    return t.text;
}
