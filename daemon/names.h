/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the names in a request are the same. No state; any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "proto/bytes.h"

/* `first[i]` becomes the place of the first name that is equal to the i-th. The names are `stride`
   bytes apart; `name` may be NULL if there are none. ST_EXHAUSTED if the arena is full. */
MUST_CHECK enum status names_compare(uint32_t *first, const struct bytes *name, size_t stride,
                                     size_t n, struct arena *arena, struct error *e);
