/* SPDX-License-Identifier: Apache-2.0 */
/* Which name has which place in the counters. The writer's. */
#include "daemon/slots.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "daemon/counters.h"

enum status slots_init(struct slots *s, unsigned count, struct error *e)
{
    *s = (struct slots){.count = count, .past = mem_zero(count, sizeof *s->past)};
    return s->past ? ST_OK : error_memory(e, "statistics slots");
}

void slots_done(struct slots *s)
{
    mem_free(s->past);
    *s = (struct slots){.count = 0};
}

static unsigned remove_past(struct slots *s, unsigned i)
{
    unsigned slot = s->past[i].slot;

    s->past_count--;
    memmove(s->past + i, s->past + i + 1, (s->past_count - i) * sizeof *s->past);
    return slot;
}

enum status slots_take(struct slots *s, const char *name, unsigned *slot, struct error *e)
{
    for (unsigned i = 0; i < s->past_count; i++)
        if (!strcmp(s->past[i].name, name)) {
            *slot = remove_past(s, i);
            return ST_OK;
        }
    if (s->used < s->count) {
        *slot = SLOT_FIRST + s->used++;
        return ST_OK;
    }
    if (s->past_count) {
        *slot = remove_past(s, 0);
        return ST_OK;
    }
    return error_set(e, ST_EXHAUSTED, "%u tables are served already, and max_tables is %u",
                     s->count, s->count);
}

void slots_release(struct slots *s, const char *name, unsigned slot)
{
    struct slot_past *past = &s->past[s->past_count];

    assert(s->past_count < s->count);
    strcpy(past->name, name); /* a table's name: it fits */
    past->slot = slot;
    s->past_count++;
}
