/* SPDX-License-Identifier: Apache-2.0 */
/* A log as a kill leaves it, for the tests of what can be wrong with one. */
#pragma once

#include "tests/unit/storage_unit.h"

/* A log with some changes in log.db and some in its -wal only, as after a kill. */
struct scene {
    struct unit_folder folder;
    char db[PATH_MAX], wal[PATH_MAX], mark[PATH_MAX], old[PATH_MAX];
};

static inline void make_changes(const char *folder, struct scene *s)
{
    static const struct file_identity id = {1, 2, 3, 4, 5};
    struct registry *r = open_ok(folder);
    struct error e;

    change_ok(r, CHANGE_LOAD, "ads");
    change_ok(r, CHANGE_LOAD, "users");
    assert_ok(registry_file_remember(r, &id, 6, &e), e);
    assert_ok(registry_checkpoint(r, true, &e), e);
    copy_file(unit_path(&s->folder, "live/log.db"), s->old);
    change_ok(r, CHANGE_REPLACE, "ads");
    change_ok(r, CHANGE_LOAD, "words");
    change_ok(r, CHANGE_UNLOAD, "words");
    copy_file(unit_path(&s->folder, "live/log.db"), s->db);
    copy_file(unit_path(&s->folder, "live/log.db-wal"), s->wal);
    copy_file(unit_path(&s->folder, "live/log.mark"), s->mark);
    registry_close(r);
}

/* A folder with what `make` leaves in its log. */
static inline struct scene *scene_new(void (*make)(const char *folder, struct scene *s))
{
    struct scene *s = calloc(1, sizeof *s);

    unit_folder_make(&s->folder);
    snprintf(s->db, sizeof s->db, "%s/log.db", s->folder.path);
    snprintf(s->wal, sizeof s->wal, "%s/log.db-wal", s->folder.path);
    snprintf(s->mark, sizeof s->mark, "%s/log.mark", s->folder.path);
    snprintf(s->old, sizeof s->old, "%s/old", s->folder.path);
    assert_int_equal(mkdir(unit_path(&s->folder, "live"), 0700), 0);
    make(unit_path(&s->folder, "live"), s);
    return s;
}

static inline int setup(void **state)
{
    *state = scene_new(make_changes);
    return 0;
}

static inline int teardown(void **state)
{
    struct scene *s = *state;

    unit_folder_remove(&s->folder);
    free(s);
    return 0;
}

/* The log in one file, as after an orderly stop. */
static inline void settle(struct scene *s)
{
    registry_close(open_ok(s->folder.path));
}

/* Everything that the registry says, as text. */
static inline void describe(const struct registry *r, char *text, size_t room)
{
    const struct registered *const *list;
    size_t n = registry_list(r, &list);
    int at = snprintf(text, room, "%d:", (int)registry_lsn(r));

    for (size_t i = 0; i < n; i++)
        at += snprintf(text + at, room - (size_t)at, " %s %s %s %d %d %d %d %lx %d,", list[i]->name,
                       list[i]->file, list[i]->options, (int)list[i]->generation,
                       (int)list[i]->version, (int)list[i]->lsn, list[i]->served,
                       (unsigned long)list[i]->checksum, (int)list[i]->identity.inode);
}

/* Bytes of each file of the log. */
struct copy {
    unsigned char *data[3];
    size_t size[3];
};

static inline void keep(struct scene *s, struct copy *c)
{
    c->data[0] = bytes_of(s->db, &c->size[0]);
    c->data[1] = bytes_of(s->wal, &c->size[1]);
    c->data[2] = bytes_of(s->mark, &c->size[2]);
}

/* Put back what keep() has taken. */
static inline void restore(struct scene *s, const struct copy *c)
{
    unit_write(s->db, c->data[0], c->size[0]);
    if (c->size[1])
        unit_write(s->wal, c->data[1], c->size[1]);
    else
        unlink(s->wal);
    unit_write(s->mark, c->data[2], c->size[2]);
}

static inline void check_untouched(struct scene *s, struct copy *c, const char *name)
{
    struct copy now;

    keep(s, &now);
    for (int i = 0; i < 3; i++) {
        if (now.size[i] != c->size[i] || memcmp(now.data[i], c->data[i], c->size[i]))
            fail_msg("%s: file %d was touched", name, i);
        free(now.data[i]);
        free(c->data[i]);
    }
}

/* What is wrong with a log, and what is said of it. */
struct ruin {
    const char *name;
    void (*how)(struct scene *s); /* or, on the settled log, */
    const char *sql;
    enum status st;
    const char *words;
};

/* Ruin a log in a folder of its own and open it twice: both times it is refused, and nothing is
   touched. */
static inline void check_ruin(const struct ruin *ruin,
                              void (*make)(const char *folder, struct scene *s))
{
    struct scene *s = scene_new(make);
    struct registry *r = NULL;
    struct copy before;
    struct error e;
    void *own = s;

    if (ruin->sql) {
        settle(s);
        sql_run(s->db, ruin->sql);
    } else {
        ruin->how(s);
    }
    keep(s, &before);
    for (int again = 0; again < 2; again++) {
        enum status st = registry_open(&r, s->folder.path, &e);

        if (st != ruin->st)
            fail_msg("%s: %s (%s)", ruin->name, status_name(st), st == ST_OK ? "" : e.text);
        if (!strstr(e.text, ruin->words))
            fail_msg("%s: \"%s\" does not say \"%s\"", ruin->name, e.text, ruin->words);
    }
    check_untouched(s, &before, ruin->name);
    teardown(&own);
}
