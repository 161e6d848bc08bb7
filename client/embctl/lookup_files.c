/* SPDX-License-Identifier: Apache-2.0 */
/* Rows for programs: one JSON document, or an .npy array. Both are written as the rows come. */
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/document.h"
#include "client/embctl/lookup.h"
#include "client/embctl/print.h"
#include "table/npy.h"

struct json_sink {
    struct document j;
    float *row;
};

struct npy_sink {
    const char *path;
    bool to_file;
    struct file_writer writer;
};

static enum status json_sink_begin(void *context, const struct question *q, struct error *e)
{
    static const char *const formats[] = {"f32", "f16", "bf16", "int8"};
    static const char *const poolings[] = {"none", "sum", "mean"};
    struct json_sink *s = context;

    (void)e;
    s->row = need(q->dim * sizeof *s->row + 1);
    doc_begin(&s->j);
    doc_object(&s->j, NULL);
    doc_text(&s->j, "table", q->table);
    doc_text(&s->j, "format", formats[q->options.format]);
    doc_text(&s->j, "pooling", poolings[q->pooling]);
    doc_u64(&s->j, "dim", q->dim);
    doc_u64(&s->j, "rows", question_rows(q));
    doc_array(&s->j, "values");
    return ST_OK;
}

static enum status json_sink_part(void *context, const struct question *q,
                                  const embd_lookup *answer, size_t first, size_t missing_first,
                                  struct error *e)
{
    size_t size = row_size(q->options.format, q->dim);
    struct json_sink *s = context;

    (void)first;
    (void)missing_first;
    (void)e;
    for (size_t i = 0; i < answer->rows; i++) {
        row_decode(s->row, (const unsigned char *)answer->values + i * size, q->options.format,
                   q->dim);
        doc_array_flat(&s->j, NULL);
        for (uint32_t k = 0; k < q->dim; k++)
            doc_float(&s->j, NULL, s->row[k]);
        doc_close(&s->j);
    }
    return ST_OK;
}

static enum status json_sink_end(void *context, const struct question *q, struct error *e)
{
    struct json_sink *s = context;

    (void)e;
    doc_close(&s->j);
    doc_array_flat(&s->j, "ids");
    for (size_t i = 0; i < q->id_count; i++)
        doc_i64(&s->j, NULL, q->ids[i]);
    doc_close(&s->j);
    doc_array_flat(&s->j, "missing");
    for (size_t i = 0; i < q->missing_count; i++)
        doc_u64(&s->j, NULL, q->missing[i]);
    doc_close(&s->j);
    doc_u64(&s->j, "version", q->version_last);
    doc_close(&s->j);
    doc_end(&s->j);
    return ST_OK;
}

struct json_sink *json_sink_new(void)
{
    return need_zero(1, sizeof(struct json_sink));
}

struct sink sink_json(struct json_sink *s)
{
    return (struct sink){json_sink_begin, json_sink_part, json_sink_end, s};
}

void json_sink_free(struct json_sink *s)
{
    if (s)
        mem_free(s->row);
    mem_free(s);
}

static enum status npy_sink_add(struct npy_sink *s, const void *data, size_t n, struct error *e)
{
    if (s->to_file)
        return file_writer_add(&s->writer, data, n, e);
    if (n && fwrite(data, 1, n, stdout) != n)
        return error_set(e, ST_UNAVAILABLE, "cannot write standard output");
    return ST_OK;
}

static enum status npy_sink_begin(void *context, const struct question *q, struct error *e)
{
    static const enum dtype types[] = {DT_F32, DT_F16, DT_U16, DT_U8};
    struct npy_sink *s = context;
    struct tensor t = {.dtype = types[q->options.format],
                       .rank = 2,
                       .shape = {question_rows(q), question_columns(q)}};
    unsigned char header[256];
    enum status st = ST_OK;

    if (s->to_file)
        st = file_writer_open(&s->writer, s->path, e);
    if (st == ST_OK)
        st = npy_sink_add(s, header, npy_header(header, &t), e);
    return st;
}

static enum status npy_sink_part(void *context, const struct question *q, const embd_lookup *answer,
                                 size_t first, size_t missing_first, struct error *e)
{
    (void)q;
    (void)first;
    (void)missing_first;
    return npy_sink_add(context, answer->values, answer->value_bytes, e);
}

static enum status npy_sink_end(void *context, const struct question *q, struct error *e)
{
    char rows[32], columns[32], unknown[32];
    struct npy_sink *s = context;
    enum status st;

    if (!s->to_file)
        return ST_OK;
    st = file_writer_commit(&s->writer, e);
    if (st != ST_OK)
        return st;
    printf("%s: %s × %s, version %" PRIu64 "%s%s%s\n", s->path,
           format_count(rows, question_rows(q)), format_count(columns, question_columns(q)),
           q->version_last, q->missing_count ? ", " : "",
           q->missing_count ? format_count(unknown, q->missing_count) : "",
           q->missing_count ? " unknown" : "");
    return ST_OK;
}

struct npy_sink *npy_sink_new(const char *path)
{
    struct npy_sink *s = need_zero(1, sizeof *s);

    s->path = path;
    s->to_file = strcmp(path, "-") != 0;
    return s;
}

struct sink sink_npy(struct npy_sink *s)
{
    return (struct sink){npy_sink_begin, npy_sink_part, npy_sink_end, s};
}

void npy_sink_free(struct npy_sink *s)
{
    if (s && s->to_file)
        file_writer_abort(&s->writer);
    mem_free(s);
}
