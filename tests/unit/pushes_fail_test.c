/* SPDX-License-Identifier: Apache-2.0 */
/* Groups that cannot be logged: every push of them that stands on their rows fails with them, and
   what comes afterwards finds everything as it was. The log fails where the failpoint says: in the
   second and the fourth group of this process. */
#include "tests/unit/push_scene.h"

#include <math.h>

#define POINTS "push.commit.before=full@2,push.commit.before=error@4"

static void send_group(struct scene *s, struct lane *lane)
{
    struct push *p;

    scene_send(s, &PUSH("t", 2, 1, 1, "a", "b")); /* a row */
    scene_send(s, &PUSH("t", 2, 1, 1, "a", "b")); /* repeats it */
    scene_send(s, &PUSH("t", 2, 1, 9, "a"));      /* in conflict with it */
    scene_send(s, &PUSH("t", 4, 1, 1, "a"));      /* a gap behind it */
    scene_send(s, &PUSH("t", 1, 1, 1, "a"));      /* repeats an earlier one */
    scene_send(s, &PUSH("", 0, 1, NAN, "a"));     /* refused by itself */
    p = scene_prepare(s, &PUSH("", 0, 1, 1, "a"));
    p->lane = lane_ref(lane);
    pushes_take(&s->writer, p);
    pushes_finish(&s->writer);
}

static void check_failed(struct scene *s, enum status st, const char *words)
{
    for (int i = 0; i < 4; i++)
        scene_refused(s, st, words);
    assert_true(scene_applied(s, true, 1, 0)->lsn > 0);
    scene_refused(s, ST_INVALID, "gradients[0] is not finite");
    scene_refused(s, st, words);
    assert_true(scene_value(s, "a", 1) == -1 && scene_value(s, "b", 1) == 0);
    assert_int_equal(scene_table(s, "a")->version, 1);
    assert_int_equal(scene_table(s, "b")->version, 10);
    assert_int_equal(registry_position(s->writer.registry, "t")->sequence, 1);
}

static void test_groups_that_are_not_logged(void **state)
{
    struct lane *lane;
    struct scene scene, *s = &scene;
    struct error e;

    (void)state;
    scene_begin(s);
    assert_ok(lane_new(&lane, &e), e);
    scene_send(s, &PUSH("t", 1, 1, 1, "a"));
    pushes_finish(&s->writer);
    scene_applied(s, false, 1, 0);

    send_group(s, lane);
    check_failed(s, ST_EXHAUSTED, "nothing was applied, since the log has no room");
    assert_false(s->writer.troubled);
    assert_true(lane->broken);

    /* There is room again: the numbers go on where they were. */
    scene_send(s, &PUSH("t", 2, 1, 1, "a", "b"));
    pushes_finish(&s->writer);
    scene_applied(s, false, 2, 11);
    scene_send(s, &PUSH("t", 3, 1, 1, "a"));
    scene_send(s, &PUSH("t", 3, 1, 1, "a"));
    scene_send(s, &PUSH("t", 2, 1, 1, "a", "b"));
    pushes_finish(&s->writer);
    for (int i = 0; i < 2; i++)
        scene_refused(s, ST_UNAVAILABLE, "the outcome of the push is not known");
    scene_applied(s, true, 2, 11);
    assert_true(s->writer.troubled);
    assert_true(scene_value(s, "a", 1) == -2 && scene_value(s, "b", 1) == -1);

    /* From now on nothing is answered with OK, not even a duplicate: who knows what the log holds.
     */
    scene_send(s, &PUSH("t", 3, 1, 1, "a"));
    scene_send(s, &PUSH("t", 2, 1, 1, "a", "b"));
    scene_send(s, &PUSH("", 0, 1, 1, "a"));
    pushes_finish(&s->writer);
    for (int i = 0; i < 3; i++)
        scene_refused(s, ST_UNAVAILABLE, "log.db");
    assert_true(scene_value(s, "a", 1) == -2);
    lane_unref(lane);
    scene_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_groups_that_are_not_logged)};

    setenv("EMBD_FAILPOINTS", POINTS, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
