/* SPDX-License-Identifier: Apache-2.0 */
/* Floats from 0 on are in the order of their bits. One thread. */
#include "fits/select.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"

#define BUCKETS 65536

static inline uint32_t bits_of(float score)
{
    uint32_t bits;

    memcpy(&bits, &score, sizeof bits);
    return bits & 0x7fffffff; /* -0 is 0 */
}

enum status select_init(struct select *s, uint64_t keep, struct error *e)
{
    *s = (struct select){.left = keep, .count = mem_zero(BUCKETS, sizeof *s->count)};
    return s->count ? ST_OK : error_memory(e, "counts of scores");
}

void select_done(struct select *s)
{
    mem_free(s->count);
    s->count = NULL;
}

void select_add(struct select *s, const float *score, size_t n)
{
    assert(s->passes < SELECT_PASSES);
    if (s->passes == 0) {
        for (size_t i = 0; i < n; i++)
            s->count[bits_of(score[i]) >> 16]++;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = bits_of(score[i]);

        if (bits >> 16 == s->smallest >> 16)
            s->count[bits & 0xffff]++;
    }
}

/* From the largest half word down, all are taken until the rest would be too many; with none to
   take that is at once, at bits that no score has. */
void select_next(struct select *s)
{
    uint32_t bucket = BUCKETS - 1;

    for (; bucket > 0 && s->count[bucket] < s->left; bucket--)
        s->left -= s->count[bucket];
    s->smallest |= s->passes == 0 ? bucket << 16 : bucket;
    s->passes++;
    memset(s->count, 0, BUCKETS * sizeof *s->count);
}

int select_takes(struct select *s, float score)
{
    uint32_t bits = bits_of(score);

    if (bits != s->smallest)
        return bits > s->smallest;
    if (!s->left)
        return 0;
    s->left--;
    return 1;
}
