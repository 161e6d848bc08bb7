/* SPDX-License-Identifier: Apache-2.0 */
/* embctl counts: how often the rows of a served table were named, as an array for embctl compress,
   or in a few numbers. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/document.h"
#include "client/embctl/interrupt.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"
#include "client/progress.h"
#include "proto/embd.pb-c.h"
#include "table/npy.h"

#define WIDTH 10 /* of the labels */

static const struct option_decl options[] = {
    {"output", 'o', "FILE", "write the count of each row: an int64 .npy file"},
    {"keys", 0, "FILE", "write the keys of these rows, too, as int64"},
};

/* An array that grows at its end; the file appears when it is complete. */
struct target {
    const char *path; /* NULL: nobody wants it */
    struct file_writer writer;
};

struct counting {
    struct remote r;
    const char *table;
    struct target counts, keys;
    uint64_t rows, version, accesses, used;
    int64_t *count; /* [used] those above 0 */
    size_t room;
};

static enum status target_open(struct target *to, uint64_t rows, struct error *e)
{
    const struct tensor shape = {.dtype = DT_I64, .rank = 1, .shape = {rows}};
    unsigned char header[256];
    size_t n = npy_header(header, &shape);
    enum status st;

    if (!to->path)
        return ST_OK;
    st = file_writer_open(&to->writer, to->path, e);
    return st == ST_OK ? file_writer_add(&to->writer, header, n, e) : st;
}

/* Numbers of a reply are little-endian int64 in memory as they are in the file. */
static enum status target_add(struct target *to, const void *numbers, size_t n, struct error *e)
{
    return to->path ? file_writer_add(&to->writer, numbers, n * sizeof(int64_t), e) : ST_OK;
}

static void add_up(struct counting *c, const uint64_t *count, size_t n)
{
    if (n > c->room - c->used) {
        c->room = 2 * c->room > c->used + n ? 2 * c->room : c->used + n;
        c->count = need_resize(c->count, c->room, sizeof *c->count);
    }
    for (size_t i = 0; i < n; i++) {
        if (!count[i])
            continue;
        c->count[c->used++] = (int64_t)count[i];
        if (__builtin_add_overflow(c->accesses, count[i], &c->accesses))
            c->accesses = UINT64_MAX;
    }
}

static enum status check_slice(const struct counting *c, const Embd__V1__CountsResponse *reply,
                               uint64_t first, struct error *e)
{
    if (first && reply->rows != c->rows)
        return error_set(e, ST_ABORTED, "table %s was replaced meanwhile", QUOTE(c->table));
    if (reply->n_counts > reply->rows - first || (!reply->n_counts && first < reply->rows))
        return error_set(e, ST_INTERNAL, "the daemon's answer has %zu counts from row %" PRIu64,
                         reply->n_counts, first);
    if (c->keys.path && reply->n_keys != reply->n_counts)
        return error_set(e, ST_PRECONDITION,
                         "table %s has no keys: its ids are row numbers, or hashed to them",
                         QUOTE(c->table));
    return ST_OK;
}

static enum status take(struct counting *c, const Embd__V1__CountsResponse *reply, uint64_t first,
                        struct error *e)
{
    enum status st = check_slice(c, reply, first, e);

    if (st != ST_OK)
        return st;
    c->rows = reply->rows;
    c->version = reply->version;
    if (!first)
        st = target_open(&c->counts, c->rows, e);
    if (st == ST_OK && !first)
        st = target_open(&c->keys, c->rows, e);
    if (st == ST_OK)
        st = target_add(&c->counts, reply->counts, reply->n_counts, e);
    if (st == ST_OK)
        st = target_add(&c->keys, reply->keys, reply->n_counts, e);
    add_up(c, reply->counts, reply->n_counts);
    return st;
}

static enum status read_slices(struct counting *c, struct error *e)
{
    Embd__V1__CountsRequest request = EMBD__V1__COUNTS_REQUEST__INIT;
    struct progress progress;
    bool shown = false;
    enum status st;

    request.table = (char *)(uintptr_t)c->table;
    do {
        Embd__V1__CountsResponse *reply;

        st = remote_call(&c->r, "/embd.v1.Tables/Counts", &request.base,
                         &embd__v1__counts_response__descriptor, &reply, e);
        if (st == ST_OK && interrupted())
            st = error_set(e, ST_CANCELLED, "interrupted");
        if (st == ST_OK)
            st = take(c, reply, request.first, e);
        if (st != ST_OK)
            break;
        if (!shown)
            progress_start(&progress, "counts", c->rows, "rows");
        shown = true;
        request.first += reply->n_counts;
        progress_show(&progress, c->rows ? (double)request.first / (double)c->rows : 1);
        remote_forget(&c->r);
    } while (request.first < c->rows);
    if (shown)
        progress_end(&progress);
    return st;
}

static enum status commit(struct counting *c, struct error *e)
{
    enum status st = c->counts.path ? file_writer_commit(&c->counts.writer, e) : ST_OK;

    return st == ST_OK && c->keys.path ? file_writer_commit(&c->keys.writer, e) : st;
}

static int descending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? 1 : -(x > y);
}

/* The share of all accesses that the most frequent hundredths of the rows have. */
static double share(const struct counting *c, unsigned hundredths)
{
    uint64_t rows = c->rows / 100 * hundredths + (c->rows % 100 * hundredths + 99) / 100;
    double sum = 0;

    for (uint64_t i = 0; i < rows && i < c->used; i++)
        sum += (double)c->count[i];
    return c->accesses ? sum / (double)c->accesses : 0;
}

static int print_json(const struct counting *c)
{
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    doc_text(&j, "table", c->table);
    if (c->counts.path)
        doc_text(&j, "output", c->counts.path);
    if (c->keys.path)
        doc_text(&j, "keys", c->keys.path);
    doc_u64(&j, "rows", c->rows);
    doc_u64(&j, "version", c->version);
    doc_u64(&j, "accesses", c->accesses);
    doc_u64(&j, "used", c->used);
    doc_real(&j, "top_1_percent", share(c, 1));
    doc_real(&j, "top_10_percent", share(c, 10));
    doc_close(&j);
    return doc_finish(&j);
}

static int print_people(const struct counting *c)
{
    char used[32], rows[32], accesses[32];

    print_heading("%s", c->table);
    print_pair(WIDTH, "accesses", "%s", format_count(accesses, c->accesses));
    print_pair(WIDTH, "rows", "%s of %s were named", format_count(used, c->used),
               format_count(rows, c->rows));
    if (c->accesses)
        print_pair(WIDTH, "skew",
                   "the first 1%% of the rows have %.1f%% of the accesses, 10%% have %.1f%%",
                   100 * share(c, 1), 100 * share(c, 10));
    if (c->counts.path)
        print_pair(WIDTH, "written", "%s", c->counts.path);
    if (c->keys.path)
        print_pair(WIDTH, "keys", "%s", c->keys.path);
    return finish_output();
}

static int run(const struct arguments *a)
{
    struct counting c = {.table = a->operand[0],
                         .counts.path = option_value(a, "output"),
                         .keys.path = option_value(a, "keys")};
    struct error e;
    enum status st;
    int done;

    if ((c.counts.path && !strcmp(c.counts.path, "-")) ||
        (c.keys.path && !strcmp(c.keys.path, "-")))
        return usage_error(a, "counts and keys need a file each");
    if (c.counts.path && c.keys.path && !strcmp(c.counts.path, c.keys.path))
        return usage_error(a, "counts and keys cannot go to the same file");
    interrupt_watch();
    st = remote_open(&c.r, a, &e);
    if (st != ST_OK)
        return usage_error(a, "%s", e.text);
    st = read_slices(&c, &e);
    if (st == ST_OK)
        st = commit(&c, &e);
    if (st == ST_OK) {
        if (c.used)
            qsort(c.count, c.used, sizeof *c.count, descending);
        done = a->json ? print_json(&c) : print_people(&c);
    } else {
        done = interrupted() ? say_interrupted() : fail(&e);
    }
    file_writer_abort(&c.counts.writer);
    file_writer_abort(&c.keys.writer);
    mem_free(c.count);
    remote_close(&c.r);
    return done;
}

const struct command command_counts = {
    .name = "counts",
    .operands = "TABLE",
    .help = "Show how often the rows of a table were named, or write the counts",
    .more =
        "The daemon keeps them for tables with the option count=pushes or count=both. With -o the\n"
        "counts are an array for embctl compress --frequency and embctl create --frequency.\n",
    .remote = true,
    .operands_least = 1,
    .operands_most = 1,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
