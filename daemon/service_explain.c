/* SPDX-License-Identifier: Apache-2.0 */
/* Tables.Explain: how an id is answered, from the table as a lookup would see it. On the worker's
   thread. */
#include "daemon/counters.h"
#include "daemon/gated_call.h"
#include "daemon/services.h"
#include "proto/embd.pb-c.h"
#include "table/explain.h"

/* Elements that may be read to count who shares a cell: about a millisecond. */
#define SCAN_MOST ((uint64_t)1 << 20)

/* All messages of the facts in one piece. */
struct room {
    Embd__V1__Fact *fact;
    Embd__V1__Cells *cells;
    Embd__V1__NumberList *numbers;
};

static void cells_of(Embd__V1__Cells *to, const struct fact *from)
{
    *to = (Embd__V1__Cells)EMBD__V1__CELLS__INIT;
    to->unit = (uint64_t)from->number;
    to->first = from->first;
    to->count = from->n;
    if (from->sharers != SHARERS_UNKNOWN) {
        to->others_case = EMBD__V1__CELLS__OTHERS_SHARERS;
        to->sharers = from->sharers;
    }
}

static void fact_of(struct room *room, size_t i, struct fact *from)
{
    Embd__V1__Fact *to = &room->fact[i];

    *to = (Embd__V1__Fact)EMBD__V1__FACT__INIT;
    to->name = from->name;
    switch (from->kind) {
    case FACT_NUMBER:
        to->value_case = EMBD__V1__FACT__VALUE_NUMBER;
        to->number = from->number;
        break;
    case FACT_REAL:
        to->value_case = EMBD__V1__FACT__VALUE_REAL;
        to->real = from->real;
        break;
    case FACT_TEXT:
        to->value_case = EMBD__V1__FACT__VALUE_TEXT;
        to->text = from->text;
        break;
    case FACT_NUMBERS:
        to->value_case = EMBD__V1__FACT__VALUE_NUMBERS;
        to->numbers = &room->numbers[i];
        *to->numbers = (Embd__V1__NumberList)EMBD__V1__NUMBER_LIST__INIT;
        to->numbers->number = from->list;
        to->numbers->n_number = from->n;
        break;
    case FACT_CELLS:
        to->value_case = EMBD__V1__FACT__VALUE_CELLS;
        to->cells = &room->cells[i];
        cells_of(to->cells, from);
        break;
    }
}

static enum status facts_of(Embd__V1__ExplainResponse *reply, struct arena *arena,
                            const struct explanation *x, struct error *e)
{
    struct room room;

    arena->cap += x->count * (sizeof *room.fact + sizeof *room.cells + sizeof *room.numbers +
                              sizeof *reply->facts) +
                  256;
    room.fact = arena_alloc(arena, x->count, sizeof *room.fact);
    room.cells = arena_alloc(arena, x->count, sizeof *room.cells);
    room.numbers = arena_alloc(arena, x->count, sizeof *room.numbers);
    reply->facts = arena_alloc(arena, x->count, sizeof *reply->facts);
    if (!room.fact || !room.cells || !room.numbers || !reply->facts)
        return error_memory(e, "the explanation");
    for (size_t i = 0; i < x->count; i++) {
        fact_of(&room, i, &x->fact[i]);
        reply->facts[i] = &room.fact[i];
    }
    reply->n_facts = x->count;
    return ST_OK;
}

static void answer(struct gated_call *c, struct entry *entry)
{
    const Embd__V1__ExplainRequest *request = c->request;
    const struct table *t = entry->table;
    Embd__V1__ExplainResponse reply = EMBD__V1__EXPLAIN_RESPONSE__INIT;
    struct explained x;
    struct error e;
    enum status st = table_explain(&x, t, request->id, SCAN_MOST, &e);

    reply.version = entry->version;
    gated_leave(c, entry);
    if (st == ST_OK && table_damaged(t))
        st = error_set(&e, ST_DATA_LOSS, "the file of table %s was damaged", entry->name);
    if (st == ST_OK)
        st = facts_of(&reply, &c->call->arena, &x.facts, &e);
    if (st == ST_OK) {
        reply.method = (char *)(x.part ? x.part->method : t->method)->name;
        reply.known = x.known;
        reply.row = x.known ? x.row : 0;
        if (x.has_field) {
            reply.place_case = EMBD__V1__EXPLAIN_RESPONSE__PLACE_FIELD;
            reply.field = (uint32_t)x.field;
            reply.local_row = x.local;
        }
        reply.values = x.values;
        reply.n_values = t->dim;
        service_reply(c->call, &reply.base);
    } else {
        call_fail(c->call, st, &e);
    }
    explained_done(&x);
}

static void explain_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__ExplainRequest *request =
        service_unpack(call, &embd__v1__explain_request__descriptor, data, n);

    if (request)
        gated_begin(call, request, request->table, answer);
}

const struct rpc rpc_explain = {.path = "/embd.v1.Tables/Explain",
                                .name = "Explain",
                                .index = CALL_EXPLAIN,
                                .message = explain_message,
                                .done = gated_done};
