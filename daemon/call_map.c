/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets by the low bits of the id: ids are consecutive, so that they spread by themselves. The
   table doubles when it is full and stays as it is when there is no memory for that. */
#include "daemon/call_map.h"

#include "base/memory.h"
#include "daemon/transport.h"

#define FIRST_BUCKETS 64

int call_map_init(struct call_map *m)
{
    m->bucket = mem_zero(FIRST_BUCKETS, sizeof(struct stream *));
    m->mask = FIRST_BUCKETS - 1;
    m->count = 0;
    return m->bucket ? 0 : -1;
}

void call_map_done(struct call_map *m)
{
    mem_free(m->bucket);
    m->bucket = NULL;
}

static void insert(struct stream **bucket, size_t mask, struct stream *s)
{
    struct stream **at = &bucket[s->call.id & mask];

    s->next_call = *at;
    *at = s;
}

static void grow(struct call_map *m)
{
    size_t mask = m->mask * 2 + 1;
    struct stream **larger = mem_zero(mask + 1, sizeof *larger), *s, *next;

    if (!larger)
        return;
    for (size_t i = 0; i <= m->mask; i++)
        for (s = m->bucket[i]; s; s = next) {
            next = s->next_call;
            insert(larger, mask, s);
        }
    mem_free(m->bucket);
    m->bucket = larger;
    m->mask = mask;
}

void call_map_add(struct call_map *m, struct stream *s)
{
    if (m->count > m->mask)
        grow(m);
    insert(m->bucket, m->mask, s);
    m->count++;
}

void call_map_remove(struct call_map *m, struct stream *s)
{
    for (struct stream **at = &m->bucket[s->call.id & m->mask]; *at; at = &(*at)->next_call)
        if (*at == s) {
            *at = s->next_call;
            m->count--;
            return;
        }
}

struct stream *call_map_find(const struct call_map *m, uint64_t id)
{
    struct stream *s = m->bucket[id & m->mask];

    while (s && s->call.id != id)
        s = s->next_call;
    return s;
}
