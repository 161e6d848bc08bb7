/* SPDX-License-Identifier: Apache-2.0 */
/* The gate alone, then with threads: what it guards is plain memory, so that the thread sanitizer
   sees every pair of accesses that the gate fails to order. */
#include "unit.h"

#include <pthread.h>
#include <sched.h>

#include "base/memory.h"
#include "table/gate.h"

static void test_counts_who_is_inside(void **state)
{
    struct gate g;
    struct error e;

    (void)state;
    assert_ok(gate_init(&g, 3, &e), e);
    assert_true(gate_empty(&g));
    assert_true(gate_enter(&g, 0, false));
    assert_true(gate_enter(&g, 2, false));
    assert_true(gate_enter(&g, 2, false)); /* with two calls at once */
    gate_raise(&g);
    assert_false(gate_empty(&g));
    assert_false(gate_enter(&g, 1, false));
    assert_false(gate_enter(&g, 2, false)); /* also for who is inside */
    gate_leave(&g, 0, false);
    gate_leave(&g, 2, false);
    assert_false(gate_empty(&g));
    gate_leave(&g, 2, false);
    assert_true(gate_empty(&g));
    assert_false(gate_enter(&g, 0, false));
    gate_lower(&g);
    assert_true(gate_enter(&g, 0, false));
    gate_leave(&g, 0, false);
    gate_done(&g);
    gate_done(&g);
}

/* A closed gate keeps out those who stay, a raised one everybody. */
static void test_closed_to_those_who_stay(void **state)
{
    struct gate g;
    struct error e;

    (void)state;
    assert_ok(gate_init(&g, 2, &e), e);
    assert_false(gate_wanted(&g));
    assert_true(gate_enter(&g, 0, true));
    assert_true(gate_enter(&g, 0, false));
    gate_close(&g);
    assert_true(gate_wanted(&g));
    assert_false(gate_settled(&g));
    assert_true(gate_enter(&g, 1, false));
    assert_false(gate_enter(&g, 1, true));
    assert_false(gate_settled(&g));
    gate_leave(&g, 0, true);
    assert_true(gate_settled(&g)); /* the brief ones are still inside */
    assert_false(gate_empty(&g));
    gate_raise(&g);
    assert_true(gate_wanted(&g));
    assert_false(gate_enter(&g, 0, false));
    gate_leave(&g, 0, false);
    gate_leave(&g, 1, false);
    assert_true(gate_empty(&g));
    gate_lower(&g);
    assert_true(gate_enter(&g, 1, true));
    gate_leave(&g, 1, true);
    assert_true(gate_settled(&g) && gate_empty(&g));
    gate_done(&g);
}

static void test_knows_who_waits(void **state)
{
    struct gate g;
    struct error e;

    (void)state;
    assert_ok(gate_init(&g, 3, &e), e);
    assert_true(gate_enter(&g, 0, false));
    gate_raise(&g);
    assert_false(gate_enter(&g, 1, false));
    assert_false(gate_enter(&g, 1, false));
    gate_leave(&g, 0, false);
    gate_lower(&g);
    assert_false(gate_waits(&g, 0));
    assert_true(gate_waits(&g, 1));
    assert_false(gate_waits(&g, 1)); /* told once */
    assert_false(gate_waits(&g, 2));
    assert_true(gate_enter(&g, 1, false));
    gate_raise(&g);
    assert_false(gate_enter(&g, 1, false)); /* also by who is inside already */
    assert_false(gate_empty(&g));
    gate_leave(&g, 1, false);
    assert_true(gate_empty(&g));
    gate_lower(&g);
    assert_true(gate_waits(&g, 1));
    gate_wait(&g, 2); /* for something else than the gate */
    assert_true(gate_waits(&g, 2));
    assert_false(gate_waits(&g, 2));
    gate_done(&g);
}

static void test_flags_do_not_share_lines(void **state)
{
    struct gate g;
    struct error e;

    (void)state;
    assert_ok(gate_init(&g, 2, &e), e);
    assert_int_equal((uintptr_t)&g.flag[0] % 64, 0);
    assert_true((char *)&g.flag[1] - (char *)&g.flag[0] >= 64);
    gate_done(&g);
}

enum { WORKERS = 3, ROUNDS = SANITIZED ? 300 : 2000, VALUES = 16 };

static struct {
    struct gate gate;
    int value[VALUES]; /* all equal, when seen from inside */
    atomic_bool over, woken[WORKERS];
    atomic_uint torn, visits[WORKERS], refused;
} shared;

static void *work(void *context)
{
    unsigned w = (unsigned)(uintptr_t)context;

    while (!atomic_load(&shared.over)) {
        bool stays = w == 0;

        if (!gate_enter(&shared.gate, w, stays)) {
            atomic_fetch_add(&shared.refused, 1);
            /* Whoever is forgotten here sits until the end, and the writer's next round with it. */
            while (!atomic_exchange(&shared.woken[w], false) && !atomic_load(&shared.over))
                sched_yield();
            continue;
        }
        for (int i = 1; i < VALUES; i++)
            if (shared.value[i] != shared.value[0])
                atomic_fetch_add(&shared.torn, 1);
        gate_leave(&shared.gate, w, stays);
        atomic_fetch_add(&shared.visits[w], 1);
    }
    return NULL;
}

static void test_orders_writer_and_workers(void **state)
{
    pthread_t thread[WORKERS];
    struct error e;

    (void)state;
    assert_ok(gate_init(&shared.gate, WORKERS, &e), e);
    for (uintptr_t w = 0; w < WORKERS; w++)
        assert_int_equal(pthread_create(&thread[w], NULL, work, (void *)w), 0);
    for (int round = 1; round <= ROUNDS; round++) {
        /* Every worker gets in between two changes, so none of them finds an idle gate only. */
        unsigned seen = atomic_load(&shared.visits[round % WORKERS]);

        gate_close(&shared.gate);
        while (!gate_settled(&shared.gate))
            sched_yield();
        gate_raise(&shared.gate);
        while (!gate_empty(&shared.gate))
            sched_yield();
        for (int i = 0; i < VALUES; i++)
            shared.value[i] = round;
        gate_lower(&shared.gate);
        for (unsigned w = 0; w < WORKERS; w++)
            if (gate_waits(&shared.gate, w))
                atomic_store(&shared.woken[w], true);
        while (atomic_load(&shared.visits[round % WORKERS]) == seen)
            sched_yield();
    }
    atomic_store(&shared.over, true);
    for (int w = 0; w < WORKERS; w++) {
        assert_int_equal(pthread_join(thread[w], NULL), 0);
        assert_true(atomic_load(&shared.visits[w]) > 0);
    }
    assert_int_equal(atomic_load(&shared.torn), 0);
    assert_int_equal(shared.value[VALUES - 1], ROUNDS);
    gate_done(&shared.gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_who_is_inside),
        cmocka_unit_test(test_closed_to_those_who_stay),
        cmocka_unit_test(test_knows_who_waits),
        cmocka_unit_test(test_flags_do_not_share_lines),
        cmocka_unit_test(test_orders_writer_and_workers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
