/* SPDX-License-Identifier: Apache-2.0 */
/* Plans for people and scripts. No state. */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/info.h"
#include "client/embctl/parts.h"
#include "client/embctl/plan.h"
#include "client/embctl/print.h"

#define WIDTH 9 /* of the labels */

static double full_words(const struct plan_question *q)
{
    return (double)q->rows * q->dim;
}

static double ratio_of(const struct plan_question *q, double bytes)
{
    double full = 4 * full_words(q);

    return full > 0 ? bytes / full : 0;
}

static const char *ratio_text(char out[32], const struct plan_question *q, double bytes)
{
    return bytes < 0 ? "-" : format_ratio(out, ratio_of(q, bytes));
}

static void print_size(const struct plan_question *q)
{
    char rows[32], dim[32], full[32], budget[32], ratio[32], fields[200];

    print_heading("%s × %s, %s in float32", format_count(rows, q->rows), format_count(dim, q->dim),
                  format_bytes(full, q->rows * q->dim * sizeof(float)));
    if (q->budget)
        print_pair(WIDTH, "budget", "%s, ratio %s", format_bytes(budget, q->budget),
                   ratio_text(ratio, q, (double)q->budget));
    else
        print_pair(WIDTH, "budget", "none: natural sizes");
    if (q->fields.count) {
        uint64_t *list = need_zero(q->fields.count, sizeof *list);

        for (size_t i = 0; i < q->fields.count; i++)
            list[i] = q->fields.first[i + 1] - q->fields.first[i];
        print_pair(WIDTH, "fields", "%s",
                   fields_format(fields, sizeof fields, list, q->fields.count));
        mem_free(list);
    }
}

static bool shows(const struct plan_question *q, size_t optimizer)
{
    return !q->optimizer || optimizers[optimizer] == q->optimizer;
}

static void print_good(const struct plan_question *q, const struct outlook *o, size_t count)
{
    struct column columns[6 + OPTIMIZERS_MOST] = {
        {"method", false}, {"size", true}, {"ratio", true}, {"authors'", true}, {"work", true}};
    size_t column = 5;
    struct sheet s;
    char text[32];

    for (size_t i = 0; optimizers[i]; i++)
        if (shows(q, i))
            columns[column++] = (struct column){optimizers[i]->name, true};
    columns[column++] = (struct column){"settings", false};
    sheet_init(&s, columns, column);
    s.cut = true;
    for (; count && o->st == ST_OK; o++, count--) {
        sheet_style(&s, STYLE_BOLD);
        sheet_text(&s, o->method->name);
        sheet_bytes(&s, o->bytes);
        sheet_text(&s, ratio_text(text, q, (double)o->bytes));
        sheet_text(&s, ratio_text(text, q, 4 * o->words));
        sheet_count(&s, o->work);
        for (size_t i = 0; optimizers[i]; i++)
            if (shows(q, i))
                sheet_text(&s, o->state[i] == NO_STATE ? "-" : format_bytes(text, o->state[i]));
        sheet_text(&s, o->summary);
    }
    if (s.cells) {
        putchar('\n');
        sheet_print(&s, 0, "");
    }
    sheet_done(&s);
}

static void print_bad(const struct plan_question *q, const struct outlook *o, size_t count)
{
    static const struct column columns[] = {
        {"out of reach", false}, {"needs", true}, {"ratio", true}, {"why", false}};
    struct sheet s;
    char text[32];

    sheet_init(&s, columns, sizeof columns / sizeof *columns);
    for (; count; o++, count--) {
        if (o->st == ST_OK)
            continue;
        sheet_style(&s, STYLE_BOLD);
        sheet_text(&s, o->method->name);
        sheet_text(&s, o->need ? format_bytes(text, o->need) : "-");
        sheet_text(&s, o->need ? ratio_text(text, q, (double)o->need) : "-");
        sheet_text(&s, o->need ? "" : o->e.text);
    }
    if (s.cells) {
        putchar('\n');
        sheet_print(&s, 0, "");
    }
    sheet_done(&s);
}

void plan_print_list(const struct plan_question *q, const struct outlook *o, size_t count)
{
    print_size(q);
    print_good(q, o, count);
    print_bad(q, o, count);
    printf("\n%sauthors': the ratio as the method's authors count; work: multiply-adds a lookup;\n"
           "%s: bytes of the optimizer's state, - where it does not train the method.\n"
           "embctl plan --method METHOD … shows one in full.%s\n",
           style(STYLE_DIM), q->optimizer ? q->optimizer->name : "sgd and so on",
           style(STYLE_NONE));
}

static void print_tensors_of(const struct plan *plan)
{
    struct tensor_line line[METHOD_TENSORS_MAX];
    struct parameters p;
    size_t count = 0;

    if (plan_parameters(plan, &p, NULL) != ST_OK)
        return;
    for (size_t i = 0; i < METHOD_TENSORS_MAX; i++) {
        const struct tensor *t = &p.tensor[i];

        if (t->name)
            line[count++] = (struct tensor_line){.name = t->name,
                                                 .dtype = dtype_name(t->dtype),
                                                 .shape = t->shape,
                                                 .rank = t->rank,
                                                 .bytes = t->bytes};
    }
    putchar('\n');
    print_tensors(line, count);
    parameters_done(&p);
}

static void print_settings(const struct plan *plan)
{
    static const struct column columns[] = {
        {"setting", false}, {"value", false}, {"meaning", false}};
    const struct method *m = plan->method;
    struct sheet s;
    char text[200];

    sheet_init(&s, columns, sizeof columns / sizeof *columns);
    s.cut = true;
    for (size_t i = 0; i < m->settings_count; i++) {
        const struct setting *o = &m->settings[i];
        const struct value *v = &plan->value[i];

        if (!v->set)
            continue;
        sheet_style(&s, STYLE_BOLD);
        sheet_text(&s, o->name);
        sheet_text(&s, o->type == SETTING_REAL && !o->fallback && v->r == 0
                           ? "left to the fit"
                           : setting_format(text, sizeof text, o, v));
        sheet_text(&s, o->help);
    }
    if (s.cells) {
        putchar('\n');
        sheet_print(&s, 0, "");
    }
    sheet_done(&s);
}

void plan_print_one(const struct plan_question *q, const struct outlook *o)
{
    char a[32], b[32], list[200];
    size_t used = 0;

    print_size(q);
    print_pair(WIDTH, "method", "%s: %s", o->method->name, o->method->title);
    print_pair(WIDTH, "size", "%s, ratio %s", format_bytes(a, o->bytes),
               ratio_text(b, q, (double)o->bytes));
    print_pair(WIDTH, "authors", "%s%s",
               o->words < 0 ? "have no way of counting" : "count a ratio of ",
               o->words < 0 ? "" : ratio_text(a, q, 4 * o->words));
    print_pair(WIDTH, "work", "%s multiply-add%s a lookup", format_count(a, o->work),
               o->work == 1 ? "" : "s");
    for (size_t i = 0; optimizers[i] && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s %s", i ? ", " : "",
                                 optimizers[i]->name,
                                 o->state[i] == NO_STATE ? "-" : format_bytes(a, o->state[i]));
    print_pair(WIDTH, "training", "%s", list);
    if (o->layout.per_field) {
        struct parts parts;

        putchar('\n');
        parts_of_layout(&parts, &o->layout);
        print_parts(&parts);
        parts_done(&parts);
        return;
    }
    print_settings(&o->layout.part[0]);
    print_tensors_of(&o->layout.part[0]);
}

static void json_outlook(struct document *j, const struct plan_question *q, const struct outlook *o)
{
    doc_text(j, "method", o->method->name);
    doc_bool(j, "reachable", o->st == ST_OK);
    if (o->st != ST_OK) {
        if (o->need)
            doc_u64(j, "need", o->need);
        doc_text(j, "reason", o->e.text);
        return;
    }
    doc_u64(j, "bytes", o->bytes);
    doc_real(j, "ratio", ratio_of(q, (double)o->bytes));
    if (o->words < 0) {
        doc_text(j, "author_words", NULL);
        doc_text(j, "author_ratio", NULL);
    } else {
        doc_real(j, "author_words", o->words);
        doc_real(j, "author_ratio", ratio_of(q, 4 * o->words));
    }
    doc_u64(j, "work", o->work);
    doc_object(j, "optimizer_bytes");
    for (size_t i = 0; optimizers[i]; i++)
        if (o->state[i] == NO_STATE)
            doc_text(j, optimizers[i]->name, NULL);
        else
            doc_u64(j, optimizers[i]->name, o->state[i]);
    doc_close(j);
    doc_text(j, "settings", o->summary);
}

int plan_print_json(const struct plan_question *q, const struct outlook *o, size_t count, bool one)
{
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    doc_u64(&j, "rows", q->rows);
    doc_u64(&j, "dim", q->dim);
    doc_array_flat(&j, "fields");
    for (size_t i = 0; i < q->fields.count; i++)
        doc_u64(&j, NULL, q->fields.first[i + 1] - q->fields.first[i]);
    doc_close(&j);
    doc_u64(&j, "float32_bytes", q->rows * q->dim * sizeof(float));
    if (q->budget)
        doc_u64(&j, "budget", q->budget);
    else
        doc_text(&j, "budget", NULL);
    doc_array(&j, "plans");
    for (size_t i = 0; i < count; i++) {
        doc_object(&j, NULL);
        json_outlook(&j, q, &o[i]);
        if (one) {
            struct parts parts;

            parts_of_layout(&parts, &o[i].layout);
            json_parts(&j, &parts);
            parts_done(&parts);
        }
        doc_close(&j);
    }
    doc_close(&j);
    doc_close(&j);
    return doc_finish(&j);
}
