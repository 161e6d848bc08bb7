/* SPDX-License-Identifier: Apache-2.0 */
/* Two clocks: one that never jumps, for every timer and latency; one for people. */
#pragma once

#include <stdint.h>

uint64_t clock_now_us(void); /* CLOCK_MONOTONIC, microseconds */
uint64_t clock_now_ns(void); /* CLOCK_MONOTONIC, nanoseconds */
int64_t clock_wall_s(void);  /* CLOCK_REALTIME, seconds since 1970 */
int64_t clock_wall_us(void);
/* "2026-01-31T12:34:56.789Z"; out has room for 32 bytes. */
const char *clock_format(char out[32], int64_t wall_us);
