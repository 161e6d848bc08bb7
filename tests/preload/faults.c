/* SPDX-License-Identifier: Apache-2.0 */
/* LD_PRELOAD: system calls and allocations that fail. The file EMBD_FAULTS is shared memory with
   the test (tests/system/faults.py), which reads from it how often each kind was called, and arms
   one kind: its `at`-th call from then on fails with `error`, and all later ones too if `ever`.
   Calls that concern files count below EMBD_FAULTS_ROOT only. A write that fails with EIO has
   written the first half. Any thread. */
#undef _FILE_OFFSET_BITS /* both names of each function are defined here */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/preload/real.h"

#define DESCRIPTORS 65536
#define PLACES 16384 /* different stacks of allocations that are told apart */
#define FRAMES 10    /* callers that make a stack */

/* The order is that of KINDS in faults.py. */
enum kind { NONE, WRITE, SYNC, RENAME, OPEN, SIZE, UNLINK, MAP, MEMORY, KINDS };

struct faults {
    atomic_uint kind, ever;
    atomic_int error;
    atomic_uint trace; /* note which allocations come from a place of their own */
    atomic_ullong at, failed;
    atomic_ullong count[KINDS];
    atomic_ullong places;
    unsigned long long place[PLACES]; /* the number of the first allocation from each place */
};

static struct faults *faults; /* NULL: the process is left alone */
static const char *root;
static size_t root_length;
static atomic_bool below_root[DESCRIPTORS];

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("EMBD_FAULTS");
    void *map;
    int fd;

    root = getenv("EMBD_FAULTS_ROOT");
    if (!path || !root)
        return;
    root_length = strlen(root);
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    map = fd < 0 ? MAP_FAILED
                 : (void *)syscall(SYS_mmap, NULL, sizeof *faults, PROT_READ | PROT_WRITE,
                                   MAP_SHARED, fd, 0L);
    if (map == MAP_FAILED) {
        dprintf(STDERR_FILENO, "faults: %s: %s\n", path, strerror(errno));
        abort();
    }
    syscall(SYS_close, fd);
    faults = map;
}

/* Count a call; true, with errno, if it is to fail. */
static bool fails(enum kind kind)
{
    unsigned long long now, at;

    if (!faults)
        return false;
    now = atomic_fetch_add(&faults->count[kind], 1) + 1;
    if (atomic_load(&faults->kind) != kind)
        return false;
    at = atomic_load(&faults->at);
    if (now != at && !(now > at && atomic_load(&faults->ever)))
        return false;
    atomic_fetch_add(&faults->failed, 1);
    errno = atomic_load(&faults->error);
    return true;
}

static bool below(const char *path)
{
    return root && !strncmp(path, root, root_length) &&
           (path[root_length] == '/' || path[root_length] == '\0');
}

static bool fd_fails(enum kind kind, int fd)
{
    struct stat st;

    /* closedir() and the like close behind our back, and then the number may be a socket's. */
    return fd >= 0 && fd < DESCRIPTORS && below_root[fd] && !fstat(fd, &st) &&
           (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) && fails(kind);
}

/* ---- Files ---- */

static int do_open(int folder, const char *path, int flags, mode_t mode)
{
    bool ours = faults && below(path);
    int fd;

    if (ours && fails(OPEN))
        return -1;
    fd = REAL(openat)(folder, path, flags, mode);
    if (fd >= 0 && fd < DESCRIPTORS)
        below_root[fd] = ours;
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

OURS int close(int fd)
{
    if (fd >= 0 && fd < DESCRIPTORS)
        below_root[fd] = false;
    return REAL(close)(fd);
}

OURS ssize_t write(int fd, const void *data, size_t n)
{
    if (fd_fails(WRITE, fd)) {
        int error = errno;

        if (error == EIO && n > 1 && REAL(write)(fd, data, n / 2) < 0)
            return -1;
        errno = error;
        return -1;
    }
    return REAL(write)(fd, data, n);
}
OURS ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    if (fd_fails(WRITE, fd)) {
        int error = errno;

        if (error == EIO && n > 1 && REAL(pwrite)(fd, data, n / 2, at) < 0)
            return -1;
        errno = error;
        return -1;
    }
    return REAL(pwrite)(fd, data, n, at);
}
OURS ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
    return pwrite(fd, data, n, at);
}

OURS int fsync(int fd)
{
    return fd_fails(SYNC, fd) ? -1 : REAL(fsync)(fd);
}
OURS int fdatasync(int fd)
{
    return fd_fails(SYNC, fd) ? -1 : REAL(fdatasync)(fd);
}

OURS int ftruncate(int fd, off_t size)
{
    return fd_fails(SIZE, fd) ? -1 : REAL(ftruncate)(fd, size);
}
OURS int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}
OURS int fallocate(int fd, int mode, off_t from, off_t n)
{
    return fd_fails(SIZE, fd) ? -1 : REAL(fallocate)(fd, mode, from, n);
}
OURS int fallocate64(int fd, int mode, off64_t from, off64_t n)
{
    return fallocate(fd, mode, from, n);
}
OURS int posix_fallocate(int fd, off_t from, off_t n)
{
    return fd_fails(SIZE, fd) ? errno : REAL(posix_fallocate)(fd, from, n);
}
OURS int posix_fallocate64(int fd, off64_t from, off64_t n)
{
    return posix_fallocate(fd, from, n);
}

OURS int rename(const char *old, const char *new)
{
    return below(new) && fails(RENAME) ? -1 : REAL(rename)(old, new);
}
OURS int unlink(const char *path)
{
    return below(path) && fails(UNLINK) ? -1 : REAL(unlink)(path);
}

/* ---- Memory ---- */

/* A session makes many thousand allocations, most of them from a place that made others before.
   Their first ones are worth failing. */
static void trace(void)
{
    static _Thread_local bool inside; /* backtrace() allocates the first time */
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static uint64_t seen[4 * PLACES];
    void *frame[FRAMES];
    uint64_t hash = 14695981039346656037U;
    size_t at;
    int frames;

    if (inside)
        return;
    inside = true;
    frames = backtrace(frame, FRAMES);
    for (int i = 0; i < frames; i++)
        hash = (hash ^ (uintptr_t)frame[i]) * 1099511628211U;
    pthread_mutex_lock(&lock);
    at = hash % (4 * PLACES);
    while (seen[at] && seen[at] != hash)
        at = (at + 1) % (4 * PLACES);
    if (!seen[at] && faults->places < PLACES) {
        seen[at] = hash;
        faults->place[faults->places++] = faults->count[MEMORY];
    }
    pthread_mutex_unlock(&lock);
    inside = false;
}

static bool memory_fails(void)
{
    bool failed = fails(MEMORY);

    if (faults && faults->trace)
        trace();
    return failed;
}

/* jemalloc 5.3 itself does not live through it when it gets no memory for a new thread's arena;
   what it gives to us fails by MEMORY. */
static bool by_jemalloc(void *caller)
{
    Dl_info info;

    return faults && dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, "jemalloc");
}

OURS void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t from)
{
    if (!by_jemalloc(__builtin_return_address(0)) && fails(MAP))
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, n, protection, flags, fd, from);
}
OURS void *mmap64(void *at, size_t n, int protection, int flags, int fd, off64_t from)
{
    if (!by_jemalloc(__builtin_return_address(0)) && fails(MAP))
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, n, protection, flags, fd, from);
}

OURS void *malloc(size_t n)
{
    return memory_fails() ? NULL : REAL(malloc)(n);
}
OURS void *calloc(size_t count, size_t n)
{
    return memory_fails() ? NULL : REAL(calloc)(count, n);
}
OURS void *realloc(void *p, size_t n)
{
    return memory_fails() ? NULL : REAL(realloc)(p, n);
}
OURS int posix_memalign(void **p, size_t alignment, size_t n)
{
    return memory_fails() ? ENOMEM : REAL(posix_memalign)(p, alignment, n);
}
OURS void *aligned_alloc(size_t alignment, size_t n)
{
    return memory_fails() ? NULL : REAL(aligned_alloc)(alignment, n);
}
