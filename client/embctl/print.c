/* SPDX-License-Identifier: Apache-2.0 */
/* Tables, pairs, bars. Only the main thread prints. */
#include "client/embctl/print.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/command.h"

struct cell {
    char *text;
    size_t width;
    enum style style;
};

#define GAP 2 /* spaces between columns */

static void *checked(void *p)
{
    if (!p) {
        fputs("embctl: out of memory\n", stderr);
        exit(EXIT_FAILED);
    }
    return p;
}

void *need(size_t bytes)
{
    return checked(mem_alloc(bytes));
}

void *need_zero(size_t count, size_t bytes)
{
    return checked(mem_zero(count, bytes));
}

void *need_resize(void *p, size_t count, size_t bytes)
{
    return checked(mem_resize(p, count, bytes));
}

char *need_text(const char *s, size_t n)
{
    return checked(mem_text(s, n));
}

const char *style(enum style s)
{
    static const char *const escape[] = {"\033[0m",  "\033[1m",  "\033[2m", "\033[31m",
                                         "\033[32m", "\033[33m", "\033[36m"};
    static int wanted = -1;

    if (wanted < 0) {
        const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

        wanted = isatty(STDOUT_FILENO) && (!no || !*no) && (!terminal || strcmp(terminal, "dumb"));
    }
    return wanted ? escape[s] : "";
}

size_t text_width(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80; /* all we print is one column a character */
    return n;
}

unsigned terminal_width(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && isatty(STDOUT_FILENO) ? size.ws_col : 0;
}

/* Replace what could move the cursor or change the terminal. */
static void make_safe(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7f || (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0))
            *c = '?';
}

void sheet_init(struct sheet *s, const struct column *column, size_t columns)
{
    *s = (struct sheet){.column = column, .columns = columns};
}

void sheet_done(struct sheet *s)
{
    for (size_t i = 0; i < s->cells; i++)
        mem_free(s->cell[i].text);
    mem_free(s->cell);
    *s = (struct sheet){0};
}

void sheet_style(struct sheet *s, enum style next)
{
    s->next = next;
}

void sheet_text(struct sheet *s, const char *text)
{
    struct cell *cell;

    if (s->cells == s->room) {
        s->room = s->room ? 2 * s->room : 64;
        s->cell = need_resize(s->cell, s->room, sizeof *s->cell);
    }
    cell = &s->cell[s->cells++];
    cell->text = need_text(text, strlen(text));
    make_safe(cell->text);
    cell->width = text_width(cell->text);
    cell->style = s->next;
    s->next = STYLE_NONE;
}

void sheet_format(struct sheet *s, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sheet_text(s, text);
}

void sheet_count(struct sheet *s, uint64_t n)
{
    sheet_text(s, format_count((char[32]){0}, n));
}

void sheet_bytes(struct sheet *s, uint64_t bytes)
{
    sheet_text(s, format_bytes((char[32]){0}, bytes));
}

void sheet_us(struct sheet *s, double us)
{
    sheet_text(s, us > 0 ? format_duration((char[32]){0}, us) : "-");
}

/* Cut a text to `width` columns, the last of which is then "…". */
static void cut_text(struct cell *cell, size_t width)
{
    const char *end = cell->text;
    size_t kept;

    if (cell->width <= width)
        return;
    for (size_t n = 1; n < width; n++)
        do
            end++;
        while (((unsigned char)*end & 0xc0) == 0x80);
    kept = (size_t)(end - cell->text);
    cell->text = need_resize(cell->text, kept + sizeof "…", 1);
    strcpy(cell->text + kept, "…");
    cell->width = width;
}

/* Cut the last column to what the terminal has left for it. */
static void cut_last(struct sheet *s, const size_t *room, unsigned indent)
{
    size_t used = indent, columns = terminal_width(), last = s->columns - 1;

    if (!s->cut || !columns)
        return;
    for (size_t c = 0; c < last; c++)
        used += room[c] ? room[c] + GAP : 0;
    for (size_t i = last; i < s->cells && used < columns; i += s->columns)
        cut_text(&s->cell[i], columns - used);
}

/* Line 0 are the titles. Nothing is printed behind the last cell that has a text. */
static void print_line(const struct sheet *s, size_t line, const size_t *room, unsigned indent,
                       const char *clear)
{
    size_t owed = indent; /* spaces before the next text */

    for (size_t c = 0; c < s->columns; c++) {
        const struct cell *cell = line ? &s->cell[(line - 1) * s->columns + c] : NULL;
        const char *text = cell ? cell->text : s->column[c].title;
        size_t width = cell ? cell->width : text_width(text);
        enum style how = cell ? cell->style : STYLE_DIM;

        if (!room[c])
            continue;
        if (*text) {
            printf("%*s%s%s%s", (int)(owed + (s->column[c].right ? room[c] - width : 0)), "",
                   how != STYLE_NONE ? style(how) : "", text,
                   how != STYLE_NONE ? style(STYLE_NONE) : "");
            owed = 0;
        }
        owed += GAP + (s->column[c].right && *text ? 0 : room[c] - (*text ? width : 0));
    }
    printf("%s\n", clear);
}

void sheet_print(struct sheet *s, unsigned indent, const char *clear)
{
    size_t *room = need_zero(s->columns, sizeof *room);

    for (size_t i = 0; i < s->cells; i++)
        if (s->cell[i].width > room[i % s->columns])
            room[i % s->columns] = s->cell[i].width;
    for (size_t c = 0; c < s->columns; c++) {
        size_t title = text_width(s->column[c].title);

        if (room[c] && title > room[c])
            room[c] = title;
    }
    cut_last(s, room, indent);
    for (size_t row = 0; row <= s->cells / s->columns; row++)
        print_line(s, row, room, indent, clear);
    mem_free(room);
}

void print_safe(const char *text)
{
    char *copy = need_text(text, strlen(text));

    make_safe(copy);
    fputs(copy, stdout);
    mem_free(copy);
}

void print_pair(unsigned width, const char *label, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    printf("%s%s%s%*s", style(STYLE_DIM), label, style(STYLE_NONE),
           (int)(width - text_width(label)) + GAP, "");
    print_safe(text);
    putchar('\n');
}

void print_heading(const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fputs(style(STYLE_BOLD), stdout);
    print_safe(text);
    printf("%s\n", style(STYLE_NONE));
}

int finish_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_DONE;
    fprintf(stderr, "embctl: cannot write standard output: %s\n", strerror(errno));
    return EXIT_FAILED;
}
