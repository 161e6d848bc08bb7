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
#undef SET
    atomic_store_explicit(&g->accesses, training_accesses(t), memory_order_relaxed);
}

float push_rate(const struct push *p, const struct entry *entry)
{
    return p->request.has_rate ? p->request.learning_rate
                               : (float)training_settings(entry->training)->learning_rate;
}

/* The gate is up and nobody inside. */
static void shut(struct gate *g)
{
    gate_close(g);
    wait_until(gate_settled, g);
    gate_raise(g);
    wait_until(gate_empty, g);
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
    training_step(entry->training, u, rate, version);
    training_mark(entry->training);
    (void)FAILPOINT("push.apply.before");
    shut(&entry->gate);
    (void)FAILPOINT("push.apply.gate");
    training_write(entry->training);
    atomic_store(&entry->version, version);
    gate_lower(&entry->gate);
    (void)FAILPOINT("push.apply.after");
    update_gauges(entry->gauges, entry->training);
}
