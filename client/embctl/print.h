/* SPDX-License-Identifier: Apache-2.0 */
/* Output for people: aligned tables, colours where they are welcome, bars and histograms of block
   characters. Text from outside is stripped of control characters on its way. Running out of memory
   ends the program: it has nothing that would need more care. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

/* Memory, or the end of the program. mem_free() takes it back. */
void *need(size_t bytes);
void *need_zero(size_t count, size_t bytes);
void *need_resize(void *p, size_t count, size_t bytes);
char *need_text(const char *s, size_t n); /* a NUL-terminated copy */

enum style { STYLE_NONE, STYLE_BOLD, STYLE_DIM, STYLE_RED, STYLE_GREEN, STYLE_YELLOW, STYLE_CYAN };

/* The escape that begins (or, with STYLE_NONE, ends) a style; "" unless standard output is a
   terminal and NO_COLOR is not set. */
const char *style(enum style s);

/* Columns that a text takes on a terminal. */
size_t text_width(const char *text);
/* Columns of the terminal at standard output; 0 if it is none. */
unsigned terminal_width(void);

/* A table in the making: cells are added row by row. */
struct column {
    const char *title;
    bool right; /* numbers */
};

struct sheet {
    const struct column *column;
    size_t columns;
    struct cell *cell;
    size_t cells, room;
    enum style next; /* of the next cell */
    bool cut;        /* on a terminal the last column ends where the line does */
};

void sheet_init(struct sheet *s, const struct column *column, size_t columns);
void sheet_done(struct sheet *s);
void sheet_style(struct sheet *s, enum style style); /* of the next cell alone */
void sheet_text(struct sheet *s, const char *text);
void sheet_format(struct sheet *s, const char *format, ...) PRINTF_LIKE(2, 3);
void sheet_count(struct sheet *s, uint64_t n);     /* 1,048,576 */
void sheet_bytes(struct sheet *s, uint64_t bytes); /* 25.6 MiB */
void sheet_us(struct sheet *s, double us);         /* 12.3 us; "-" for 0 */
/* Print with a line of titles; columns without any text are left out. Each line begins with
   `indent` spaces and ends with `clear`, which is "" where there is nothing to wipe. */
void sheet_print(struct sheet *s, unsigned indent, const char *clear);

/* "label   text", the labels of one list being aligned to `width`. */
void print_pair(unsigned width, const char *label, const char *format, ...) PRINTF_LIKE(3, 4);
/* A heading before a part of the output. */
void print_heading(const char *format, ...) PRINTF_LIKE(1, 2);
/* Print a text from outside. */
void print_safe(const char *text);

/* A bar of `width` columns filled to `share` (0 to 1), in eighths of a block; `out` has room for
   4 * width + 1 bytes. */
char *bar_format(char *out, unsigned width, double share);
/* One character for a share, ' ' for 0 and then ▁ to █. */
const char *spark(double share);

/* Flush standard output: EXIT_DONE, or EXIT_FAILED after saying that it cannot be written. */
int finish_output(void);
