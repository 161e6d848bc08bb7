/* SPDX-License-Identifier: Apache-2.0 */
/* Tables.SaveGroup, RestoreGroup, LoadGroup, Groups and DropGroup: orders to the writer. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/counters.h"
#include "daemon/group.h"
#include "daemon/group_call.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "daemon/table_call.h"
#include "daemon/table_info.h"
#include "daemon/worker.h"
#include "proto/embd.pb-c.h"

/* ---- SaveGroup ---- */

static void save_answer(struct call *call, const struct order *o)
{
    Embd__V1__SaveGroupResponse reply = EMBD__V1__SAVE_GROUP_RESPONSE__INIT;
    const struct checkpoint *c = &o->group->checkpoint;
    Embd__V1__GroupTable *table;

    if (o->status != ST_OK) {
        call_fail(call, o->status, &o->error);
        return;
    }
    table = group_call_room(call, c->tables, sizeof *table);
    reply.tables = group_call_room(call, c->tables, sizeof *reply.tables);
    if (!table || !reply.tables) {
        group_call_no_memory(call);
        return;
    }
    for (size_t i = 0; i < c->tables; i++) {
        embd__v1__group_table__init(&table[i]);
        table[i].table = c->table[i].name;
        table[i].version = c->table[i].version;
        table[i].bytes = c->table[i].bytes;
        table[i].file = c->table[i].file;
        reply.tables[i] = &table[i];
    }
    reply.n_tables = c->tables;
    reply.lsn = o->lsn;
    reply.us = clock_now_us() - o->start_us;
    service_reply(call, &reply.base);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static enum status save_order(struct order **out, struct call *call,
                              const Embd__V1__SaveGroupRequest *request, struct error *e)
{
    size_t n = request->n_tables;
    enum status st = group_call_label(request->label, e);
    struct group *g;

    if (st == ST_OK)
        st = group_call_size(call, n, sizeof *g->name + sizeof(struct snapshot), e);
    for (size_t i = 0; i < n && st == ST_OK; i++)
        if (!table_name_valid(request->tables[i], strlen(request->tables[i])))
            st = error_set(e, ST_NOT_FOUND, "no such table: %s", QUOTE(request->tables[i]));
    if (st == ST_OK)
        st = group_new(out, ORDER_SAVE_GROUP, request->label, n, e);
    if (st != ST_OK)
        return st;
    g = (*out)->group;
    g->replace = request->replace;
    for (size_t i = 0; i < n; i++)
        memcpy(g->name[i], request->tables[i], strlen(request->tables[i]) + 1);
    if (n)
        qsort(g->name, n, sizeof *g->name, by_name);
    for (size_t i = 1; i < n && st == ST_OK; i++)
        if (!strcmp(g->name[i - 1], g->name[i]))
            st = error_set(e, ST_INVALID, "table %s is named twice", g->name[i]);
    if (st != ST_OK)
        order_unref(*out);
    return st;
}

static void save_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__SaveGroupRequest *request =
        service_unpack(call, &embd__v1__save_group_request__descriptor, data, n);
    struct order *o;
    struct error e;
    enum status st;

    if (!request)
        return;
    st = save_order(&o, call, request, &e);
    if (st == ST_OK)
        group_call_send(call, o, save_answer);
    else
        call_fail(call, st, &e);
}

/* ---- RestoreGroup ---- */

static void restore_answer(struct call *call, const struct order *o)
{
    Embd__V1__RestoreGroupResponse reply = EMBD__V1__RESTORE_GROUP_RESPONSE__INIT;
    const struct group *g = o->group;
    Embd__V1__GroupTable *table;

    if (o->status != ST_OK) {
        call_fail(call, o->status, &o->error);
        return;
    }
    table = group_call_room(call, g->count, sizeof *table);
    reply.tables = group_call_room(call, g->count, sizeof *reply.tables);
    if (!table || !reply.tables) {
        group_call_no_memory(call);
        return;
    }
    for (size_t i = 0; i < g->count; i++) {
        embd__v1__group_table__init(&table[i]);
        table[i].table = g->load[i]->name;
        table[i].version = g->load[i]->version;
        table[i].bytes = g->checkpoint.table[i].bytes;
        table[i].file = g->checkpoint.table[i].file;
        reply.tables[i] = &table[i];
    }
    reply.n_tables = g->count;
    reply.lsn = o->lsn;
    service_reply(call, &reply.base);
}

/* An order about nothing but a label. */
static void send_label(struct call *call, enum order_kind kind, const char *label,
                       void (*answer)(struct call *call, const struct order *o))
{
    struct order *o;
    struct error e;
    enum status st = group_call_label(label, &e);

    if (st == ST_OK)
        st = group_new(&o, kind, label, 0, &e);
    if (st == ST_OK)
        group_call_send(call, o, answer);
    else
        call_fail(call, st, &e);
}

static void restore_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__RestoreGroupRequest *request =
        service_unpack(call, &embd__v1__restore_group_request__descriptor, data, n);

    if (request)
        send_label(call, ORDER_RESTORE_GROUP, request->label, restore_answer);
}

/* ---- LoadGroup ---- */

static void load_answer(struct call *call, const struct order *o)
{
    Embd__V1__LoadGroupResponse reply = EMBD__V1__LOAD_GROUP_RESPONSE__INIT;
    const struct group *g = o->group;
    Embd__V1__TableInfo *info;

    if (o->status != ST_OK) {
        call_fail(call, o->status, &o->error);
        return;
    }
    info = group_call_room(call, g->count, sizeof *info);
    reply.tables = group_call_room(call, g->count, sizeof *reply.tables);
    if (!info || !reply.tables) {
        group_call_no_memory(call);
        return;
    }
    for (size_t i = 0; i < g->count; i++) {
        embd__v1__table_info__init(&info[i]);
        (void)table_call_made(call, g->load[i], &info[i]);
        reply.tables[i] = &info[i];
    }
    reply.n_tables = g->count;
    reply.lsn = o->lsn;
    service_reply(call, &reply.base);
}

static enum status load_orders(struct order *o, const Embd__V1__LoadGroupRequest *request,
                               const char *import_dir, struct error *e)
{
    struct group *g = o->group;
    enum status st = ST_OK;

    for (size_t i = 0; i < g->count && st == ST_OK; i++) {
        st = table_call_load(&g->load[i], request->loads[i], import_dir, e);
        if (st == ST_OK) {
            g->load[i]->by = BY_CALL;
            g->load[i]->whole = o;
        } else {
            (void)!error_prefix(e, st, "loads[%zu]", i);
        }
    }
    return st;
}

/* Places of the loads, sorted by the names of their tables: the same one twice would be two changes
   of one name. */
static int by_table(const void *a, const void *b)
{
    const struct order *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static enum status check_names(struct call *call, const struct group *g, struct error *e)
{
    const struct order **sorted;

    sorted = group_call_room(call, g->count, sizeof *sorted);
    if (!sorted)
        return error_memory(e, "the call");
    for (size_t i = 0; i < g->count; i++)
        sorted[i] = g->load[i];
    qsort(sorted, g->count, sizeof *sorted, by_table);
    for (size_t i = 1; i < g->count; i++)
        if (!strcmp(sorted[i - 1]->name, sorted[i]->name))
            return error_set(e, ST_INVALID, "table %s is named twice", sorted[i]->name);
    return ST_OK;
}

static void load_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__LoadGroupRequest *request =
        service_unpack(call, &embd__v1__load_group_request__descriptor, data, n);
    struct order *o = NULL;
    struct error e;
    enum status st;

    if (!request)
        return;
    if (!request->n_loads)
        st = error_set(&e, ST_INVALID, "there must be tables to load");
    else
        st = group_call_size(call, request->n_loads, sizeof *o, &e);
    if (st == ST_OK)
        st = group_new(&o, ORDER_LOAD_GROUP, "", request->n_loads, &e);
    if (st == ST_OK)
        st = load_orders(o, request, call->worker->server->config->import_dir, &e);
    if (st == ST_OK)
        st = check_names(call, o->group, &e);
    if (st == ST_OK) {
        group_call_send(call, o, load_answer);
        return;
    }
    order_unref(o);
    call_fail(call, st, &e);
}

/* ---- Groups ---- */

static bool fill_info(struct call *call, Embd__V1__GroupInfo *info, const struct checkpoint *c)
{
    embd__v1__group_info__init(info);
    info->label = (char *)(uintptr_t)c->label;
    info->trouble = (char *)(uintptr_t)c->trouble.text;
    info->lsn = c->lsn;
    info->time_us = c->time_us;
    info->tables = group_call_room(call, c->tables, sizeof *info->tables);
    for (size_t i = 0; info->tables && i < c->tables; i++) {
        info->tables[i] = c->table[i].name;
        info->bytes += c->table[i].bytes;
    }
    info->n_tables = c->tables;
    return info->tables;
}

static void groups_answer(struct call *call, const struct order *o)
{
    Embd__V1__GroupsResponse reply = EMBD__V1__GROUPS_RESPONSE__INIT;
    const struct group *g = o->group;
    Embd__V1__GroupInfo *info;

    if (o->status != ST_OK) {
        call_fail(call, o->status, &o->error);
        return;
    }
    info = group_call_room(call, g->listed, sizeof *info);
    reply.groups = group_call_room(call, g->listed, sizeof *reply.groups);
    if (!info || !reply.groups) {
        group_call_no_memory(call);
        return;
    }
    for (size_t i = 0; i < g->listed; i++) {
        if (!fill_info(call, &info[i], &g->list[i])) {
            group_call_no_memory(call);
            return;
        }
        reply.groups[i] = &info[i];
    }
    reply.n_groups = g->listed;
    service_reply(call, &reply.base);
}

static void groups_message(struct call *call, const unsigned char *data, size_t n)
{
    struct order *o;
    struct error e;
    enum status st;

    if (!service_unpack(call, &embd__v1__groups_request__descriptor, data, n))
        return;
    st = group_new(&o, ORDER_GROUPS, "", 0, &e);
    if (st == ST_OK)
        group_call_send(call, o, groups_answer);
    else
        call_fail(call, st, &e);
}

/* ---- DropGroup ---- */

static void drop_answer(struct call *call, const struct order *o)
{
    Embd__V1__DropGroupResponse reply = EMBD__V1__DROP_GROUP_RESPONSE__INIT;

    if (o->status == ST_OK)
        service_reply(call, &reply.base);
    else
        call_fail(call, o->status, &o->error);
}

static void drop_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__DropGroupRequest *request =
        service_unpack(call, &embd__v1__drop_group_request__descriptor, data, n);

    if (request)
        send_label(call, ORDER_DROP_GROUP, request->label, drop_answer);
}

const struct rpc rpc_save_group = {.path = "/embd.v1.Tables/SaveGroup",
                                   .name = "SaveGroup",
                                   .index = CALL_SAVE_GROUP,
                                   .message = save_message,
                                   .done = group_call_done};
const struct rpc rpc_restore_group = {.path = "/embd.v1.Tables/RestoreGroup",
                                      .name = "RestoreGroup",
                                      .index = CALL_RESTORE_GROUP,
                                      .message = restore_message,
                                      .done = group_call_done};
const struct rpc rpc_load_group = {.path = "/embd.v1.Tables/LoadGroup",
                                   .name = "LoadGroup",
                                   .index = CALL_LOAD_GROUP,
                                   .message = load_message,
                                   .done = group_call_done};
const struct rpc rpc_groups = {.path = "/embd.v1.Tables/Groups",
                               .name = "Groups",
                               .index = CALL_GROUPS,
                               .message = groups_message,
                               .done = group_call_done};
const struct rpc rpc_drop_group = {.path = "/embd.v1.Tables/DropGroup",
                                   .name = "DropGroup",
                                   .index = CALL_DROP_GROUP,
                                   .message = drop_message,
                                   .done = group_call_done};
