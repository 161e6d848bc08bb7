/* SPDX-License-Identifier: Apache-2.0 */
/* How often is too often: token buckets for what a peer does, and a measure of whether it takes
   what we write. No I/O; the clock is the caller's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Holds up to `burst` tokens and gains `rate` a second. */
struct bucket {
    uint64_t level; /* millionths of a token */
    uint64_t at_us;
};

void bucket_fill(struct bucket *b, uint64_t burst, uint64_t now_us);
/* Take a token; false if there is none: the peer is too fast. */
bool bucket_take(struct bucket *b, uint64_t burst, uint64_t rate, uint64_t now_us);
/* Put tokens back, up to `burst`. */
void bucket_give(struct bucket *b, uint64_t burst, uint64_t tokens);

/* What a peer does too much of. Each of the four returns false when it is too much. */
struct limits;
struct flood {
    struct bucket controls, resets, own_resets, invalid;
    uint64_t earned; /* control frames that may come before `controls` is asked */
};

void flood_start(struct flood *f, const struct limits *l, uint64_t now_us);
/* A frame that does nothing for a call. */
bool flood_control(struct flood *f, const struct limits *l, uint64_t now_us);
/* The peer reset a stream. */
bool flood_reset(struct flood *f, const struct limits *l, uint64_t now_us);
/* The peer made us reset a stream. */
bool flood_own_reset(struct flood *f, uint64_t now_us);
/* A frame that breaks the rules. */
bool flood_invalid(struct flood *f, uint64_t now_us);
/* Honest traffic earns control frames (window updates, PINGs that measure the path): a new call, a
   DATA frame from us; and an answered call earns a reset by us. What was earned is kept for a peer
   that was held up and answers a long stream's frames all at once. */
void flood_earn_call(struct flood *f);
void flood_earn_data(struct flood *f);
void flood_earn_answer(struct flood *f);

/* Bytes that a peer must take within a time limit to count as reading at all. One byte now and then
   is not enough, or a peer could hold a large answer in memory for as long as it likes. */
#define PROGRESS_MIN 4096

struct progress {
    bool waiting;
    uint64_t since_us;
    uint64_t bytes; /* taken since */
};

/* Whether output waits for the peer at this moment. */
void progress_wait(struct progress *p, bool waits, uint64_t now_us);
/* The peer took `n` bytes. */
void progress_add(struct progress *p, uint64_t n, uint64_t now_us);
/* True if output has waited for `limit_us` (0: no limit) and too little was taken. */
bool progress_stalled(const struct progress *p, uint64_t limit_us, uint64_t now_us);
