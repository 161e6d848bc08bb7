/* SPDX-License-Identifier: Apache-2.0 */
/* embctl inspect: what is in a table file, or in one of changed blocks, from its header alone, but
   for the counts, which are added up. A
   file that is no good table is shown as far as it can be read. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "client/embctl/blocks_info.h"
#include "client/embctl/commands.h"
#include "client/embctl/file_info.h"
#include "client/embctl/info.h"
#include "client/embctl/parts.h"
#include "client/embctl/print.h"

#define WIDTH 10 /* of the labels */

/* The settings: as they stand in the file, or of many fields what they have in common. */
static void print_config(const struct table *t, const struct parts *parts)
{
    char text[400];

    if (!parts->per_field)
        print_pair(WIDTH, "config", "%s", t->config);
    else if (*parts_summary(text, sizeof text, parts))
        print_pair(WIDTH, "config", "%s", text);
}

static void print_table(const struct table *t, const struct parts *parts)
{
    const char *checksum = header_metadata(&t->header, "embd.checksum");
    char a[32], b[32], fields[200], optimizer[512];

    print_pair(WIDTH, "method", "%s: %s", t->method->name, t->method->title);
    print_pair(WIDTH, "rows", "%s × %s", format_count(a, t->rows), format_count(b, t->dim));
    print_pair(WIDTH, "size", "%s, ratio %s", format_bytes(a, t->bytes),
               format_ratio(b, table_ratio(t)));
    if (t->extra_bytes)
        print_pair(WIDTH, "extras", "%s (keys, default row, counts, optimizer state)",
                   format_bytes(a, t->extra_bytes));
    if (t->frequency)
        print_pair(WIDTH, "counts", "%s accesses", format_count(a, file_accesses(t)));
    print_pair(WIDTH, "ids", "%s", id_mode_name(t->ids));
    if (t->field_count)
        print_pair(WIDTH, "fields", "%s",
                   fields_format(fields, sizeof fields, t->field_rows, t->field_count));
    print_config(t, parts);
    print_pair(WIDTH, "optimizer", "%s",
               t->optimizer ? optimizer_format(optimizer, sizeof optimizer, t->optimizer) : "none");
    print_pair(WIDTH, "version", "%" PRIu64 ", generation %" PRIu64 ", lsn %" PRIu64, t->applied,
               t->generation, t->lsn);
    if (t->origin[0])
        print_pair(WIDTH, "origin", "%s", t->origin);
    print_pair(WIDTH, "checksum", "%s", checksum ? checksum : "none");
}

static void print_header(const char *path, const struct header *h, uint64_t size)
{
    char a[32], b[32];

    print_heading("%s", path);
    print_pair(WIDTH, "file", "%s, of which %s header", format_bytes(a, size),
               format_bytes(b, h->data_offset));
}

/* Keys of the metadata that are not ours. */
static void print_foreign(const struct header *h)
{
    for (size_t i = 0; i < h->metadata_count; i++)
        if (strncmp(h->metadata[i].key, "embd.", 5) != 0)
            print_pair(WIDTH, h->metadata[i].key, "%s", h->metadata[i].value);
}

static void json_metadata(struct document *j, const struct header *h)
{
    doc_object(j, "metadata");
    for (size_t i = 0; i < h->metadata_count; i++)
        doc_text(j, h->metadata[i].key, h->metadata[i].value);
    doc_close(j);
}

static int print_json(const char *path, const struct header *h, const struct table *t)
{
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    doc_text(&j, "file", path);
    json_table(&j, t);
    json_metadata(&j, h);
    doc_u64(&j, "header_bytes", h->data_offset);
    json_tensors(&j, h);
    doc_close(&j);
    return doc_finish(&j);
}

static int inspect_blocks(const struct arguments *a, const struct blocks_file *f)
{
    const char *path = a->operand[0];
    const struct header *h = &f->header;
    struct document j;

    if (!a->json) {
        print_header(path, h, h->data_offset + h->data_bytes);
        print_blocks(WIDTH, f);
        print_foreign(h);
        putchar('\n');
        print_file_tensors(h);
        return finish_output();
    }
    doc_begin(&j);
    doc_object(&j, NULL);
    doc_text(&j, "file", path);
    json_blocks(&j, f);
    json_metadata(&j, h);
    doc_u64(&j, "header_bytes", h->data_offset);
    json_tensors(&j, h);
    doc_close(&j);
    return doc_finish(&j);
}

static int inspect_table(const struct arguments *a)
{
    const char *path = a->operand[0];
    struct table_options options = file_options();
    struct table *t = NULL;
    struct header h = {0};
    struct stat file;
    struct error e;
    enum status st;
    int fd = -1, done;

    st = file_open(&fd, path, &file, &e);
    if (st != ST_OK)
        return fail(&e);
    st = header_read(&h, fd, (uint64_t)file.st_size, &options.limits, &e);
    if (st != ST_OK) {
        error_prefix(&e, st, "%s", path);
        close(fd);
        return fail(&e);
    }
    /* As the daemon opens a file that it has checked before: without reading the values. */
    options.trusted = true;
    file_identity_from(&options.expected, &file);
    st = table_open_fd(&t, fd, path, &options, &e);
    close(fd);
    if (a->json) {
        done = st == ST_OK ? print_json(path, &h, t) : fail(&e);
    } else {
        struct parts parts = {0};

        print_header(path, &h, (uint64_t)file.st_size);
        if (st == ST_OK) {
            parts_of_table(&parts, t);
            print_table(t, &parts);
        }
        print_foreign(&h);
        if (parts.per_field) {
            putchar('\n');
            print_parts(&parts);
        }
        parts_done(&parts);
        putchar('\n');
        print_file_tensors(&h);
        done = finish_output();
        if (st != ST_OK)
            done = fail(&e);
    }
    table_close(t);
    header_done(&h);
    return done;
}

static int run(const struct arguments *a)
{
    struct blocks_file f;
    struct error e;
    int fd, done;

    if (blocks_open(&f, &fd, a->operand[0], &e) != ST_OK)
        return fail(&e);
    if (fd < 0)
        return inspect_table(a);
    close(fd);
    done = inspect_blocks(a, &f);
    blocks_file_done(&f);
    return done;
}

const struct command command_inspect = {
    .name = "inspect",
    .operands = "FILE",
    .help = "Show what is in a table file",
    .more = "Reads the header, and the counts if there are any; embctl verify checks every value.\n"
            "Also takes files of changed blocks from a daemon's data folder.\n",
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
