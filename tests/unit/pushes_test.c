/* SPDX-License-Identifier: Apache-2.0 */
/* The order of pushes, several at a time, as no client can send them: what becomes of each depends
   on those before it in the same group. */
#include "tests/unit/push_scene.h"

#include <math.h>

#include "daemon/push_reason.h"

static int setup(void **state)
{
    struct scene *s = malloc(sizeof *s);

    scene_begin(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    scene_end(*state);
    free(*state);
    return 0;
}

static uint64_t count_of(struct scene *s, const char *trainer, const char *reason)
{
    struct refusal all[128];
    size_t n = refusals_read(s->server.refusals, all, 128);

    for (size_t i = 0; i < n; i++)
        if (!strcmp(all[i].trainer, trainer) && !strcmp(all[i].reason, reason))
            return all[i].count;
    return 0;
}

static void test_a_group_is_applied_in_order(void **state)
{
    struct scene *s = *state;
    const struct push *p;
    uint64_t lsn = registry_lsn(s->writer.registry);

    scene_send(s, &PUSH("t", 1, 1, 2, "a", "b"));
    scene_send(s, &PUSH("", 0, 1, 3, "a"));
    scene_send(
        s, &(struct scene_push){
               .trainer = "u", .sequence = 1, .table = {"b"}, .id = 2, .value = 1, .rate = 0.5F});
    scene_send(s, &PUSH("t", 2, 0, -1, "a"));
    pushes_finish(&s->writer);
    p = scene_applied(s, false, 1, 11);
    assert_int_equal(p->lsn, lsn + 1);
    p = scene_applied(s, false, 2, 0);
    assert_int_equal(p->lsn, lsn + 2);
    scene_applied(s, false, 12, 0);
    scene_applied(s, false, 3, 0);
    assert_true(scene_value(s, "a", 1) == -5);
    assert_true(scene_value(s, "a", 0) == 1);
    assert_true(scene_value(s, "b", 1) == -2);
    assert_true(scene_value(s, "b", 2) == -0.5F);
    assert_int_equal(scene_table(s, "a")->version, 3);
    assert_int_equal(scene_table(s, "a")->gauges->pushes, 3);
    assert_int_equal(scene_table(s, "b")->gauges->ids, 2);
    assert_int_equal(scene_table(s, "b")->version, 12);
    assert_int_equal(s->server.lsn, lsn + 4);
    assert_int_equal(registry_lsn(s->writer.registry), lsn + 4);
    assert_int_equal(registry_position(s->writer.registry, "t")->sequence, 2);
    assert_int_equal(s->writer.pushes.number, 1);
}

static void test_duplicates_within_and_after_the_group(void **state)
{
    struct scene *s = *state;
    const struct scene_push first = PUSH("t", 1, 1, 2, "a", "b"), second = PUSH("t", 2, 1, 2, "a");
    const struct push *p;
    uint64_t lsn;

    scene_send(s, &first);
    scene_send(s, &second);
    scene_send(s, &first);
    scene_send(s, &second);
    pushes_finish(&s->writer);
    lsn = scene_applied(s, false, 1, 11)->lsn;
    scene_applied(s, false, 2, 0);
    p = scene_applied(s, true, 1, 11);
    assert_int_equal(p->lsn, lsn);
    p = scene_applied(s, true, 2, 0);
    assert_int_equal(p->lsn, lsn + 1);
    scene_send(s, &second);
    scene_send(s, &first);
    scene_send(s, &PUSH("t", 3, 1, 1, "a"));
    scene_send(s, &first); /* of before the group, behind one that is in it */
    pushes_finish(&s->writer);
    scene_applied(s, true, 2, 0);
    p = scene_applied(s, true, 1, 11);
    assert_int_equal(p->lsn, lsn);
    scene_applied(s, false, 3, 0);
    scene_applied(s, true, 1, 11);
    assert_true(scene_value(s, "a", 1) == -5);
    assert_int_equal(registry_lsn(s->writer.registry), lsn + 2);
}

/* A push that would be refused for anything else is a duplicate all the same. */
static void test_a_duplicate_comes_before_other_refusals(void **state)
{
    struct scene *s = *state;
    const struct scene_push push = PUSH("t", 1, 1, 2, "b", "a");

    scene_send(s, &push);
    pushes_finish(&s->writer);
    scene_applied(s, false, 11, 1);
    scene_entry_free(scene_unload(s, "b"));
    scene_table(s, "a")->refusal = "is being replaced";
    scene_send(s, &push);
    pushes_finish(&s->writer);
    scene_applied(s, true, 11, 1);
    scene_table(s, "a")->refusal = NULL;
}

static void test_conflicts(void **state)
{
    struct scene *s = *state;
    const struct scene_push first = PUSH("t", 1, 1, 2, "a"), other = PUSH("t", 1, 1, 3, "a"),
                            second = PUSH("t", 2, 1, 4, "a"),
                            other_second = PUSH("t", 2, 1, 4, "b");

    scene_send(s, &first);
    scene_send(s, &other); /* in the group */
    pushes_finish(&s->writer);
    scene_applied(s, false, 1, 0);
    scene_refused(s, ST_EXISTS, "sequence = 1 of trainer \"t\" was applied with another content");
    scene_send(s, &other); /* the last one */
    scene_send(s, &second);
    scene_send(s, &other); /* an earlier one, behind one in the group */
    scene_send(s, &other_second);
    pushes_finish(&s->writer);
    scene_refused(s, ST_EXISTS, "sequence = 1");
    scene_applied(s, false, 2, 0);
    scene_refused(s, ST_EXISTS, "sequence = 1");
    scene_refused(s, ST_EXISTS, "sequence = 2");
    assert_int_equal(count_of(s, "t", REASON_CONFLICT), 4);
    assert_true(scene_value(s, "a", 1) == -6);
}

static void test_gaps(void **state)
{
    struct scene *s = *state;

    scene_send(s, &PUSH("t", 2, 1, 1, "a"));
    scene_send(s, &PUSH("t", 1, 1, 1, "a"));
    scene_send(s, &PUSH("t", 3, 1, 1, "a"));
    scene_send(s, &PUSH("t", 2, 1, 1, "a"));
    scene_send(s, &PUSH("t", INT64_MAX, 1, 1, "a"));
    pushes_finish(&s->writer);
    scene_refused(s, ST_ABORTED, "sequence = 2 of trainer \"t\" leaves a gap: 1 is expected");
    scene_applied(s, false, 1, 0);
    scene_refused(s, ST_ABORTED, "2 is expected");
    scene_applied(s, false, 2, 0);
    scene_refused(s, ST_ABORTED, "3 is expected");
    assert_int_equal(count_of(s, "t", REASON_GAP), 3);
}

/* A refused push does not use up its number. */
static void test_a_refusal_leaves_a_gap(void **state)
{
    struct scene *s = *state;

    scene_send(s, &PUSH("t", 1, 99, 1, "a"));
    scene_send(s, &PUSH("t", 2, 1, 1, "a"));
    scene_send(s, &PUSH("t", 1, 1, NAN, "a"));
    scene_send(s, &PUSH("t", 1, 1, 1, "a", "r"));
    scene_send(s, &PUSH("t", 1, 1, 1, "a", "nobody"));
    scene_send(s, &PUSH("t", 1, 1, 1, "a"));
    pushes_finish(&s->writer);
    scene_refused(s, ST_RANGE, "pushes[0] (table \"a\"): ids[0] = 99");
    scene_refused(s, ST_ABORTED, "1 is expected");
    scene_refused(s, ST_INVALID, "pushes[0] (table \"a\"): gradients[0]");
    scene_refused(s, ST_PRECONDITION, "pushes[1] (table \"r\"): the table is read-only");
    scene_refused(s, ST_NOT_FOUND, "pushes[1] (table \"nobody\"): no such table");
    scene_applied(s, false, 1, 0);
    assert_true(scene_value(s, "a", 1) == -1);
    assert_int_equal(count_of(s, "t", REASON_UNKNOWN_ID), 1);
    assert_int_equal(count_of(s, "t", REASON_NOT_FINITE), 1);
    assert_int_equal(count_of(s, "t", REASON_READ_ONLY), 1);
    assert_int_equal(count_of(s, "t", REASON_NOT_FOUND), 1);
}

/* Of a stream nothing is applied after a refusal, with a trainer or without. */
static void test_a_stream_ends_at_its_first_refusal(void **state)
{
    struct scene *s = *state;
    struct lane *lane;
    struct push *p[4];
    struct error e;

    assert_ok(lane_new(&lane, &e), e);
    for (int i = 0; i < 4; i++) {
        p[i] = scene_prepare(s, &PUSH("", 0, i == 1 ? 7 : 1, 1, "a"));
        if (i < 3)
            p[i]->lane = lane_ref(lane);
        pushes_take(&s->writer, p[i]);
    }
    pushes_finish(&s->writer);
    scene_applied(s, false, 1, 0);
    scene_refused(s, ST_RANGE, "ids[0] = 7");
    scene_refused(s, ST_ABORTED, "a push before it in the stream was refused");
    scene_applied(s, false, 2, 0);
    p[0] = scene_prepare(s, &PUSH("", 0, 1, 1, "a"));
    p[0]->lane = lane_ref(lane);
    pushes_take(&s->writer, p[0]);
    pushes_finish(&s->writer);
    scene_refused(s, ST_ABORTED, "in the stream");
    assert_int_equal(count_of(s, "", REASON_STREAM), 2);
    lane_unref(lane);
}

/* A table was replaced, or went, after the worker had looked at it. */
static void test_tables_that_changed_meanwhile(void **state)
{
    struct scene *s = *state;
    struct entry *old;

    scene_send(s, &PUSH("t", 1, 1, 1, "a", "b"));
    old = scene_serve(s, "a", true, 100);
    pushes_finish(&s->writer);
    scene_applied(s, false, 101, 11);
    assert_true(scene_value(s, "a", 1) == -1);
    scene_entry_free(old);

    scene_send(s, &PUSH("t", 2, 1, 1, "b", "a"));
    old = scene_serve(s, "a", false, 200);
    pushes_finish(&s->writer);
    scene_refused(s, ST_PRECONDITION, "pushes[1] (table \"a\")");
    scene_entry_free(old);

    scene_send(s, &PUSH("t", 2, 1, 1, "b"));
    old = scene_unload(s, "b");
    pushes_finish(&s->writer);
    scene_refused(s, ST_NOT_FOUND, "pushes[0] (table \"b\"): no such table");
    scene_entry_free(old);
}

static void test_a_table_that_refuses_pushes(void **state)
{
    struct scene *s = *state;

    scene_table(s, "b")->refusal = "is being replaced";
    scene_send(s, &PUSH("t", 1, 1, 1, "a", "b"));
    scene_send(s, &PUSH("t", 1, 1, 1, "a"));
    pushes_finish(&s->writer);
    scene_refused(s, ST_UNAVAILABLE,
                  "pushes[1] (table \"b\"): the table is being replaced; the push may be sent");
    scene_applied(s, false, 1, 0);
    assert_int_equal(count_of(s, "t", REASON_REPLACED), 1);
    scene_table(s, "b")->refusal = NULL;
}

static void test_max_trainers(void **state)
{
    struct scene *s = *state;
    struct order *o;
    struct error e;

    s->config->max_trainers = 2;
    registry_set_max_trainers(s->writer.registry, 2);
    scene_send(s, &PUSH("t", 1, 1, 1, "a"));
    pushes_finish(&s->writer);
    scene_applied(s, false, 1, 0);
    scene_send(s, &PUSH("u", 1, 1, 1, "a"));
    scene_send(s, &PUSH("v", 1, 1, 1, "a"));
    scene_send(s, &PUSH("t", 2, 1, 1, "a"));
    scene_send(s, &PUSH("", 0, 1, 1, "a"));
    pushes_finish(&s->writer);
    scene_applied(s, false, 2, 0);
    scene_refused(s, ST_EXHAUSTED, "trainer \"v\" would be one more than max_trainers, which is 2");
    scene_applied(s, false, 3, 0);
    scene_applied(s, false, 4, 0);

    assert_ok(order_new(&o, ORDER_FORGET_TRAINER, "t", NULL, &e), e);
    pushes_forget(&s->writer, order_ref(o));
    assert_int_equal(o->status, ST_OK);
    assert_int_equal(o->version, 2);
    assert_int_equal(o->lsn, registry_lsn(s->writer.registry));
    pushes_forget(&s->writer, order_ref(o));
    assert_fails(o->status, ST_NOT_FOUND, o->error, "there is no trainer \"t\"");
    pushes_position(&s->writer, order_ref(o));
    assert_int_equal(o->status, ST_OK);
    assert_int_equal(o->version, 0);
    order_unref(o);
    scene_send(s, &PUSH("v", 1, 1, 1, "a"));
    pushes_finish(&s->writer);
    scene_applied(s, false, 5, 0);
    assert_ok(order_new(&o, ORDER_POSITION, "v", NULL, &e), e);
    pushes_position(&s->writer, order_ref(o));
    assert_int_equal(o->version, 1);
    order_unref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_a_group_is_applied_in_order),
        TEST(test_duplicates_within_and_after_the_group),
        TEST(test_a_duplicate_comes_before_other_refusals),
        TEST(test_conflicts),
        TEST(test_gaps),
        TEST(test_a_refusal_leaves_a_gap),
        TEST(test_a_stream_ends_at_its_first_refusal),
        TEST(test_tables_that_changed_meanwhile),
        TEST(test_a_table_that_refuses_pushes),
        TEST(test_max_trainers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
