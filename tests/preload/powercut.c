/* SPDX-License-Identifier: Apache-2.0 */
/* LD_PRELOAD: a process whose power can be cut. Below EMBD_POWERCUT_ROOT nothing is synced really;
   instead, shadow.c keeps a copy of what would be on disk (names: powercut_names.c). The control,
   EMBD_POWERCUT_DROP=END, forgets the syncs of files whose paths have this end. What this library
   does not understand it refuses aloud: a write that it did not see would count as durable. */
#undef _FILE_OFFSET_BITS /* both names of each function are defined here */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/preload/real.h"
#include "tests/preload/shadow.h"

#define DESCRIPTORS 65536

static _Atomic(struct shadow *) shadow_at[DESCRIPTORS];
static atomic_bool synced_always[DESCRIPTORS]; /* O_SYNC */

static struct shadow *find(int fd)
{
    struct shadow *s = fd >= 0 && fd < DESCRIPTORS ? atomic_load(&shadow_at[fd]) : NULL;
    struct stat st;

    /* closedir() and the like close behind our back, and then the number may be another file's. */
    return s && !fstat(fd, &st) && st.st_ino == s->inode ? s : NULL;
}

/* ---- Opening and closing ---- */

static void follow(int fd, int flags, bool existed)
{
    struct place place;
    struct stat st;
    struct shadow *s;

    if (!shadow_place_of(&place, fd) || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    if (fd >= DESCRIPTORS)
        shadow_die("too many files are open");
    s = shadow_of(fd, &place, !existed);
    if (!existed)
        shadow_event("create", place.folder, st.st_ino, place.name);
    atomic_store(&synced_always[fd], flags & O_DSYNC); /* O_SYNC has this bit, too */
    atomic_store(&shadow_at[fd], s);
}

static int do_open(int folder, const char *path, int flags, mode_t mode)
{
    bool existed;
    int fd;

    /* The question comes first: the allocator opens files while it is not ready to be used. */
    if ((!(flags & O_CREAT) && (flags & O_ACCMODE) == O_RDONLY) || !shadow_on())
        return REAL(openat)(folder, path, flags, mode);
    if ((flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    shadow_begin();
    existed = faccessat(folder, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    /* An old file is cut only when its shadow is made. */
    fd = REAL(openat)(folder, path, flags & ~O_TRUNC, mode);
    if (fd >= 0) {
        follow(fd, flags, existed);
        if (flags & O_TRUNC && ftruncate(fd, 0) < 0 && errno != EINVAL)
            shadow_die("cannot cut a file");
    }
    shadow_end();
    return fd;
}

#define MODE_ARGUMENT(flags)                                                                       \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                         \
        va_list list;                                                                              \
        va_start(list, flags);                                                                     \
        mode = va_arg(list, mode_t);                                                               \
        va_end(list);                                                                              \
    }

OURS int open(const char *path, int flags, ...)
{
    MODE_ARGUMENT(flags)
    return do_open(AT_FDCWD, path, flags, mode);
}

OURS int open64(const char *path, int flags, ...)
{
    MODE_ARGUMENT(flags)
    return do_open(AT_FDCWD, path, flags, mode);
}

OURS int openat(int folder, const char *path, int flags, ...)
{
    MODE_ARGUMENT(flags)
    return do_open(folder, path, flags, mode);
}

OURS int openat64(int folder, const char *path, int flags, ...)
{
    MODE_ARGUMENT(flags)
    return do_open(folder, path, flags, mode);
}

OURS int creat(const char *path, mode_t mode)
{
    return do_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

/* What open() becomes with _FORTIFY_SOURCE. */
OURS int fortified_open(const char *path, int flags) __asm__("__open_2");
OURS int fortified_open64(const char *path, int flags) __asm__("__open64_2");
int fortified_open(const char *path, int flags)
{
    return do_open(AT_FDCWD, path, flags, 0);
}
int fortified_open64(const char *path, int flags)
{
    return do_open(AT_FDCWD, path, flags, 0);
}

/* stdio writes behind our back. */
static FILE *do_fopen(const char *path, const char *how)
{
    struct place place;

    if (how[0] != 'r' && shadow_place(&place, AT_FDCWD, path))
        shadow_die("fopen() for writing is not understood");
    return REAL(fopen)(path, how);
}
OURS FILE *fopen(const char *path, const char *how)
{
    return do_fopen(path, how);
}
OURS FILE *fopen64(const char *path, const char *how)
{
    return do_fopen(path, how);
}

OURS int close(int fd)
{
    if (fd >= 0 && fd < DESCRIPTORS)
        atomic_store(&shadow_at[fd], NULL);
    return REAL(close)(fd);
}

static int duplicated(int from, int to)
{
    if (to >= 0 && to < DESCRIPTORS && from != to) {
        atomic_store(&synced_always[to], find(from) && synced_always[from]);
        atomic_store(&shadow_at[to], find(from));
    }
    return to;
}
OURS int dup(int fd)
{
    return duplicated(fd, REAL(dup)(fd));
}
OURS int dup2(int fd, int to)
{
    return duplicated(fd, REAL(dup2)(fd, to));
}
OURS int dup3(int fd, int to, int flags)
{
    return duplicated(fd, REAL(dup3)(fd, to, flags));
}

/* ---- Writing ---- */

static void written(struct shadow *s, int fd, off_t from, ssize_t n)
{
    if (n <= 0)
        return;
    shadow_changed(s, from, from + n);
    if (synced_always[fd])
        shadow_sync(s, fd);
}

OURS ssize_t write(int fd, const void *data, size_t n)
{
    struct shadow *s = find(fd);
    ssize_t done = REAL(write)(fd, data, n);

    if (s && done > 0) /* the place after it is also right with O_APPEND */
        written(s, fd, lseek(fd, 0, SEEK_CUR) - done, done);
    return done;
}

OURS ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    ssize_t done = REAL(pwrite)(fd, data, n, at);

    if (find(fd))
        written(find(fd), fd, at, done);
    return done;
}
OURS ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
    return pwrite(fd, data, n, at);
}

static int changed(int fd, int result)
{
    if (find(fd))
        shadow_changed_whole(find(fd), false);
    return result;
}

OURS int ftruncate(int fd, off_t size)
{
    return changed(fd, REAL(ftruncate)(fd, size));
}
OURS int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

OURS int fallocate(int fd, int mode, off_t from, off_t n)
{
    return changed(fd, REAL(fallocate)(fd, mode, from, n));
}
OURS int fallocate64(int fd, int mode, off64_t from, off64_t n)
{
    return fallocate(fd, mode, from, n);
}
OURS int posix_fallocate(int fd, off_t from, off_t n)
{
    return changed(fd, REAL(posix_fallocate)(fd, from, n));
}
OURS int posix_fallocate64(int fd, off64_t from, off64_t n)
{
    return posix_fallocate(fd, from, n);
}

OURS void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t from)
{
    if (flags & MAP_SHARED && protection & PROT_WRITE && find(fd))
        shadow_changed_whole(find(fd), true);
    return (void *)syscall(SYS_mmap, at, n, protection, flags, fd, from);
}
OURS void *mmap64(void *at, size_t n, int protection, int flags, int fd, off64_t from)
{
    return mmap(at, n, protection, flags, fd, from);
}

/* ---- Syncing ---- */

static int do_sync(int fd, int (*real)(int))
{
    struct place place;
    struct shadow *s = find(fd);
    struct stat st;

    if (s) {
        shadow_sync(s, fd);
    } else if (!shadow_follows(fd)) {
        return real(fd);
    } else if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        shadow_begin();
        shadow_event("sync", st.st_ino, 0, "");
        shadow_end();
    } else if (shadow_place_of(&place, fd)) { /* opened for reading */
        shadow_sync(shadow_of(fd, &place, false), fd);
    }
    return 0;
}
OURS int fsync(int fd)
{
    return do_sync(fd, REAL(fsync));
}
OURS int fdatasync(int fd)
{
    return do_sync(fd, REAL(fdatasync));
}

/* ---- What nobody uses ---- */

static void refuse(int fd, const char *what)
{
    if (find(fd))
        shadow_die(what);
}
OURS ssize_t writev(int fd, const struct iovec *v, int n)
{
    refuse(fd, "writev() is not understood");
    return REAL(writev)(fd, v, n);
}
OURS ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    refuse(fd, "pwritev() is not understood");
    return REAL(pwritev)(fd, v, n, at);
}
OURS ssize_t sendfile(int out, int in, off_t *at, size_t n)
{
    refuse(out, "sendfile() is not understood");
    return REAL(sendfile)(out, in, at, n);
}
OURS ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t n,
                             unsigned flags)
{
    refuse(out, "copy_file_range() is not understood");
    return REAL(copy_file_range)(in, in_at, out, out_at, n, flags);
}
OURS int msync(void *at, size_t n, int flags)
{
    if (shadow_on())
        shadow_die("msync() is not understood");
    return REAL(msync)(at, n, flags);
}
OURS int truncate(const char *path, off_t size)
{
    struct place place;

    if (shadow_place(&place, AT_FDCWD, path))
        shadow_die("truncate() is not understood");
    return REAL(truncate)(path, size);
}
