/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of pushes: what ends them, what they share, and memory that is not there. */
#include "tests/unit/push_scene.h"

#include "base/clock.h"
#include "base/memory.h"

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

/* Each room is taken by the largest push of the group: a small one after a large one, and the other
   way round. */
static void test_pushes_of_all_sizes_share_a_group(void **state)
{
    struct scene *s = *state;
    static const size_t ids[] = {1, 400, 2, 399, 401};
    int64_t id[401];
    float gradient[2 * 401];
    unsigned char message[16384];
    struct error e;

    for (size_t i = 0; i < 401; i++) {
        id[i] = (int64_t)(i % SCENE_ROWS);
        gradient[2 * i] = gradient[2 * i + 1] = 1;
    }
    for (size_t k = 0; k < sizeof ids / sizeof *ids; k++) {
        struct table_push part = {.table = {"a", 1},
                                  .ids = {id, ids[k] * sizeof *id},
                                  .gradients = {gradient, ids[k] * 8}};
        struct push_request r = {.push = &part, .count = 1};
        size_t n = push_request_size(&r);
        struct push *p;

        push_request_write(&r, message);
        assert_ok(push_new(&p, message, n, &e), e);
        push_prepare(p, s->writer.catalog, &s->server.limits, SIZE_MAX);
        p->worker = s->worker;
        pushes_take(&s->writer, p);
    }
    pushes_finish(&s->writer);
    for (uint64_t version = 1; version <= 5; version++)
        scene_applied(s, false, version, 0);
    assert_true(scene_value(s, "a", 0) == -(1 + 100 + 1 + 100 + 101));
    assert_true(scene_value(s, "a", 3) == -(0 + 100 + 0 + 99 + 100));
}

/* Groups end by bytes, and a push that is larger than a group is one. */
static void test_groups_end_by_bytes(void **state)
{
    struct scene *s = *state;
    unsigned char message[512];
    size_t n = scene_message(&PUSH("", 0, 1, 1, "a"), message, sizeof message);

    s->config->commit_bytes = 2 * n;
    for (int i = 0; i < 5; i++)
        scene_send(s, &PUSH("", 0, 1, 1, "a"));
    pushes_finish(&s->writer);
    assert_int_equal(s->writer.pushes.number, 3);
    s->config->commit_bytes = n - 1;
    for (int i = 0; i < 2; i++)
        scene_send(s, &PUSH("", 0, 1, 1, "a"));
    pushes_finish(&s->writer);
    assert_int_equal(s->writer.pushes.number, 5);
    for (uint64_t version = 1; version <= 7; version++)
        scene_applied(s, false, version, 0);
}

/* The log is not written before the oldest push has waited, unless there is enough. */
static void test_a_group_waits_for_more(void **state)
{
    struct scene *s = *state;
    struct push *p;
    uint64_t now = clock_now_us();

    s->config->commit_delay = 3600000000;
    p = scene_prepare(s, &PUSH("", 0, 1, 1, "a"));
    p->start_us = now;
    pushes_take(&s->writer, p);
    assert_true(pushes_run(&s->writer) > 3500000000);
    assert_null(s->worker->mailbox.first);
    s->config->commit_bytes = 2 * p->bytes;
    p = scene_prepare(s, &PUSH("", 0, 1, 1, "a"));
    p->start_us = now;
    pushes_take(&s->writer, p);
    assert_int_equal(pushes_run(&s->writer), UINT64_MAX);
    scene_applied(s, false, 1, 0);
    scene_applied(s, false, 2, 0);
    assert_int_equal(s->writer.pushes.number, 1);
}

/* Answered before the sync where the table says so, and synced in time. */
static void test_durability_by_interval(void **state)
{
    struct scene *s = *state;

    s->config->sync_interval = 3600000000;
    scene_table(s, "a")->interval = true;
    scene_send(s, &PUSH("", 0, 1, 1, "a"));
    assert_true(pushes_run(&s->writer) > 3500000000);
    scene_applied(s, false, 1, 0);
    assert_true(s->writer.pushes.unsynced);
    s->writer.pushes.sync_us = 1; /* that time has come */
    assert_int_equal(pushes_run(&s->writer), UINT64_MAX);
    assert_false(s->writer.pushes.unsynced);
    scene_send(s, &PUSH("", 0, 1, 1, "a"));
    pushes_run(&s->writer);
    scene_applied(s, false, 2, 0);
    scene_send(s, &PUSH("", 0, 1, 1, "a", "b")); /* b's demand is stronger */
    assert_int_equal(pushes_run(&s->writer), UINT64_MAX);
    scene_applied(s, false, 3, 11);
    assert_false(s->writer.pushes.unsynced);
}

#ifdef EMBD_DEVELOPER
/* Whatever is not there, nothing is half applied; the push goes through when it is there again. */
static void test_every_allocation_may_fail(void **state)
{
    struct scene *s = *state;
    const struct scene_push what = PUSH("t", 1, 1, 1, "a", "b");
    unsigned char message[512];
    size_t n = scene_message(&what, message, sizeof message);
    uint64_t failed = 0;
    struct error e;
    bool done = false;

    for (uint64_t at = 1; !done; at++) {
        struct push *p;
        enum status st;

        mem_fail_at(at, false);
        st = push_new(&p, message, n, &e);
        if (st == ST_OK) {
            push_prepare(p, s->writer.catalog, &s->server.limits, SIZE_MAX);
            p->worker = s->worker;
            pushes_take(&s->writer, p);
            pushes_finish(&s->writer);
            st = scene_answer(s)->status;
        }
        done = !mem_failed();
        mem_fail_at(0, false);
        failed += !done;
        if (done)
            assert_int_equal(st, ST_OK);
        if (st == ST_OK) { /* what failed was not needed, or it went well at last */
            assert_true(scene_value(s, "a", 1) == -1 && scene_value(s, "b", 1) == -1);
            assert_int_equal(scene_table(s, "a")->version, 1);
        } else {
            assert_int_equal(st, ST_EXHAUSTED);
            assert_true(scene_value(s, "a", 1) == 0 && scene_value(s, "b", 1) == 0);
        }
    }
    assert_true(failed > 5);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_pushes_of_all_sizes_share_a_group),
        TEST(test_groups_end_by_bytes),
        TEST(test_a_group_waits_for_more),
        TEST(test_durability_by_interval),
#ifdef EMBD_DEVELOPER
        TEST(test_every_allocation_may_fail),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
