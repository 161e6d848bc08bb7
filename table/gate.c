/* SPDX-License-Identifier: Apache-2.0 */
/* A worker says "I am inside", then looks whether the gate is up; the writer puts the gate up, then
   looks who is inside. Both in the one order of sequentially consistent operations, so that at
   least one of the two sees the other. In the same way a worker that met the gate says "I wait",
   then looks whether the gate is still up; the writer takes the gate down, then looks who waits. */
#include "table/gate.h"

#include <assert.h>

#include "base/memory.h"

enum status gate_init(struct gate *g, unsigned workers, struct error *e)
{
    struct gate_flag *flag = mem_aligned(_Alignof(struct gate_flag), workers * sizeof *flag);

    if (!flag)
        return error_memory(e, "gate");
    for (unsigned i = 0; i < workers; i++) {
        atomic_init(&flag[i].inside, 0);
        atomic_init(&flag[i].waits, false);
    }
    atomic_init(&g->up, false);
    g->workers = workers;
    g->flag = flag;
    return ST_OK;
}

void gate_done(struct gate *g)
{
    mem_free(g->flag);
    g->flag = NULL;
    g->workers = 0;
}

bool gate_enter(struct gate *g, unsigned w)
{
    struct gate_flag *flag = &g->flag[w];
    unsigned inside;

    assert(w < g->workers);
    /* Only this worker writes `inside`: no read-modify-write is needed. */
    inside = atomic_load_explicit(&flag->inside, memory_order_relaxed);
    for (;;) {
        atomic_store(&flag->inside, inside + 1);
        if (!atomic_load(&g->up))
            return true;
        atomic_store_explicit(&flag->inside, inside, memory_order_release);
        atomic_store(&flag->waits, true);
        /* If it went down in between, nobody may wake us. */
        if (atomic_load(&g->up))
            return false;
    }
}

void gate_leave(struct gate *g, unsigned w)
{
    struct gate_flag *flag = &g->flag[w];
    unsigned inside = atomic_load_explicit(&flag->inside, memory_order_relaxed);

    assert(w < g->workers && inside > 0);
    atomic_store_explicit(&flag->inside, inside - 1, memory_order_release);
}

void gate_raise(struct gate *g)
{
    atomic_store(&g->up, true);
}

void gate_lower(struct gate *g)
{
    atomic_store(&g->up, false);
}

bool gate_waits(struct gate *g, unsigned w)
{
    struct gate_flag *flag = &g->flag[w];

    assert(w < g->workers);
    /* Nearly always false: the exchange is only paid for when somebody is there. */
    return atomic_load(&flag->waits) && atomic_exchange(&flag->waits, false);
}

bool gate_empty(const struct gate *g)
{
    for (unsigned i = 0; i < g->workers; i++)
        if (atomic_load(&g->flag[i].inside) != 0)
            return false;
    return true;
}
