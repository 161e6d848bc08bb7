/* SPDX-License-Identifier: Apache-2.0 */
/* Orders: their life, and the part of a load that takes time. */
#include "daemon/order.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "daemon/call.h"
#include "daemon/creation.h"
#include "daemon/group.h"
#include "daemon/thread.h"
#include "daemon/worker.h"
#include "table/training.h"

enum status order_new(struct order **out, enum order_kind kind, const char *name, const char *file,
                      struct error *e)
{
    struct order *o = mem_zero(1, sizeof *o);
    size_t n = strlen(name);

    assert(n <= TABLE_NAME_MAX);
    if (o && file)
        o->file = mem_text(file, strlen(file));
    if (!o || (file && !o->file)) {
        mem_free(o);
        return error_memory(e, "order");
    }
    atomic_init(&o->refs, 1);
    atomic_init(&o->cancelled, false);
    o->kind = kind;
    o->fd = -1;
    o->start_us = clock_now_us();
    memcpy(o->name, name, n);
    table_settings_init(&o->settings);
    *out = o;
    return ST_OK;
}

struct order *order_ref(struct order *o)
{
    atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    return o;
}

void order_unref(struct order *o)
{
    if (!o || atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (o->fd >= 0)
        close(o->fd);
    training_free(o->training);
    table_close(o->table);
    creation_free(o->creation);
    group_free(o->group);
    mem_free(o->source_folder);
    mem_free(o->path);
    mem_free(o->folder);
    mem_free(o->file);
    mem_free(o);
}

static void deliver_answer(struct mail *mail, void *receiver)
{
    struct order *o = (struct order *)mail;
    struct call *call = call_find(receiver, o->call_id);

    if (call)
        o->answer(call, o);
    order_unref(o);
}

void order_answer(struct order *o, enum status st)
{
    o->status = st;
    if (!o->worker) {
        order_unref(o);
        return;
    }
    o->mail.deliver = deliver_answer;
    mailbox_send(&o->worker->mailbox, &o->mail);
}

enum status order_prepare(struct order *o, struct registry *registry, int import_fd)
{
    struct stat info;
    enum status st;

    if (o->relative)
        st = file_open_beneath(&o->fd, import_fd, o->relative, &info, &o->error);
    else
        st = file_open(&o->fd, o->file, &info, &o->error);
    if (st != ST_OK)
        return st;
    file_identity_from(&o->identity, &info);
    o->trusted = registry && registry_file_known(registry, &o->identity, &o->checksum);
    return ST_OK;
}

bool order_cancelled(const struct order *o)
{
    return atomic_load_explicit(&o->cancelled, memory_order_relaxed) ||
           (o->whole && atomic_load_explicit(&o->whole->cancelled, memory_order_relaxed));
}

bool order_goes_on(void *order, double done)
{
    struct order *o = order;

    (void)done;
    return !order_cancelled(o) &&
           !(o->opening && atomic_load_explicit(&o->opening->cancelled, memory_order_relaxed));
}

static enum status open_file(struct order *o)
{
    struct table_options options = {
        /* One that is to be trained is copied anyway, through its first snapshot. */
        .memory = o->folder && o->settings.optimizer_bytes ? REGION_MAP : o->settings.memory,
        .limits = o->limits,
        .trusted = o->trusted,
        .expected = o->identity,
        .progress = order_goes_on,
        .context = o,
    };
    enum status st = table_open_fd(&o->table, o->fd, o->file, &options, &o->error);

    close(o->fd);
    o->fd = -1;
    if (st != ST_OK)
        return st;
    if (o->table->checksum) /* it was read, known or not */
        o->checksum = o->table->checksum;
    o->identity = o->table->identity;
    o->header_hash = o->table->header.hash;
    return ST_OK;
}

void order_load(struct order *o)
{
    enum status st = ST_OK;

    if (o->creation)
        st = creation_make(&o->fd, o->creation, &o->settings, o->path, o->most, &o->error);
    if (st == ST_OK)
        st = o->source                  ? order_open_source(o)
             : o->kind == ORDER_RESTORE ? order_open_snapshot(o)
                                        : open_file(o);
    o->opened = st == ST_OK;
    if (st == ST_OK && o->folder)
        st = order_train(o);
    if (st == ST_OK && !o->opening) /* the start does so afterwards, see fetch.c */
        table_touch(o->table);
    o->status = st;
}

static void *run_loader(void *order)
{
    struct order *o = order;

    thread_works();
    order_load(o);
    mailbox_send(o->back, &o->mail);
    return NULL;
}

enum status order_load_elsewhere(struct order *o, void (*loaded)(struct mail *mail, void *writer))
{
    o->mail.deliver = loaded;
    return thread_start(NULL, "embd-loader", run_loader, o, &o->error);
}
