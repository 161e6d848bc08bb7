/* SPDX-License-Identifier: Apache-2.0 */
/* LoadGroup and RestoreGroup: several tables are opened, by loaders in turn, and then served as one
   change, or none of them is. The writer's. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/group.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"

static const char *what(const struct order *o)
{
    return o->kind == ORDER_RESTORE_GROUP ? "restored" : "loaded";
}

/* Nothing has changed. */
static void refuse(struct writer *w, struct order *o, enum status st)
{
    static struct log_limit limit; /* a peer can cause these at will */

    w->call_loads--;
    label_leave(w, o);
    if (st != ST_CANCELLED)
        log_limited(&limit, 5, LOG_INFO, "group was not %s label=%s tables=%zu status=%s error=%s",
                    what(o), o->name, o->group->count, status_name(st), o->error.text);
    order_answer(o, st);
}

/* What the loads have in hand does not count in max_loads, but the group does, as one of them. */
static enum status check(struct writer *w, struct order *o, struct error *e)
{
    uint64_t most = w->server->config->max_loads;
    enum status st = writer_writable(w, e);

    if (st == ST_OK && w->call_loads >= most)
        st = error_set(e, ST_EXHAUSTED, "%u tables are being loaded, and max_loads is %" PRIu64,
                       w->call_loads, most);
    if (st == ST_OK && o->kind == ORDER_RESTORE_GROUP)
        st = label_take(w, o, e);
    return st;
}

/* Begin all loads, if none of them is refused. */
static void begin(struct writer *w, struct order *o)
{
    struct group *g = o->group;

    for (size_t i = 0; i < g->count; i++) {
        struct order *load = g->load[i];
        enum status st = loads_check(w, load);

        if (st == ST_OK)
            continue;
        o->error = load->error;
        refuse(w, o, st);
        return;
    }
    g->missing = g->count;
    for (size_t i = 0; i < g->count; i++)
        loads_add(w, g->load[i]);
    loads_next(w);
}

static void drop_held(struct writer *w, const struct order *o)
{
    struct order **link = &w->held;

    while (*link)
        if ((*link)->whole == o)
            *link = (*link)->next;
        else
            link = &(*link)->next;
}

/* All are back. */
static void complete(struct writer *w, struct order *o)
{
    struct group *g = o->group;
    enum status st = o->status;

    drop_held(w, o);
    order_ref(o); /* the answer may be faster than us */
    if (st == ST_OK && atomic_load(&o->cancelled))
        st = error_set(&o->error, ST_CANCELLED, "the load was given up");
    if (st == ST_OK)
        st = writer_writable(w, &o->error);
    if (st == ST_OK)
        st = serve_tables(w, g->load, g->count, o, &o->error);
    if (st != ST_OK) {
        for (size_t i = 0; i < g->count; i++)
            loads_undo(w, g->load[i]);
        refuse(w, o, st);
        order_unref(o);
        return;
    }
    /* It is answered when all have taken the catalog. */
    w->call_loads--;
    label_leave(w, o);
    log_info("group %s label=%s tables=%zu lsn=%" PRIu64 " us=%" PRIu64, what(o), o->name, g->count,
             o->lsn, clock_now_us() - o->start_us);
    order_unref(o);
}

void group_load_back(struct writer *w, struct order *load)
{
    struct order *o = load->whole;
    struct group *g = o->group;

    load->next = w->held;
    w->held = load;
    if (load->status != ST_OK && o->status == ST_OK) {
        o->error = load->error;
        o->status = load->status == ST_CANCELLED
                        ? load->status
                        : error_prefix(&o->error, load->status, "table %s", load->name);
        for (size_t i = 0; i < g->count; i++) /* the others need not go on */
            atomic_store(&g->load[i]->cancelled, true);
    }
    if (--g->missing == 0)
        complete(w, o);
}

/* ---- LoadGroup ---- */

void group_load(struct writer *w, struct order *o)
{
    enum status st = check(w, o, &o->error);

    if (st != ST_OK) {
        order_answer(o, st);
        return;
    }
    w->call_loads++;
    begin(w, o);
}

/* ---- RestoreGroup ---- */

static void run_read(struct order *o)
{
    struct group *g = o->group;

    o->status = checkpoint_read(&g->checkpoint, g->data_dir, o->name, &o->error);
}

static enum status new_load(struct writer *w, struct order *o, size_t i, struct error *e)
{
    struct group *g = o->group;
    const struct checkpoint_table *t = &g->checkpoint.table[i];
    enum status st = order_new(&g->load[i], ORDER_RESTORE, t->name, NULL, e);

    if (st != ST_OK)
        return st;
    g->load[i]->whole = o;
    g->load[i]->source = t;
    g->load[i]->source_folder = checkpoint_folder(w->server->config->data_dir, o->name, t->name);
    return g->load[i]->source_folder ? ST_OK : error_memory(e, "table");
}

static void was_read(struct writer *w, struct order *o)
{
    struct group *g = o->group;
    enum status st = o->status;

    if (st == ST_OK && atomic_load(&o->cancelled))
        st = error_set(&o->error, ST_CANCELLED, "the load was given up");
    if (st == ST_OK)
        st = writer_writable(w, &o->error);
    if (st == ST_OK)
        st = group_room(g, g->checkpoint.tables, &o->error);
    for (size_t i = 0; st == ST_OK && i < g->count; i++)
        st = new_load(w, o, i, &o->error);
    if (st == ST_OK)
        begin(w, o);
    else
        refuse(w, o, st);
}

void group_restore(struct writer *w, struct order *o)
{
    enum status st = check(w, o, &o->error);

    if (st != ST_OK) {
        order_answer(o, st);
        return;
    }
    w->call_loads++;
    folder_job(w, o, run_read, was_read);
}
