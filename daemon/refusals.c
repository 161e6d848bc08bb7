/* SPDX-License-Identifier: Apache-2.0 */
/* A table of counts under one lock, which is held for a few comparisons: refusals are rare, and who
   causes many of them waits for itself. */
#include "daemon/refusals.h"

#include <pthread.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

/* Room for "*": each status with each reason, as far as they go together. */
#define SHARED 64

struct refusals {
    pthread_mutex_t lock;
    size_t count, most; /* most: of trainers' own */
    size_t buckets;     /* a power of two */
    uint32_t *bucket;   /* place + 1 by trainer, status and reason; 0: empty */
    struct refusal count_of[];
};

enum status refusals_new(struct refusals **out, size_t most, struct error *e)
{
    size_t room = most + SHARED;
    struct refusals *r = mem_zero(1, sizeof *r + room * sizeof r->count_of[0]);

    if (!r)
        return error_memory(e, "counts of refusals");
    r->most = most;
    r->buckets = 8;
    while (r->buckets < room * 2)
        r->buckets *= 2;
    r->bucket = mem_zero(r->buckets, sizeof *r->bucket);
    if (!r->bucket) {
        mem_free(r);
        return error_memory(e, "counts of refusals");
    }
    pthread_mutex_init(&r->lock, NULL); /* with default attributes it cannot fail */
    *out = r;
    return ST_OK;
}

void refusals_free(struct refusals *r)
{
    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    mem_free(r->bucket);
    mem_free(r);
}

/* The bucket of a count, which is empty if there is none. */
static uint32_t *find(struct refusals *r, const char *trainer, enum status st, const char *reason)
{
    size_t b = (size_t)(hash_seeded(trainer, strlen(trainer), hash_secret().add) ^
                        (hash_bytes(reason, strlen(reason)) + (uint64_t)st));

    for (;; b++) {
        uint32_t *bucket = &r->bucket[b & (r->buckets - 1)];
        const struct refusal *c = *bucket ? &r->count_of[*bucket - 1] : NULL;

        if (!c || (c->status == st && !strcmp(c->reason, reason) && !strcmp(c->trainer, trainer)))
            return bucket;
    }
}

void refusals_count(struct refusals *r, const char *trainer, enum status st, const char *reason)
{
    uint32_t *bucket;

    pthread_mutex_lock(&r->lock);
    bucket = find(r, trainer, st, reason);
    if (!*bucket && r->count >= r->most) {
        trainer = "*";
        bucket = find(r, trainer, st, reason);
    }
    if (!*bucket && r->count < r->most + SHARED) {
        struct refusal *c = &r->count_of[r->count++];

        strcpy(c->trainer, trainer); /* a trainer's name: it fits */
        c->status = st;
        c->reason = reason;
        *bucket = (uint32_t)r->count;
    }
    if (*bucket)
        r->count_of[*bucket - 1].count++;
    pthread_mutex_unlock(&r->lock);
}

size_t refusals_read(struct refusals *r, struct refusal *out, size_t room)
{
    size_t count;

    pthread_mutex_lock(&r->lock);
    count = r->count;
    memcpy(out, r->count_of, (count < room ? count : room) * sizeof *out);
    pthread_mutex_unlock(&r->lock);
    return count;
}

size_t refusals_room(const struct refusals *r)
{
    return r->most + SHARED;
}
