/* SPDX-License-Identifier: Apache-2.0 */
/* What compress made, as the finished file itself tells it. No state. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "client/embctl/compress.h"
#include "client/embctl/file_info.h"
#include "client/embctl/info.h"
#include "client/embctl/parts.h"
#include "client/embctl/print.h"

#define WIDTH 9 /* of the labels */

void json_errors(struct document *j, const struct compression *c, const struct fit_error *error)
{
    doc_real(j, "relative_squared_error", error->plain_relative);
    doc_real(j, "cosine_mean", error->plain_cosine_mean);
    doc_real(j, "cosine_worst", error->cosine_worst);
    doc_u64(j, "worst_row", error->worst_row);
    if (!c->in.weight)
        return;
    doc_real(j, "weighted_relative_squared_error", error->relative);
    doc_real(j, "weighted_cosine_mean", error->cosine_mean);
}

static int print_json(const struct compression *c, const struct attempt *t,
                      const struct table *table, const char *output)
{
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    doc_text(&j, "file", output);
    json_table(&j, table);
    json_errors(&j, c, &t->error);
    doc_real(&j, "seconds", t->seconds);
    doc_close(&j);
    return doc_finish(&j);
}

static int print_people(const struct compression *c, const struct attempt *t,
                        const struct table *table, const char *output)
{
    const struct fit_error *error = &t->error;
    char text[SUMMARY_TEXT], size[32], fields[200];
    struct parts parts;

    print_heading("%s", output);
    print_pair(WIDTH, "table", "%s", file_summary(text, sizeof text, table));
    if (table->field_count)
        print_pair(WIDTH, "fields", "%s",
                   fields_format(fields, sizeof fields, table->field_rows, table->field_count));
    parts_of_table(&parts, table);
    if (*parts_summary(text, sizeof text, &parts))
        print_pair(WIDTH, "settings", "%s", text);
    parts_done(&parts);
    print_pair(WIDTH, "file", "%s", format_bytes(size, t->file.file_bytes));
    print_pair(WIDTH, "error", "%.4g (relative, squared)", error->plain_relative);
    print_pair(WIDTH, "cosine", "%.6f mean, %.6f worst (row %" PRIu64 ")", error->plain_cosine_mean,
               error->cosine_worst, error->worst_row);
    if (c->in.weight)
        print_pair(WIDTH, "by counts", "error %.4g, cosine %.6f mean", error->relative,
                   error->cosine_mean);
    print_pair(WIDTH, "took", "%s", format_duration(size, t->seconds * 1e6));
    return finish_output();
}

int compress_report(const struct compression *c, const struct attempt *t, const char *output)
{
    struct table_options how = file_options();
    struct table *table = NULL;
    struct error e;
    enum status st;
    int done;

    how.trusted = true; /* it was checked in full before it became visible */
    st = file_identify(&how.expected, output, &e);
    if (st == ST_OK)
        st = table_open(&table, output, &how, &e);
    if (st == ST_OK)
        done = c->a->json ? print_json(c, t, table, output) : print_people(c, t, table, output);
    else
        done = fail(&e);
    table_close(table);
    return done;
}
