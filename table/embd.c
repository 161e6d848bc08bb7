/* SPDX-License-Identifier: Apache-2.0 */
/* libembd: the public face of tables. Any thread. */
#pragma GCC visibility push(default)
#include "table/embd.h"
#pragma GCC visibility pop

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "kernels/kernels.h"
#include "table/decode.h"
#include "table/lookup.h"

/* Ids resolved at a time, on the stack; some methods share work among them. */
#define IDS_BLOCK 4096

_Static_assert(EMBD_ERROR_MAX == sizeof(((struct error *)0)->text), "sentences fit");
_Static_assert((int)EMBD_DATA_LOSS == (int)ST_DATA_LOSS, "codes are our own");

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct error start_error;
static enum status start_status;

static void start(void)
{
    start_status = kernels_init(NULL, &start_error);
    /* EMBD_ISA may name what is not there; the host's lookups need not suffer for it. */
    if (start_status != ST_OK)
        start_status = kernels_init("scalar", &start_error);
}

static int report(enum status st, const struct error *e, char *error)
{
    if (st != ST_OK && error)
        memcpy(error, e->text, EMBD_ERROR_MAX);
    return (int)st;
}

static const struct table *inside(const embd_table *table)
{
    return (const struct table *)table;
}

int embd_table_open(embd_table **table, const char *path, int memory, char *error)
{
    struct table_options options = {.memory = (enum region_mode)memory};
    struct table *t;
    struct error e;
    enum status st;

    pthread_once(&once, start);
    if (start_status != ST_OK)
        return report(start_status, &start_error, error);
    if (memory < EMBD_MEMORY_MAP || memory > EMBD_MEMORY_LOCK)
        return report(error_set(&e, ST_INVALID, "memory is %d; it must be 0, 1 or 2", memory), &e,
                      error);
    if (memory == EMBD_MEMORY_MAP)
        region_init(); /* again each time: the host may have taken the signal since */
    st = table_open(&t, path, &options, &e);
    if (st == ST_OK)
        *table = (embd_table *)t;
    return report(st, &e, error);
}

void embd_table_close(embd_table *table)
{
    table_close((struct table *)table);
}

uint64_t embd_table_rows(const embd_table *table)
{
    return inside(table)->rows;
}

uint32_t embd_table_dim(const embd_table *table)
{
    return inside(table)->dim;
}

const char *embd_table_method(const embd_table *table)
{
    return inside(table)->method->name;
}

uint64_t embd_table_bytes(const embd_table *table)
{
    return inside(table)->bytes;
}

static enum status damage(const struct table *t, struct error *e)
{
    return table_damaged(t) ? error_set(e, ST_DATA_LOSS, "the table's file was damaged in use")
                            : ST_OK;
}

int embd_table_lookup(const embd_table *table, const int64_t *ids, size_t n, float *out,
                      size_t *missing, char *error)
{
    const struct table *t = inside(table);
    uint64_t row[IDS_BLOCK];
    size_t unknown = 0, block;
    struct error e;

    for (size_t i = 0; i < n; i += block) {
        size_t here;

        block = n - i < IDS_BLOCK ? n - i : IDS_BLOCK;
        here = table_resolve(t, ids + i, block, row);
        if (here)
            table_rows_or_default(t, row, block, out + i * t->dim);
        else
            table_rows(t, row, block, out + i * t->dim);
        unknown += here;
    }
    if (missing)
        *missing = unknown;
    return report(damage(t, &e), &e, error);
}

int embd_table_lookup_bags(const embd_table *table, const int64_t *ids, size_t n,
                           const uint32_t *offsets, size_t bags, int mean, const float *weights,
                           float *out, size_t *missing, char *error)
{
    const struct lookup_query query = {
        .ids = ids,
        .id_count = n,
        .pooling = mean ? POOLING_MEAN : POOLING_SUM,
        .offsets = offsets,
        .offset_count = bags + 1,
        .weights = weights,
        .weight_count = weights ? n : 0,
        .format = FORMAT_F32,
        .missing = MISSING_FILL,
    };
    struct lookup_scratch scratch = {0};
    struct lookup lookup;
    struct arena arena;
    enum status st;
    struct error e;

    arena_init(&arena, SIZE_MAX);
    st = lookup_prepare(&lookup, inside(table), &query, &arena, &e);
    if (st == ST_OK)
        st = lookup_run(&lookup, 0, lookup.rows, out, &scratch, &e);
    if (st == ST_OK && missing)
        *missing = lookup.missing_count;
    lookup_scratch_done(&scratch);
    arena_done(&arena);
    return report(st, &e, error);
}
