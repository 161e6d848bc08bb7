/* SPDX-License-Identifier: Apache-2.0 */
/* The first snapshot of a trainable table. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/failpoint.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/snapshot_parts.h"

#define BUFFER ((size_t)256 << 10) /* written at once; a multiple of BLOCK_BYTES */

struct starting {
    const struct table *source;
    const struct snapshot_start *start;
    struct snapshot s;
    struct snapshot_pieces pieces;
    struct snapshot_header header;
    struct snapshot_file file;
    uint64_t size; /* of the data area */
    /* Tensors are written one behind the other, in pieces that begin at multiples of a block. */
    unsigned char *buffer;
    size_t used;
    uint64_t written;
};

/* Make a folder unless it is there, and in any case durable. */
static enum status make_folder(const char *path, struct error *e)
{
    if (FAILPOINT("snapshot.folder.before") || (mkdir(path, 0700) < 0 && errno != EEXIST))
        return error_errno(e, errno, "cannot create the folder %s", QUOTE(path));
    return file_sync_folder(path, e);
}

/* DATA_DIR/tables and DATA_DIR/tables/NAME. */
static enum status make_folders(const char *folder, struct error *e)
{
    const char *slash = strrchr(folder, '/');
    enum status st = ST_OK;

    if (slash && slash != folder) {
        char *outer = mem_text(folder, (size_t)(slash - folder));

        st = outer ? make_folder(outer, e) : error_memory(e, "snapshot");
        mem_free(outer);
    }
    return st == ST_OK ? make_folder(folder, e) : st;
}

static enum status begin(struct starting *w, const char *folder, struct error *e)
{
    const struct snapshot_start *start = w->start;
    const struct snapshot_name name = {start->generation, start->version, 0, true};
    struct optimizer_settings settings = *start->settings;
    char text[SNAPSHOT_NAME_MOST];
    size_t total = 0;
    enum status st;

    w->s = (struct snapshot){.generation = start->generation,
                             .version = start->version,
                             .lsn = start->lsn,
                             .whole = true,
                             .files = 1};
    snapshot_name_format(text, &name);
    st = snapshot_path(&w->s, folder, text, e);
    if (st == ST_OK)
        st = snapshot_pieces_list(&w->pieces, w->source, start, e);
    if (st != ST_OK)
        return st;
    /* New states have seen no push; an optimizer without any keeps its count unless it is reset. */
    if (w->pieces.begun && (start->reset || settings.optimizer->state[0]))
        settings.step = 0;
    st = snapshot_header_init(&w->header, &w->source->header, &w->s, &settings, w->pieces.count, e);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < w->pieces.count; i++)
        w->header.tensor[i] = w->pieces.piece[i].tensor;
    if (!safetensors_lay_out(w->header.tensor, w->header.tensors, w->header.place, &total))
        return error_set(e, ST_EXHAUSTED, "the snapshot would be larger than any file");
    w->size = total;
    return ST_OK;
}

static enum status create(struct starting *w, const char *folder, struct error *e)
{
    unsigned char *bytes = NULL;
    size_t n = 0;
    enum status st = snapshot_header_build(&bytes, &n, &w->header, 0, e); /* for its size */

    mem_free(bytes);
    if (st == ST_OK)
        st = make_folders(folder, e);
    w->file.progress = w->start->progress;
    w->file.context = w->start->context;
    if (st == ST_OK)
        st = snapshot_file_create(&w->file, w->s.path, n, 0, w->size, e);
    return st;
}

static enum status flush(struct starting *w, struct error *e)
{
    enum status st = snapshot_file_put(&w->file, w->written, w->buffer, w->used, e);

    w->written += w->used;
    w->used = 0;
    if (st == ST_OK)
        st = snapshot_file_progress(&w->file, 0.5 * (double)w->written / (double)w->size, e);
    return st;
}

/* A source that is mapped may change or lose a page: it is read here, once, and never handed to the
   kernel. */
static enum status write_piece(struct starting *w, const struct snapshot_piece *p, struct error *e)
{
    const unsigned char *from = p->from ? table_tensor(w->source, p->from) : NULL;
    enum status st = ST_OK;

    for (size_t done = 0, n; st == ST_OK && done < p->tensor.bytes; done += n) {
        n = p->tensor.bytes - done < BUFFER - w->used ? p->tensor.bytes - done : BUFFER - w->used;
        if (from)
            memcpy(w->buffer + w->used, from + done, n);
        else /* floats, or zeros; all places in the area are multiples of their size */
            for (size_t i = 0; i < n; i += sizeof p->begin)
                memcpy(w->buffer + w->used + i, &p->begin, sizeof p->begin);
        w->used += n;
        if (w->used == BUFFER)
            st = flush(w, e);
    }
    return st;
}

static enum status write_pieces(struct starting *w, struct error *e)
{
    enum status st = ST_OK;

    w->buffer = mem_alloc(BUFFER);
    if (!w->buffer)
        return error_memory(e, "snapshot");
    /* In the order of their places: widest elements first. */
    for (size_t width = 8; width > 0; width /= 2)
        for (size_t i = 0; st == ST_OK && i < w->pieces.count; i++)
            if (dtype_size(w->pieces.piece[i].tensor.dtype) == width)
                st = write_piece(w, &w->pieces.piece[i], e);
    if (st == ST_OK && w->used)
        st = flush(w, e);
    if (st == ST_OK && (table_damaged(w->source) || table_file_changed(w->source)))
        st = error_set(e, ST_DATA_LOSS, "%s: the file changed while it was read", w->source->path);
    return st;
}

/* It must open like any other table: the source may have been opened without looking at its values.
 */
static enum status check_table(const struct starting *w, struct error *e)
{
    const struct table_options options = {.memory = REGION_MAP, .limits = snapshot_header_limits()};
    struct table *t = NULL;
    enum status st = table_open_fd(&t, w->file.writer.fd, w->s.path, &options, e);

    if (st == ST_OK)
        table_close(t);
    return st;
}

static enum status finish(struct starting *w, struct error *e)
{
    unsigned char *bytes = NULL;
    size_t n;
    enum status st = snapshot_file_verify(&w->file, &w->s.checksum, e);

    if (st == ST_OK)
        st = snapshot_header_build(&bytes, &n, &w->header, w->s.checksum, e);
    if (st == ST_OK)
        st = snapshot_file_finish(&w->file, bytes, e);
    mem_free(bytes);
    if (st == ST_OK)
        st = check_table(w, e);
    return st == ST_OK ? snapshot_file_place(&w->file, &w->s, e) : st;
}

enum status snapshot_start(const char *folder, const struct table *source,
                           const struct snapshot_start *start, struct snapshot *out,
                           struct error *e)
{
    struct starting w = {.source = source, .start = start};
    enum status st = begin(&w, folder, e);

    if (st == ST_OK)
        st = create(&w, folder, e);
    if (st == ST_OK)
        st = write_pieces(&w, e);
    if (st == ST_OK)
        st = finish(&w, e);
    if (st == ST_OK) {
        w.s.chain_bytes = w.s.bytes;
        *out = w.s;
    }
    snapshot_file_abort(&w.file);
    snapshot_header_done(&w.header);
    snapshot_pieces_done(&w.pieces);
    mem_free(w.buffer);
    return st;
}
