/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets and progress. Used on a worker's thread for what belongs to it. */
#include "daemon/flood.h"

#include "daemon/limits.h"

#define TOKEN 1000000u          /* so that a rate a second is one unit of level a microsecond */
#define ELAPSED_MAX 3600000000u /* nothing overflows in an hour */

/* No honest peer comes near: a hundred in ten seconds. */
#define FAULT_BURST 100
#define FAULT_RATE 10
/* A call brings its window updates and a PING; a DATA frame at most one update for the stream, one
   for the connection, and a PING. */
#define CALL_EARNS 8
#define DATA_EARNS 4
#define EARNED_MOST 65536 /* taken at once they are some ten milliseconds of work */

void bucket_fill(struct bucket *b, uint64_t burst, uint64_t now_us)
{
    b->level = burst * TOKEN;
    b->at_us = now_us;
}

bool bucket_take(struct bucket *b, uint64_t burst, uint64_t rate, uint64_t now_us)
{
    uint64_t elapsed = now_us - b->at_us, most = burst * TOKEN;

    if (elapsed > ELAPSED_MAX)
        elapsed = ELAPSED_MAX;
    b->at_us = now_us;
    b->level += elapsed * rate;
    if (b->level > most)
        b->level = most;
    if (b->level < TOKEN)
        return false;
    b->level -= TOKEN;
    return true;
}

void bucket_give(struct bucket *b, uint64_t burst, uint64_t tokens)
{
    uint64_t most = burst * TOKEN;

    b->level += tokens * TOKEN;
    if (b->level > most)
        b->level = most;
}

void flood_start(struct flood *f, const struct limits *l, uint64_t now_us)
{
    bucket_fill(&f->controls, l->max_controls_rate, now_us);
    bucket_fill(&f->resets, l->max_resets, now_us);
    bucket_fill(&f->own_resets, FAULT_BURST, now_us);
    bucket_fill(&f->invalid, FAULT_BURST, now_us);
    f->earned = 0;
}

bool flood_control(struct flood *f, const struct limits *l, uint64_t now_us)
{
    if (f->earned) {
        f->earned--;
        return true;
    }
    return bucket_take(&f->controls, l->max_controls_rate, l->max_controls_rate, now_us);
}

bool flood_reset(struct flood *f, const struct limits *l, uint64_t now_us)
{
    return bucket_take(&f->resets, l->max_resets, l->max_resets_rate, now_us);
}

bool flood_own_reset(struct flood *f, uint64_t now_us)
{
    return bucket_take(&f->own_resets, FAULT_BURST, FAULT_RATE, now_us);
}

bool flood_invalid(struct flood *f, uint64_t now_us)
{
    return bucket_take(&f->invalid, FAULT_BURST, FAULT_RATE, now_us);
}

static void earn(struct flood *f, uint64_t frames)
{
    f->earned += frames;
    if (f->earned > EARNED_MOST)
        f->earned = EARNED_MOST;
}

void flood_earn_call(struct flood *f)
{
    earn(f, CALL_EARNS);
}

void flood_earn_data(struct flood *f)
{
    earn(f, DATA_EARNS);
}

void flood_earn_answer(struct flood *f)
{
    bucket_give(&f->own_resets, FAULT_BURST, 1);
}

static void progress_start(struct progress *p, uint64_t now_us)
{
    p->since_us = now_us;
    p->bytes = 0;
}

void progress_wait(struct progress *p, bool waits, uint64_t now_us)
{
    if (waits && !p->waiting)
        progress_start(p, now_us);
    p->waiting = waits;
}

void progress_add(struct progress *p, uint64_t n, uint64_t now_us)
{
    p->bytes += n;
    if (p->bytes >= PROGRESS_MIN)
        progress_start(p, now_us);
}

bool progress_stalled(const struct progress *p, uint64_t limit_us, uint64_t now_us)
{
    return limit_us && p->waiting && now_us - p->since_us > limit_us;
}
