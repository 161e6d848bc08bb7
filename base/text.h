/* SPDX-License-Identifier: Apache-2.0 */
/* Text that people and peers hand us: quoting, strict numbers, sizes and durations, and the same
   quantities written for people. No locale, no allocation; all functions are thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Longest quoted text that text_quote() produces, with its quotes, cut mark and NUL. */
#define QUOTE_MAX 160

/* A buffer for one quoted text; `quote(&(struct quoted){0}, s, n)` fits into a printf argument. */
struct quoted {
    char text[QUOTE_MAX];
};

/* Write `n` bytes at `s` as a double-quoted, escaped, ASCII text (\n, \t, \", \\, \xHH) into `q`,
   cut after about 128 bytes with "…" inside. Returns q->text. */
const char *text_quote(struct quoted *q, const void *s, size_t n);

/* Quote a C string into a temporary of the enclosing block. */
#define QUOTE(s) text_quote(&(struct quoted){{0}}, (s), __builtin_strlen(s))
#define QUOTE_N(s, n) text_quote(&(struct quoted){{0}}, (s), (n))

/* True if the bytes are well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
bool utf8_valid(const void *s, size_t n);

/* True for `[A-Za-z0-9_.-]{1,128}` that does not begin with a dot: a table's name. */
bool table_name_valid(const char *s, size_t n);

/* Strict decimal: `0|[1-9][0-9]*`, no sign, space or leading zero; false on overflow. `*out` is
   untouched on failure. */
bool parse_u64(const char *s, size_t n, uint64_t *out);
/* The same with an optional '-' ("-0" is refused). */
bool parse_i64(const char *s, size_t n, int64_t *out);
/* A finite decimal floating-point number, whole text, no hex, no "inf" or "nan". */
bool parse_double(const char *s, double *out);
/* Bytes: a number with an optional unit B, KiB, MiB, GiB, TiB, kB, MB, GB or TB ("64MiB", "64 MiB",
   "1048576"). */
bool parse_bytes(const char *s, uint64_t *out);
/* A duration with a unit us, ms, s, m, h or d ("250ms"), or "0"; the result in microseconds. */
bool parse_duration(const char *s, uint64_t *us);
/* "yes", "no", "true", "false", "on", "off", "1", "0". */
bool parse_bool(const char *s, bool *out);

/* For people: "1.5 GiB", "12.3 MB/s" style. Each returns `out`, which has room for 32 bytes. */
const char *format_bytes(char out[32], uint64_t bytes); /* 1023 B, 1.00 KiB, 25.6 MiB */
const char *format_count(char out[32], uint64_t n);     /* 1,048,576 */
const char *format_duration(char out[32], double us);   /* 850 ns, 12.3 us, 4.56 ms, 1.20 s */
const char *format_ratio(char out[32], double ratio);   /* 0.2734 with four significant digits */
