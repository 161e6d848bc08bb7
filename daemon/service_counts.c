/* SPDX-License-Identifier: Apache-2.0 */
/* Tables.Counts: how often rows were named, from the table as it is inside its gate. On the
   worker's thread. */
#include <string.h>

#include "daemon/counters.h"
#include "daemon/gated_call.h"
#include "daemon/limits.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "proto/embd.pb-c.h"

/* Rows of a reply when nobody says how many: a millisecond inside the gate. */
#define SLICE ((uint64_t)1 << 17)
#define ROW_BYTES 20   /* a count, a key, and that it has none */
#define OTHER_BYTES 64 /* the other fields */

static enum status check(const struct gated_call *c, const struct entry *entry, struct error *e)
{
    const Embd__V1__CountsRequest *request = c->request;
    uint64_t most = c->call->worker->server->limits.max_ids;

    if (!entry->table->frequency)
        return error_set(e, ST_PRECONDITION,
                         "table %s has no counts; the option count of a trainable table keeps them",
                         entry->name);
    if (request->first > entry->table->rows)
        return error_set(e, ST_RANGE, "first = %llu; the table has %llu rows",
                         (unsigned long long)request->first,
                         (unsigned long long)entry->table->rows);
    if (request->rows > most)
        return error_set(e, ST_EXHAUSTED, "rows = %llu, max_ids is %llu",
                         (unsigned long long)request->rows, (unsigned long long)most);
    return ST_OK;
}

/* The keys of the slice, where they lie or, if that is not aligned, copied. */
static enum status add_keys(Embd__V1__CountsResponse *reply, const struct table *t, uint64_t first,
                            size_t n, struct arena *arena, struct error *e)
{
    const struct file_tensor *ft = header_tensor(&t->header, "keys");
    const unsigned char *from;

    if (!ft || !n)
        return ST_OK;
    from = (const unsigned char *)table_tensor(t, ft) + first * sizeof *reply->keys;
    reply->n_keys = n;
    reply->keys = (int64_t *)(uintptr_t)from;
    if ((uintptr_t)from % sizeof *reply->keys == 0)
        return ST_OK;
    arena->cap += n * sizeof *reply->keys + 64;
    reply->keys = arena_alloc(arena, n, sizeof *reply->keys);
    if (!reply->keys)
        return error_memory(e, "the reply");
    memcpy(reply->keys, from, n * sizeof *reply->keys);
    return ST_OK;
}

/* Rows of the slice that have no key. */
static enum status add_spare(Embd__V1__CountsResponse *reply, const struct table *t, uint64_t first,
                             size_t n, struct arena *arena, struct error *e)
{
    const struct file_tensor *ft = header_tensor(&t->header, "touched");
    const unsigned char *from;

    if (!ft || !n)
        return ST_OK;
    from = (const unsigned char *)table_tensor(t, ft) + first * sizeof(int64_t);
    arena->cap += n * sizeof *reply->spare + 64;
    reply->spare = arena_alloc(arena, n, sizeof *reply->spare);
    if (!reply->spare)
        return error_memory(e, "the reply");
    for (size_t i = 0; i < n; i++) {
        int64_t seconds;

        memcpy(&seconds, from + i * sizeof seconds, sizeof seconds);
        if (seconds < 0)
            reply->spare[reply->n_spare++] = (uint32_t)i;
    }
    return ST_OK;
}

static uint64_t most_rows(const struct gated_call *c)
{
    const Embd__V1__CountsRequest *request = c->request;
    const struct limits *limits = &c->call->worker->server->limits;
    uint64_t fit = limits->max_reply_bytes / ROW_BYTES, most = SLICE;

    if (request->rows)
        return request->rows;
    if (most > limits->max_ids)
        most = limits->max_ids;
    fit = fit > OTHER_BYTES ? fit - OTHER_BYTES : 1;
    return most < fit ? most : fit;
}

/* Inside the gate: the message takes the numbers from where they are. */
static enum status build(struct block **out, const struct gated_call *c, const struct entry *entry,
                         struct error *e)
{
    const Embd__V1__CountsRequest *request = c->request;
    const struct table *t = entry->table;
    Embd__V1__CountsResponse reply = EMBD__V1__COUNTS_RESPONSE__INIT;
    uint64_t first = request->first, left = t->rows - first, most = most_rows(c);
    size_t n = (size_t)(most < left ? most : left);
    enum status st;

    if (n) {
        reply.n_counts = n;
        reply.counts = (uint64_t *)(uintptr_t)(t->frequency + first);
    }
    reply.rows = t->rows;
    reply.version = entry->version;
    reply.lsn = service_lsn(c->call);
    st = add_keys(&reply, t, first, n, &c->call->arena, e);
    if (st == ST_OK)
        st = add_spare(&reply, t, first, n, &c->call->arena, e);
    return st == ST_OK ? service_build(out, c->call, &reply.base, e) : st;
}

static void answer(struct gated_call *c, struct entry *entry)
{
    struct block *block = NULL;
    struct error e;
    enum status st = check(c, entry, &e);

    if (st == ST_OK)
        st = build(&block, c, entry, &e);
    if (st == ST_OK && table_damaged(entry->table))
        st = error_set(&e, ST_DATA_LOSS, "the file of table %s was damaged", entry->name);
    gated_leave(c, entry);
    if (st == ST_OK) {
        call_reply(c->call, block);
        return;
    }
    block_unref(block);
    call_fail(c->call, st, &e);
}

static void counts_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__CountsRequest *request =
        service_unpack(call, &embd__v1__counts_request__descriptor, data, n);

    if (request)
        gated_begin(call, request, request->table, answer);
}

const struct rpc rpc_counts = {.path = "/embd.v1.Tables/Counts",
                               .name = "Counts",
                               .index = CALL_COUNTS,
                               .message = counts_message,
                               .done = gated_done};
