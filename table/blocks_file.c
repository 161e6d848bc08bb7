/* SPDX-License-Identifier: Apache-2.0 */
#include "table/blocks_file.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"

#define PIECE ((size_t)512) /* blocks that are read at once: 256 KiB */

bool header_is_blocks(const struct header *h)
{
    return header_metadata(h, "embd.blocks") != NULL;
}

static enum status check_keys(const struct header *h, struct error *e)
{
    static const char *const known[] = {
        "embd.version", "embd.header",     "embd.blocks",   "embd.base",      "embd.applied",
        "embd.lsn",     "embd.generation", "embd.checksum", "embd.optimizer",
    };

    for (size_t i = 0; i < h->metadata_count; i++) {
        const char *key = h->metadata[i].key;
        size_t k = 0;

        if (strncmp(key, "embd.", 5))
            continue;
        while (k < sizeof known / sizeof known[0] && strcmp(key, known[k]))
            k++;
        if (k == sizeof known / sizeof known[0])
            return error_set(e, ST_INVALID, "metadata: unknown key %s", QUOTE(key));
    }
    return ST_OK;
}

static enum status read_metadata(struct blocks_file *f, struct error *e)
{
    const struct header *h = &f->header;
    const char *version = header_metadata(h, "embd.version"),
               *blocks = header_metadata(h, "embd.blocks"), *base = header_metadata(h, "embd.base");
    enum status st;

    if (!blocks)
        return error_set(e, ST_INVALID, "metadata: \"embd.blocks\" is missing");
    if (!version || strcmp(version, "1"))
        return error_set(e, ST_INVALID, "embd.version is %s; this embd reads \"1\"",
                         version ? QUOTE(version) : "missing");
    if (!base)
        return error_set(e, ST_INVALID, "metadata: \"embd.base\" is missing");
    st = moment_read(&f->moment, h, e);
    if (st == ST_OK)
        st = check_keys(h, e);
    if (st == ST_OK)
        st = metadata_number("embd.blocks", blocks, &f->base_version, e);
    if (st == ST_OK)
        st = metadata_checksum("embd.base", base, &f->base_checksum, e);
    if (st == ST_OK && f->base_version >= f->moment.applied)
        st = error_set(e, ST_INVALID, "embd.blocks is %llu; it must be below embd.applied",
                       (unsigned long long)f->base_version);
    return st;
}

static enum status check_tensors(struct blocks_file *f, struct error *e)
{
    const struct header *h = &f->header;
    const struct file_tensor *index = header_tensor(h, "index"), *data = header_tensor(h, "data");

    if (!index || index->tensor.dtype != DT_U64 || index->tensor.rank != 1)
        return error_set(e, ST_INVALID, "tensor \"index\" must be there, U64 [n]");
    f->count = index->tensor.shape[0];
    if (!data || data->tensor.dtype != DT_U8 || data->tensor.rank != 2 ||
        data->tensor.shape[0] != f->count || data->tensor.shape[1] != BLOCK_BYTES)
        return error_set(e, ST_INVALID, "tensor \"data\" must be there, U8 [n = %llu, %zu]",
                         (unsigned long long)f->count, BLOCK_BYTES);
    if (h->tensor_count != 2)
        return error_set(e, ST_INVALID, "there are tensors beside \"index\" and \"data\"");
    if (f->count && data->offset < index->offset)
        return error_set(e, ST_INVALID, "tensor \"data\" must lie behind \"index\"");
    return ST_OK;
}

enum status blocks_file_header(struct blocks_file *out, int fd, uint64_t size,
                               const struct header_limits *limits, struct error *e)
{
    struct blocks_file f = {0};
    enum status st = header_read(&f.header, fd, size, limits, e);

    if (st != ST_OK)
        return st;
    st = read_metadata(&f, e);
    if (st == ST_OK)
        st = check_tensors(&f, e);
    if (st != ST_OK)
        blocks_file_done(&f);
    else
        *out = f;
    return st;
}

void blocks_file_done(struct blocks_file *f)
{
    header_done(&f->header);
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Most files are written in order, and then one look is enough. */
static enum status check_index(const uint64_t *index, size_t n, size_t size, struct error *e)
{
    uint64_t blocks = size / BLOCK_BYTES + (size % BLOCK_BYTES != 0);
    uint64_t *sorted = NULL;
    enum status st = ST_OK;
    bool in_order = true;

    for (size_t i = 0; i < n; i++) {
        if (index[i] >= blocks)
            return error_set(e, ST_INVALID,
                             "tensor \"index\": element [%zu] is %llu; the table has %llu blocks",
                             i, (unsigned long long)index[i], (unsigned long long)blocks);
        in_order = in_order && (i == 0 || index[i - 1] < index[i]);
    }
    if (in_order)
        return ST_OK;
    sorted = mem_alloc(n * sizeof *sorted);
    if (!sorted)
        return error_memory(e, "blocks");
    memcpy(sorted, index, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    for (size_t i = 1; st == ST_OK && i < n; i++)
        if (sorted[i - 1] == sorted[i])
            st = error_set(e, ST_INVALID, "tensor \"index\" names block %llu twice",
                           (unsigned long long)sorted[i]);
    mem_free(sorted);
    return st;
}

/* The index in the machine's byte order; `*out` is the caller's. */
static enum status read_index(uint64_t **out, const struct blocks_file *f, int fd, size_t size,
                              struct hasher *hasher, struct error *e)
{
    const struct file_tensor *index = header_tensor(&f->header, "index");
    size_t n = index->tensor.count;
    uint64_t *read = mem_alloc(index->tensor.bytes);
    enum status st;

    if (!read)
        return error_memory(e, "blocks");
    st = file_pread(fd, read, index->tensor.bytes, index->offset, e);
    if (st == ST_OK) {
        hasher_add(hasher, read, index->tensor.bytes);
        for (size_t i = 0; i < n; i++)
            read[i] = le64toh(read[i]);
        st = check_index(read, n, size, e);
    }
    if (st == ST_OK)
        *out = read;
    else
        mem_free(read);
    return st;
}

static void put_blocks(const struct blocks_target *t, const uint64_t *index,
                       const unsigned char *data, size_t n)
{
    for (size_t i = 0; t->data && i < n; i++) {
        size_t at = (size_t)index[i] * BLOCK_BYTES, left = t->size - at;

        memcpy(t->data + at, data + i * BLOCK_BYTES, left < BLOCK_BYTES ? left : BLOCK_BYTES);
    }
}

static enum status read_blocks(const struct blocks_file *f, int fd, const struct blocks_target *t,
                               const uint64_t *index, struct hasher *hasher, struct error *e)
{
    uint64_t offset = header_tensor(&f->header, "data")->offset;
    unsigned char *piece = mem_alloc(PIECE * BLOCK_BYTES);
    enum status st = piece ? ST_OK : error_memory(e, "blocks");

    for (size_t done = 0, n; st == ST_OK && done < f->count; done += n) {
        n = f->count - done < PIECE ? (size_t)f->count - done : PIECE;
        st = file_pread(fd, piece, n * BLOCK_BYTES, offset + (uint64_t)done * BLOCK_BYTES, e);
        if (st != ST_OK)
            break;
        hasher_add(hasher, piece, n * BLOCK_BYTES);
        put_blocks(t, index + done, piece, n);
        if (t->progress && !t->progress(t->context, (double)(done + n) / (double)f->count))
            st = error_set(e, ST_CANCELLED, "reading was stopped");
    }
    mem_free(piece);
    return st;
}

enum status blocks_file_read(const struct blocks_file *f, int fd,
                             const struct blocks_target *target, struct error *e)
{
    struct hasher *hasher = hasher_new();
    uint64_t *index = NULL, sum;
    enum status st;

    if (!hasher)
        return error_memory(e, "checksum");
    st = read_index(&index, f, fd, target->size, hasher, e);
    if (st == ST_OK)
        st = read_blocks(f, fd, target, index, hasher, e);
    sum = hasher_value(hasher);
    if (st == ST_OK && sum != f->moment.checksum)
        st = error_set(e, ST_DATA_LOSS,
                       "the data have the checksum %016llx; embd.checksum says %016llx",
                       (unsigned long long)sum, (unsigned long long)f->moment.checksum);
    mem_free(index);
    hasher_free(hasher);
    return st;
}
