/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the statistics share: a file of their own, calls to count, and answers as text.
 */
#pragma once

#include <inttypes.h>

#include "storage/statistics.h"
#include "tests/unit/storage_unit.h"

#define DAY 86400
#define NOON INT64_C(1700049600) /* 2023-11-15 12:00 UTC */

static const struct statistics_options for_ever = {100 * DAY, 1000 * DAY};

struct scene {
    struct unit_folder folder;
    struct statistics *s;
};

static inline void open_with(struct scene *scene, uint64_t minutes, uint64_t hours)
{
    struct statistics_options options = {minutes, hours};
    struct error e;

    statistics_close(scene->s);
    assert_ok(statistics_open(&scene->s, scene->folder.path, &options, &e), e);
}

static inline int setup(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);

    unit_folder_make(&scene->folder);
    open_with(scene, for_ever.keep_minutes_s, for_ever.keep_hours_s);
    *state = scene;
    return 0;
}

static inline int teardown(void **state)
{
    struct scene *scene = *state;

    statistics_close(scene->s);
    unit_folder_remove(&scene->folder);
    free(scene);
    return 0;
}

/* `calls` calls of 10 ids, one of them missing and seven in a cache, that took `us` each. */
static inline struct call_counts counts_of(unsigned calls, uint64_t us)
{
    struct call_counts c = {.count = calls,
                            .ids = calls * 10,
                            .missing = calls,
                            .hits = calls * 7,
                            .misses = calls * 2};

    for (unsigned i = 0; i < calls; i++)
        histogram_add(&c.latency, us);
    return c;
}

static inline void add(struct scene *scene, int64_t time_s, const char *table, const char *call,
                       unsigned calls, uint64_t us)
{
    struct call_counts c = counts_of(calls, us);
    struct error e;

    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_add(scene->s, time_s, table, call, &c, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
}

/* The rows of an answer as text, "start+seconds table call count/ids/missing [errors] sum max
 * p50;". */
struct text {
    char text[8192];
    unsigned rows, stop_after;
};

static inline enum status write_row(void *context, const struct statistics_row *row)
{
    struct text *t = context;
    size_t n = strlen(t->text);

    n += (size_t)snprintf(t->text + n, sizeof t->text - n,
                          "%" PRId64 "+%u %s %s %" PRIu64 "/%" PRIu64 "/%" PRIu64,
                          row->start_s - NOON, row->seconds, row->table, row->call,
                          row->counts->count, row->counts->ids, row->counts->missing);
    for (int i = 0; i < ST_COUNT; i++)
        if (row->counts->errors[i])
            n += (size_t)snprintf(t->text + n, sizeof t->text - n, " %s=%" PRIu64,
                                  status_name((enum status)i), row->counts->errors[i]);
    snprintf(t->text + n, sizeof t->text - n, " %" PRIu64 "us;", row->counts->latency.sum_us);
    assert_int_equal(row->counts->hits * 2, row->counts->misses * 7);
    assert_true(row->counts->hits == 0 || row->counts->hits == row->counts->count * 7);
    assert_true(row->counts->latency.count <= row->counts->count);
    return ++t->rows == t->stop_after ? ST_CANCELLED : ST_OK;
}

static inline const char *ask(struct scene *scene, enum span span, const char *table,
                              const char *call, int64_t from, int64_t to)
{
    static struct text t;
    struct statistics_query q = {table, call, NOON + from, NOON + to, span, 1000};
    struct error e;

    memset(&t, 0, sizeof t);
    assert_ok(statistics_query(scene->s, &q, write_row, &t, &e), e);
    return t.text;
}
