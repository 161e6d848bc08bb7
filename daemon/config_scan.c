/* SPDX-License-Identifier: Apache-2.0 */
/* The look at a configuration file before its parser sees it. No state; any thread. */
#include "daemon/config_scan.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "daemon/config.h"
#include "daemon/option.h"

#define OPTIONS_MOST 64
#define KEYS_MOST 8

/* What the last token was, as far as the meaning of '=' and '{' depends on it. */
enum token { TOKEN_OTHER, TOKEN_WORD, TOKEN_EQUALS, TOKEN_LIST };

struct scan {
    const char *text;
    size_t n, at;
    char *out;
    unsigned line;
    enum token last;
    const char *word; /* the last word or quoted text */
    size_t word_size;
    bool in_list;
    unsigned depth, tables;
    unsigned section_line[2];      /* where the open sections began */
    unsigned given[OPTIONS_MOST];  /* on which line, 0: not yet */
    unsigned given_key[KEYS_MOST]; /* the same in the open section */
};

static const char *const section_keys[] = {"file", "memory", "replace"};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("_.:/@%~[]-", c));
}

/* Lengths and bytes, line by line, for the whole text. */
static enum status check_lines(struct scan *s, struct error *e)
{
    const char *p = s->text, *end = s->text + s->n, *eol;

    for (s->line = 1; p < end; s->line++, p = eol + 1) {
        eol = memchr(p, '\n', (size_t)(end - p));
        if (!eol)
            eol = end;
        if (eol - p > CONFIG_LINE_MOST)
            return error_set(e, ST_INVALID, "the line is longer than %d bytes", CONFIG_LINE_MOST);
        for (const char *c = p; c < eol; c++)
            if (((unsigned char)*c < 0x20 && *c != '\t' && !(*c == '\r' && c + 1 == eol)) ||
                *c == 0x7f)
                return error_set(e, ST_INVALID, "a control character, 0x%02x, has no place here",
                                 (unsigned char)*c);
        if (!utf8_valid(p, (size_t)(eol - p)))
            return error_set(e, ST_INVALID, "the line is not UTF-8");
    }
    s->line = 1;
    return ST_OK;
}

static enum status open_to_end(struct error *e, const char *what, unsigned line)
{
    return error_set(e, ST_INVALID, "the %s that begins on line %u has no end", what, line);
}

/* Leave `out` blank up to the end of the comment at s->at. */
static enum status skip_comment(struct scan *s, struct error *e)
{
    unsigned began = s->line;
    bool block = s->text[s->at] == '/' && s->text[s->at + 1] == '*';

    for (s->at += block ? 2 : 1; s->at < s->n; s->at++) {
        if (s->text[s->at] == '\n') {
            if (!block)
                return ST_OK;
            s->line++;
            s->out[s->at] = '\n';
        } else if (block && s->text[s->at] == '*' && s->at + 1 < s->n &&
                   s->text[s->at + 1] == '/') {
            s->at += 2;
            return ST_OK;
        }
    }
    return block ? open_to_end(e, "comment", began) : ST_OK;
}

static enum status check_piece(const char *p, size_t n, struct error *e)
{
    if (memchr(p, '\\', n))
        return error_set(e, ST_INVALID, "a backslash has no place here");
    if (memmem(p, n, "${", 2))
        return error_set(e, ST_INVALID, "variables such as ${HOME} are not expanded here");
    return ST_OK;
}

static enum status take_quoted(struct scan *s, struct error *e)
{
    const char *begin = s->text + s->at, *end = begin + 1, *stop = s->text + s->n;

    while (end < stop && *end != *begin && *end != '\n')
        end++;
    if (end == stop || *end == '\n')
        return error_set(e, ST_INVALID, "a quoted text has no end on its line");
    s->word = begin + 1;
    s->word_size = (size_t)(end - begin - 1);
    memcpy(s->out + s->at, begin, s->word_size + 2);
    s->at += s->word_size + 2;
    s->last = TOKEN_WORD;
    return check_piece(s->word, s->word_size, e);
}

static void take_word(struct scan *s)
{
    s->word = s->text + s->at;
    for (s->word_size = 0; s->at < s->n && is_word(s->text[s->at]); s->at++, s->word_size++)
        s->out[s->at] = s->text[s->at];
    s->last = TOKEN_WORD;
}

/* An option or key is about to get its value: it must be the first time. */
static enum status check_repeated(struct scan *s, struct error *e)
{
    unsigned *given = NULL;

    for (size_t i = 0; s->depth == 0 && i < option_count; i++)
        if (strlen(options[i].name) == s->word_size &&
            !memcmp(options[i].name, s->word, s->word_size))
            given = &s->given[i];
    for (size_t i = 0; s->depth == 1 && i < sizeof section_keys / sizeof *section_keys; i++)
        if (strlen(section_keys[i]) == s->word_size &&
            !memcmp(section_keys[i], s->word, s->word_size))
            given = &s->given_key[i];
    if (!given)
        return ST_OK; /* unknown: the parser says so */
    if (*given)
        return error_set(e, ST_INVALID, "%.*s is given on line %u already", (int)s->word_size,
                         s->word, *given);
    *given = s->line;
    return ST_OK;
}

static enum status take_brace(struct scan *s, char c, struct error *e)
{
    bool empty = s->last == TOKEN_LIST;

    if (c == '{' && s->last == TOKEN_EQUALS) {
        s->in_list = true;
        s->last = TOKEN_LIST;
        return ST_OK;
    }
    s->last = TOKEN_OTHER;
    if (c == '{') {
        if (s->depth < 2)
            s->section_line[s->depth] = s->line;
        s->depth++;
        memset(s->given_key, 0, sizeof s->given_key);
        if (++s->tables > CONFIG_TABLES_MOST)
            return error_set(e, ST_INVALID, "more than %d sections", CONFIG_TABLES_MOST);
    } else if (s->in_list) {
        s->in_list = false;
        if (empty)
            return error_set(e, ST_INVALID, "a list has nothing in it");
    } else if (s->depth) {
        s->depth--;
    }
    return ST_OK;
}

static enum status take_token(struct scan *s, struct error *e)
{
    char c = s->text[s->at], next = s->at + 1 < s->n ? s->text[s->at + 1] : '\0';
    enum status st = ST_OK;

    if (c == '#' || (c == '/' && (next == '/' || next == '*')))
        return skip_comment(s, e);
    if (c == '"' || c == '\'')
        return take_quoted(s, e);
    if (is_word(c)) {
        take_word(s);
        return ST_OK;
    }
    if (c == '\n')
        s->line++;
    s->out[s->at] = c == '\r' ? ' ' : c;
    s->at++;
    switch (c) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        return ST_OK;
    case '{':
    case '}':
        return take_brace(s, c, e);
    case ',':
        s->last = TOKEN_OTHER;
        return ST_OK;
    case '=':
        if (s->last == TOKEN_WORD && !s->in_list)
            st = check_repeated(s, e);
        s->last = TOKEN_EQUALS;
        return st;
    case '\\':
        return error_set(e, ST_INVALID, "a backslash has no place here");
    case '$':
        if (next == '{')
            return error_set(e, ST_INVALID, "variables such as ${HOME} are not expanded here");
        break;
    case '+':
        if (next == '=')
            return error_set(e, ST_INVALID, "\"+=\" is not known here: write a list, {a, b}");
        break;
    }
    return error_set(e, ST_INVALID, "unexpected %s: a value that holds it needs quotes",
                     QUOTE_N(&c, 1));
}

enum status config_scan(const char *text, size_t n, char *out, unsigned *line, struct error *e)
{
    struct scan s = {.text = text, .n = n, .out = out};
    enum status st;

    memset(out, ' ', n);
    out[n] = '\0';
    st = check_lines(&s, e);
    while (st == ST_OK && s.at < n)
        st = take_token(&s, e);
    if (st == ST_OK && s.depth)
        st = open_to_end(e, "section", s.section_line[s.depth > 1]);
    *line = s.line;
    return st;
}
