/* SPDX-License-Identifier: Apache-2.0 */
/* embctl describe: one table of the daemon in full. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/info.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"

#define WIDTH 10 /* of the labels */

static int print_json(const Embd__V1__DescribeResponse *d)
{
    char text[32];
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    json_table_info(&j, d->table);
    doc_embedded(&j, "config", d->config);
    doc_text(&j, "origin", d->origin);
    if (d->optimizer[0])
        doc_embedded(&j, "optimizer", d->optimizer);
    else
        doc_text(&j, "optimizer", NULL);
    doc_array_flat(&j, "fields");
    for (size_t i = 0; i < d->n_fields; i++)
        doc_u64(&j, NULL, d->fields[i]);
    doc_close(&j);
    doc_array(&j, "tensors");
    for (size_t i = 0; i < d->n_tensors; i++) {
        doc_object(&j, NULL);
        doc_text(&j, "name", d->tensors[i]->name);
        doc_text(&j, "dtype", d->tensors[i]->dtype);
        doc_array_flat(&j, "shape");
        for (size_t k = 0; k < d->tensors[i]->n_shape; k++)
            doc_u64(&j, NULL, d->tensors[i]->shape[k]);
        doc_close(&j);
        doc_u64(&j, "bytes", d->tensors[i]->bytes);
        doc_close(&j);
    }
    doc_close(&j);
    doc_u64(&j, "extra_bytes", d->extra_bytes);
    doc_u64(&j, "work", d->work);
    snprintf(text, sizeof text, "%016" PRIx64, d->checksum);
    doc_text(&j, "checksum", text);
    doc_text(&j, "loaded", clock_format(text, d->loaded_us));
    doc_u64(&j, "lsn", d->lsn);
    if (d->table->trainable)
        doc_text(&j, "durability", d->durability);
    if (d->table->trainable) {
        doc_text(&j, "count", d->count);
        doc_u64(&j, "accesses", d->accesses);
    }
    doc_array(&j, "snapshots");
    for (size_t i = 0; i < d->n_snapshots; i++) {
        doc_object(&j, NULL);
        json_snapshot(&j, d->snapshots[i]);
        doc_close(&j);
    }
    doc_close(&j);
    doc_close(&j);
    return doc_finish(&j);
}

static void print_parts(const Embd__V1__DescribeResponse *d)
{
    struct tensor_line *line = need_zero(d->n_tensors + 1, sizeof *line);

    for (size_t i = 0; i < d->n_tensors; i++) {
        const Embd__V1__TensorInfo *t = d->tensors[i];

        line[i] = (struct tensor_line){.name = t->name,
                                       .dtype = t->dtype,
                                       .shape = t->shape,
                                       .rank = t->n_shape,
                                       .bytes = t->bytes};
    }
    putchar('\n');
    print_tensors(line, d->n_tensors);
    mem_free(line);
}

static const char *durability_text(const char *durability)
{
    if (!strcmp(durability, "always"))
        return "always: a push is on disk before it is answered";
    if (!strcmp(durability, "interval"))
        return "interval: a push is answered before it is on disk, which follows soon";
    return durability;
}

static const char *count_text(const char *count)
{
    if (!strcmp(count, "no"))
        return "not kept up any more";
    if (!strcmp(count, "both"))
        return "of pushes and lookups";
    return !strcmp(count, "pushes") ? "of pushes" : count;
}

static int print_people(const Embd__V1__DescribeResponse *d)
{
    const Embd__V1__TableInfo *t = d->table;
    char text[32], other[32], fields[200], optimizer[512];
    bool damaged = t->state != EMBD__V1__TABLE_STATE__TABLE_STATE_SERVING;

    print_heading("%s", t->name);
    if (damaged)
        print_pair(WIDTH, "state", "%s: %s", state_name((int)t->state), t->trouble);
    else
        print_pair(WIDTH, "state", "%s", state_name((int)t->state));
    print_pair(WIDTH, "method", "%s", t->method);
    print_pair(WIDTH, "rows", "%s × %s", format_count(text, t->rows), format_count(other, t->dim));
    print_pair(WIDTH, "size", "%s, ratio %s", format_bytes(text, t->parameter_bytes),
               format_ratio(other, t->ratio));
    if (d->extra_bytes)
        print_pair(WIDTH, "extras", "%s (keys, default row, counts, optimizer state)",
                   format_bytes(text, d->extra_bytes));
    print_pair(WIDTH, "ids", "%s",
               ids_format(fields, sizeof fields, (int)t->ids, t->grows, t->used_rows, t->rows));
    if (d->n_fields)
        print_pair(WIDTH, "fields", "%s",
                   fields_format(fields, sizeof fields, d->fields, d->n_fields));
    print_pair(WIDTH, "config", "%s", d->config);
    if (d->optimizer[0])
        print_pair(WIDTH, "optimizer", "%s",
                   optimizer_format(optimizer, sizeof optimizer, d->optimizer));
    else
        print_pair(WIDTH, "optimizer", "none: read-only");
    if (t->trainable)
        print_pair(WIDTH, "durability", "%s", durability_text(d->durability));
    if (t->trainable && (d->accesses || strcmp(d->count, "no") != 0))
        print_pair(WIDTH, "counts", "%s: %s accesses so far", count_text(d->count),
                   format_count(text, d->accesses));
    print_pair(WIDTH, "work", "%s multiply-adds a row", format_count(text, d->work));
    print_pair(WIDTH, "version", "%" PRIu64 ", generation %" PRIu64, t->version, t->generation);
    print_pair(WIDTH, "memory", "%s: %s private, %s mapped", memory_name((int)t->memory),
               format_bytes(text, t->private_bytes), format_bytes(other, t->mapped_bytes));
    if (t->cache_bytes)
        print_pair(WIDTH, "cache", "%s of decoded rows", format_bytes(text, t->cache_bytes));
    print_pair(WIDTH, "file", "%s", t->file);
    if (d->origin[0])
        print_pair(WIDTH, "origin", "%s", d->origin);
    print_pair(WIDTH, "checksum", "%016" PRIx64, d->checksum);
    print_pair(WIDTH, "loaded", "%s, lsn %" PRIu64, clock_format(text, d->loaded_us), d->lsn);
    print_parts(d);
    if (d->n_snapshots) {
        putchar('\n');
        print_snapshots(d->snapshots, d->n_snapshots);
    }
    return finish_output();
}

static int run(const struct arguments *a)
{
    Embd__V1__DescribeRequest request = EMBD__V1__DESCRIBE_REQUEST__INIT;
    Embd__V1__DescribeResponse *d;
    struct remote r = {0};
    int done;

    request.table = (char *)(uintptr_t)a->operand[0]; /* protobuf-c knows no const */
    done = remote_ask(&r, a, "/embd.v1.Tables/Describe", &request.base,
                      &embd__v1__describe_response__descriptor, &d);
    if (done == EXIT_DONE && !d->table)
        done = fail(&(struct error){"the daemon's answer describes no table"});
    if (done == EXIT_DONE)
        done = a->json ? print_json(d) : print_people(d);
    remote_close(&r);
    return done;
}

const struct command command_describe = {
    .name = "describe",
    .operands = "TABLE",
    .help = "Show one table: method, settings, tensors, memory, file",
    .remote = true,
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
