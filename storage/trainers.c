/* SPDX-License-Identifier: Apache-2.0 */
/* Linear probing, at most half full. What is taken out leaves no mark: those behind it move up. */
#include "storage/trainers.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

static size_t home_of(const struct trainers *t, const char *name)
{
    return hash_bytes(name, strlen(name)) & (t->slots - 1);
}

/* The slot of the name, or the free one where it would go. */
static size_t slot_of(const struct trainers *t, const char *name)
{
    size_t i = home_of(t, name);

    while (t->slot[i] && strcmp(t->slot[i]->now.trainer, name))
        i = (i + 1) & (t->slots - 1);
    return i;
}

struct trainer *trainers_find(const struct trainers *t, const char *name)
{
    return t->slots ? t->slot[slot_of(t, name)] : NULL;
}

static bool grow(struct trainers *t)
{
    struct trainers more = {.slots = t->slots ? t->slots * 2 : 16, .count = t->count};

    more.slot = mem_zero(more.slots, sizeof(struct trainer *));
    if (!more.slot)
        return false;
    for (size_t i = 0; i < t->slots; i++)
        if (t->slot[i])
            more.slot[slot_of(&more, t->slot[i]->now.trainer)] = t->slot[i];
    mem_free(t->slot);
    *t = more;
    return true;
}

enum status trainers_add(struct trainers *t, const char *name, struct trainer **out,
                         struct error *e)
{
    struct trainer *trainer;

    if (t->count * 2 >= t->slots && !grow(t))
        return error_memory(e, "trainers");
    trainer = mem_zero(1, sizeof *trainer);
    if (!trainer)
        return error_memory(e, "trainer");
    memcpy(trainer->now.trainer, name, strlen(name) + 1);
    t->slot[slot_of(t, name)] = trainer;
    t->count++;
    *out = trainer;
    return ST_OK;
}

void trainers_remove(struct trainers *t, struct trainer *trainer)
{
    size_t mask = t->slots - 1, hole = slot_of(t, trainer->now.trainer);

    mem_free(trainer);
    t->slot[hole] = NULL;
    t->count--;
    for (size_t i = (hole + 1) & mask; t->slot[i]; i = (i + 1) & mask) {
        size_t home = home_of(t, t->slot[i]->now.trainer);

        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* it would stand before its home */
        t->slot[hole] = t->slot[i];
        t->slot[i] = NULL;
        hole = i;
    }
}

void trainers_done(struct trainers *t)
{
    for (size_t i = 0; i < t->slots; i++)
        mem_free(t->slot[i]);
    mem_free(t->slot);
    *t = (struct trainers){0};
}
