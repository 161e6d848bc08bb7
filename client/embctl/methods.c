/* SPDX-License-Identifier: Apache-2.0 */
/* embctl methods: the compression methods, from what they declare. Ratios are found by planning an
   example table, so they are what compress would reach. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/document.h"
#include "client/embctl/print.h"
#include "fits/fit.h"

#define EXAMPLE_ROWS UINT64_C(1000000)
#define EXAMPLE_DIM 64

/* The ratio that a budget leads to for the example table; false if it cannot be kept. */
static bool plan_ratio(const struct method *m, uint64_t budget, double *ratio)
{
    struct plan plan = {.method = m, .rows = EXAMPLE_ROWS, .dim = EXAMPLE_DIM, .budget = budget};
    uint64_t bytes;
    bool good = plan_make(&plan, NULL) == ST_OK && plan_bytes(&plan, &bytes, NULL) == ST_OK;

    if (good)
        *ratio = (double)bytes / (4.0 * EXAMPLE_ROWS * EXAMPLE_DIM);
    plan_done(&plan);
    return good;
}

/* The smallest and the largest ratio of the example table. */
static bool find_ratios(const struct method *m, double *least, double *most)
{
    uint64_t low = 0, high = 8 * EXAMPLE_ROWS * EXAMPLE_DIM, middle;
    double natural;

    if (!plan_ratio(m, high, most))
        return false;
    while (high - low > 1) {
        middle = low + (high - low) / 2;
        if (plan_ratio(m, middle, least))
            high = middle;
        else
            low = middle;
    }
    if (!plan_ratio(m, high, least))
        return false;
    if (plan_ratio(m, 0, &natural) && natural > *most)
        *most = natural;
    return true;
}

static const char *ratio_text(char out[64], const struct method *m)
{
    double least, most;

    if (!find_ratios(m, &least, &most))
        return "-";
    if (most - least < 5e-5 * most)
        snprintf(out, 64, "%.4g", most);
    else
        snprintf(out, 64, "%.2g … %.4g", least, most);
    return out;
}

/* "U8" or "U8|I8". */
static const char *types_text(char out[64], unsigned dtypes)
{
    size_t used = 0;

    out[0] = '\0';
    for (int d = 0; d < DT_COUNT; d++)
        if (dtypes & 1u << d)
            used += (size_t)snprintf(out + used, 64 - used, "%s%s", used ? "|" : "",
                                     dtype_name((enum dtype)d));
    return out;
}

/* "[N,D]" from "N D". */
static const char *shape_text(char out[64], const char *shape)
{
    char *at = out;

    *at++ = '[';
    for (; *shape && at < out + 61; shape++)
        *at++ = *shape == ' ' ? ',' : *shape;
    *at++ = ']';
    *at = '\0';
    return out;
}

static const char *settings_text(char *out, size_t room, const struct method *m)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < m->settings_count && used < room; i++)
        used +=
            (size_t)snprintf(out + used, room - used, "%s%s", i ? " " : "", m->settings[i].name);
    return out;
}

/* What a setting may be: "mult|add|concat", "1 to 8", "yes|no". */
static const char *values_text(char out[64], const struct setting *s)
{
    static const char *const kinds[] = {"integer", "number", "true|false", "", "integers"};

    snprintf(out, 64, "%s", kinds[s->type]);
    if (s->type == SETTING_CHOICE)
        snprintf(out, 64, "%s", s->choices);
    for (char *c = out; s->type == SETTING_CHOICE && *c; c++)
        if (*c == ' ')
            *c = '|';
    if ((s->type == SETTING_INT || s->type == SETTING_INTS) && (s->min || s->max)) {
        if (s->min == s->max)
            snprintf(out, 64, "%" PRId64, s->min);
        else if (s->max == INT64_MAX)
            snprintf(out, 64, "%" PRId64 " or more", s->min);
        else
            snprintf(out, 64, "%" PRId64 " to %" PRId64, s->min, s->max);
    }
    return out;
}

/* How much memory a fit takes: nothing of the table but a block, or all of it. */
static const char *memory_text(const struct fitter *f)
{
    return !f ? "-" : f->in_memory ? "table" : "block";
}

static void json_settings(struct document *j, const char *key, const struct setting *setting,
                          size_t count)
{
    char text[64];

    doc_array(j, key);
    for (size_t i = 0; i < count; i++) {
        const struct setting *s = &setting[i];

        doc_object(j, NULL);
        doc_text(j, "name", s->name);
        doc_text(j, "values", values_text(text, s));
        doc_text(j, "default", s->fallback);
        doc_text(j, "when", s->when);
        doc_text(j, "help", s->help);
        doc_close(j);
    }
    doc_close(j);
}

static void json_method(struct document *j, const struct method *m)
{
    const struct fitter *f = fitter_find(m);
    char text[64];
    double least, most;

    doc_object(j, NULL);
    doc_text(j, "name", m->name);
    doc_text(j, "title", m->title);
    doc_text(j, "source", m->source);
    doc_bool(j, "extension", m->extension);
    doc_bool(j, "compress", f != NULL);
    doc_bool(j, "compress_streams", f && !f->in_memory);
    doc_bool(j, "fit_extension", m->fit_extension);
    doc_bool(j, "train", m->gradient != NULL);
    doc_bool(j, "per_field", m->per_field);
    if (find_ratios(m, &least, &most)) {
        doc_real(j, "least_ratio", least);
        doc_real(j, "most_ratio", most);
    }
    json_settings(j, "settings", m->settings, m->settings_count);
    json_settings(j, "fit_options", f ? f->options : NULL, f ? f->options_count : 0);
    doc_array(j, "tensors");
    for (size_t i = 0; i < m->tensors_count; i++) {
        const struct tensor_decl *t = &m->tensors[i];

        doc_object(j, NULL);
        doc_text(j, "name", t->name);
        doc_text(j, "dtypes", types_text(text, t->dtypes));
        doc_text(j, "shape", t->shape);
        doc_bool(j, "optional", t->flags & TENSOR_OPTIONAL);
        doc_text(j, "when", t->when);
        doc_text(j, "help", t->help);
        doc_close(j);
    }
    doc_close(j);
    doc_close(j);
}

static void print_list(void)
{
    static const struct column columns[] = {{"method", false},
                                            {"what it is", false},
                                            {"ratio", true},
                                            {"memory", false},
                                            {"settings", false}};
    struct sheet s;
    char text[512];

    sheet_init(&s, columns, sizeof columns / sizeof *columns);
    s.cut = true;
    for (const struct method *const *m = methods; *m; m++) {
        sheet_style(&s, STYLE_BOLD);
        sheet_text(&s, (*m)->name);
        sheet_text(&s, (*m)->title);
        sheet_text(&s, ratio_text(text, *m));
        sheet_text(&s, memory_text(fitter_find(*m)));
        sheet_text(&s, settings_text(text, sizeof text, *m));
    }
    sheet_print(&s, 0, "");
    sheet_done(&s);
    printf(
        "\n%sRatios are those of a table of 1,000,000 × 64. Memory: what compress holds of the "
        "table"
        "\nbeside the parameters, a block or all of it. embctl methods METHOD tells what a method"
        "\nstores and what its settings mean.%s\n",
        style(STYLE_DIM), style(STYLE_NONE));
}

static void print_settings(const struct setting *setting, size_t count, const char *title)
{
    const struct column columns[] = {{title, false},
                                     {"values", false},
                                     {"default", false},
                                     {"only with", false},
                                     {"meaning", false}};
    struct sheet s;
    char text[64];

    if (!count)
        return;
    sheet_init(&s, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        const struct setting *o = &setting[i];

        sheet_style(&s, STYLE_BOLD);
        sheet_text(&s, o->name);
        sheet_text(&s, values_text(text, o));
        sheet_text(&s, o->fallback ? o->fallback : "");
        sheet_text(&s, o->when ? o->when : "");
        sheet_text(&s, o->help);
    }
    putchar('\n');
    sheet_print(&s, 0, "");
    sheet_done(&s);
}

static void print_tensors_of(const struct method *m)
{
    static const struct column columns[] = {{"tensor", false},
                                            {"type", false},
                                            {"shape", false},
                                            {"only with", false},
                                            {"holds", false}};
    struct sheet s;
    char text[64];

    sheet_init(&s, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < m->tensors_count; i++) {
        const struct tensor_decl *t = &m->tensors[i];

        sheet_style(&s, STYLE_BOLD);
        sheet_text(&s, t->name);
        sheet_text(&s, types_text(text, t->dtypes));
        sheet_text(&s, shape_text(text, t->shape));
        sheet_text(&s, t->when ? t->when : t->flags & TENSOR_OPTIONAL ? "(optional)" : "");
        sheet_text(&s, t->help);
    }
    putchar('\n');
    sheet_print(&s, 0, "");
    sheet_done(&s);
}

static void print_one(const struct method *m)
{
    const struct fitter *f = fitter_find(m);
    char text[64];

    print_heading("%s: %s", m->name, m->title);
    print_pair(8, "source", "%s", m->source);
    print_pair(8, "ratio", "%s for 1,000,000 × 64", ratio_text(text, m));
    if (m->per_field)
        print_pair(8, "fields", "may have settings and tensors of its own for each field");
    print_pair(8, "compress", "%s%s",
               !f             ? "not possible"
               : f->in_memory ? "holds the table in memory"
                              : "streams: holds a block of the table at a time",
               f && m->fit_extension ? "; the fit is ours, not the authors'" : "");
    if (!m->gradient)
        print_pair(8, "training", "not possible");
    print_settings(m->settings, m->settings_count, "setting");
    if (f)
        print_settings(f->options, f->options_count, "fit option");
    print_tensors_of(m);
}

static int run(const struct arguments *a)
{
    const char *name = a->operand_count ? a->operand[0] : NULL;
    const struct method *one = name ? method_find(name, strlen(name)) : NULL;
    struct error e;
    struct document j;

    if (name && !one) {
        error_set(&e, ST_NOT_FOUND, "there is no method %s (embctl methods lists them)",
                  QUOTE(name));
        return fail(&e);
    }
    if (a->json) {
        doc_begin(&j);
        doc_array(&j, NULL);
        for (const struct method *const *m = methods; *m; m++)
            if (!one || *m == one)
                json_method(&j, *m);
        doc_close(&j);
        return doc_finish(&j);
    }
    if (one)
        print_one(one);
    else
        print_list();
    return finish_output();
}

const struct command command_methods = {
    .name = "methods",
    .operands = "[METHOD]",
    .help = "List the compression methods, or show one",
    .operands_most = 1,
    .run = run,
};
