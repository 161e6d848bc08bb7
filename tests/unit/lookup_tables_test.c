/* SPDX-License-Identifier: Apache-2.0 */
/* How a lookup call goes in and out of gates, one step at a time, with the writer's steps between.
 */
#include "tests/unit/push_scene.h"

#include "daemon/call.h"
#include "daemon/counters.h"
#include "daemon/lookup_call.h"

#define PARTS 4

struct lookup_scene {
    struct scene scene;
    struct call call;
    struct lookup_call c;
    struct table_lookup asked[PARTS];
    struct part part[PARTS];
    unsigned woken;
};

static void count_wake(struct waiter *waiter)
{
    struct lookup_call *c =
        (struct lookup_call *)((char *)waiter - offsetof(struct lookup_call, waiter));

    ((struct lookup_scene *)((char *)c - offsetof(struct lookup_scene, c)))->woken++;
}

/* A call for these tables. */
static void ask(struct lookup_scene *s, const char *const *table)
{
    struct error e;

    s->scene.worker->catalog = s->scene.writer.catalog;
    s->call = (struct call){.worker = s->scene.worker};
    arena_init(&s->call.arena, SIZE_MAX);
    memset(s->part, 0, sizeof s->part);
    memset(s->asked, 0, sizeof s->asked);
    s->c = (struct lookup_call){.call = &s->call,
                                .request = {.lookup = s->asked},
                                .part = s->part,
                                .waiter.wake = count_wake};
    s->woken = 0;
    for (size_t i = 0; table[i]; i++) {
        s->asked[i].table = (struct bytes){table[i], strlen(table[i])};
        s->c.request.count++;
    }
    assert_ok(lookup_tables_compare(&s->c, &e), e);
    lookup_tables_find(&s->c);
}

static void done(struct lookup_scene *s)
{
    lookup_tables_done(&s->c);
    arena_done(&s->call.arena);
    for (size_t i = 0; i < s->scene.writer.catalog->count; i++)
        assert_true(gate_empty(&s->scene.writer.catalog->entry[i]->gate));
}

static int setup(void **state)
{
    struct lookup_scene *s = malloc(sizeof *s);

    scene_begin(&s->scene);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct lookup_scene *s = *state;

    scene_end(&s->scene);
    free(s);
    return 0;
}

static struct gate *gate(struct lookup_scene *s, const char *table)
{
    return &scene_table(&s->scene, table)->gate;
}

/* A call stays inside the gates that it has passed, and needs each table's only once: also when the
   writer has turned to it meanwhile. */
static void test_waits_for_one_gate_at_a_time(void **state)
{
    struct lookup_scene *s = *state;

    ask(s, (const char *const[]){"a", "b", "a", NULL});
    gate_raise(gate(s, "b"));
    assert_false(lookup_tables_enter(&s->c, false));
    assert_false(gate_empty(gate(s, "a")));
    assert_true(gate_empty(gate(s, "b")));
    gate_lower(gate(s, "b"));
    assert_true(gate_waits(gate(s, "b"), 0));
    gate_raise(gate(s, "a"));
    worker_wake(s->scene.worker);
    assert_int_equal(s->woken, 1);
    lookup_tables_find(&s->c);
    assert_true(lookup_tables_enter(&s->c, false));
    assert_false(gate_empty(gate(s, "a")));
    assert_false(gate_empty(gate(s, "b")));
    assert_true(lookup_tables_wanted(&s->c));
    lookup_tables_leave(&s->c);
    assert_true(gate_empty(gate(s, "a")));
    gate_lower(gate(s, "a"));
    done(s);
}

/* Who stays goes in and out as one who stays, and leaves early what it needs no more. */
static void test_stays_and_leaves_early(void **state)
{
    struct lookup_scene *s = *state;

    ask(s, (const char *const[]){"a", "b", "r", "a", NULL});
    assert_true(lookup_tables_enter(&s->c, true));
    assert_false(lookup_tables_wanted(&s->c));
    gate_close(gate(s, "b"));
    assert_true(lookup_tables_wanted(&s->c));
    assert_false(gate_settled(gate(s, "b")));
    lookup_tables_pass(&s->c, 0);
    assert_false(gate_settled(gate(s, "a"))); /* the last part needs it */
    lookup_tables_pass(&s->c, 1);
    assert_true(gate_settled(gate(s, "b")));
    assert_false(lookup_tables_wanted(&s->c));
    gate_raise(gate(s, "b"));
    assert_true(gate_empty(gate(s, "b")));
    gate_lower(gate(s, "b"));
    /* It turns out to be brief after all: then it is inside as such. */
    assert_true(lookup_tables_enter(&s->c, false));
    assert_true(gate_settled(gate(s, "a")));
    assert_false(gate_empty(gate(s, "a")));
    done(s);
}

static void test_is_late(void **state)
{
    struct lookup_scene *s = *state;

    ask(s, (const char *const[]){"a", "b", "nobody", NULL});
    s->asked[0].min_version = 2;
    s->asked[1].min_version = 10; /* it is there */
    s->asked[2].min_version = 5;  /* will be refused for another reason */
    assert_true(lookup_tables_late(&s->c));
    assert_true(gate_waits(gate(s, "a"), 0));
    assert_false(gate_waits(gate(s, "b"), 0));
    scene_table(&s->scene, "a")->version = 2;
    assert_false(lookup_tables_late(&s->c));
    done(s);
}

/* Put aside, then tables come, go, and are replaced. */
static void test_finds_tables_anew(void **state)
{
    struct lookup_scene *s = *state;
    struct entry *a = scene_table(&s->scene, "a"), *old;

    ask(s, (const char *const[]){"a", "b", "c", NULL});
    assert_ptr_equal(s->part[0].entry, a);
    assert_null(s->part[2].entry);
    assert_int_equal(s->part[2].slot, SLOT_NONE);
    s->c.request.count = 2;
    gate_raise(gate(s, "b"));
    assert_false(lookup_tables_enter(&s->c, false));
    s->part[0].ready = s->part[1].ready = true;
    gate_lower(gate(s, "b"));

    old = scene_serve(&s->scene, "b", true, 20);
    s->scene.worker->catalog = s->scene.writer.catalog;
    lookup_tables_find(&s->c);
    assert_ptr_equal(s->part[0].entry, a); /* inside: it cannot be another one */
    assert_true(s->part[0].ready && s->part[0].inside);
    assert_ptr_not_equal(s->part[1].entry, old);
    assert_false(s->part[1].ready);
    scene_entry_free(old);
    assert_true(lookup_tables_enter(&s->c, false));

    s->part[1].ready = true;
    old = scene_serve(&s->scene, "a", true, 20);
    s->scene.worker->catalog = s->scene.writer.catalog;
    lookup_tables_find(&s->c);
    assert_ptr_equal(old, a);
    assert_true(gate_empty(&old->gate)); /* it was left, so that it can go */
    scene_entry_free(old);
    assert_false(s->part[0].ready || s->part[0].inside);
    assert_true(s->part[1].ready && s->part[1].inside);
    lookup_tables_leave(&s->c);
    old = scene_unload(&s->scene, "b");
    s->scene.worker->catalog = s->scene.writer.catalog;
    lookup_tables_find(&s->c);
    assert_null(s->part[1].entry);
    scene_entry_free(old);
    done(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_waits_for_one_gate_at_a_time),
        TEST(test_stays_and_leaves_early),
        TEST(test_is_late),
        TEST(test_finds_tables_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
