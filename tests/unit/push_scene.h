/* SPDX-License-Identifier: Apache-2.0 */
/* A writer without its thread, two tables that can be trained ("a" and "b", four rows of two, all
   zeros, sgd with rate 1), one that cannot ("r"), and a worker whose mail is the answers. */
#pragma once

#include "tests/unit/table_file.h"

#include "daemon/config.h"
#include "daemon/keep.h"
#include "daemon/push.h"
#include "daemon/refusals.h"
#include "daemon/server.h"
#include "daemon/worker.h"
#include "daemon/writer_parts.h"
#include "kernels/kernels.h"

#define SCENE_ROWS 4
#define SCENE_DIM 2

static const struct rpc *const scene_rpcs[] = {NULL};

struct scene {
    struct unit_folder folder;
    struct config *config;
    struct server server;
    struct worker *worker;
    struct writer writer;
    struct push *answer; /* the last one taken from the mailbox */
};

static inline struct entry *scene_entry(struct scene *s, const char *name, bool trainable,
                                        uint64_t generation, uint64_t version)
{
    const struct table_file trained = {.header = HEAD(
                                           META("full", "4",
                                                "2") ",'embd.optimizer':'{`learning_rate`:1,`name`:"
                                                     "`sgd`}'",
                                           TENSOR("weight", "F32", "[4,2]", "0", "32")),
                                       .zeros = 32,
                                       .align = 64},
                            plain = {.header = HEAD(META("full", "4", "2"),
                                                    TENSOR("weight", "F32", "[4,2]", "0", "32")),
                                     .zeros = 32};
    struct table *t = table_file_load(&s->folder, trainable ? &trained : &plain, REGION_COPY);
    struct entry *entry;
    struct error e;

    assert_ok(entry_new(&entry, name, t, version, generation, 5, 1, &e), e);
    if (!trainable)
        return entry;
    assert_ok(training_new(&entry->training, t, &e), e);
    assert_non_null(entry->gauges = mem_zero(1, sizeof *entry->gauges));
    assert_ok(keep_new(&entry->keep, entry, s->folder.path, &e), e);
    return entry;
}

static inline void scene_entry_free(struct entry *entry)
{
    keep_free(entry->keep);
    entry_free(entry);
}

/* Log a change of a table as serve.c does. */
static inline void scene_log(struct scene *s, enum change_kind kind, const char *name,
                             uint64_t version, uint64_t *generation, uint64_t *lsn)
{
    struct registered change = {
        .file = (char *)"/f", .options = (char *)"{}", .version = version, .trainable = true};
    struct error e;

    strcpy(change.name, name);
    assert_ok(registry_change(s->writer.registry, kind, &change, &e), e);
    *generation = change.generation;
    *lsn = change.lsn;
}

/* Serve `name`, or another table in its place, from `version` on; returns the entry that left. */
static inline struct entry *scene_serve(struct scene *s, const char *name, bool trainable,
                                        uint64_t version)
{
    struct catalog *next;
    struct entry *old = catalog_find(s->writer.catalog, name, strlen(name)), *entry;
    uint64_t generation, lsn;
    struct error e;

    scene_log(s, old ? CHANGE_REPLACE : CHANGE_LOAD, name, version, &generation, &lsn);
    entry = scene_entry(s, name, trainable, generation, version);
    entry->lsn = lsn;
    assert_ok(catalog_with(&next, s->writer.catalog, entry, lsn, &e), e);
    catalog_free(s->writer.catalog);
    s->writer.catalog = next;
    return old;
}

static inline struct entry *scene_unload(struct scene *s, const char *name)
{
    struct catalog *next;
    struct entry *old = catalog_find(s->writer.catalog, name, strlen(name));
    uint64_t generation, lsn;
    struct error e;

    scene_log(s, CHANGE_UNLOAD, name, 0, &generation, &lsn);
    assert_ok(catalog_without(&next, s->writer.catalog, name, lsn, &e), e);
    catalog_free(s->writer.catalog);
    s->writer.catalog = next;
    return old;
}

static inline struct entry *scene_table(const struct scene *s, const char *name)
{
    return catalog_find(s->writer.catalog, name, strlen(name));
}

static inline void scene_begin(struct scene *s)
{
    struct error e;

    *s = (struct scene){.server = {.rpcs = scene_rpcs, .worker = &s->worker}};
    assert_ok(kernels_init(NULL, &e), e);
    unit_folder_make(&s->folder);
    assert_ok(config_new(&s->config, &e), e);
    s->server.config = s->config;
    config_limits(s->config, &s->server.limits);
    assert_ok(mailbox_init(&s->server.main, &e), e);
    assert_ok(worker_new(&s->worker, &s->server, 0, &e), e);
    s->server.worker_count = 1;
    assert_ok(refusals_new(&s->server.refusals, 10, &e), e);
    s->writer.server = &s->server;
    s->writer.config = s->config;
    assert_ok(pushes_init(&s->writer.pushes, &e), e);
    assert_ok(catalog_new(&s->writer.catalog, &e), e);
    assert_ok(registry_open(&s->writer.registry, s->folder.path, &e), e);
    registry_set_max_trainers(s->writer.registry, s->config->max_trainers);
    assert_null(scene_serve(s, "a", true, 0));
    assert_null(scene_serve(s, "b", true, 10));
    assert_null(scene_serve(s, "r", false, 0));
}

static inline void scene_end(struct scene *s)
{
    push_free(s->answer);
    assert_null(s->worker->mailbox.first); /* every answer was looked at */
    assert_int_equal(s->server.queued_push_bytes, 0);
    for (size_t i = 0; i < s->writer.catalog->count; i++)
        scene_entry_free(s->writer.catalog->entry[i]);
    catalog_free(s->writer.catalog);
    registry_close(s->writer.registry);
    pushes_done(&s->writer.pushes);
    refusals_free(s->server.refusals);
    worker_free(s->worker);
    mailbox_done(&s->server.main);
    config_free(s->config);
    unit_folder_remove(&s->folder);
}

/* ---- Pushes ---- */

/* A push of one id of each of some tables: its gradient is `value` in both columns. */
struct scene_push {
    const char *trainer;
    uint64_t sequence;
    const char *table[3]; /* up to the first NULL */
    int64_t id;
    float value;
    float rate; /* 0: the table's */
};
#define PUSH(who, number, at, gradient, ...)                                                       \
    ((struct scene_push){.trainer = (who),                                                         \
                         .sequence = (number),                                                     \
                         .table = {__VA_ARGS__},                                                   \
                         .id = (at),                                                               \
                         .value = (gradient)})

static inline size_t scene_message(const struct scene_push *what, unsigned char *out, size_t room)
{
    static float gradient[SCENE_DIM];
    struct table_push part[3];
    struct push_request r = {.trainer = {what->trainer, strlen(what->trainer)},
                             .sequence = what->sequence,
                             .push = part,
                             .has_rate = what->rate != 0,
                             .learning_rate = what->rate};
    size_t n;

    gradient[0] = gradient[1] = what->value;
    for (; r.count < 3 && what->table[r.count]; r.count++)
        part[r.count] = (struct table_push){
            .table = {what->table[r.count], strlen(what->table[r.count])},
            .ids = {&what->id, sizeof what->id},
            .gradients = {gradient, sizeof gradient},
        };
    n = push_request_size(&r);
    assert_true(n <= room);
    push_request_write(&r, out);
    return n;
}

/* What a worker makes of it. */
static inline struct push *scene_prepare(struct scene *s, const struct scene_push *what)
{
    unsigned char message[512];
    size_t n = scene_message(what, message, sizeof message);
    struct push *p;
    struct error e;

    assert_ok(push_new(&p, message, n, &e), e);
    push_prepare(p, s->writer.catalog, &s->server.limits, SIZE_MAX);
    p->worker = s->worker;
    return p;
}

static inline void scene_send(struct scene *s, const struct scene_push *what)
{
    pushes_take(&s->writer, scene_prepare(s, what));
}

/* The next answer; good until the one after it. */
static inline const struct push *scene_answer(struct scene *s)
{
    struct mailbox *m = &s->worker->mailbox;
    struct push *p = (struct push *)m->first;

    assert_non_null(p);
    m->first = p->mail.next;
    if (!m->first)
        m->last = &m->first;
    push_free(s->answer);
    return s->answer = p;
}

/* Check that the next answer is good, and has produced these versions. */
static inline const struct push *scene_applied(struct scene *s, bool duplicate, uint64_t first,
                                               uint64_t second)
{
    const struct push *p = scene_answer(s);

    if (p->status != ST_OK)
        fail_msg("%s: %s", status_name(p->status), p->error.text);
    assert_int_equal(p->duplicate, duplicate);
    assert_int_equal(p->versions[0], first);
    if (p->request.count > 1)
        assert_int_equal(p->versions[1], second);
    return p;
}

#define scene_refused(s, st, words)                                                                \
    do {                                                                                           \
        const struct push *p_ = scene_answer(s);                                                   \
        assert_fails(p_->status, st, p_->error, words);                                            \
    } while (0)

/* The first column of a row. */
static inline float scene_value(const struct scene *s, const char *table, size_t row)
{
    float out[SCENE_DIM];

    table_rows(scene_table(s, table)->table, &(uint64_t){row}, 1, out);
    assert_true(out[0] == out[1]);
    return out[0];
}
