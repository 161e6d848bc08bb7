/* SPDX-License-Identifier: Apache-2.0 */
/* What the writer knows of a table's snapshots: lineages, what the log is held for, and what others
   are told. */
#include "tests/unit/push_scene.h"

#include "base/memory.h"

static struct snapshot snapshot_of(uint64_t version, unsigned lineage, int64_t time_us)
{
    struct snapshot s = {.generation = 1,
                         .version = version,
                         .lsn = version * 10,
                         .lineage = lineage,
                         .whole = true,
                         .bytes = 100,
                         .chain_bytes = 300,
                         .time_us = time_us};

    snprintf(s.path, sizeof s.path, "/somewhere/%llu-%c", (unsigned long long)version,
             lineage ? 'b' : 'a');
    return s;
}

static void take(struct keep *k, uint64_t version, unsigned lineage, int64_t time_us,
                 uint64_t first)
{
    struct snapshot s = snapshot_of(version, lineage, time_us);

    keep_take(k, &s, false, first);
}

static void test_lineages_take_turns(void **state)
{
    struct scene s;
    struct entry *a;
    struct keep *k;

    (void)state;
    scene_begin(&s);
    a = scene_table(&s, "a");
    k = a->keep;
    assert_null(keep_newest(k));
    assert_int_equal(keep_turn(k), 0);
    assert_false(keep_complete(k));
    take(k, 0, 0, 1000, 0);
    assert_int_equal(keep_turn(k), 1);
    assert_false(keep_complete(k));
    take(k, 0, 1, 2000, 0); /* the same version, later */
    assert_int_equal(keep_newest(k)->lineage, 1);
    assert_int_equal(keep_turn(k), 0);
    assert_true(keep_complete(k));
    take(k, 5, 0, 3000, 0);
    assert_int_equal(keep_newest(k)->version, 5);
    assert_int_equal(keep_turn(k), 1);
    assert_int_equal(a->gauges->snapshot_version, 5);
    assert_int_equal(a->gauges->snapshot_lsn, 50);
    assert_int_equal(a->gauges->snapshot_bytes, 300);
    assert_int_equal(a->gauges->snapshot_us, 3000);
    take(k, 4, 1, 4000, 0); /* the gauges are of the newest version */
    assert_int_equal(a->gauges->snapshot_version, 5);
    scene_end(&s);
}

static void test_the_log_is_held_for_the_older_one(void **state)
{
    struct scene s;
    struct keep *k;

    (void)state;
    scene_begin(&s);
    k = scene_table(&s, "a")->keep;
    keep_changed(k, 3); /* nothing to hold it for yet */
    assert_int_equal(keep_hold(k), 0);
    take(k, 0, 0, 1000, 0);
    assert_int_equal(keep_hold(k), 0);
    keep_changed(k, 7);
    keep_changed(k, 8);
    assert_int_equal(keep_hold(k), 7);
    take(k, 2, 1, 2000, 0);
    assert_int_equal(keep_hold(k), 7);
    assert_false(keep_complete(k));
    keep_changed(k, 9);
    assert_int_equal(keep_hold(k), 7);
    take(k, 3, 0, 3000, 0);
    assert_int_equal(keep_hold(k), 9);
    take(k, 3, 1, 4000, 0);
    assert_int_equal(keep_hold(k), 0);
    assert_true(keep_complete(k));
    take(k, 9, 0, 5000, 11); /* changed while it was written */
    assert_int_equal(keep_hold(k), 11);
    scene_end(&s);
}

static void describe(struct scene *s, const char *durability, size_t count, const char *words)
{
    struct keep_description d;
    struct arena arena;
    struct error e;

    arena_init(&arena, 1 << 16);
    assert_ok(keep_describe(&d, scene_table(s, "a"), &arena, &e), e);
    assert_int_equal(d.count, count);
    assert_string_equal(d.durability, durability);
    assert_non_null(strstr(d.optimizer, words));
    if (count) {
        assert_string_equal(d.kept[0].file, "9-b");
        assert_int_equal(d.kept[0].version, 9);
        assert_int_equal(d.kept[1].lsn, 70);
    }
    arena_done(&arena);
}

static void test_what_is_told(void **state)
{
    struct snapshot list[3] = {snapshot_of(9, 1, 2), snapshot_of(8, 0, 2), snapshot_of(7, 0, 1)};
    struct optimizer_settings other;
    struct scene s;
    struct entry *a;
    struct kept *kept;
    struct error e;
    size_t count;

    (void)state;
    scene_begin(&s);
    a = scene_table(&s, "a");
    describe(&s, "always", 0, "\"step\":0");
    scene_send(&s, &PUSH("", 0, 1, 1, "a"));
    pushes_finish(&s.writer);
    scene_applied(&s, false, 1, 0);
    describe(&s, "always", 0, "\"step\":1");
    list[1].damaged = true;
    assert_ok(kept_from(&kept, &count, list, 3, &e), e);
    assert_int_equal(count, 2);
    keep_list(a->keep, kept, count);
    describe(&s, "always", 2, "\"learning_rate\":1");
    assert_ok(optimizer_settings_copy(&other, training_settings(a->training), &e), e);
    other.learning_rate = 0.5;
    assert_ok(training_set(a->training, &other, &e), e);
    a->interval = true;
    describe(&s, "always", 2, "\"learning_rate\":1"); /* until it is said */
    assert_ok(keep_settings(a->keep, &e), e);
    describe(&s, "interval", 2, "\"learning_rate\":0.5");
    describe(&s, "interval", 2, "\"step\":1");
    optimizer_settings_done(&other);
    scene_end(&s);
}

#ifdef EMBD_DEVELOPER
static void test_out_of_memory(void **state)
{
    struct keep_description d;
    struct keep *k = NULL;
    struct arena arena;
    struct scene s;
    struct entry *a;
    struct error e;
    enum status st;

    (void)state;
    scene_begin(&s);
    a = scene_table(&s, "a");
    for (uint64_t n = 1;; n++) {
        mem_fail_at(n, false);
        st = keep_new(&k, a, "/f", &e);
        if (!mem_failed())
            break;
        assert_int_equal(st, ST_EXHAUSTED);
        assert_null(k);
    }
    mem_fail_at(0, false);
    assert_int_equal(st, ST_OK);
    keep_free(k);
    for (uint64_t n = 1;; n++) {
        arena_init(&arena, 1 << 16);
        mem_fail_at(n, false);
        st = keep_describe(&d, a, &arena, &e);
        arena_done(&arena);
        if (!mem_failed())
            break;
        assert_int_equal(st, ST_EXHAUSTED);
    }
    mem_fail_at(0, false);
    assert_int_equal(st, ST_OK);
    scene_end(&s);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lineages_take_turns),
        cmocka_unit_test(test_the_log_is_held_for_the_older_one),
        cmocka_unit_test(test_what_is_told),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_out_of_memory),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
