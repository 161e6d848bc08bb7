/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a load that makes a table trainable: its first snapshot is written, opened and given
   a training. A loader's. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/order.h"
#include "storage/checkpoint.h"
#include "table/training.h"

/* The first snapshot of a content that never came to the log is none: see saving_weed(). */
static bool is_wanted(const struct order *o, const struct snapshot *s)
{
    return (o->at ? s->version == o->at : !s->damaged) && (s->lsn || s->version <= o->since);
}

enum status order_open_snapshot(struct order *o)
{
    struct table_options options = {
        .memory = REGION_COPY, .limits = o->limits, .progress = order_goes_on, .context = o};
    struct snapshot *list = NULL;
    size_t count, i = 0;
    enum status st = snapshot_list(&list, &count, o->folder, o->generation, &o->error);

    if (st != ST_OK)
        return st;
    while (i < count && !is_wanted(o, &list[i]))
        i++;
    if (i == count)
        st = error_set(&o->error, ST_NOT_FOUND,
                       o->at ? "table %s has no snapshot of version %" PRIu64
                             : "table %s has no snapshot",
                       o->name, o->at);
    else if (FAILPOINT("restore.open"))
        st = error_errno(&o->error, errno, "cannot read the snapshot");
    else
        st = snapshot_open(&o->table, &list[i], &options, &o->error);
    mem_free(list);
    return st;
}

static enum status open_listed(struct order *o, const struct snapshot *list, size_t count)
{
    const struct checkpoint_table *t = o->source;
    struct table_options options = {
        .memory = REGION_COPY, .limits = o->limits, .progress = order_goes_on, .context = o};

    for (size_t i = 0; i < count; i++) {
        const char *slash = strrchr(list[i].path, '/');

        if (!slash || strcmp(slash + 1, t->file))
            continue;
        if (!list[i].damaged && list[i].checksum != t->checksum)
            return error_set(&o->error, ST_DATA_LOSS, "%s: is not the file that was saved",
                             list[i].path);
        return snapshot_open(&o->table, &list[i], &options, &o->error);
    }
    return error_set(&o->error, ST_DATA_LOSS, "%s/%s: is not there", o->source_folder, t->file);
}

enum status order_open_source(struct order *o)
{
    struct snapshot *list = NULL;
    size_t count;
    enum status st =
        snapshot_list(&list, &count, o->source_folder, o->source->generation, &o->error);

    if (st == ST_OK && FAILPOINT("group.open"))
        st = error_errno(&o->error, errno, "cannot read the snapshot");
    if (st == ST_OK)
        st = open_listed(o, list, count);
    mem_free(list);
    return st;
}

/* A new life of a name begins without snapshots. Any that are there are of a log that is gone, and
   not ours to mix up with it. */
static enum status check_folder(struct order *o)
{
    struct snapshot *list = NULL;
    size_t count;
    enum status st = snapshot_list(&list, &count, o->folder, o->generation, &o->error);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < count && st == ST_OK; i++)
        if (list[i].lsn)
            st = error_set(&o->error, ST_PRECONDITION,
                           "%s is the snapshot of a table of that name that the log does not know; "
                           "move its folder away to begin anew",
                           QUOTE(list[i].path));
    mem_free(list);
    return st;
}

static bool resets(const struct order *o)
{
    return o->settings.reset_optimizer && !o->keeps;
}

static enum status merge(struct order *o, struct optimizer_settings *out)
{
    struct optimizer_option option[TABLE_OPTIMIZER_OPTIONS];
    size_t count = table_settings_optimizer(&o->settings, option);
    struct optimizer_settings file;
    enum status st = ST_OK;

    optimizer_settings_init(&file);
    if (o->table->optimizer)
        st = optimizer_settings_read(&file, o->table->optimizer, o->limits.tokens, &o->error);
    if (st == ST_OK)
        st = optimizer_settings_merge(out, file.optimizer ? &file : NULL, option, count, resets(o),
                                      &o->error);
    optimizer_settings_done(&file);
    return st;
}

/* From the open table to its first snapshot. */
static enum status write_first(struct order *o, const struct optimizer_settings *settings)
{
    uint64_t applied = o->table->applied;
    struct snapshot_start start = {
        .settings = settings,
        .reset = resets(o),
        .counts = o->settings.count != COUNT_NO,
        .generation = o->generation,
        .version = !o->replaces ? applied : (o->old > applied ? o->old : applied) + 1,
        .lsn = 0, /* before every row of the log, see saving_weed() */
        .progress = order_goes_on,
        .context = o,
    };
    enum status st = o->replaces ? ST_OK : check_folder(o);

    if (st == ST_OK && FAILPOINT("load.snapshot"))
        st = error_errno(&o->error, errno, "cannot write the first snapshot");
    if (st == ST_OK)
        st = snapshot_start(o->folder, o->table, &start, &o->first, &o->error);
    return st;
}

static enum status open_first(struct order *o)
{
    struct table_options options = {.memory = o->settings.memory == REGION_LOCK ? REGION_LOCK
                                                                                : REGION_COPY,
                                    .limits = o->limits,
                                    .progress = order_goes_on,
                                    .context = o};
    struct table *trained;
    enum status st = snapshot_open(&trained, &o->first, &options, &o->error);

    if (st != ST_OK)
        return st;
    table_close(o->table);
    o->table = trained;
    return training_new(&o->training, trained, &o->error);
}

enum status order_train(struct order *o)
{
    struct optimizer_settings settings;
    enum status st = merge(o, &settings);

    if (st != ST_OK)
        return st;
    if (o->settings.count && !settings.optimizer)
        st = error_set(&o->error, ST_INVALID,
                       "count goes with an optimizer: a read-only table keeps no counts");
    if (settings.optimizer) {
        st = write_first(o, &settings);
        if (st == ST_OK)
            st = open_first(o);
    }
    optimizer_settings_done(&settings);
    return st;
}

enum status order_withdraw(struct order *o, struct error *e)
{
    if (!o->first.path[0])
        return ST_OK;
    if (unlink(o->first.path) < 0 && errno != ENOENT)
        return error_errno(e, errno, "cannot remove %s", QUOTE(o->first.path));
    return file_sync_folder(o->first.path, e);
}
