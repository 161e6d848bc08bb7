/* SPDX-License-Identifier: Apache-2.0 */
/* The moment of a push, or of counts of lookups: changed bytes are written while nobody looks. By
   the writer, or while the log is replayed and there is nobody else. */
#include <sched.h>
#include <time.h>

#include "base/failpoint.h"
#include "daemon/push.h"

/* How the writer waits for lookups inside the gate: most are out after a few microseconds. */
#define SPINS 200
#define NAP_FIRST_NS 20000
#define NAP_MOST_NS 500000

#define COUNTS_AT_ONCE 4096 /* rows that are counted while the gate is up: some 100 us */

static void wait_until(bool (*holds)(const struct gate *g), const struct gate *g)
{
    struct timespec nap = {.tv_nsec = NAP_FIRST_NS};

    for (unsigned i = 0; !holds(g); i++) {
        if (i < SPINS) {
            sched_yield();
            continue;
        }
        nanosleep(&nap, NULL);
        if (nap.tv_nsec < NAP_MOST_NS)
            nap.tv_nsec *= 2;
    }
}

static void update_growth(struct training_gauges *g, const struct growth *growth)
{
    struct growth_counts c;

    if (!growth)
        return;
    growth_counts(growth, &c);
    atomic_store_explicit(&g->used_rows, c.used, memory_order_relaxed);
    atomic_store_explicit(&g->admitted, c.admitted, memory_order_relaxed);
    atomic_store_explicit(&g->evicted, c.evicted, memory_order_relaxed);
    atomic_store_explicit(&g->crowded, c.refused, memory_order_relaxed);
}

static void update_gauges(struct training_gauges *g, const struct training *t)
{
    struct training_counts c;

    if (!g)
        return;
    training_counts(t, &c);
#define SET(field) atomic_store_explicit(&g->field, c.field, memory_order_relaxed)
    SET(pushes);
    SET(ids);
    SET(rows);
    SET(skipped);
    SET(kept);
    SET(saturated);
    SET(clipped);
    SET(changed_bytes);
    update_growth(g, training_growth(t));
#undef SET
    atomic_store_explicit(&g->accesses, training_accesses(t), memory_order_relaxed);
}

float push_rate(const struct push *p, const struct entry *entry)
{
    return p->request.has_rate ? p->request.learning_rate
                               : (float)training_settings(entry->training)->learning_rate;
}

int64_t push_seconds(int64_t time_us)
{
    return time_us > 0 ? time_us / 1000000 : 0;
}

/* The gate is up and nobody inside. */
static void shut(struct gate *g)
{
    gate_close(g);
    wait_until(gate_settled, g);
    gate_raise(g);
    wait_until(gate_empty, g);
}

/* The same to change rows: what is kept of them is no good any more. */
static void shut_to_change(struct entry *entry)
{
    shut(&entry->gate);
    atomic_fetch_add_explicit(&entry->moment, 1, memory_order_relaxed);
}

void counts_apply(struct entry *entry, const struct counted *counted, size_t n)
{
    struct training *t = entry->training;

    for (size_t first = 0, some; first < n; first += some) {
        some = n - first < COUNTS_AT_ONCE ? n - first : COUNTS_AT_ONCE;
        training_count_mark(t, counted + first, some);
        shut(&entry->gate);
        training_count_write(t, counted + first, some);
        gate_lower(&entry->gate);
    }
    update_gauges(entry->gauges, t);
}

void push_apply(struct entry *entry, const struct update *u, float rate, uint64_t version)
{
    struct training *t = entry->training;

    if (u->admitted)
        growth_begin(training_growth(t), t, u->admitted_row, u->admitted);
    training_step(t, u, rate, version);
    training_mark(t);
    (void)FAILPOINT("push.apply.before");
    shut_to_change(entry);
    (void)FAILPOINT("push.apply.gate");
    if (u->admitted)
        growth_show(training_growth(t), t, u->admitted_key, u->admitted_row, u->admitted,
                    u->seconds);
    training_write(t);
    atomic_store(&entry->version, version);
    gate_lower(&entry->gate);
    (void)FAILPOINT("push.apply.after");
    update_gauges(entry->gauges, t);
}

void push_admit(struct entry *entry, const struct growth_row *row)
{
    struct training *t = entry->training;

    growth_begin(training_growth(t), t, row->rows, row->count);
    shut_to_change(entry);
    growth_show(training_growth(t), t, row->keys, row->rows, row->count,
                push_seconds(row->time_us));
    gate_lower(&entry->gate);
    update_gauges(entry->gauges, t);
}

void push_evict(struct entry *entry, const struct growth_row *row)
{
    struct training *t = entry->training;

    growth_mark(training_growth(t), t, row->rows, row->count);
    shut_to_change(entry);
    growth_hide(training_growth(t), t, row->keys, row->rows, row->count);
    atomic_store(&entry->version, row->version);
    gate_lower(&entry->gate);
    update_gauges(entry->gauges, t);
}
