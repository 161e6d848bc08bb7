/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics as JSON, and what else stats and top share. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/embd.pb-c.h"

/* Print the document; returns the exit status. */
int stats_json(const Embd__V1__StatsResponse *s, int64_t from_s);
/* "3 d 4 h", "1 h 5 min", "12 s": for uptimes; `out` has room for 32 bytes. */
const char *span_format(char out[32], uint64_t us);
/* "2026-01-31 10:00" of a time in seconds since 1970, here. */
const char *time_format(char *out, size_t room, int64_t at_s);
