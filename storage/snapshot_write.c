/* SPDX-License-Identifier: Apache-2.0 */
/* An image of a table's memory -> a file, whole or of changed blocks. */
#include <assert.h>
#include <endian.h>

#include "base/memory.h"
#include "base/text.h"
#include "storage/snapshot_parts.h"

#define TAKE ((size_t)512) /* blocks at once: 256 KiB */

struct writing {
    const struct snapshot_moment *m;
    struct snapshot s;
    struct snapshot_header header;
    struct snapshot_file file;
    uint64_t blocks; /* of the image */
    uint64_t size;   /* of the table's data area */
    uint64_t *index; /* of a file of blocks: [blocks], as they were taken, little-endian */
};

/* The table's own layout, byte for byte: memory is its data area. */
static void lay_out_whole(struct writing *w)
{
    const struct header *h = &w->m->table->header;

    for (size_t i = 0; i < h->tensor_count; i++) {
        w->header.tensor[i] = h->tensor[i].tensor;
        w->header.place[i] = (size_t)(h->tensor[i].offset - h->data_offset);
    }
}

static void lay_out_blocks(struct writing *w)
{
    size_t n = (size_t)w->blocks;

    w->header.tensor[0] = (struct tensor){.name = "index",
                                          .dtype = DT_U64,
                                          .rank = 1,
                                          .shape = {n},
                                          .count = n,
                                          .bytes = n * sizeof *w->index};
    w->header.tensor[1] = (struct tensor){.name = "data",
                                          .dtype = DT_U8,
                                          .rank = 2,
                                          .shape = {n, BLOCK_BYTES},
                                          .count = n * BLOCK_BYTES,
                                          .bytes = n * BLOCK_BYTES};
    w->header.place[1] = w->header.tensor[0].bytes;
}

static enum status begin(struct writing *w, const char *folder, struct error *e)
{
    const struct snapshot_moment *m = w->m;
    const struct snapshot_name name = {m->generation, m->version, m->lineage, !m->base};
    char text[SNAPSHOT_NAME_MOST];
    enum status st;

    w->s = (struct snapshot){.generation = m->generation,
                             .version = m->version,
                             .lsn = m->lsn,
                             .lineage = m->lineage,
                             .whole = !m->base,
                             .files = m->base ? m->base->files + 1 : 1};
    snapshot_name_format(text, &name);
    st = snapshot_path(&w->s, folder, text, e);
    if (st != ST_OK)
        return st;
    if (m->base && m->base->version >= m->version)
        return error_set(e, ST_EXISTS, "%s cannot go on from version %llu; it must be whole",
                         w->s.path, (unsigned long long)m->base->version);
    w->size = m->table->header.data_bytes;
    w->blocks = image_blocks(m->image);
    if (m->base) {
        w->index = mem_zero((size_t)w->blocks, sizeof *w->index);
        if (!w->index)
            return error_memory(e, "snapshot");
    }
    return snapshot_header_init(&w->header, m->base ? NULL : &m->table->header, &w->s, m->settings,
                                m->base ? 2 : m->table->header.tensor_count, e);
}

static enum status create(struct writing *w, struct error *e)
{
    const struct snapshot_moment *m = w->m;
    unsigned char *bytes = NULL;
    size_t n = 0;
    enum status st;

    if (m->base) {
        snapshot_header_blocks(&w->header, m->base);
        lay_out_blocks(w);
    } else {
        lay_out_whole(w);
    }
    st = snapshot_header_build(&bytes, &n, &w->header, 0, e); /* for its size */
    mem_free(bytes);
    w->file.progress = m->progress;
    w->file.context = m->context;
    if (st == ST_OK && m->base)
        st = snapshot_file_create(&w->file, w->s.path, n, w->blocks * sizeof *w->index,
                                  w->blocks * BLOCK_BYTES, e);
    else if (st == ST_OK)
        st = snapshot_file_create(&w->file, w->s.path, n, 0, w->size, e);
    return st;
}

/* Whole: each run of neighbours goes to its own place, the last block without its filling. */
static enum status put_runs(struct writing *w, const uint64_t *index, const unsigned char *data,
                            size_t n, struct error *e)
{
    enum status st = ST_OK;

    for (size_t i = 0, run; st == ST_OK && i < n; i += run) {
        uint64_t at = index[i] * BLOCK_BYTES, bytes;

        for (run = 1; i + run < n && index[i + run] == index[i] + run; run++)
            ;
        assert(at < w->size);
        bytes = w->size - at < run * BLOCK_BYTES ? w->size - at : run * BLOCK_BYTES;
        st = snapshot_file_put(&w->file, at, data + i * BLOCK_BYTES, (size_t)bytes, e);
    }
    return st;
}

/* Of changed blocks: one behind the other, as they come. */
static enum status put_next(struct writing *w, uint64_t taken, const uint64_t *index,
                            const unsigned char *data, size_t n, struct error *e)
{
    for (size_t i = 0; i < n; i++)
        w->index[taken + i] = htole64(index[i]);
    return snapshot_file_put(&w->file, taken * BLOCK_BYTES, data, n * BLOCK_BYTES, e);
}

static enum status write_blocks(struct writing *w, struct error *e)
{
    unsigned char *data = mem_alloc(TAKE * BLOCK_BYTES);
    uint64_t index[TAKE], taken = 0;
    enum status st = data ? ST_OK : error_memory(e, "snapshot");
    size_t n;

    while (st == ST_OK && (n = image_take(w->m->image, index, data, TAKE)) > 0) {
        assert(n <= w->blocks - taken);
        st = w->index ? put_next(w, taken, index, data, n, e) : put_runs(w, index, data, n, e);
        taken += n;
        if (st == ST_OK)
            st = snapshot_file_progress(&w->file, 0.5 * (double)taken / (double)w->blocks, e);
    }
    if (st == ST_OK && image_broken(w->m->image))
        st = error_set(e, ST_EXHAUSTED,
                       "out of memory (blocks that changed while the snapshot was written)");
    assert(st != ST_OK || taken == w->blocks);
    mem_free(data);
    return st == ST_OK && w->index ? snapshot_file_put_head(&w->file, w->index, e) : st;
}

static enum status finish(struct writing *w, struct error *e)
{
    unsigned char *bytes = NULL;
    size_t n;
    enum status st = snapshot_file_verify(&w->file, &w->s.checksum, e);

    if (st == ST_OK)
        st = snapshot_header_build(&bytes, &n, &w->header, w->s.checksum, e);
    if (st == ST_OK)
        st = snapshot_file_finish(&w->file, bytes, e);
    mem_free(bytes);
    return st == ST_OK ? snapshot_file_place(&w->file, &w->s, e) : st;
}

enum status snapshot_write(const char *folder, const struct snapshot_moment *m,
                           struct snapshot *out, struct error *e)
{
    struct writing w = {.m = m};
    enum status st = begin(&w, folder, e);

    if (st == ST_OK)
        st = create(&w, e);
    if (st == ST_OK)
        st = write_blocks(&w, e);
    if (st == ST_OK)
        st = finish(&w, e);
    if (st == ST_OK) {
        w.s.chain_bytes = w.s.bytes + (m->base ? m->base->chain_bytes : 0);
        *out = w.s;
    }
    snapshot_file_abort(&w.file);
    snapshot_header_done(&w.header);
    mem_free(w.index);
    return st;
}
