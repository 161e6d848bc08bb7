/* SPDX-License-Identifier: Apache-2.0 */
/* What a load must know of its tables: rows and dim, asked from the server unless they were given,
   and the traces that ids are read from. */
#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/bench.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"
#include "proto/embd.pb-c.h"

#define TRACE_BYTES_MAX (UINT64_C(1) << 36) /* of a pipe */

static enum status describe(struct load_table *table, struct bench *b, struct remote *remote,
                            struct error *e)
{
    Embd__V1__DescribeRequest request = EMBD__V1__DESCRIBE_REQUEST__INIT;
    const Embd__V1__DescribeResponse *response;
    const Embd__V1__TableInfo *info;
    enum status st;

    request.table = (char *)(uintptr_t)table->name;
    st = remote_call(remote, "/embd.v1.Tables/Describe", &request.base,
                     &embd__v1__describe_response__descriptor, &response, e);
    if (st == ST_UNIMPLEMENTED)
        return error_set(e, st, "the server does not describe tables: give --rows and --dim");
    if (st != ST_OK)
        return st;
    info = response->table;
    if (!info)
        return error_set(e, ST_INTERNAL, "the server describes table %s with nothing",
                         QUOTE(table->name));
    if (info->state != EMBD__V1__TABLE_STATE__TABLE_STATE_SERVING)
        return error_set(e, ST_DATA_LOSS, "table %s is not served: %s", QUOTE(table->name),
                         info->trouble);
    if (!table->rows)
        table->rows = info->rows;
    if (!table->dim)
        table->dim = info->dim;
    if (info->ids == EMBD__V1__TABLE_IDS__TABLE_IDS_KEYS && !table->trace.data)
        b->plan.by_key = true;
    return ST_OK;
}

static enum status open_trace(struct npy *trace, struct id_trace *ids, const char *path,
                              struct error *e)
{
    enum status st = npy_open(trace, path, TRACE_BYTES_MAX, e);

    if (st != ST_OK)
        return st;
    if (trace->array.dtype != DT_I64 && trace->array.dtype != DT_I32)
        st = error_set(e, ST_INVALID, "%s holds %s: ids are int64 or int32", QUOTE(path),
                       dtype_name(trace->array.dtype));
    else if (!trace->array.count)
        st = error_set(e, ST_INVALID, "%s holds no ids", QUOTE(path));
    if (st != ST_OK) {
        npy_close(trace);
        return st;
    }
    *ids = (struct id_trace){trace->array.data, trace->array.count, trace->array.dtype == DT_I32};
    return ST_OK;
}

static enum status open_traces(struct bench *b, const struct arguments *a, size_t traces,
                               struct error *e)
{
    b->trace = need_zero(traces, sizeof *b->trace);
    for (; b->traces < traces; b->traces++) {
        struct id_trace ids;
        enum status st =
            open_trace(&b->trace[b->traces], &ids, option_nth(a, "trace", b->traces), e);

        if (st != ST_OK)
            return st;
        if (traces > 1)
            b->table[b->traces].trace = ids;
        for (size_t i = 0; traces == 1 && i < b->plan.tables; i++)
            b->table[i].trace = ids;
    }
    return ST_OK;
}

static enum status describe_all(struct bench *b, struct remote *remote, struct error *e)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < b->plan.tables && st == ST_OK; i++) {
        struct load_table *table = &b->table[i];

        if (!table->rows || !table->dim)
            st = describe(table, b, remote, e);
        if (st == ST_OK && !table->rows)
            st = error_set(e, ST_PRECONDITION, "table %s has no rows", QUOTE(table->name));
    }
    return st;
}

int bench_tables(struct bench *b, const struct arguments *a)
{
    size_t traces = 0;
    struct remote remote = {0};
    struct error e;
    enum status st;

    while (option_nth(a, "trace", traces))
        traces++;
    if (traces > 1 && traces != b->plan.tables)
        return usage_error(a, "%zu traces for %zu tables: give one, or one each", traces,
                           b->plan.tables);
    st = open_traces(b, a, traces, &e);
    if (st != ST_OK)
        return fail(&e);
    st = remote_open(&remote, a, &e);
    if (st != ST_OK) {
        remote_close(&remote);
        return usage_error(a, "%s", e.text);
    }
    st = describe_all(b, &remote, &e);
    remote_close(&remote);
    return st == ST_OK ? -1 : fail(&e);
}
