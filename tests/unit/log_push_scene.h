/* SPDX-License-Identifier: Apache-2.0 */
/* A log of pushes as a kill leaves it, shortened before: tables and trainers of which it still has
   rows, and others that only their seals vouch for. */
#pragma once

#include "tests/unit/push_unit.h"
#include "tests/unit/registry_scene.h"

#define SCENE_FRONT 5
#define SCENE_LSN 12

static inline void make_push_changes(const char *folder, struct scene *s)
{
    struct registry *r = open_ok(folder);
    struct error e;
    uint64_t lsn;
    bool more;

    change_ok(r, CHANGE_LOAD, "ads");
    change_ok(r, CHANGE_LOAD, "users");
    change_ok(r, CHANGE_LOAD, "quiet");
    push_ok(r, "a", 1, "ads", 50);
    push_ok(r, "b", 1, "users,ads", 3000);
    push_ok(r, "a", 2, "ads", 100);
    push_ok(r, "c", 1, "users", 10);
    assert_ok(registry_forget_trainer(r, "c", &lsn, &e), e);
    push_ok(r, "", 0, "users", 9000);
    assert_ok(registry_shorten(r, SCENE_FRONT, &more, &e), e);
    assert_ok(registry_checkpoint(r, true, &e), e);
    copy_file(unit_path(&s->folder, "live/log.db"), s->old);
    push_ok(r, "a", 3, "users,ads", 700);
    push_ok(r, "d", 1, "ads", 20000);
    change_ok(r, CHANGE_OPTIONS, "users");
    copy_file(unit_path(&s->folder, "live/log.db"), s->db);
    copy_file(unit_path(&s->folder, "live/log.db-wal"), s->wal);
    copy_file(unit_path(&s->folder, "live/log.mark"), s->mark);
    registry_close(r);
}

/* Everything that the log says. */
static inline const char *describe_all(struct registry *r, char *text, size_t room)
{
    static const char *const trainers[] = {"a", "b", "c", "d"};
    struct told told;
    size_t at;

    describe(r, text, room);
    at = strlen(text);
    at +=
        (size_t)snprintf(text + at, room - at, " first %d, %d bytes, %d trainers;",
                         (int)registry_first(r), (int)registry_bytes(r), (int)registry_trainers(r));
    for (int i = 0; i < 4; i++) {
        const struct position *p = registry_position(r, trainers[i]);

        if (p)
            at += (size_t)snprintf(text + at, room - at, " %s %d %d %lx %lx %ld,", p->trainer,
                                   (int)p->sequence, (int)p->lsn, (unsigned long)p->content[0],
                                   (unsigned long)p->content[1], (long)p->time_us);
    }
    snprintf(text + at, room - at, " %s", replayed(r, 0, &told));
    return text;
}
