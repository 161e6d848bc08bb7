/* SPDX-License-Identifier: Apache-2.0 */
/* Files that appear whole or not at all. A writer belongs to one thread. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/give_way.h"
#include "base/memory.h"
#include "base/text.h"

#define WRITE_MOST ((size_t)16 << 20) /* milliseconds, so that a signal is soon seen */
#define NAME_TRIES 100                /* 64 random bits meet an old name about never */

static enum status open_temporary(struct file_writer *w, struct error *e)
{
    size_t n = strlen(w->path);
    uint64_t random;

    for (int i = 0; i < NAME_TRIES; i++) {
        if (getrandom(&random, sizeof random, 0) != sizeof random)
            break;
        snprintf(w->temporary + n, sizeof ".0123456789abcdef.tmp", ".%016" PRIx64 ".tmp", random);
        w->fd = open(w->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (w->fd >= 0)
            return ST_OK;
        if (errno != EEXIST)
            break;
    }
    w->temporary[0] = '\0'; /* whatever has that name is not ours to remove */
    return error_errno(e, errno, "cannot create a file beside %s", QUOTE(w->path));
}

enum status file_writer_open(struct file_writer *w, const char *path, struct error *e)
{
    size_t n = strlen(path);
    enum status st = ST_OK;

    *w = (struct file_writer){.path = mem_text(path, n),
                              .temporary = mem_alloc(n + sizeof ".0123456789abcdef.tmp"),
                              .fd = -1};
    if (!w->path || !w->temporary) {
        st = error_memory(e, "file name");
    } else {
        memcpy(w->temporary, path, n);
        st = open_temporary(w, e);
    }
    if (st != ST_OK)
        file_writer_abort(w);
    return st;
}

/* How much of n bytes to write at once. Much, if nobody waits: what is written in megabytes lies in
   huge pages of memory, and is mapped as such when it is served. */
static size_t at_once(size_t n)
{
    size_t most = give_way_promised() ? GIVE_WAY_BYTES : WRITE_MOST;

    return n < most ? n : most;
}

enum status file_writer_add(struct file_writer *w, const void *data, size_t n, struct error *e)
{
    const unsigned char *from = data;

    while (n > 0) {
        ssize_t done = write(w->fd, from, at_once(n));

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_errno(e, errno, "cannot write %s", QUOTE(w->path));
        from += done;
        n -= (size_t)done;
        give_way((size_t)done);
    }
    return ST_OK;
}

enum status file_writer_reserve(struct file_writer *w, uint64_t size, struct error *e)
{
    int failed = EFBIG;

    if (size <= INT64_MAX)
        do
            failed = size ? posix_fallocate(w->fd, 0, (off_t)size) : 0;
        while (failed == EINTR);
    if (failed)
        return error_errno(e, failed, "cannot reserve %" PRIu64 " bytes for %s", size,
                           QUOTE(w->path));
    return ST_OK;
}

enum status file_writer_put(struct file_writer *w, const void *data, size_t n, uint64_t offset,
                            struct error *e)
{
    const unsigned char *from = data;

    while (n > 0) {
        ssize_t done = pwrite(w->fd, from, at_once(n), (off_t)offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_errno(e, errno, "cannot write %s", QUOTE(w->path));
        from += done;
        n -= (size_t)done;
        offset += (uint64_t)done;
        give_way((size_t)done);
    }
    return ST_OK;
}

enum status file_writer_sync(struct file_writer *w, struct error *e)
{
    return fdatasync(w->fd) < 0 ? error_errno(e, errno, "cannot sync %s", QUOTE(w->path)) : ST_OK;
}

/* The folder of `path`, open for fsync(), or -1 with errno. */
static int open_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder;
    int fd;

    folder = !slash ? mem_text(".", 1) : mem_text(path, slash == path ? 1 : (size_t)(slash - path));
    if (!folder) {
        errno = ENOMEM;
        return -1;
    }
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int kept = errno;
    mem_free(folder);
    errno = kept;
    return fd;
}

static enum status sync_folder(int fd, const char *path, struct error *e)
{
    /* EINVAL: a file system that cannot sync folders has nothing to sync in them. */
    if (fsync(fd) < 0 && errno != EINVAL)
        return error_errno(e, errno, "cannot sync the folder of %s", QUOTE(path));
    return ST_OK;
}

/* Close and rename; what is left of the writer is for file_writer_abort(). */
static enum status put_in_place(struct file_writer *w, struct error *e)
{
    int fd = w->fd;

    w->fd = -1;
    if (close(fd) < 0)
        return error_errno(e, errno, "cannot write %s", QUOTE(w->path));
    if (rename(w->temporary, w->path) < 0)
        return error_errno(e, errno, "cannot put %s in place", QUOTE(w->path));
    mem_free(w->temporary); /* nothing to remove any more */
    w->temporary = NULL;
    return ST_OK;
}

enum status file_writer_place(struct file_writer *w, int *folder, struct error *e)
{
    enum status st;
    int opened = open_folder(w->path); /* before the rename, so that this can fail */

    if (opened < 0)
        st = error_errno(e, errno, "cannot open the folder of %s", QUOTE(w->path));
    else
        st = put_in_place(w, e);
    if (st == ST_OK)
        *folder = opened;
    else if (opened >= 0)
        close(opened);
    file_writer_abort(w);
    return st;
}

enum status file_sync_opened(int folder, const char *path, struct error *e)
{
    enum status st = sync_folder(folder, path, e);

    close(folder);
    return st;
}

enum status file_writer_commit(struct file_writer *w, struct error *e)
{
    enum status st = ST_OK;
    int folder = open_folder(w->path); /* before the rename, so that this can fail */

    if (folder < 0)
        st = error_errno(e, errno, "cannot open the folder of %s", QUOTE(w->path));
    else if (fsync(w->fd) < 0)
        st = error_errno(e, errno, "cannot sync %s", QUOTE(w->path));
    else
        st = put_in_place(w, e);
    if (st == ST_OK)
        st = sync_folder(folder, w->path, e);
    if (folder >= 0)
        close(folder);
    file_writer_abort(w);
    return st;
}

void file_writer_abort(struct file_writer *w)
{
    if (w->path && w->fd >= 0) /* a zeroed writer has no path, and its fd 0 is not ours */
        close(w->fd);
    if (w->path && w->temporary && w->temporary[0])
        unlink(w->temporary);
    mem_free(w->path);
    mem_free(w->temporary);
    *w = (struct file_writer){.fd = -1};
}

enum status file_sync_folder(const char *path, struct error *e)
{
    int folder = open_folder(path);
    enum status st;

    if (folder < 0)
        return error_errno(e, errno, "cannot open the folder of %s", QUOTE(path));
    st = sync_folder(folder, path, e);
    close(folder);
    return st;
}
