/* SPDX-License-Identifier: Apache-2.0 */
/* Making a checkpoint:

     .LABEL.new ── links or copies ── sync ── checkpoint.json ── sync ── LABEL to .LABEL.old, if it
       is there ── .LABEL.new to LABEL ── sync of the folder ── .LABEL.old goes

   Until the last rename the label stands for what it stood for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/checkpoint_parts.h"
#include "storage/snapshot_parts.h"

#define PIECE ((size_t)256 << 10) /* copied at once */

struct making {
    const char *data_dir;
    struct checkpoint *c;
    const struct checkpoint_order *order;
    char *made, *old, *folder; /* .LABEL.new, .LABEL.old, LABEL */
    bool exists;               /* there is one of that label */
};

static enum status progress(const struct making *m, double done, struct error *e)
{
    if (m->order->progress && !m->order->progress(m->order->context, done))
        return error_set(e, ST_CANCELLED, "the checkpoint was given up");
    return ST_OK;
}

/* ---- The files of one table ---- */

static enum status copy_data(const struct making *m, struct file_writer *to, int from,
                             uint64_t size, unsigned char *piece, struct error *e)
{
    enum status st = ST_OK;

    for (uint64_t at = 0, n; st == ST_OK && at < size; at += n) {
        n = size - at < PIECE ? size - at : PIECE;
        st = file_pread(from, piece, (size_t)n, at, e);
        if (st == ST_OK)
            st = file_writer_add(to, piece, (size_t)n, e);
        if (st == ST_OK)
            st = progress(m, 0, e);
    }
    return st;
}

static enum status copy_file(const struct making *m, const char *from, const char *to,
                             struct error *e)
{
    unsigned char *piece = mem_alloc(PIECE);
    struct file_writer writer = {0};
    struct stat file;
    enum status st;
    int fd = -1;

    if (!piece)
        return error_memory(e, "checkpoint");
    st = snapshot_file_open(&fd, from, &file, e);
    if (st == ST_OK)
        st = file_writer_open(&writer, to, e);
    if (st == ST_OK)
        st = copy_data(m, &writer, fd, (uint64_t)file.st_size, piece, e);
    if (st == ST_OK)
        st = file_writer_commit(&writer, e);
    file_writer_abort(&writer);
    if (fd >= 0)
        close(fd);
    mem_free(piece);
    return st;
}

/* Whether the file system says that it does not link, or not this file any more. */
static bool must_copy(int failed)
{
    return failed == EXDEV || failed == EMLINK || failed == EPERM || failed == EOPNOTSUPP ||
           failed == ENOSYS;
}

static enum status take_file(const struct making *m, const char *from, const char *to, bool *copied,
                             struct error *e)
{
    int failed = 0;

    if (FAILPOINT("checkpoint.link") || link(from, to) < 0)
        failed = errno;
    if (!failed)
        return ST_OK;
    if (!must_copy(failed))
        return error_errno(e, failed, "cannot link %s", QUOTE(from));
    *copied = true;
    return copy_file(m, from, to, e);
}

/* The chain's files into the folder; `copy` is the snapshot as it is there. */
static enum status take_chain(const struct making *m, const struct snapshot_chain *chain,
                              const char *folder, struct snapshot *copy, bool *copied,
                              struct error *e)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < chain->count && st == ST_OK; i++) {
        const char *from = chain->link[i]->s.path, *name = strrchr(from, '/') + 1;

        st = snapshot_path(copy, folder, name, e);
        if (st == ST_OK)
            st = take_file(m, from, copy->path, copied, e);
    }
    return st;
}

static enum status take_table(struct making *m, size_t i, const struct snapshot *s, struct error *e)
{
    struct checkpoint_table *t = &m->c->table[i];
    size_t room = strlen(m->made) + 1 + sizeof t->name;
    char *folder = mem_alloc(room);
    struct snapshot *copy = mem_alloc(sizeof *copy);
    struct snapshot_chain chain = {.count = 0};
    bool copied = false;
    enum status st = folder && copy ? ST_OK : error_memory(e, "checkpoint");

    if (st == ST_OK) {
        snprintf(folder, room, "%s/%s", m->made, t->name);
        st = checkpoint_make_folder(folder, e);
    }
    if (st == ST_OK)
        st = snapshot_chain_find(&chain, s, e);
    if (st == ST_OK) {
        *copy = *s;
        st = take_chain(m, &chain, folder, copy, &copied, e);
        t->bytes = chain.link[chain.count - 1]->s.chain_bytes;
    }
    if (st == ST_OK)
        st = file_sync_folder(copy->path, e);
    if (st == ST_OK && copied) /* what has gone through our hands is looked at */
        st = snapshot_verify(copy, e);
    snapshot_chain_done(&chain);
    mem_free(copy);
    mem_free(folder);
    return st;
}

/* ---- The whole ---- */

static enum status make_paths(struct making *m, struct error *e)
{
    const char *label = m->c->label;

    m->folder = checkpoint_folder(m->data_dir, label, NULL);
    m->made = checkpoint_path(m->data_dir, label, CHECKPOINT_NEW);
    m->old = checkpoint_path(m->data_dir, label, CHECKPOINT_OLD);
    return m->folder && m->made && m->old ? ST_OK : error_memory(e, "checkpoint");
}

static enum status check_label(struct making *m, struct error *e)
{
    const char *label = m->c->label;
    struct checkpoint *list;
    size_t count;
    enum status st = checkpoint_labels(&list, &count, m->data_dir, e);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < count; i++)
        m->exists |= !strcmp(list[i].label, label);
    checkpoints_free(list, count);
    if (m->exists && !m->order->replace)
        return error_set(e, ST_EXISTS, "there is a checkpoint %s already", QUOTE(label));
    if (!m->exists && count >= m->order->most)
        return error_set(e, ST_EXHAUSTED,
                         "checkpoint %s would be one more than max_checkpoints, which is %llu; "
                         "others can be dropped",
                         QUOTE(label), (unsigned long long)m->order->most);
    return ST_OK;
}

/* DATA_DIR/checkpoints, durably, and an empty folder in it. */
static enum status begin(struct making *m, struct error *e)
{
    char *outer = checkpoint_folder(m->data_dir, "", NULL);
    enum status st = outer ? ST_OK : error_memory(e, "checkpoint");

    if (st == ST_OK) {
        outer[strlen(outer) - 1] = '\0'; /* without the slash it is its own folder that is synced */
        st = checkpoint_make_folder(outer, e);
    }
    if (st == ST_OK)
        st = file_sync_folder(outer, e);
    mem_free(outer);
    if (st == ST_OK) /* a failed one may have stayed */
        st = checkpoint_remove(m->made, e);
    return st == ST_OK ? checkpoint_make_folder(m->made, e) : st;
}

static enum status write_text(struct making *m, struct error *e)
{
    size_t room = strlen(m->made) + sizeof "/" CHECKPOINT_TEXT, n = 0;
    char *path = mem_alloc(room), *text = NULL;
    struct file_writer writer = {0};
    enum status st;

    if (!path)
        return error_memory(e, "checkpoint");
    snprintf(path, room, "%s/" CHECKPOINT_TEXT, m->made);
    st = checkpoint_text_write(&text, &n, m->c, e);
    if (st == ST_OK && FAILPOINT("checkpoint.text"))
        st = error_errno(e, errno, "cannot write %s", QUOTE(path));
    if (st == ST_OK)
        st = file_writer_open(&writer, path, e);
    if (st == ST_OK)
        st = file_writer_add(&writer, text, n, e);
    if (st == ST_OK)
        st = file_writer_commit(&writer, e); /* with the folders of the tables beside it */
    file_writer_abort(&writer);
    mem_free(text);
    mem_free(path);
    return st;
}

/* Undo what place() has done so far: the label stands again for what it stood for. */
static void take_back(const struct making *m, bool placed)
{
    if (placed && rename(m->folder, m->made) < 0)
        return; /* it stays, whole as it is */
    if (m->exists && rename(m->old, m->folder) < 0)
        return; /* the next start brings it back */
    (void)!file_sync_folder(m->folder, NULL);
}

static enum status place(const struct making *m, struct error *e)
{
    enum status st = ST_OK;
    bool placed = false;

    if (m->exists) {
        st = checkpoint_remove(m->old, e);
        if (st == ST_OK && (FAILPOINT("checkpoint.aside.before") || rename(m->folder, m->old) < 0))
            st = error_errno(e, errno, "cannot put %s aside", QUOTE(m->folder));
        if (st != ST_OK)
            return st;
    }
    if (FAILPOINT("checkpoint.rename.before") || rename(m->made, m->folder) < 0)
        st = error_errno(e, errno, "cannot put %s in place", QUOTE(m->folder));
    placed = st == ST_OK;
    if (st == ST_OK && FAILPOINT("checkpoint.sync.before"))
        st = error_errno(e, errno, "cannot sync the folder of %s", QUOTE(m->folder));
    if (st == ST_OK)
        st = file_sync_folder(m->folder, e);
    if (st != ST_OK)
        take_back(m, placed);
    (void)FAILPOINT("checkpoint.sync.after");
    return st;
}

static enum status make(struct making *m, const struct snapshot *snapshot, size_t *bad_one,
                        struct error *e)
{
    enum status st = begin(m, e);

    for (size_t i = 0; i < m->c->tables && st == ST_OK; i++) {
        st = take_table(m, i, &snapshot[i], e);
        if (st == ST_DATA_LOSS || st == ST_NOT_FOUND) {
            st = ST_DATA_LOSS;
            *bad_one = i;
        }
        if (st == ST_OK)
            st = progress(m, (double)(i + 1) / (double)m->c->tables, e);
    }
    if (st == ST_OK)
        st = write_text(m, e);
    if (st == ST_OK)
        st = place(m, e);
    return st;
}

enum status checkpoint_write(const char *data_dir, struct checkpoint *c,
                             const struct snapshot *snapshot, const struct checkpoint_order *order,
                             size_t *bad, struct error *e)
{
    struct making m = {.data_dir = data_dir, .c = c, .order = order};
    enum status st = make_paths(&m, e);

    if (st == ST_OK)
        st = check_label(&m, e);
    if (st == ST_OK) {
        st = make(&m, snapshot, bad, e);
        /* What cannot be removed now goes when the label is used again, or at the next start. */
        (void)!checkpoint_remove(st == ST_OK ? m.old : m.made, NULL);
    }
    mem_free(m.folder);
    mem_free(m.made);
    mem_free(m.old);
    return st;
}
