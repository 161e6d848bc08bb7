/* SPDX-License-Identifier: Apache-2.0 */
/* Methods that do nothing useful, in every shape that a method can have; for tests and fuzzers of
   the transport. They count what happens to them. */
#pragma once

#include <stdatomic.h>

#include "base/status.h"
#include "daemon/call.h"

enum echo_rpc { UNARY, SLOW, STREAM, BOTH, FAIL, LARGE, PIECES, WAIT, COUNTS, UNKNOWN, ECHO_RPCS };

/* All but UNKNOWN, NULL at the end; and that one. */
extern const struct rpc *const echo_rpcs[];
extern const struct rpc echo_unknown;

/* Ended calls by method and status, messages delivered, turns of Slow; calls that hold something.
 */
extern atomic_uint_fast64_t echo_ended[ECHO_RPCS][ST_COUNT], echo_messages[ECHO_RPCS], echo_turns;
extern atomic_int_fast64_t echo_open;
