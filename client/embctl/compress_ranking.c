/* SPDX-License-Identifier: Apache-2.0 */
/* A search's ranking for people and scripts. No state. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/compress_search.h"
#include "client/embctl/print.h"

/* Those that came to an end, the best first; then those that cannot, the least need first. */
static int by_rank(const void *a, const void *b)
{
    const struct attempt *x = *(const struct attempt *const *)a,
                         *y = *(const struct attempt *const *)b;

    if (x->st != ST_OK || y->st != ST_OK) {
        if ((x->st == ST_OK) != (y->st == ST_OK))
            return x->st == ST_OK ? -1 : 1;
        if (x->need != y->need && x->need && y->need)
            return x->need < y->need ? -1 : 1;
        if (!x->need != !y->need)
            return x->need ? -1 : 1;
        return x < y ? -1 : 1;
    }
    return attempt_better(x, y) ? -1 : 1;
}

static struct attempt **rank(const struct search *s)
{
    struct attempt **list = need_zero(s->count + 1, sizeof(struct attempt *));

    for (size_t i = 0; i < s->count; i++)
        list[i] = &s->attempt[i];
    qsort(list, s->count, sizeof *list, by_rank);
    return list;
}

static double ratio_of(const struct search *s, uint64_t bytes)
{
    double full = 4.0 * (double)s->c->in.rows * s->c->in.dim;

    return full > 0 ? (double)bytes / full : 0;
}

static void print_good(const struct search *s, struct attempt *const *list)
{
    static const struct column columns[] = {
        {"method", false}, {"by counts", true}, {"error", true}, {"cosine", true},
        {"worst", true},   {"size", true},      {"ratio", true}, {"work", true},
        {"took", true},    {"settings", false}};
    struct sheet sheet;

    sheet_init(&sheet, columns, sizeof columns / sizeof *columns);
    sheet.cut = true;
    for (; *list && (*list)->st == ST_OK; list++) {
        const struct attempt *t = *list;

        sheet_style(&sheet, t == s->winner ? STYLE_GREEN : STYLE_BOLD);
        sheet_text(&sheet, t->method->name);
        if (s->c->in.weight)
            sheet_format(&sheet, "%.4g", t->error.relative);
        else
            sheet_text(&sheet, "");
        sheet_format(&sheet, "%.4g", t->error.plain_relative);
        sheet_format(&sheet, "%.6f", t->error.plain_cosine_mean);
        sheet_format(&sheet, "%.6f", t->error.cosine_worst);
        sheet_bytes(&sheet, t->file.bytes);
        sheet_text(&sheet, format_ratio((char[32]){0}, ratio_of(s, t->file.bytes)));
        sheet_count(&sheet, t->work);
        sheet_us(&sheet, t->seconds * 1e6);
        sheet_text(&sheet, t->summary);
    }
    if (sheet.cells)
        sheet_print(&sheet, 0, "");
    sheet_done(&sheet);
}

static void print_bad(const struct search *s, struct attempt *const *list)
{
    static const struct column columns[] = {
        {"out of reach", false}, {"needs", true}, {"ratio", true}, {"why", false}};
    struct sheet sheet;

    sheet_init(&sheet, columns, sizeof columns / sizeof *columns);
    for (; *list; list++) {
        const struct attempt *t = *list;

        if (t->st == ST_OK)
            continue;
        sheet_style(&sheet, STYLE_BOLD);
        sheet_text(&sheet, t->method->name);
        sheet_text(&sheet, t->need ? format_bytes((char[32]){0}, t->need) : "-");
        sheet_text(&sheet, t->need ? format_ratio((char[32]){0}, ratio_of(s, t->need)) : "-");
        sheet_text(&sheet, t->need ? "" : t->e.text);
    }
    if (sheet.cells) {
        if (s->winner)
            putchar('\n');
        sheet_print(&sheet, 0, "");
    }
    sheet_done(&sheet);
}

static int print_people(const struct search *s, struct attempt *const *list)
{
    const char *output = option_value(s->c->a, "output");

    print_good(s, list);
    print_bad(s, list);
    if (output && s->winner) {
        printf("\n%s is kept as ", s->winner->method->name);
        print_safe(output);
        putchar('\n');
    }
    return finish_output();
}

static int print_json(const struct search *s, struct attempt *const *list)
{
    const char *output = option_value(s->c->a, "output");
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    doc_u64(&j, "rows", s->c->in.rows);
    doc_u64(&j, "dim", s->c->in.dim);
    doc_u64(&j, "budget", s->c->budget);
    doc_text(&j, "file", s->winner ? output : NULL);
    doc_text(&j, "best", s->winner ? s->winner->method->name : NULL);
    doc_array(&j, "ranking");
    for (; *list && (*list)->st == ST_OK; list++) {
        doc_object(&j, NULL);
        doc_text(&j, "method", (*list)->method->name);
        json_errors(&j, s->c, &(*list)->error);
        doc_u64(&j, "parameter_bytes", (*list)->file.bytes);
        doc_real(&j, "ratio", ratio_of(s, (*list)->file.bytes));
        doc_u64(&j, "work", (*list)->work);
        doc_real(&j, "seconds", (*list)->seconds);
        doc_text(&j, "settings", (*list)->summary);
        doc_close(&j);
    }
    doc_close(&j);
    doc_array(&j, "out_of_reach");
    for (; *list; list++) {
        doc_object(&j, NULL);
        doc_text(&j, "method", (*list)->method->name);
        if ((*list)->need)
            doc_u64(&j, "need", (*list)->need);
        doc_text(&j, "reason", (*list)->e.text);
        doc_close(&j);
    }
    doc_close(&j);
    doc_close(&j);
    return doc_finish(&j);
}

int search_report(const struct search *s)
{
    struct attempt **list = rank(s);
    int done = s->c->a->json ? print_json(s, list) : print_people(s, list);
    struct error e;

    mem_free(list);
    if (done == EXIT_DONE && !s->winner) {
        error_set(&e, ST_INVALID, "no method can; nothing was written");
        return fail(&e);
    }
    return done;
}
