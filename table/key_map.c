/* SPDX-License-Identifier: Apache-2.0 */
/* Linear probing in a power of two. Erasing moves the keys behind up. */
#include "table/key_map.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"

#define SLOTS_LEAST 64

static size_t home(const struct key_map *m, int64_t key)
{
    return (size_t)hash_number(&m->secret, (uint64_t)key) & (m->slots - 1);
}

static size_t next(const struct key_map *m, size_t at)
{
    return (at + 1) & (m->slots - 1);
}

/* The place of the key, or the free one where it would be. */
static size_t probe(const struct key_map *m, int64_t key)
{
    size_t at = home(m, key);

    while (m->slot[at].value && m->slot[at].key != key)
        at = next(m, at);
    return at;
}

void key_map_done(struct key_map *m)
{
    mem_free(m->slot);
    *m = (struct key_map){0};
}

bool key_map_reserve(struct key_map *m, size_t count)
{
    struct key_map more = {.slots = m->slots ? m->slots : SLOTS_LEAST, .secret = hash_secret()};

    while (more.slots / 3 * 2 < count) {
        if (more.slots > SIZE_MAX / 4 / sizeof *more.slot)
            return false;
        more.slots *= 2;
    }
    if (more.slots == m->slots)
        return true;
    more.slot = mem_zero(more.slots, sizeof *more.slot);
    if (!more.slot)
        return false;
    for (size_t i = 0; i < m->slots; i++)
        if (m->slot[i].value)
            key_map_add(&more, m->slot[i].key, m->slot[i].value);
    mem_free(m->slot);
    *m = more;
    return true;
}

uint64_t *key_map_find(const struct key_map *m, int64_t key)
{
    size_t at = m->count ? probe(m, key) : 0;

    return m->count && m->slot[at].value ? &m->slot[at].value : NULL;
}

void key_map_add(struct key_map *m, int64_t key, uint64_t value)
{
    size_t at = probe(m, key);

    assert(value && !m->slot[at].value && m->count < m->slots / 3 * 2);
    m->slot[at] = (struct key_value){key, value};
    m->count++;
}

/* Free a place: whatever would be searched for through it goes there instead. */
static void erase_at(struct key_map *m, size_t hole)
{
    for (size_t at = next(m, hole); m->slot[at].value; at = next(m, at)) {
        size_t from_home = (at - home(m, m->slot[at].key)) & (m->slots - 1);

        if (from_home < ((at - hole) & (m->slots - 1)))
            continue;
        m->slot[hole] = m->slot[at];
        hole = at;
    }
    m->slot[hole].value = 0;
    m->count--;
}

void key_map_erase(struct key_map *m, int64_t key)
{
    uint64_t *value = key_map_find(m, key);

    if (value)
        erase_at(m,
                 (size_t)((struct key_value *)((char *)value - offsetof(struct key_value, value)) -
                          m->slot));
}

void key_map_clear(struct key_map *m)
{
    if (m->count)
        memset(m->slot, 0, m->slots * sizeof *m->slot);
    m->count = 0;
}

void key_map_halve(struct key_map *m)
{
    size_t at = 0;

    if (!m->count)
        return;
    /* Behind a free place no run of keys is cut in two, so what moves up comes from further on and
       has not been halved yet. */
    while (m->slot[at].value)
        at++;
    for (size_t left = m->slots; left; left--, at = next(m, at))
        while (m->slot[at].value) {
            m->slot[at].value /= 2;
            if (m->slot[at].value)
                break;
            m->slot[at].value = 1;
            erase_at(m, at);
        }
}

size_t key_map_bytes(const struct key_map *m)
{
    return m->slots * sizeof *m->slot;
}
