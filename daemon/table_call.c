/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about one table. */
#include "daemon/table_call.h"

#include <string.h>

#include "base/text.h"
#include "daemon/counters.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "daemon/table_info.h"
#include "daemon/worker.h"
#include "daemon/writer.h"

#define FILE_MOST 4096 /* of a path, as the system has it */

static unsigned slot_of(const struct call *call, const char *name)
{
    const struct entry *entry = catalog_find(call->worker->catalog, name, strlen(name));

    return entry ? entry->slot : SLOT_NONE;
}

struct table_call *table_call_begin(struct call *call, const char *name)
{
    struct table_call *t = arena_zero(&call->arena, 1, sizeof *t);
    struct error e;

    if (!t) {
        call_fail(call, error_memory(&e, "the call"), &e);
        return NULL;
    }
    t->name = name;
    t->slot = slot_of(call, name);
    call->state = t;
    return t;
}

void table_call_send(struct call *call, struct order *o,
                     void (*answer)(struct call *call, const struct order *o))
{
    struct table_call *t = call->state;

    o->by = BY_CALL;
    o->worker = call->worker;
    o->call_id = call->id;
    o->answer = answer;
    t->order = order_ref(o);
    writer_order(call->worker->server->writer, o);
}

void table_call_order(struct call *call, const char *name, enum order_kind kind, bool forget,
                      uint64_t at, void (*answer)(struct call *call, const struct order *o))
{
    struct order *o;
    struct error e;
    enum status st;

    if (!table_name_valid(name, strlen(name)))
        st = error_set(&e, ST_NOT_FOUND, "no such table: %s", QUOTE(name));
    else
        st = order_new(&o, kind, name, NULL, &e);
    if (st != ST_OK) {
        call_fail(call, st, &e);
        return;
    }
    o->forget = forget;
    o->at = at;
    table_call_send(call, o, answer);
}

enum status table_call_options(struct order *o, Embd__V1__TableOption *const *option, size_t n,
                               struct error *e)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < n && st == ST_OK; i++) {
        for (size_t j = 0; j < i; j++)
            if (!strcmp(option[j]->key, option[i]->key))
                return error_set(e, ST_INVALID, "option %s is given twice", QUOTE(option[i]->key));
        st = table_settings_set(&o->settings, option[i]->key, option[i]->value, e);
    }
    return st;
}

enum status table_call_load(struct order **out, const Embd__V1__LoadRequest *request,
                            const char *import_dir, struct error *e)
{
    size_t folder = strlen(import_dir), n = strlen(request->file);
    char path[FILE_MOST];
    struct order *o;
    enum status st;

    if (!table_name_valid(request->table, strlen(request->table)))
        return error_set(e, ST_INVALID, "%s is no name for a table", QUOTE(request->table));
    if (!n)
        return error_set(e, ST_INVALID, "there must be a file");
    if (!folder)
        return error_set(e, ST_PRECONDITION,
                         "no import_dir is configured, so calls cannot load files");
    if (folder + 1 + n >= sizeof path)
        return error_set(e, ST_INVALID, "the path of the file is too long");
    memcpy(path, import_dir, folder);
    path[folder] = '/';
    memcpy(path + folder + 1, request->file, n + 1);
    st = order_new(&o, ORDER_LOAD, request->table, path, e);
    if (st != ST_OK)
        return st;
    o->relative = o->file + folder + 1;
    o->replace = request->replace;
    st = table_call_options(o, request->options, request->n_options, e);
    if (st == ST_OK)
        *out = o;
    else
        order_unref(o);
    return st;
}

const struct entry *table_call_made(const struct call *call, const struct order *o,
                                    Embd__V1__TableInfo *info)
{
    const struct entry *entry = catalog_find(call->worker->catalog, o->name, strlen(o->name));

    if (entry) {
        table_info(info, entry);
    } else {
        info->name = (char *)o->name;
        info->version = o->version;
    }
    return entry;
}

void table_call_done(struct call *call, enum status st)
{
    struct table_call *t = call->state;

    if (!t) { /* it was refused before it named a table */
        service_count(call, SLOT_ANY, st);
        return;
    }
    if (t->order) {
        atomic_store(&t->order->cancelled, true); /* without effect if it is done */
        order_unref(t->order);
    }
    service_count(call, t->slot == SLOT_NONE ? slot_of(call, t->name) : t->slot, st);
}
