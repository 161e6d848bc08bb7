/* SPDX-License-Identifier: Apache-2.0 */
/* embctl export: all rows of a table file as a float32 array, a few thousand at a time, or the
   counts of its rows. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/file_info.h"
#include "client/embctl/interrupt.h"
#include "client/embctl/print.h"
#include "client/progress.h"
#include "table/npy.h"

#define BATCH_BYTES ((size_t)1 << 20)

static const struct option_decl options[] = {
    {"output", 'o', "FILE", "where to: an .npy file; - is standard output"},
    {"keys", 0, "FILE", "write the keys of a table with sparse ids, too, as int64"},
    {"frequency", 0, NULL, "write how often each row was named, as int64, instead of the rows"},
};

/* The array under way: a file that appears when it is complete, or standard output. */
struct target {
    bool to_file;
    struct file_writer writer;
};

static enum status target_add(struct target *to, const void *data, size_t n, struct error *e)
{
    if (to->to_file)
        return file_writer_add(&to->writer, data, n, e);
    if (fwrite(data, 1, n, stdout) != n)
        return error_set(e, ST_UNAVAILABLE, "cannot write standard output");
    return ST_OK;
}

static enum status write_rows(struct target *to, const struct table *t, struct progress *progress,
                              struct error *e)
{
    struct tensor shape = {.dtype = DT_F32, .rank = 2, .shape = {t->rows, t->dim}};
    size_t row_bytes = (size_t)t->dim * sizeof(float);
    size_t batch = row_bytes < BATCH_BYTES ? BATCH_BYTES / row_bytes : 1;
    uint64_t *row = need_zero(batch, sizeof *row);
    float *out = need(batch * row_bytes);
    unsigned char header[256];
    enum status st = target_add(to, header, npy_header(header, &shape), e);

    for (uint64_t first = 0; first < t->rows && st == ST_OK; first += batch) {
        size_t n = t->rows - first < batch ? (size_t)(t->rows - first) : batch;

        for (size_t i = 0; i < n; i++)
            row[i] = first + i;
        table_rows(t, row, n, out);
        if (interrupted())
            st = error_set(e, ST_CANCELLED, "interrupted");
        else if (table_damaged(t))
            st = error_set(e, ST_DATA_LOSS, "%s changed while it was read", QUOTE(t->path));
        else
            st = target_add(to, out, n * row_bytes, e);
        progress_show(progress, (double)(first + n) / (double)t->rows);
    }
    mem_free(row);
    mem_free(out);
    return st;
}

static enum status write_frequency(struct target *to, const struct table *t, struct error *e)
{
    struct tensor shape = {.dtype = DT_I64, .rank = 1, .shape = {t->rows}};
    unsigned char header[256];
    enum status st;

    if (!t->frequency)
        return error_set(e, ST_INVALID, "%s has no counts", QUOTE(t->path));
    st = target_add(to, header, npy_header(header, &shape), e);
    if (st == ST_OK && t->rows)
        st = target_add(to, t->frequency, (size_t)t->rows * sizeof *t->frequency, e);
    if (st == ST_OK && table_damaged(t))
        st = error_set(e, ST_DATA_LOSS, "%s changed while it was read", QUOTE(t->path));
    return st;
}

static enum status write_keys(const char *path, const struct table *t, struct error *e)
{
    const struct file_tensor *keys = header_tensor(&t->header, "keys");
    struct tensor aligned;
    enum status st;

    if (!keys)
        return error_set(e, ST_INVALID, "%s has no keys", QUOTE(t->path));
    aligned = keys->tensor;
    aligned.data = need(aligned.bytes);
    memcpy(aligned.data, table_tensor(t, keys), aligned.bytes);
    st = npy_write(path, &aligned, e);
    mem_free(aligned.data);
    return st;
}

static enum status export_table(const struct table *t, const char *output, const char *keys,
                                bool frequency, struct error *e)
{
    struct target to = {.to_file = strcmp(output, "-") != 0};
    struct progress progress;
    enum status st = ST_OK;

    if (to.to_file)
        st = file_writer_open(&to.writer, output, e);
    if (st == ST_OK && frequency)
        st = write_frequency(&to, t, e);
    if (st == ST_OK && !frequency) {
        progress_start(&progress, "export", t->rows, "rows");
        st = write_rows(&to, t, &progress, e);
        progress_end(&progress);
    }
    if (st == ST_OK && keys)
        st = write_keys(keys, t, e);
    if (st == ST_OK && to.to_file)
        st = file_writer_commit(&to.writer, e);
    if (to.to_file)
        file_writer_abort(&to.writer);
    return st;
}

static int print_result(const struct arguments *a, const struct table *t, const char *output,
                        bool frequency)
{
    char rows[32], dim[32], bytes[32];
    struct document j;

    if (!strcmp(output, "-"))
        return finish_output();
    if (a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        doc_text(&j, "file", a->operand[0]);
        doc_text(&j, "output", output);
        doc_u64(&j, "rows", t->rows);
        doc_u64(&j, frequency ? "accesses" : "dim", frequency ? file_accesses(t) : t->dim);
        doc_close(&j);
        return doc_finish(&j);
    }
    print_safe(output);
    if (frequency)
        printf(": int64, %s counts, %s accesses\n", format_count(rows, t->rows),
               format_count(dim, file_accesses(t)));
    else
        printf(": float32, %s × %s, %s\n", format_count(rows, t->rows), format_count(dim, t->dim),
               format_bytes(bytes, t->rows * t->dim * sizeof(float)));
    return finish_output();
}

static int run(const struct arguments *a)
{
    const char *output = option_value(a, "output"), *keys = option_value(a, "keys");
    struct table_options how = file_options();
    struct table *t = NULL;
    struct error e;
    enum status st;
    bool frequency = option_value(a, "frequency");
    int done;

    if (!output)
        return usage_error(a, "where to? (-o FILE, or -o - for standard output)");
    if (a->json && !strcmp(output, "-"))
        return usage_error(a, "--json and the array cannot both go to standard output");
    if (keys && !strcmp(keys, "-"))
        return usage_error(a, "--keys needs a file");
    interrupt_watch();
    st = table_open(&t, a->operand[0], &how, &e);
    if (st == ST_OK)
        st = export_table(t, output, keys, frequency, &e);
    if (st == ST_OK)
        done = print_result(a, t, output, frequency);
    else
        done = interrupted() ? say_interrupted() : fail(&e);
    table_close(t);
    return done;
}

const struct command command_export = {
    .name = "export",
    .operands = "FILE -o OUT.npy",
    .help = "Write all rows of a table file as a float32 array, or their counts",
    .operands_least = 1,
    .operands_most = 1,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
