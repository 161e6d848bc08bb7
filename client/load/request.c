/* SPDX-License-Identifier: Apache-2.0 */
/* The fields go out in the order of their numbers, as every protobuf library writes them. */
#include "client/load/request.h"

#include <string.h>

#include "base/memory.h"
#include "proto/grpc.h"
#include "proto/wire.h"

enum { REQUEST_LOOKUPS = 1, REQUEST_FORMAT = 2 };
enum { LOOKUP_TABLE = 1, LOOKUP_IDS = 2, LOOKUP_POOLING = 3, LOOKUP_OFFSETS = 4 };
enum { FORMAT_F32 = 0, FORMAT_INT8 = 3 };

#define STREAM_BAGS (UINT64_C(3) << 32) /* no stream that ids are drawn from */

size_t load_row_bytes(uint32_t format, uint32_t dim)
{
    if (format == FORMAT_F32)
        return (size_t)dim * 4;
    return format == FORMAT_INT8 ? (size_t)dim + 8 : (size_t)dim * 2; /* codes, scale and bias */
}

static size_t lookup_size(const struct load_plan *plan, const struct load_table *table,
                          uint32_t bags)
{
    size_t n = wire_bytes_size(strlen(table->name)) + wire_bytes_size(plan->ids * (size_t)8);

    if (plan->pooling)
        n += wire_number_size(plan->pooling) + wire_bytes_size(((size_t)bags + 1) * 4);
    return n;
}

static uint32_t bags_max(const struct load_plan *plan)
{
    return plan->pooling ? (plan->ids + plan->bag_min - 1) / plan->bag_min : 0;
}

enum status request_maker_init(struct request_maker *m, const struct load_plan *plan,
                               unsigned thread, struct error *e)
{
    size_t room = GRPC_PREFIX + wire_number_size(plan->format);

    *m = (struct request_maker){.plan = plan};
    for (size_t i = 0; i < plan->tables; i++)
        room += wire_bytes_size(lookup_size(plan, &plan->table[i], bags_max(plan)));
    if (room > UINT32_MAX)
        return error_set(e, ST_INVALID, "a request of %zu bytes is more than gRPC can carry", room);
    m->room = room;
    random_init(&m->random, plan->seed, STREAM_BAGS + thread);
    m->source = mem_zero(plan->tables, sizeof *m->source);
    m->offsets = mem_zero((size_t)bags_max(plan) + 1, sizeof *m->offsets);
    if (!m->source || !m->offsets)
        return error_memory(e, "requests");
    for (size_t i = 0; i < plan->tables; i++) {
        const struct load_table *table = &plan->table[i];

        id_source_init(&m->source[i], table->rows, plan->distribution, plan->exponent, plan->seed,
                       (unsigned)i, thread);
        if (table->trace.data) /* each thread begins elsewhere, so that none repeats another */
            id_source_follow(&m->source[i], &table->trace,
                             table->trace.count / plan->threads * thread);
    }
    return ST_OK;
}

void request_maker_done(struct request_maker *m)
{
    mem_free(m->source);
    mem_free(m->offsets);
    *m = (struct request_maker){0};
}

struct request *request_new(const struct request_maker *m)
{
    size_t rows = m->plan->tables * sizeof(uint32_t);
    struct request *r = mem_alloc(sizeof *r + rows + m->room);

    if (!r)
        return NULL;
    r->next = NULL;
    r->bytes = 0;
    r->rows = (uint32_t *)(r + 1);
    r->body = (unsigned char *)(r->rows + m->plan->tables);
    return r;
}

/* Cut the ids into bags; the last one takes what is left. Returns their number. */
static uint32_t draw_bags(struct request_maker *m)
{
    const struct load_plan *plan = m->plan;
    uint32_t bags = 0;

    m->offsets[0] = 0;
    for (uint32_t at = 0; at < plan->ids;) {
        uint32_t n = plan->bag_min;

        if (plan->bag_max > plan->bag_min)
            n += (uint32_t)random_below(&m->random, (uint64_t)plan->bag_max - n + 1);
        at = n < plan->ids - at ? at + n : plan->ids;
        m->offsets[++bags] = at;
    }
    return bags;
}

static unsigned char *write_lookup(struct request_maker *m, struct request *r, size_t index,
                                   unsigned char *p)
{
    const struct load_plan *plan = m->plan;
    const struct load_table *table = &plan->table[index];
    uint32_t bags = plan->pooling ? draw_bags(m) : 0;

    r->rows[index] = plan->pooling ? bags : plan->ids;
    p = wire_put_tag(p, REQUEST_LOOKUPS, WIRE_BYTES);
    p = wire_put_varint(p, lookup_size(plan, table, bags));
    p = wire_put_bytes(p, LOOKUP_TABLE, table->name, strlen(table->name));
    if (plan->ids) {
        p = wire_put_tag(p, LOOKUP_IDS, WIRE_BYTES);
        p = wire_put_varint(p, plan->ids * (size_t)8);
        p = id_source_write(&m->source[index], p, plan->ids);
    }
    if (!plan->pooling)
        return p;
    p = wire_put_number(p, LOOKUP_POOLING, plan->pooling);
    p = wire_put_tag(p, LOOKUP_OFFSETS, WIRE_BYTES);
    p = wire_put_varint(p, ((size_t)bags + 1) * 4);
    for (uint32_t i = 0; i <= bags; i++)
        p = wire_put_u32(p, m->offsets[i]);
    return p;
}

void request_write(struct request_maker *m, struct request *r)
{
    unsigned char *p = r->body + GRPC_PREFIX;

    for (size_t i = 0; i < m->plan->tables; i++)
        p = write_lookup(m, r, i, p);
    p = wire_put_number(p, REQUEST_FORMAT, m->plan->format);
    r->bytes = (size_t)(p - r->body);
    grpc_prefix_write(r->body, (uint32_t)(r->bytes - GRPC_PREFIX));
}
