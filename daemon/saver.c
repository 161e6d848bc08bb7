/* SPDX-License-Identifier: Apache-2.0 */
/* One save, from its instant to the place that it takes among the snapshots. */
#include "daemon/saver.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/thread.h"
#include "table/optimizer_settings.h"
#include "table/training.h"

static bool goes_on(void *context, double done)
{
    struct saving *s = context;

    (void)done;
    return !atomic_load_explicit(&s->cancelled, memory_order_relaxed);
}

static void saving_free(struct saving *s)
{
    optimizer_settings_done(&s->settings);
    mem_free(s->kept);
    mem_free(s);
}

enum status saving_begin(struct saving **out, struct entry *entry, uint64_t lsn,
                         struct mailbox *back, struct error *e)
{
    struct keep *k = entry->keep;
    unsigned turn = keep_turn(k);
    const struct keep_lineage *l = &k->lineage[turn];
    uint64_t whole_bytes = entry->table->header.data_bytes;
    /* Another snapshot of the version that the lineage has (settings have changed since, and the
       log is held for them) is whole, as it takes no name from the one it would go on from. */
    bool whole = !l->exists || l->stale || l->snapshot.version == entry->version ||
                 snapshot_fold(&l->snapshot, whole_bytes);
    struct saving *s = mem_zero(1, sizeof *s);
    uint64_t begin_us;
    enum status st;

    if (!s)
        return error_memory(e, "save");
    if (table_damaged(entry->table)) { /* its memory was the snapshot's file still: see fetch.c */
        saving_free(s);
        return error_set(e, ST_DATA_LOSS, "the file of a snapshot was cut while it was opened");
    }
    if (FAILPOINT("save.begin")) {
        saving_free(s);
        return error_errno(e, errno, "cannot begin the snapshot");
    }
    s->start_us = begin_us = clock_now_us();
    s->back = back;
    s->entry = entry;
    s->since = k->since;
    optimizer_settings_init(&s->settings);
    st = optimizer_settings_copy(&s->settings, training_settings(entry->training), e);
    if (!whole)
        s->base = l->snapshot;
    s->other = k->lineage[!turn].exists ? k->lineage[!turn].snapshot.version : UINT64_MAX;
    s->moment = (struct snapshot_moment){.table = entry->table,
                                         .settings = &s->settings,
                                         .generation = entry->generation,
                                         .version = entry->version,
                                         .lsn = lsn,
                                         .lineage = turn,
                                         .base = whole ? NULL : &s->base,
                                         .progress = goes_on,
                                         .context = s};
    if (st == ST_OK)
        st = image_begin(&s->moment.image, training_blocks(entry->training), turn, whole, e);
    if (st != ST_OK) {
        saving_free(s);
        return st;
    }
    s->pause_us = clock_now_us() - begin_us;
    k->saving = s;
    *out = s;
    return ST_OK;
}

/* Somebody may have taken files from the folder: without them a snapshot is none. */
static void find_lost(struct saving *s, const struct snapshot *list, size_t count)
{
    unsigned mine = s->written.lineage;

    s->lost[mine] = true;
    s->lost[!mine] = s->other != UINT64_MAX;
    for (size_t i = 0; i < count; i++)
        if (!list[i].damaged &&
            list[i].version == (list[i].lineage == mine ? s->written.version : s->other))
            s->lost[list[i].lineage] = false;
}

static enum status list_kept(struct saving *s, struct error *e)
{
    struct snapshot *list = NULL;
    size_t count;
    enum status st = snapshot_list(&list, &count, s->entry->keep->folder, s->moment.generation, e);

    if (st == ST_OK)
        find_lost(s, list, count);
    if (st == ST_OK)
        st = kept_from(&s->kept, &s->kept_count, list, count, e);
    mem_free(list);
    return st;
}

static enum status tidy(struct saving *s, struct error *e)
{
    const char *folder = s->entry->keep->folder;
    enum status st = saving_weed(folder, s->moment.generation, s->since, e);

    if (st == ST_OK && FAILPOINT("save.prune"))
        st = error_errno(e, errno, "cannot tidy up %s", QUOTE(folder));
    if (st == ST_OK)
        st = snapshot_prune(folder, s->moment.generation, s->since, e);
    return st;
}

void saving_run(struct saving *s)
{
    enum status listed;

    s->status = snapshot_write(s->entry->keep->folder, &s->moment, &s->written, &s->error);
    (void)FAILPOINT("save.written");
    if (s->status != ST_OK)
        return;
    s->pruned = tidy(s, &s->prune_error);
    listed = list_kept(s, s->pruned == ST_OK ? &s->prune_error : NULL);
    if (s->pruned == ST_OK)
        s->pruned = listed;
    if (s->lost[s->written.lineage])
        s->status =
            error_set(&s->error, ST_DATA_LOSS,
                      "files that %s goes on from are gone; the next snapshot will be whole",
                      QUOTE(s->written.path));
}

static void *run(void *saving)
{
    struct saving *s = saving;

    thread_works();
    saving_run(s);
    mailbox_send(s->back, &s->mail);
    return NULL;
}

enum status saving_run_elsewhere(struct saving *s, void (*saved)(struct mail *mail, void *writer),
                                 struct error *e)
{
    s->mail.deliver = saved;
    return thread_start(NULL, "embd-saver", run, s, e);
}

static void count(struct training_gauges *g, const struct saving *s)
{
    atomic_fetch_add_explicit(&g->snapshots, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&g->snapshots_bytes, s->written.bytes, memory_order_relaxed);
    atomic_store_explicit(&g->save_us, clock_now_us() - s->start_us, memory_order_relaxed);
    atomic_store_explicit(&g->save_pause_us, s->pause_us, memory_order_relaxed);
}

void saving_end(struct saving *s)
{
    struct keep *k = s->entry->keep;

    (void)FAILPOINT("save.end");
    image_end(s->moment.image, s->status == ST_OK);
    k->saving = NULL;
    if (s->status == ST_OK) {
        count(k->entry->gauges, s);
        keep_take(k, &s->written, false, s->first);
    }
    for (unsigned i = 0; i < LINEAGES; i++)
        k->lineage[i].exists = k->lineage[i].exists && !s->lost[i];
    if (s->kept) {
        keep_list(k, s->kept, s->kept_count);
        s->kept = NULL;
    }
    saving_free(s);
}

enum status saving_weed(const char *folder, uint64_t generation, uint64_t since, struct error *e)
{
    struct snapshot *list = NULL;
    bool removed = false;
    size_t count;
    enum status st = snapshot_list(&list, &count, folder, generation, e);

    for (size_t i = 0; st == ST_OK && i < count; i++) {
        if (list[i].lsn || list[i].version <= since)
            continue;
        if (unlink(list[i].path) < 0)
            st = error_errno(e, errno, "cannot remove %s", QUOTE(list[i].path));
        removed = true;
    }
    if (st == ST_OK && removed)
        st = file_sync_folder(list[0].path, e);
    mem_free(list);
    return st;
}
