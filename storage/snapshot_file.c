/* SPDX-License-Identifier: Apache-2.0 */
/* Writing one snapshot file. By pwrite() and not through a mapping, since every error of the disk
   must come back as a status. The order is what makes it safe:

     reserve ── data ── sync ── read back, compare ── header ── sync ── rename ── sync of the folder

   A file so has its header, and its name, only after its data were found on the disk as they were
   meant. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/give_way.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/snapshot_parts.h"

#define PIECE GIVE_WAY_BYTES /* read back at once; a multiple of BLOCK_BYTES */

static enum status failed(const struct snapshot_file *f, const char *what, struct error *e)
{
    return error_errno(e, errno, "cannot %s %s", what, QUOTE(f->writer.path));
}

enum status snapshot_file_create(struct snapshot_file *f, const char *path, size_t header_bytes,
                                 uint64_t head, uint64_t body, struct error *e)
{
    uint64_t size = header_bytes;
    enum status st;

    if (__builtin_add_overflow(size, head, &size) || __builtin_add_overflow(size, body, &size) ||
        size > INT64_MAX)
        return error_set(e, ST_EXHAUSTED, "the snapshot would be larger than any file");
    st = file_writer_open(&f->writer, path, e);
    if (st != ST_OK)
        return st;
    f->header_bytes = header_bytes;
    f->head = head;
    f->body = body;
    if (FAILPOINT("snapshot.reserve.before"))
        st = failed(f, "reserve room for", e);
    else
        st = file_writer_reserve(&f->writer, size, e);
    if (st != ST_OK)
        snapshot_file_abort(f);
    return st;
}

enum status snapshot_file_progress(const struct snapshot_file *f, double done, struct error *e)
{
    if (f->progress && !f->progress(f->context, done))
        return error_set(e, ST_CANCELLED, "the snapshot was stopped");
    return ST_OK;
}

/* Blocks are written in any order, so what was written is known by a sum over them, each with its
   place. */
static uint64_t sum_of(uint64_t at, const unsigned char *data, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0, cell; i < n; i += cell) {
        cell = n - i < BLOCK_BYTES ? n - i : BLOCK_BYTES;
        sum += hash_key((int64_t)(at + i), hash_bytes(data + i, cell));
    }
    return sum;
}

enum status snapshot_file_put(struct snapshot_file *f, uint64_t at, const void *data, size_t n,
                              struct error *e)
{
    if (FAILPOINT("snapshot.write.before"))
        return failed(f, "write", e);
    f->sum += sum_of(at, data, n);
    return file_writer_put(&f->writer, data, n, f->header_bytes + f->head + at, e);
}

enum status snapshot_file_put_head(struct snapshot_file *f, const void *data, struct error *e)
{
    if (FAILPOINT("snapshot.head.before"))
        return failed(f, "write", e);
    f->head_hash = hash_bytes(data, f->head);
    return file_writer_put(&f->writer, data, f->head, f->header_bytes, e);
}

/* What is on the disk now. */
struct found {
    struct hasher *head, *all;
    uint64_t sum;
};

static enum status read_back(const struct snapshot_file *f, struct found *found,
                             unsigned char *piece, struct error *e)
{
    uint64_t size = f->head + f->body;
    enum status st = ST_OK;

    for (uint64_t at = 0, n; st == ST_OK && at < size; at += n) {
        uint64_t end = at < f->head ? f->head : size;

        n = end - at < PIECE ? end - at : PIECE;
        st = file_pread(f->writer.fd, piece, (size_t)n, f->header_bytes + at, e);
        if (st != ST_OK)
            return error_prefix(e, st, "%s", QUOTE(f->writer.path));
        hasher_add(found->all, piece, (size_t)n);
        if (at < f->head)
            hasher_add(found->head, piece, (size_t)n);
        else
            found->sum += sum_of(at - f->head, piece, (size_t)n);
        st = snapshot_file_progress(f, 0.5 + 0.5 * (double)(at + n) / (double)size, e);
    }
    return st;
}

static enum status compare(const struct snapshot_file *f, uint64_t *checksum, struct error *e)
{
    struct found found = {.head = hasher_new(), .all = hasher_new()};
    unsigned char *piece = mem_alloc(PIECE);
    enum status st;

    if (!found.head || !found.all || !piece)
        st = error_memory(e, "snapshot");
    else if (FAILPOINT("snapshot.verify.before"))
        st = failed(f, "read", e);
    else
        st = read_back(f, &found, piece, e);
    if (st == ST_OK &&
        (found.sum != f->sum || (f->head && hasher_value(found.head) != f->head_hash)))
        st = error_set(e, ST_UNAVAILABLE, "%s does not hold what was written to it",
                       QUOTE(f->writer.path));
    if (st == ST_OK)
        *checksum = hasher_value(found.all);
    hasher_free(found.head);
    hasher_free(found.all);
    mem_free(piece);
    return st;
}

enum status snapshot_file_verify(struct snapshot_file *f, uint64_t *checksum, struct error *e)
{
    enum status st;

    if (FAILPOINT("snapshot.sync.before"))
        return failed(f, "sync", e);
    st = file_writer_sync(&f->writer, e);
    if (st != ST_OK)
        return st;
    /* So that it is the disk that is read, and serving keeps its page cache. */
    posix_fadvise(f->writer.fd, 0, 0, POSIX_FADV_DONTNEED);
    st = compare(f, checksum, e);
    posix_fadvise(f->writer.fd, 0, 0, POSIX_FADV_DONTNEED);
    return st;
}

/* The header as it is on the disk, and in the reader's eyes. */
static enum status check_header(const struct snapshot_file *f, const unsigned char *header,
                                struct error *e)
{
    const struct header_limits limits = snapshot_header_limits();
    struct header read = {0};
    enum status st =
        header_read(&read, f->writer.fd, f->header_bytes + f->head + f->body, &limits, e);

    if (st != ST_OK)
        return error_prefix(e, st, "%s", QUOTE(f->writer.path));
    if (read.data_offset != f->header_bytes || read.hash != hash_bytes(header, f->header_bytes))
        st = error_set(e, ST_UNAVAILABLE, "%s does not hold the header that was written to it",
                       QUOTE(f->writer.path));
    header_done(&read);
    return st;
}

enum status snapshot_file_finish(struct snapshot_file *f, const unsigned char *header,
                                 struct error *e)
{
    enum status st;

    if (FAILPOINT("snapshot.header.before"))
        return failed(f, "write", e);
    st = file_writer_put(&f->writer, header, f->header_bytes, 0, e);
    if (st != ST_OK)
        return st;
    if (FAILPOINT("snapshot.header_sync.before"))
        return failed(f, "sync", e);
    st = file_writer_sync(&f->writer, e);
    if (st == ST_OK) {
        posix_fadvise(f->writer.fd, 0, (off_t)f->header_bytes, POSIX_FADV_DONTNEED);
        st = check_header(f, header, e);
    }
    return st;
}

enum status snapshot_file_place(struct snapshot_file *f, struct snapshot *s, struct error *e)
{
    struct stat file;
    enum status st;
    int folder;

    if (fstat(f->writer.fd, &file) < 0)
        return failed(f, "look at", e);
    s->bytes = (uint64_t)file.st_size;
    s->time_us = file.st_mtim.tv_sec * INT64_C(1000000) + file.st_mtim.tv_nsec / 1000;
    if (FAILPOINT("snapshot.rename.before"))
        return failed(f, "put in place", e);
    st = file_writer_place(&f->writer, &folder, e);
    if (st != ST_OK)
        return st;
    if (FAILPOINT("snapshot.folder_sync.before")) {
        st = error_errno(e, errno, "cannot sync the folder of %s", QUOTE(s->path));
        close(folder);
        return st;
    }
    st = file_sync_opened(folder, s->path, e);
    (void)FAILPOINT("snapshot.folder_sync.after");
    return st;
}

void snapshot_file_abort(struct snapshot_file *f)
{
    file_writer_abort(&f->writer);
}
