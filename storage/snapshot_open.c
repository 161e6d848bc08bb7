/* SPDX-License-Identifier: Apache-2.0 */
/* Reading snapshots: a whole file, then the blocks of each file of its chain on top of it. */
#include <string.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/snapshot_parts.h"

#define PIECE ((size_t)256 << 10)

/* Failures that say nothing of the files stay what they are. */
static enum status as_damage(enum status st)
{
    return st == ST_OK || st == ST_EXHAUSTED || st == ST_CANCELLED || st == ST_INTERNAL
               ? st
               : ST_DATA_LOSS;
}

static enum status changed(const char *path, struct error *e)
{
    return error_set(e, ST_DATA_LOSS, "%s: changed while it was read", path);
}

/* Open a file of blocks again, read it into the target, and hand out its header. */
static enum status read_blocks(struct blocks_file *out, const struct snapshot_link *l,
                               const struct blocks_target *target, struct error *e)
{
    const struct header_limits limits = snapshot_header_limits();
    struct stat file;
    enum status st;
    int fd;

    st = snapshot_file_open(&fd, l->s.path, &file, e);
    if (st != ST_OK)
        return st;
    st = blocks_file_header(out, fd, (uint64_t)file.st_size, &limits, e);
    if (st == ST_OK) {
        if (out->header.hash != l->header_hash)
            st = error_set(e, ST_DATA_LOSS, "changed while it was read");
        else
            st = blocks_file_read(out, fd, target, e);
        if (st != ST_OK)
            blocks_file_done(out);
    }
    close(fd);
    return st == ST_OK ? st : error_prefix(e, st, "%s", l->s.path);
}

/* What the overlay of table_open() needs, and how it went. */
struct opening {
    const struct snapshot_chain *chain;
    const struct table_options *options; /* the caller's */
    enum status st;
    struct error error;
};

static bool still_wanted(void *context, double done)
{
    const struct table_options *o = context;

    (void)done; /* half of the whole; the steps of the chain are small against it */
    return !o->progress || o->progress(o->context, 0.5);
}

static enum status put_blocks(struct opening *o, struct table *t, unsigned char *data, size_t n,
                              struct error *e)
{
    const struct blocks_target target = {
        .data = data, .size = n, .progress = still_wanted, .context = (void *)o->options};

    for (size_t i = 1; i < o->chain->count; i++) {
        const struct snapshot_link *l = o->chain->link[i];
        struct blocks_file f;
        enum status st;

        if (FAILPOINT("snapshot.open.blocks"))
            return error_errno(e, errno, "%s", l->s.path);
        st = read_blocks(&f, l, &target, e);
        if (st != ST_OK)
            return st;
        mem_free(t->optimizer);
        t->optimizer = mem_text(f.moment.optimizer, strlen(f.moment.optimizer));
        t->applied = f.moment.applied;
        t->lsn = f.moment.lsn;
        blocks_file_done(&f);
        if (!t->optimizer)
            return error_memory(e, "snapshot");
    }
    return ST_OK;
}

/* Its sentence has the path of the file at fault, before which table_open() would put another. */
static enum status overlay(void *context, struct table *t, unsigned char *data, size_t n,
                           struct error *e)
{
    struct opening *o = context;

    o->st = put_blocks(o, t, data, n, &o->error);
    return o->st == ST_OK ? ST_OK : error_set(e, o->st, "%s", o->error.text);
}

/* The file must be the one that was listed, and its tensors lie so that they can be written where
   they are. */
static enum status check_table(const struct table *t, const struct snapshot_link *l,
                               struct error *e)
{
    const struct header *h = &t->header;

    if (h->hash != l->header_hash)
        return changed(l->s.path, e);
    for (size_t i = 0; i < h->tensor_count; i++)
        if ((h->tensor[i].offset - h->data_offset) % dtype_size(h->tensor[i].tensor.dtype))
            return error_set(e, ST_DATA_LOSS, "%s: tensor %s is not aligned to its elements",
                             l->s.path, QUOTE(h->tensor[i].tensor.name));
    return ST_OK;
}

static enum status open_table(struct table **out, const struct snapshot_chain *chain,
                              const struct table_options *options, struct error *e)
{
    const struct snapshot_link *whole = chain->link[0], *last = chain->link[chain->count - 1];
    struct opening opening = {.chain = chain, .options = options, .st = ST_OK};
    struct table_options own = *options;
    struct table *t = NULL;
    struct stat file;
    enum status st;
    int fd;

    own.limits = snapshot_header_limits();
    own.overlay = overlay;
    own.overlay_context = &opening;
    st = snapshot_file_open(&fd, whole->s.path, &file, e);
    if (st != ST_OK)
        return st;
    st = table_open_fd(&t, fd, whole->s.path, &own, e);
    close(fd);
    if (opening.st != ST_OK)
        error_set(e, opening.st, "%s", opening.error.text);
    else if (st == ST_INVALID && last != whole) /* perhaps a value that came with the blocks */
        error_prefix(e, st, "%s", last->s.path);
    if (st == ST_OK)
        st = check_table(t, whole, e);
    if (st == ST_OK)
        *out = t;
    else
        table_close(t);
    return st;
}

/* What each file of the chain is now; false if one cannot be looked at. */
static bool identify(struct file_identity *file, const struct snapshot_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        if (file_identify(&file[i], chain->link[i]->s.path, NULL) != ST_OK)
            return false;
    return true;
}

/* One that is exchanged after this look is noticed all the same: the whole one by table_open(), one
   of blocks by its checksum. */
static bool all_known(const struct snapshot_memory *m, const struct file_identity *file, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!m->known(m->context, &file[i]))
            return false;
    return true;
}

/* All were read, and found good: as they were before, if they are so still. */
static void tell_read(const struct snapshot_memory *m, const struct file_identity *before,
                      const struct snapshot_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++) {
        const struct snapshot *s = &chain->link[i]->s;
        struct file_identity now;

        if (file_identify(&now, s->path, NULL) == ST_OK && file_same(&now, &before[i]))
            m->read(m->context, &now, s->checksum);
    }
}

static enum status open_chain(struct table **out, const struct snapshot_chain *chain,
                              const struct table_options *options, const struct snapshot_memory *m,
                              struct error *e)
{
    struct file_identity *file = mem_zero(chain->count, sizeof *file);
    struct table_options own = *options;
    enum status st;

    if (!file)
        return error_memory(e, "snapshot");
    if (m && !identify(file, chain))
        m = NULL;
    own.trusted = m && all_known(m, file, chain->count);
    own.expected = file[0];
    st = open_table(out, chain, &own, e);
    if (st == ST_OK && m && (*out)->checksum) /* it was read, known or not */
        tell_read(m, file, chain);
    mem_free(file);
    return st;
}

enum status snapshot_open_known(struct table **out, const struct snapshot *s,
                                const struct table_options *options,
                                const struct snapshot_memory *memory, struct error *e)
{
    struct table *t = NULL;
    struct snapshot_chain chain;
    enum status st;

    if (FAILPOINT("snapshot.open.before"))
        return as_damage(error_errno(e, errno, "%s", s->path));
    st = snapshot_chain_find(&chain, s, e);
    if (st != ST_OK)
        return as_damage(st);
    st = open_chain(&t, &chain, options, memory, e);
    snapshot_chain_done(&chain);
    (void)FAILPOINT("snapshot.open.after");
    if (st == ST_OK)
        *out = t;
    return as_damage(st);
}

enum status snapshot_open(struct table **out, const struct snapshot *s,
                          const struct table_options *options, struct error *e)
{
    return snapshot_open_known(out, s, options, NULL, e);
}

static enum status verify_data(const struct header *h, int fd, uint64_t checksum, struct error *e)
{
    struct hasher *hasher = hasher_new();
    unsigned char *piece = mem_alloc(PIECE);
    enum status st = hasher && piece ? ST_OK : error_memory(e, "checksum");
    uint64_t sum = 0;

    for (uint64_t at = 0, n; st == ST_OK && at < h->data_bytes; at += n) {
        n = h->data_bytes - at < PIECE ? h->data_bytes - at : PIECE;
        st = file_pread(fd, piece, (size_t)n, h->data_offset + at, e);
        if (st == ST_OK)
            hasher_add(hasher, piece, (size_t)n);
    }
    if (st == ST_OK && (sum = hasher_value(hasher)) != checksum)
        st = error_set(e, ST_DATA_LOSS,
                       "the data have the checksum %016llx; embd.checksum says %016llx",
                       (unsigned long long)sum, (unsigned long long)checksum);
    hasher_free(hasher);
    mem_free(piece);
    return st;
}

static enum status verify_whole(const struct snapshot_link *l, struct error *e)
{
    const struct header_limits limits = snapshot_header_limits();
    struct header h = {0};
    struct stat file;
    enum status st;
    int fd;

    st = snapshot_file_open(&fd, l->s.path, &file, e);
    if (st != ST_OK)
        return st;
    st = header_read(&h, fd, (uint64_t)file.st_size, &limits, e);
    if (st == ST_OK && h.hash != l->header_hash)
        st = error_set(e, ST_DATA_LOSS, "changed while it was read");
    if (st == ST_OK)
        st = verify_data(&h, fd, l->s.checksum, e);
    header_done(&h);
    close(fd);
    return st == ST_OK ? st : error_prefix(e, st, "%s", l->s.path);
}

enum status snapshot_verify(const struct snapshot *s, struct error *e)
{
    struct blocks_target check = {0}; /* without data: only looked at */
    struct blocks_file f;
    struct snapshot_chain chain;
    enum status st = snapshot_chain_find(&chain, s, e);

    if (st != ST_OK)
        return as_damage(st);
    check.size = (size_t)chain.link[0]->data_bytes;
    st = verify_whole(chain.link[0], e);
    for (size_t i = 1; st == ST_OK && i < chain.count; i++) {
        st = read_blocks(&f, chain.link[i], &check, e);
        if (st == ST_OK)
            blocks_file_done(&f);
    }
    snapshot_chain_done(&chain);
    return as_damage(st);
}
