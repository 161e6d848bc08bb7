/* SPDX-License-Identifier: Apache-2.0 */
/* From gauges and refusals to stats.db, without a daemon: what is counted when tables come, are
   pushed to, are replaced and go, and when the file cannot be written for a while. */
#include "base/block.h"
#include "base/memory.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/counters.h"
#include "daemon/recorder.h"
#include "daemon/refusals.h"
#include "daemon/server.h"
#include "daemon/stats_query.h"
#include "proto/embd.pb-c.h"
#include "proto/grpc.h"
#include "storage/statistics_training.h"
#include "table/catalog.h"
#include "tests/unit/storage_unit.h"

struct scene {
    struct unit_folder folder;
    struct config *config;
    struct server server;
    struct recorder *recorder;
    struct catalog *catalog;
    char path[PATH_MAX];
};

static void begin(struct scene *s)
{
    struct error e;

    *s = (struct scene){.server.lsn = 5};
    unit_folder_make(&s->folder);
    snprintf(s->path, sizeof s->path, "%s/stats.db", s->folder.path);
    assert_ok(config_new(&s->config, &e), e);
    s->config->data_dir = s->folder.path;
    s->config->max_tables = 10;
    s->server.config = s->config;
    assert_ok(refusals_new(&s->server.refusals, 3, &e), e);
    assert_ok(recorder_new(&s->recorder, &s->server, &e), e);
    assert_ok(catalog_new(&s->catalog, &e), e);
}

static void end(struct scene *s)
{
    recorder_free(s->recorder);
    refusals_free(s->server.refusals);
    for (size_t i = 0; i < s->catalog->count; i++)
        entry_free(s->catalog->entry[i]);
    catalog_free(s->catalog);
    config_free(s->config);
    unit_folder_remove(&s->folder);
}

/* The next catalog; the recorder takes it, and then the old one and `old` go. */
static void take(struct scene *s, struct catalog *next, struct entry *old)
{
    recorder_take_catalog(s->recorder, next);
    catalog_free(s->catalog);
    s->catalog = next;
    entry_free(old);
}

/* A table by that name, instead of what was there; it was loaded at `loaded_us` and has had `n`
   pushes since. */
static struct entry *serve(struct scene *s, const char *name, unsigned slot, int64_t loaded_us,
                           uint64_t n)
{
    struct entry *entry, *old = catalog_find(s->catalog, name, strlen(name));
    struct catalog *next;
    struct error e;

    assert_ok(entry_new(&entry, name, NULL, n, 1, slot, 1, &e), e);
    entry->trouble = mem_text("none", 4);
    entry->loaded_us = loaded_us;
    entry->gauges = mem_zero(1, sizeof *entry->gauges);
    assert_non_null(entry->gauges);
    entry->gauges->pushes = n;
    assert_ok(catalog_with(&next, s->catalog, entry, 1, &e), e);
    take(s, next, old);
    return entry;
}

static void stop(struct scene *s, const char *name)
{
    struct entry *old = catalog_find(s->catalog, name, strlen(name));
    struct catalog *next;
    struct error e;

    assert_ok(catalog_without(&next, s->catalog, name, 1, &e), e);
    take(s, next, old);
}

/* "name pushes version;" of each table, as the file has it, whatever minutes they fell into. */
static const char *pushes(struct scene *s)
{
    recorder_tick(s->recorder);
    return sql_text(s->path, "SELECT group_concat(line, ';') FROM (SELECT t.name || ' ' || "
                             "sum(pushes) || ' ' || max(version) AS line FROM training AS r JOIN "
                             "tables AS t ON t.id = r.table_id GROUP BY t.name ORDER BY t.name)");
}

static uint64_t total(struct scene *s, const struct entry *entry)
{
    struct training_sums sums;

    recorder_training(s->recorder, entry, &sums);
    return sums.pushes;
}

static void test_replay_is_no_news(void **state)
{
    struct entry *ads;
    struct scene s;

    (void)state;
    begin(&s);
    assert_string_equal(pushes(&s), ""); /* the start goes on */
    s.server.opening.replay_us = 77;
    s.server.opening.replayed = 12;
    s.server.opening.pushes = 10;
    ads = serve(&s, "ads", SLOT_FIRST, 1, 10);
    assert_string_equal(pushes(&s), "ads 0 10");
    assert_int_equal(total(&s, ads), 0);
    ads->gauges->pushes = 13;
    ads->version = 13;
    assert_int_equal(total(&s, ads), 3);
    assert_string_equal(pushes(&s), "ads 3 13");
    assert_string_equal(pushes(&s), "ads 3 13"); /* once */
    assert_int_equal(total(&s, ads), 3);
    /* One that comes later counts from its beginning. */
    assert_int_equal(total(&s, serve(&s, "later", SLOT_FIRST + 1, 2, 4)), 4);
    assert_string_equal(pushes(&s), "ads 3 13;later 4 4");
    assert_string_equal(sql_text(s.path, "SELECT count(*) || ' ' || replay_us || ' ' || "
                                         "replay_rows || ' ' || pushes || ' ' || lsn || ' ' || "
                                         "tables || ' ' || damaged FROM start"),
                        "1 77 12 10 5 1 1");
    end(&s);
}

static void test_lives_of_a_name_add_up(void **state)
{
    struct entry *ads;
    struct scene s;

    (void)state;
    begin(&s);
    ads = serve(&s, "ads", SLOT_FIRST, 1, 0);
    ads->gauges->pushes = 5; /* seen by nobody before another table takes its place */
    ads = serve(&s, "ads", SLOT_FIRST, 2, 0);
    assert_int_equal(total(&s, ads), 5);
    ads->gauges->pushes = 2;
    assert_string_equal(pushes(&s), "ads 7 0");
    ads->gauges->pushes = 3; /* nor before it goes */
    stop(&s, "ads");
    assert_string_equal(pushes(&s), "ads 8 0");
    /* Its slot is another's now. */
    ads = serve(&s, "words", SLOT_FIRST, 3, 1);
    assert_int_equal(total(&s, ads), 1);
    assert_string_equal(pushes(&s), "ads 8 0;words 1 1");
    end(&s);
}

static void test_all_gauges_come_through(void **state)
{
    struct training_gauges *g;
    struct scene s;

    (void)state;
    begin(&s);
    g = serve(&s, "ads", SLOT_FIRST, 1, 0)->gauges;
    for (int i = 0; i < 2; i++) { /* what is added, twice */
        g->pushes += 1;
        g->ids += 2;
        g->rows += 3;
        g->skipped += 4;
        g->kept += 5;
        g->saturated += 6;
        g->clipped += 7;
        g->changed_bytes += 8;
        g->snapshots += 1;
        g->snapshots_bytes += 9;
        g->save_us = 100 - (uint64_t)i;
        g->save_pause_us = 10 + (uint64_t)i;
        g->snapshot_version = 11;
        g->snapshot_us = 12500000;
        g->memory_bytes = 13;
        recorder_tick(s.recorder);
    }
    g->save_us = 999; /* of no snapshot */
    g->memory_bytes = 14;
    recorder_tick(s.recorder);
    assert_string_equal(
        sql_text(s.path, "SELECT sum(pushes) || ' ' || sum(ids) || ' ' || sum(rows) || ' ' || "
                         "sum(skipped) || ' ' || sum(kept) || ' ' || sum(saturated) || ' ' || "
                         "sum(clipped) || ' ' || sum(changed_bytes) || ' ' || sum(snapshots) || "
                         "' ' || sum(snapshot_bytes) || ' ' || max(save_us) || ' ' || "
                         "max(save_pause_us) || ' ' || max(snapshot_version) || ' ' || "
                         "max(snapshot_time) || ' ' || max(memory_bytes) FROM training"),
        "2 4 6 8 10 12 14 16 2 18 100 11 11 12 14");
    s.server.log_lsn = 6;
    s.server.log_rows = 4;
    s.server.log_bytes = 400;
    s.server.log_disk_bytes = 4096;
    s.server.queued_push_bytes = 3;
    recorder_tick(s.recorder);
    assert_string_equal(sql_text(s.path, "SELECT lsn || ' ' || rows || ' ' || bytes || ' ' || "
                                         "disk_bytes || ' ' || queued_bytes FROM log_now"),
                        "6 4 400 4096 3");
    end(&s);
}

static void test_refusals_are_written_once(void **state)
{
    static const char all[] = "SELECT group_concat(trainer || ' ' || status || ' ' || reason || ' "
                              "' || count, ';') FROM (SELECT trainer, status, reason, sum(count) "
                              "AS count FROM refusal GROUP BY 1, 2, 3 ORDER BY 1, 2, 3)";
    const struct refusal *list;
    struct scene s;

    (void)state;
    begin(&s);
    serve(&s, "ads", SLOT_FIRST, 1, 0);
    refusals_count(s.server.refusals, "a", ST_INVALID, "norm");
    refusals_count(s.server.refusals, "a", ST_INVALID, "norm");
    refusals_count(s.server.refusals, "", ST_RANGE, "unknown_id");
    recorder_tick(s.recorder);
    assert_string_equal(sql_text(s.path, all), " 11 unknown_id 1;a 3 norm 2");
    recorder_tick(s.recorder);
    refusals_count(s.server.refusals, "a", ST_INVALID, "norm");
    refusals_count(s.server.refusals, "b", ST_INVALID, "norm");
    refusals_count(s.server.refusals, "c", ST_INVALID, "norm"); /* one more than there is room */
    recorder_tick(s.recorder);
    assert_string_equal(sql_text(s.path, all), " 11 unknown_id 1;* 3 norm 1;a 3 norm 3;b 3 norm 1");
    assert_int_equal(recorder_refusals(s.recorder, &list), 4);
    assert_int_equal(list[0].count, 3);
    end(&s);
}

static void test_counts_survive_a_file_that_is_held(void **state)
{
    struct entry *ads;
    struct scene s;
    sqlite3 *db;

    (void)state;
    begin(&s);
    ads = serve(&s, "ads", SLOT_FIRST, 1, 0);
    recorder_tick(s.recorder);
    assert_int_equal(sqlite3_open(s.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < 3; i++) {
        ads->gauges->pushes += 2;
        refusals_count(s.server.refusals, "a", ST_INVALID, "norm");
        recorder_tick(s.recorder);
        assert_true(recorder_failing(s.recorder));
        assert_int_equal(total(&s, ads), 2 * (i + 1));
    }
    sqlite3_close(db);
    assert_string_equal(pushes(&s), "ads 6 0");
    assert_false(recorder_failing(s.recorder));
    assert_string_equal(sql_text(s.path, "SELECT sum(count) FROM refusal"), "3");
    end(&s);
}

/* The answer to a question about a table (NULL: all), yours to free. */
static Embd__V1__StatsResponse *answer(struct scene *s, const char *table, enum status *st)
{
    struct control control = {.server = &s->server, .recorder = s->recorder};
    Embd__V1__StatsResponse *reply = NULL;
    struct stats_query *q = NULL;
    struct error e;

    *st = stats_query_new(&q, table ? table : "", "", &e);
    if (*st != ST_OK)
        return NULL;
    q->to_s = INT64_MAX;
    q->training = q->memory = true;
    stats_query_run(q, &control);
    *st = q->status;
    if (*st == ST_OK)
        reply = embd__v1__stats_response__unpack(NULL, q->reply->size - GRPC_PREFIX,
                                                 q->reply->data + GRPC_PREFIX);
    stats_query_free(q);
    return reply;
}

static void test_question_is_answered(void **state)
{
    Embd__V1__StatsResponse *reply;
    struct training_gauges *g;
    struct scene s;
    enum status st;

    (void)state;
    begin(&s);
    g = serve(&s, "ads", SLOT_FIRST, 1, 0)->gauges;
    serve(&s, "words", SLOT_FIRST + 1, 2, 0);
    g->pushes = 4;
    refusals_count(s.server.refusals, "a", ST_INVALID, "norm");
    s.server.log_bytes = 123;
    s.server.limits.max_reply_bytes = 1 << 20;
    recorder_tick(s.recorder);
    reply = answer(&s, "words", &st);
    assert_non_null(reply);
    assert_int_equal(reply->n_training, 1);
    assert_string_equal(reply->training[0]->table, "words");
    assert_int_equal(reply->n_refusals, 0);
    assert_null(reply->log);
    embd__v1__stats_response__free_unpacked(reply, NULL);
    reply = answer(&s, NULL, &st);
    assert_non_null(reply);
    assert_int_equal(reply->n_training, 2);
    assert_string_equal(reply->training[0]->table, "ads");
    assert_int_equal(reply->training[0]->pushes, 4);
    assert_int_equal(reply->n_refusals, 1);
    assert_string_equal(reply->refusals[0]->reason, "norm");
    assert_int_equal(reply->refusals[0]->status, ST_INVALID);
    assert_int_equal(reply->log->bytes, 123);
    embd__v1__stats_response__free_unpacked(reply, NULL);
    end(&s);
}

#ifdef EMBD_DEVELOPER
static void test_failing_allocations_are_survived(void **state)
{
    struct recorder *again;
    bool failed = true;
    struct scene s;
    struct error e;

    (void)state;
    begin(&s);
    recorder_free(s.recorder);
    s.recorder = NULL;
    for (uint64_t n = 1; failed; n++) {
        enum status st;

        again = NULL;
        mem_fail_at(n, false);
        st = recorder_new(&again, &s.server, &e);
        failed = mem_failed();
        mem_fail_at(0, false);
        /* Without its file it goes on. */
        assert_true(st == ST_OK || (failed && st == ST_EXHAUSTED));
        recorder_free(again);
    }
    end(&s);
}

static void test_question_survives_failing_allocations(void **state)
{
    Embd__V1__StatsResponse *reply;
    bool failed = true;
    struct scene s;
    enum status st;

    (void)state;
    begin(&s);
    serve(&s, "ads", SLOT_FIRST, 1, 0);
    refusals_count(s.server.refusals, "a", ST_INVALID, "norm");
    s.server.limits.max_reply_bytes = 1 << 20;
    recorder_tick(s.recorder);
    for (uint64_t n = 1; failed; n++) {
        mem_fail_at(n, false);
        reply = answer(&s, NULL, &st);
        failed = mem_failed();
        mem_fail_at(0, false);
        assert_int_equal(st, failed ? ST_EXHAUSTED : ST_OK);
        assert_true(failed == !reply);
        embd__v1__stats_response__free_unpacked(reply, NULL);
    }
    end(&s);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay_is_no_news),
        cmocka_unit_test(test_lives_of_a_name_add_up),
        cmocka_unit_test(test_all_gauges_come_through),
        cmocka_unit_test(test_refusals_are_written_once),
        cmocka_unit_test(test_counts_survive_a_file_that_is_held),
        cmocka_unit_test(test_question_is_answered),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_failing_allocations_are_survived),
        cmocka_unit_test(test_question_survives_failing_allocations),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
