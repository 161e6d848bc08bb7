/* SPDX-License-Identifier: Apache-2.0 */
/* Trainable tables at start: opened from their newest good snapshot. The writer's. */
#include <dirent.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/saver.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"
#include "table/training.h"

/* The snapshots of a table, newest first, and what became of them. */
struct candidates {
    struct snapshot *list;
    size_t count;
    size_t opened;  /* place of the one that is good; those before it are not */
    uint64_t since; /* older versions are of another content */
};

/* What log.db has of files that were read before. Without a log everything is read. */
struct memory {
    struct writer *writer;
    const char *table;
};

static bool is_known(void *context, const struct file_identity *file)
{
    const struct memory *m = context;

    return m->writer->registry && registry_file_known(m->writer->registry, file, &(uint64_t){0});
}

static void was_read(void *context, const struct file_identity *file, uint64_t checksum)
{
    const struct memory *m = context;

    if (m->writer->registry && !m->writer->troubled)
        writer_remember(m->writer, m->table, file, checksum);
}

static enum status open_one(struct writer *w, struct order *o, const struct snapshot *s,
                            struct error *e)
{
    struct memory memory = {w, o->name};
    const struct snapshot_memory files = {is_known, was_read, &memory};
    struct table_options options = {.memory = o->settings.memory == REGION_LOCK ? REGION_LOCK
                                                                                : REGION_COPY,
                                    .limits = o->limits,
                                    .borrow = true,
                                    .progress = order_goes_on,
                                    .context = o};
    enum status st = snapshot_open_known(&o->table, s, &options, &files, e);

    if (st == ST_OK && o->folder)
        st = training_new(&o->training, o->table, e);
    if (st != ST_OK) {
        table_close(o->table);
        o->table = NULL;
    }
    return st;
}

/* What says nothing about the snapshot. */
static bool is_ours(enum status st)
{
    return st == ST_EXHAUSTED || st == ST_CANCELLED;
}

/* Open the newest one that is good. ST_DATA_LOSS with what is wrong with the newest if none is;
   other failures end the start. */
static enum status open_newest(struct writer *w, struct order *o, struct candidates *c,
                               struct error *e)
{
    struct error first, why;
    enum status st;
    bool any = false;

    error_set(&first, ST_DATA_LOSS, "it has no snapshot");
    for (size_t i = 0; i < c->count; i++) {
        const struct snapshot *s = &c->list[i];

        if (s->version < c->since)
            continue;
        st = open_one(w, o, s, &why);
        if (st == ST_OK) {
            c->opened = i;
            return ST_OK;
        }
        if (is_ours(st)) {
            *e = why;
            return error_prefix(e, st, "table %s", o->name);
        }
        log_error("snapshot is damaged, the one before it is tried table=%s version=%" PRIu64
                  " file=%s error=%s",
                  o->name, s->version, QUOTE(s->path), why.text);
        if (!any)
            first = why;
        any = true;
    }
    *e = first;
    return any ? error_prefix(e, ST_DATA_LOSS, "none of its snapshots is good") : ST_DATA_LOSS;
}

/* The newest snapshot of the other lineage is kept as such; but what has changed since is not on
   record, so the next one will be whole. So will be one that follows a damaged one. */
static void take_lineages(struct keep *k, const struct candidates *c)
{
    const struct snapshot *opened = &c->list[c->opened];
    bool stale = false;

    for (size_t i = 0; i < c->opened; i++)
        stale |= c->list[i].lineage == opened->lineage;
    for (size_t i = c->opened + 1; i < c->count; i++)
        if (c->list[i].lineage != opened->lineage && c->list[i].version >= c->since &&
            !c->list[i].damaged) {
            keep_take(k, &c->list[i], true, 0);
            break;
        }
    keep_take(k, opened, stale, 0);
}

static enum status list_good(struct candidates *c, const struct order *o, struct error *e)
{
    enum status st = saving_weed(o->folder, o->generation, c->since, e);

    return st == ST_OK ? snapshot_list(&c->list, &c->count, o->folder, o->generation, e) : st;
}

/* A log that ends before a snapshot is an older one than the snapshot's. */
static void check_log(struct writer *w, const struct snapshot *s)
{
    struct error e;

    if (s->lsn <= registry_lsn(w->registry) || w->troubled)
        return;
    error_set(&e, ST_DATA_LOSS,
              "log.db ends at change %" PRIu64 ", the snapshot %s was written at %" PRIu64
              ": it is an older copy",
              registry_lsn(w->registry), QUOTE(s->path), s->lsn);
    writer_give_up(w, &e);
}

static enum status serve(struct writer *w, struct order *o, const struct candidates *c,
                         struct error *e)
{
    const struct snapshot *s = &c->list[c->opened];
    struct entry *entry;
    struct kept *kept;
    enum status st;
    size_t n;

    check_log(w, s);
    o->version = s->version;
    st = kept_from(&kept, &n, c->list, c->count, e);
    if (st != ST_OK)
        return st;
    st = serve_revived(w, o, &entry, e);
    if (st != ST_OK) {
        mem_free(kept);
        return st;
    }
    entry->keep->since = c->since;
    keep_list(entry->keep, kept, n);
    take_lineages(entry->keep, c);
    log_info("table opened table=%s snapshot=%s version=%" PRIu64 " lsn=%" PRIu64, entry->name,
             QUOTE(s->path), s->version, s->lsn);
    return ST_OK;
}

static enum status order_of(struct order **out, struct writer *w, const struct registered *r,
                            struct error *e)
{
    struct table_settings settings;
    enum status st = table_settings_read(&settings, r->options, e);

    if (st != ST_OK)
        return error_prefix(e, ST_PRECONDITION, "table %s", r->name);
    st = reconcile_order(out, r->name, r->file, &settings, r->by, w->config, e);
    if (st != ST_OK)
        return st;
    (*out)->opening = &w->server->opening;
    (*out)->generation = r->generation;
    (*out)->checksum = r->checksum;
    (*out)->version = r->version;
    (*out)->folder = writer_folder(w, r->name);
    if (!(*out)->folder) {
        order_unref(*out);
        return error_memory(e, "table");
    }
    return ST_OK;
}

enum status revive_table(struct writer *w, const char *name, struct error *e)
{
    const struct registered *r = registry_find(w->registry, name);
    struct candidates c = {.since = r->version};
    struct order *o;
    struct error trouble;
    enum status st = order_of(&o, w, r, e);

    if (st != ST_OK)
        return st;
    st = list_good(&c, o, e);
    if (st != ST_OK) {
        st = error_prefix(e, st, "table %s", name);
        goto out;
    }
    st = open_newest(w, o, &c, &trouble);
    if (st == ST_OK) {
        st = serve(w, o, &c, e);
        if (st == ST_OK)
            o = NULL; /* went with it */
    } else if (st == ST_DATA_LOSS) {
        st = serve_damaged(w, o, &trouble, e);
    } else {
        *e = trouble;
    }
out:
    order_unref(o);
    mem_free(c.list);
    return st;
}

/* ---- Without a log ---- */

/* The newest generation that has files in a folder, 0: none. Names begin with its 20 digits. */
static uint64_t newest_generation(const char *folder)
{
    uint64_t newest = 0, generation;
    DIR *dir = opendir(folder);
    struct dirent *d;

    while (dir && (d = readdir(dir)))
        if (strspn(d->d_name, "0123456789") == 20 && d->d_name[20] == '-') {
            const char *digits = d->d_name + strspn(d->d_name, "0");

            if (parse_u64(digits, (size_t)(d->d_name + 20 - digits), &generation) &&
                generation > newest)
                newest = generation;
        }
    if (dir)
        closedir(dir);
    return newest;
}

enum status revive_without_log(struct writer *w, const struct table_config *t, struct error *e)
{
    struct candidates c = {.since = 0};
    struct entry *entry;
    struct order *o;
    struct error trouble;
    char *folder = writer_folder(w, t->name);
    uint64_t generation = folder ? newest_generation(folder) : 0;
    enum status st;

    if (!folder)
        return error_memory(e, "table");
    st = generation ? snapshot_list(&c.list, &c.count, folder, generation, e) : ST_OK;
    mem_free(folder);
    if (st == ST_OK && !c.count)
        return error_set(e, ST_NOT_FOUND, "table %s has no snapshots", t->name);
    if (st == ST_OK)
        st = reconcile_order(&o, t->name, t->file, &t->settings, BY_CONFIGURATION, w->config, e);
    if (st != ST_OK)
        goto out;
    o->opening = &w->server->opening;
    o->generation = generation;
    st = open_newest(w, o, &c, &trouble);
    if (st == ST_OK) {
        o->version = c.list[c.opened].version;
        log_warn("table is as it was at its newest good snapshot, and read-only, since the log "
                 "cannot be read table=%s version=%" PRIu64,
                 t->name, o->version);
        st = serve_revived(w, o, &entry, e);
        if (st == ST_OK)
            o = NULL;
    } else if (st == ST_DATA_LOSS) {
        st = serve_damaged(w, o, &trouble, e);
    } else {
        *e = trouble;
    }
    order_unref(o);
out:
    mem_free(c.list);
    return st;
}
