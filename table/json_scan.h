/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over JSON text before a parser allocates for it: bounds tokens and depth, and is strict
   where parsers are lenient (numbers, what stands around the JSON). Grammar is left to the parser.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct json_limits {
    uint64_t tokens; /* brackets, commas, colons, strings, numbers and words */
    unsigned depth;  /* of nested objects and lists */
    bool plain;      /* every number must be plain digits: 0 or [1-9][0-9]* */
};

/* Deep enough for everything that a table file may hold: embd.config's per_field with lists. */
#define JSON_DEPTH 4

struct json_span {
    const char *text;
    size_t n;
};

/* Find the one JSON object or list of the text, with spaces alone around it. ST_INVALID with a
   sentence about the text ("has …", "is …") when a limit or a rule is broken: integers are
   [-](0|[1-9][0-9]*), not -0, within 64 bits; numbers with a fraction or exponent are finite. */
MUST_CHECK enum status json_scan(struct json_span *out, const char *text, size_t n,
                                 const struct json_limits *limits, struct error *e);
