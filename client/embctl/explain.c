/* SPDX-License-Identifier: Apache-2.0 */
/* embctl explain: how an id is answered, by a served table or by a table file. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/file_info.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"
#include "proto/embd.pb-c.h"
#include "table/explain.h"

#define WIDTH 10      /* of the labels, at least */
#define VALUES_MOST 8 /* of the row, for people */
#define LIST_MOST 32  /* numbers of a fact, for people */
#define SCAN_MOST ((uint64_t)1 << 30) /* elements read to count who shares: seconds */
#define SAME_KINDS "the daemon's answer has a fact of a kind that this embctl does not know"

/* What there is to show, wherever it comes from. */
struct answer {
    const char *method;
    uint64_t version;
    struct explained x;
    const float *values;
    size_t dim;
};

/* ---- A served table ---- */

static bool take_fact(struct explanation *x, const Embd__V1__Fact *f)
{
    struct fact *added;

    switch (f->value_case) {
    case EMBD__V1__FACT__VALUE_NUMBER:
        explain_number(x, f->name, f->number);
        return true;
    case EMBD__V1__FACT__VALUE_REAL:
        explain_real(x, f->name, f->real);
        return true;
    case EMBD__V1__FACT__VALUE_TEXT:
        explain_text(x, f->name, f->text);
        return true;
    case EMBD__V1__FACT__VALUE_NUMBERS:
        explain_numbers(x, f->name, f->numbers->number, f->numbers->n_number);
        return true;
    case EMBD__V1__FACT__VALUE_CELLS:
        explain_number(x, f->name, (int64_t)f->cells->unit);
        if (x->status != ST_OK)
            return true;
        added = &x->fact[x->count - 1];
        added->kind = FACT_CELLS;
        added->first = f->cells->first;
        added->n = f->cells->count;
        added->sharers = f->cells->others_case == EMBD__V1__CELLS__OTHERS_SHARERS
                             ? f->cells->sharers
                             : SHARERS_UNKNOWN;
        return true;
    default:
        return false;
    }
}

static enum status take_reply(struct answer *out, const Embd__V1__ExplainResponse *reply,
                              struct error *e)
{
    bool known = true;

    out->method = reply->method;
    out->version = reply->version;
    out->x.known = reply->known;
    out->x.row = reply->row;
    out->x.has_field = reply->place_case == EMBD__V1__EXPLAIN_RESPONSE__PLACE_FIELD;
    out->x.field = reply->field;
    out->x.local = reply->local_row;
    out->values = reply->values;
    out->dim = reply->n_values;
    for (size_t i = 0; known && i < reply->n_facts; i++)
        known = take_fact(&out->x.facts, reply->facts[i]);
    if (!known)
        return error_set(e, ST_INTERNAL, SAME_KINDS);
    return out->x.facts.status == ST_OK ? ST_OK : error_memory(e, "the explanation");
}

/* ---- A file ---- */

static enum status explain_file(struct answer *out, struct table **t, const char *path, int64_t id,
                                struct error *e)
{
    struct table_options options = file_options();
    enum status st = table_open(t, path, &options, e);

    if (st == ST_OK)
        st = table_explain(&out->x, *t, id, SCAN_MOST, e);
    if (st != ST_OK)
        return st;
    out->method = (out->x.part ? out->x.part->method : (*t)->method)->name;
    out->version = (*t)->applied;
    out->values = out->x.values;
    out->dim = (*t)->dim;
    return ST_OK;
}

/* ---- Output ---- */

static void json_fact(struct document *j, const struct fact *f)
{
    doc_object(j, NULL);
    doc_text(j, f->kind == FACT_CELLS ? "tensor" : "name", f->name);
    switch (f->kind) {
    case FACT_NUMBER:
        doc_i64(j, "value", f->number);
        break;
    case FACT_REAL:
        doc_real(j, "value", f->real);
        break;
    case FACT_TEXT:
        doc_text(j, "value", f->text);
        break;
    case FACT_NUMBERS:
        doc_array_flat(j, "value");
        for (size_t i = 0; i < f->n; i++)
            doc_i64(j, NULL, f->list[i]);
        doc_close(j);
        break;
    case FACT_CELLS:
        doc_u64(j, "unit", (uint64_t)f->number);
        doc_u64(j, "first", f->first);
        doc_u64(j, "count", f->n);
        if (f->sharers != SHARERS_UNKNOWN)
            doc_u64(j, "sharers", f->sharers);
        break;
    }
    doc_close(j);
}

static int print_json(const struct arguments *a, int64_t id, const struct answer *w)
{
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    doc_text(&j, "table", a->operand[0]);
    doc_i64(&j, "id", id);
    doc_bool(&j, "known", w->x.known);
    doc_u64(&j, "version", w->version);
    doc_text(&j, "method", w->method);
    if (w->x.known)
        doc_u64(&j, "row", w->x.row);
    if (w->x.has_field) {
        doc_u64(&j, "field", w->x.field);
        doc_u64(&j, "local_row", w->x.local);
    }
    doc_array(&j, "facts");
    for (size_t i = 0; i < w->x.facts.count; i++)
        json_fact(&j, &w->x.facts.fact[i]);
    doc_close(&j);
    doc_array_flat(&j, "values");
    for (size_t i = 0; i < w->dim; i++)
        doc_float(&j, NULL, w->values[i]);
    doc_close(&j);
    doc_close(&j);
    return doc_finish(&j);
}

/* The label of a fact: a tensor's with the place. */
static const char *label_of(char out[96], const struct fact *f)
{
    if (f->kind != FACT_CELLS)
        return f->name;
    snprintf(out, 96, "%s[%" PRId64 "]", f->name, f->number);
    return out;
}

static void print_numbers(unsigned width, const struct fact *f)
{
    char text[LIST_MOST * 22 + 32];
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < f->n && i < LIST_MOST; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%" PRId64, i ? " " : "",
                                 f->list[i]);
    if (f->n > LIST_MOST)
        snprintf(text + used, sizeof text - used, " … (%zu in all)", f->n);
    print_pair(width, f->name, "%s", text);
}

static void print_fact(unsigned width, const struct fact *f)
{
    char label[96], sharers[96], count[32];

    switch (f->kind) {
    case FACT_NUMBER:
        print_pair(width, f->name, "%" PRId64, f->number);
        break;
    case FACT_REAL:
        print_pair(width, f->name, "%.9g", f->real);
        break;
    case FACT_TEXT:
        print_pair(width, f->name, "%s", f->text);
        break;
    case FACT_NUMBERS:
        print_numbers(width, f);
        break;
    case FACT_CELLS:
        sharers_text(sharers, sizeof sharers, f->sharers);
        if (f->first)
            print_pair(width, label_of(label, f), "%s element%s from %" PRIu64 " on, %s",
                       format_count(count, f->n), f->n == 1 ? "" : "s", f->first, sharers);
        else
            print_pair(width, label_of(label, f), "%s element%s, %s", format_count(count, f->n),
                       f->n == 1 ? "" : "s", sharers);
        break;
    }
}

static int print_people(const struct arguments *a, int64_t id, const struct answer *w)
{
    unsigned width = WIDTH;
    char label[96], values[VALUES_MOST * 16 + 32];
    size_t used = 0;

    for (size_t i = 0; i < w->x.facts.count; i++) {
        unsigned own = (unsigned)text_width(label_of(label, &w->x.facts.fact[i]));

        width = own > width ? own : width;
    }
    print_heading("%s, id %" PRId64, a->operand[0], id);
    print_pair(width, "method", "%s", w->method);
    if (!w->x.known)
        print_pair(width, "row", "unknown id: the default row");
    else if (w->x.has_field)
        print_pair(width, "row", "%" PRIu64 ", row %" PRIu64 " of field %zu", w->x.row, w->x.local,
                   w->x.field);
    else
        print_pair(width, "row", "%" PRIu64, w->x.row);
    for (size_t i = 0; i < w->x.facts.count; i++)
        print_fact(width, &w->x.facts.fact[i]);
    values[0] = '\0';
    for (size_t i = 0; i < w->dim && i < VALUES_MOST; i++)
        used += (size_t)snprintf(values + used, sizeof values - used, "%s%.6g", i ? " " : "",
                                 (double)w->values[i]);
    if (w->dim > VALUES_MOST)
        snprintf(values + used, sizeof values - used, " … (%zu in all)", w->dim);
    print_pair(width, "values", "%s", values);
    return finish_output();
}

/* A name of a table has no slash, and no file is likely to have one without a dot. */
static bool is_file(const char *operand)
{
    return strchr(operand, '/') || access(operand, F_OK) == 0;
}

static int run(const struct arguments *a)
{
    Embd__V1__ExplainRequest request = EMBD__V1__EXPLAIN_REQUEST__INIT;
    Embd__V1__ExplainResponse *reply;
    struct answer w = {0};
    struct remote r = {0};
    struct table *t = NULL;
    struct error e;
    enum status st;
    bool file = is_file(a->operand[0]);
    int done = EXIT_DONE;
    int64_t id;

    if (!parse_i64(a->operand[1], strlen(a->operand[1]), &id))
        return usage_error(a, "%s is no id", QUOTE(a->operand[1]));
    if (file) {
        st = explain_file(&w, &t, a->operand[0], id, &e);
    } else {
        request.table = (char *)(uintptr_t)a->operand[0];
        request.id = id;
        st = ST_OK;
        done = remote_ask(&r, a, "/embd.v1.Tables/Explain", &request.base,
                          &embd__v1__explain_response__descriptor, &reply);
        if (done == EXIT_DONE)
            st = take_reply(&w, reply, &e);
    }
    if (done == EXIT_DONE && st != ST_OK)
        done = fail(&e);
    if (done == EXIT_DONE)
        done = a->json ? print_json(a, id, &w) : print_people(a, id, &w);
    explained_done(&w.x);
    table_close(t);
    if (!file)
        remote_close(&r);
    return done;
}

const struct command command_explain = {
    .name = "explain",
    .operands = "TABLE|FILE ID",
    .help = "Show how an id is answered: what is read for it, and who shares that",
    .more =
        "A name without a slash that is no file here is asked of the daemon. An id is a key where\n"
        "the table has keys. Cells are places in tensors, with the number of other rows that read\n"
        "the same ones.\n",
    .remote = true,
    .operands_least = 2,
    .operands_most = 2,
    .run = run,
};
