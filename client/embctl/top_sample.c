/* SPDX-License-Identifier: Apache-2.0 */
/* Asking for samples, and the past rates that come from two of them. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "client/embctl/print.h"
#include "client/embctl/top.h"
#include "client/embctl/top_rates.h"

static struct history *find_history(struct top *t, const char *name)
{
    struct history *h;

    for (size_t i = 0; i < t->histories; i++)
        if (!strcmp(t->history[i].name, name))
            return &t->history[i];
    t->history = need_resize(t->history, t->histories + 1, sizeof *t->history);
    h = &t->history[t->histories++];
    *h = (struct history){0};
    strncpy(h->name, name, sizeof h->name - 1);
    return h;
}

/* Each table's rate since the sample before goes to its history. */
static void note_rates(struct top *t)
{
    const struct sample *now = top_at(t, 0), *before = top_at(t, 1);

    for (size_t i = 0; before && i < now->list->n_tables; i++) {
        const char *name = now->list->tables[i]->name;
        struct history *h = find_history(t, name);
        struct rates r;

        memmove(h->rate, h->rate + 1, (HISTORY - 1) * sizeof *h->rate);
        rates_between(&r, now, before, name);
        h->rate[HISTORY - 1] = r.calls;
    }
}

enum status top_sample(struct top *t, struct error *e)
{
    Embd__V1__ListRequest list = EMBD__V1__LIST_REQUEST__INIT;
    Embd__V1__StatsRequest stats = EMBD__V1__STATS_REQUEST__INIT;
    struct sample made = {.time_us = clock_now_us()}, *at;
    enum status st;

    stats.from = t->from_s;
    stats.histogram = stats.memory = stats.training = true;
    st = remote_call(&t->remote, "/embd.v1.Tables/List", &list.base,
                     &embd__v1__list_response__descriptor, &made.list, e);
    if (st == ST_OK)
        st = remote_call(&t->remote, "/embd.v1.Stats/Query", &stats.base,
                         &embd__v1__stats_response__descriptor, &made.stats, e);
    /* The sample takes its memory along, and the remote gets what is not needed any more. */
    made.arena = t->remote.arena;
    arena_init(&t->remote.arena, made.arena.cap);
    if (st != ST_OK) {
        arena_done(&made.arena);
        return st;
    }
    at = &t->sample[t->samples++ % SAMPLES];
    if (t->samples > SAMPLES)
        arena_done(&at->arena);
    *at = made;
    note_rates(t);
    return ST_OK;
}

void top_done(struct top *t)
{
    for (size_t i = 0; i < t->samples && i < SAMPLES; i++)
        arena_done(&t->sample[i].arena);
    mem_free(t->history);
}
