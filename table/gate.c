/* SPDX-License-Identifier: Apache-2.0 */
/* A worker says "I am inside", then looks at the gate; the writer sets the gate, then looks who is
   inside. Both in the one order of sequentially consistent operations, so that at least one of the
   two sees the other. The same holds for a worker that says "I wait" and looks again, and the
   writer that lowers the gate and looks who waits. */
#include "table/gate.h"

#include <assert.h>

#include "base/memory.h"

enum state { DOWN, CLOSED, UP };

enum status gate_init(struct gate *g, unsigned workers, struct error *e)
{
    struct gate_flag *flag = mem_aligned(_Alignof(struct gate_flag), workers * sizeof *flag);

    if (!flag)
        return error_memory(e, "gate");
    for (unsigned i = 0; i < workers; i++) {
        atomic_init(&flag[i].inside, 0);
        atomic_init(&flag[i].staying, 0);
        atomic_init(&flag[i].waits, false);
    }
    atomic_init(&g->state, DOWN);
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

/* Only one worker writes its flag: no read-modify-write is needed. */
static unsigned count(const atomic_uint *of)
{
    return atomic_load_explicit(of, memory_order_relaxed);
}

static bool let_in(struct gate *g, struct gate_flag *flag, bool stays)
{
    unsigned inside = count(&flag->inside), staying = count(&flag->staying), state;

    atomic_store(&flag->inside, inside + 1);
    if (stays)
        atomic_store(&flag->staying, staying + 1);
    state = atomic_load(&g->state);
    if (state == DOWN || (state == CLOSED && !stays))
        return true;
    if (stays)
        atomic_store_explicit(&flag->staying, staying, memory_order_release);
    atomic_store_explicit(&flag->inside, inside, memory_order_release);
    return false;
}

bool gate_enter(struct gate *g, unsigned w, bool stays)
{
    struct gate_flag *flag = &g->flag[w];

    assert(w < g->workers);
    if (let_in(g, flag, stays))
        return true;
    gate_wait(g, w);
    return let_in(g, flag, stays);
}

void gate_leave(struct gate *g, unsigned w, bool stays)
{
    struct gate_flag *flag = &g->flag[w];

    assert(w < g->workers && count(&flag->inside) > 0);
    if (stays)
        atomic_store_explicit(&flag->staying, count(&flag->staying) - 1, memory_order_release);
    atomic_store_explicit(&flag->inside, count(&flag->inside) - 1, memory_order_release);
}

void gate_wait(struct gate *g, unsigned w)
{
    atomic_store(&g->flag[w].waits, true);
}

bool gate_wanted(const struct gate *g)
{
    return atomic_load_explicit(&g->state, memory_order_relaxed) != DOWN;
}

void gate_close(struct gate *g)
{
    atomic_store(&g->state, CLOSED);
}

bool gate_settled(const struct gate *g)
{
    for (unsigned i = 0; i < g->workers; i++)
        if (atomic_load(&g->flag[i].staying) != 0)
            return false;
    return true;
}

void gate_raise(struct gate *g)
{
    atomic_store(&g->state, UP);
}

bool gate_empty(const struct gate *g)
{
    for (unsigned i = 0; i < g->workers; i++)
        if (atomic_load(&g->flag[i].inside) != 0)
            return false;
    return true;
}

void gate_lower(struct gate *g)
{
    atomic_store(&g->state, DOWN);
}

bool gate_waits(struct gate *g, unsigned w)
{
    /* Nearly always false: the exchange is only paid for when somebody is there. */
    return atomic_load(&g->flag[w].waits) && atomic_exchange(&g->flag[w].waits, false);
}
