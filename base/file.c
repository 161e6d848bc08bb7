/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and reading files that others made. No state; any thread. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/give_way.h"
#include "base/memory.h"
#include "base/text.h"

#define READ_FIRST ((size_t)4096)
#define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
#define BENEATH_TRIES 16 /* openat2() gives up with EAGAIN when a rename races with it */

void file_identity_from(struct file_identity *id, const struct stat *st)
{
    *id = (struct file_identity){
        .device = st->st_dev,
        .inode = st->st_ino,
        .size = (uint64_t)st->st_size,
        .mtime_ns = st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec,
        .ctime_ns = st->st_ctim.tv_sec * INT64_C(1000000000) + st->st_ctim.tv_nsec,
    };
}

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode)    ? "a directory"
           : S_ISFIFO(mode) ? "a FIFO"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISCHR(mode)  ? "a character device"
           : S_ISBLK(mode)  ? "a block device"
                            : "something else";
}

static enum status not_regular(struct error *e, const char *path, mode_t mode)
{
    return error_set(e, ST_INVALID, "%s is %s, not a regular file", QUOTE(path), kind_of(mode));
}

enum status file_identify(struct file_identity *id, const char *path, struct error *e)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return error_errno(e, errno, "cannot look at %s", QUOTE(path));
    if (!S_ISREG(st.st_mode))
        return not_regular(e, path, st.st_mode);
    file_identity_from(id, &st);
    return ST_OK;
}

bool file_same(const struct file_identity *a, const struct file_identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

/* The end of both ways to open: keep `fd` if it is a regular file, close it if not. */
static enum status take_regular(int *out, int fd, const char *path, struct stat *st,
                                struct error *e)
{
    enum status status = ST_OK;
    struct stat own;

    if (fstat(fd, &own) < 0)
        status = error_errno(e, errno, "cannot look at %s", QUOTE(path));
    else if (!S_ISREG(own.st_mode))
        status = not_regular(e, path, own.st_mode);
    if (status != ST_OK) {
        close(fd);
        return status;
    }
    if (st)
        *st = own;
    *out = fd;
    return ST_OK;
}

enum status file_open(int *fd, const char *path, struct stat *st, struct error *e)
{
    int opened = open(path, OPEN_FLAGS);
    struct stat own;

    if (opened < 0) {
        int failed = errno;

        if (failed == ENXIO && stat(path, &own) == 0) /* a socket cannot be opened */
            return not_regular(e, path, own.st_mode);
        return error_errno(e, failed, "cannot open %s", QUOTE(path));
    }
    return take_regular(fd, opened, path, st, e);
}

enum status file_open_beneath(int *fd, int dir_fd, const char *path, struct stat *st,
                              struct error *e)
{
    struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    struct stat own;
    long opened;
    int tries = 0;

    do
        opened = syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
    while (opened < 0 && (errno == EAGAIN || errno == EINTR) && ++tries < BENEATH_TRIES);
    if (opened >= 0)
        return take_regular(fd, (int)opened, path, st, e);
    if (errno == EXDEV)
        return error_set(e, ST_PERMISSION, "%s leads out of the folder", QUOTE(path));
    if (errno == ENXIO && fstatat(dir_fd, path, &own, 0) == 0)
        return not_regular(e, path, own.st_mode);
    return error_errno(e, errno, "cannot open %s", QUOTE(path));
}

/* Everything up to the end of `fd`, into a growing text. `guess` is the expected size. */
static enum status read_all(char **out, size_t *n, int fd, const char *path, size_t limit,
                            size_t guess, struct error *e)
{
    size_t used = 0, room, larger;
    char *text = NULL, *grown;
    enum status st;

    if (limit > SIZE_MAX / 2) /* no memory is that large; keeps the sums below from overflowing */
        limit = SIZE_MAX / 2;
    /* One byte more than expected, so that the end is seen without growing. */
    for (room = guess < READ_FIRST ? READ_FIRST : guess + 1;; room = larger) {
        grown = mem_resize(text, room + 1, 1);
        if (!grown) {
            st = error_memory(e, "file");
            goto out;
        }
        text = grown;
        while (used < room) {
            ssize_t got = read(fd, text + used, room - used);

            if (got < 0 && errno == EINTR)
                continue;
            if (got < 0) {
                st = error_errno(e, errno, "cannot read %s", path);
                goto out;
            }
            if (got == 0) {
                if (used > limit)
                    break;
                text[used] = '\0';
                *out = text;
                *n = used;
                return ST_OK;
            }
            used += (size_t)got;
        }
        if (used > limit) {
            st = error_set(e, ST_EXHAUSTED, "%s is larger than %zu bytes", path, limit);
            goto out;
        }
        larger = room < limit / 2 ? room * 2 : limit + 1;
    }
out:
    mem_free(text);
    return st;
}

enum status file_read(char **out, size_t *n, const char *path, size_t limit, struct error *e)
{
    enum status status;
    struct stat st;
    int fd;

    if (!strcmp(path, "-"))
        return read_all(out, n, STDIN_FILENO, "standard input", limit, 0, e);
    status = file_open(&fd, path, &st, e);
    if (status != ST_OK)
        return status;
    if ((uint64_t)st.st_size > limit)
        status = error_set(e, ST_EXHAUSTED, "%s is larger than %zu bytes", QUOTE(path), limit);
    else
        status = read_all(out, n, fd, QUOTE(path), limit, (size_t)st.st_size, e);
    close(fd);
    return status;
}

enum status file_pread(int fd, void *buf, size_t n, uint64_t offset, struct error *e)
{
    unsigned char *to = buf;
    uint64_t end;

    if (__builtin_add_overflow(offset, n, &end) || end > INT64_MAX)
        return error_set(e, ST_DATA_LOSS, "no file reaches to byte %llu + %zu",
                         (unsigned long long)offset, n);
    while (n > 0) {
        ssize_t got = pread(fd, to, n < GIVE_WAY_BYTES ? n : GIVE_WAY_BYTES, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(e, errno, "cannot read");
        if (got == 0)
            return error_set(e, ST_DATA_LOSS, "the file ends at byte %llu, %zu more are needed",
                             (unsigned long long)offset, n);
        to += got;
        n -= (size_t)got;
        offset += (uint64_t)got;
        give_way((size_t)got);
    }
    return ST_OK;
}
