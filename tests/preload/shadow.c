/* SPDX-License-Identifier: Apache-2.0 */
/* The shadow of what is on disk; see shadow.h. Its own files are written by direct system calls, so
   that nothing here meets itself. */
#include "tests/preload/shadow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BUCKETS 256

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool on;
static char root[PATH_MAX];
static size_t root_length;
static const char *drop;
static useconds_t slow; /* a sync takes up to so long */
static atomic_uint syncs;
static int folder_fd = -1, events_fd = -1;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER; /* of folder events */
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static struct shadow *bucket[BUCKETS];

_Noreturn void shadow_die(const char *what)
{
    dprintf(STDERR_FILENO, "powercut: %s: %s\n", what, strerror(errno));
    abort();
}

static int raw_openat(int folder, const char *path, int flags, mode_t mode)
{
    return (int)syscall(SYS_openat, folder, path, flags | O_CLOEXEC, mode);
}

static void start(void)
{
    const char *r = getenv("EMBD_POWERCUT_ROOT"), *shadow = getenv("EMBD_POWERCUT_SHADOW");

    if (!r || !shadow)
        return;
    if (!realpath(r, root))
        shadow_die(r);
    root_length = strlen(root);
    drop = getenv("EMBD_POWERCUT_DROP");
    if (getenv("EMBD_POWERCUT_SLOW"))
        slow = (useconds_t)atoi(getenv("EMBD_POWERCUT_SLOW"));
    folder_fd = raw_openat(AT_FDCWD, shadow, O_PATH | O_DIRECTORY, 0);
    if (folder_fd < 0)
        shadow_die(shadow);
    events_fd = raw_openat(folder_fd, "folders", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (events_fd < 0)
        shadow_die("folders");
    on = true;
}

bool shadow_on(void)
{
    pthread_once(&once, start);
    return on;
}

static bool below(const char *path)
{
    return !strncmp(path, root, root_length) &&
           (path[root_length] == '/' || path[root_length] == '\0');
}

static bool path_of(char path[4096], int fd)
{
    char link[64];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, 4095);
    if (n <= 0)
        return false;
    path[n] = '\0';
    return true;
}

bool shadow_place(struct place *out, int folder, const char *path)
{
    const char *slash = strrchr(path, '/');
    char head[PATH_MAX] = ".";
    struct stat st;
    size_t n;
    int fd;

    if (!shadow_on() || strlen(path) >= sizeof head)
        return false;
    if (slash) {
        n = slash == path ? 1 : (size_t)(slash - path);
        memcpy(head, path, n);
        head[n] = '\0';
    }
    fd = raw_openat(folder, head, O_PATH | O_DIRECTORY, 0);
    if (fd < 0)
        return false;
    bool ours = path_of(out->path, fd) && below(out->path) && !fstat(fd, &st);
    close(fd);
    n = ours ? strlen(out->path) : 0;
    if (!ours || n + 2 + strlen(slash ? slash + 1 : path) > sizeof out->path)
        return false;
    out->path[n] = '/';
    strcpy(out->path + n + 1, slash ? slash + 1 : path);
    out->name = out->path + n + 1;
    out->folder = st.st_ino;
    return true;
}

bool shadow_follows(int fd)
{
    char path[4096];

    return shadow_on() && path_of(path, fd) && below(path);
}

bool shadow_place_of(struct place *out, int fd)
{
    char path[4096];

    return shadow_on() && path_of(path, fd) && below(path) && shadow_place(out, AT_FDCWD, path);
}

/* Copy [from, to) of the file to its shadow; `to` -1: to the end. */
static void copy(int in, int out, off_t from, off_t to)
{
    static _Thread_local char block[65536];

    while (to < 0 || from < to) {
        size_t want =
            to < 0 || to - from > (off_t)sizeof block ? sizeof block : (size_t)(to - from);
        ssize_t n = pread(in, block, want, from);

        if (n < 0)
            shadow_die("cannot read a file to be synced");
        if (n == 0)
            return; /* what was cut off since needs no copy */
        if (syscall(SYS_pwrite64, out, block, n, from) != n)
            shadow_die("cannot write a shadow");
        from += n;
    }
}

/* The file for reading, however it was opened. */
static int open_again(int fd)
{
    char link[64];
    int in;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if ((in = raw_openat(AT_FDCWD, link, O_RDONLY, 0)) < 0)
        shadow_die("cannot read a file that was written");
    return in;
}

static int open_shadow(uint64_t inode, int flags)
{
    char name[64];

    snprintf(name, sizeof name, "inode-%" PRIu64, inode);
    return raw_openat(folder_fd, name, O_RDWR | flags, 0600);
}

/* Begin a file's shadow: empty, or as the file is now. A copy gets its name when it is whole. */
static void make_shadow(int fd, uint64_t inode, bool fresh)
{
    char name[64], temporary[64];
    int out, in;

    snprintf(name, sizeof name, "inode-%" PRIu64, inode);
    snprintf(temporary, sizeof temporary, "new-%" PRIu64, inode);
    out = raw_openat(folder_fd, temporary, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (out < 0)
        shadow_die("cannot make a shadow");
    if (!fresh) {
        in = open_again(fd);
        copy(in, out, 0, -1);
        close(in);
    }
    close(out);
    if (syscall(SYS_renameat, folder_fd, temporary, folder_fd, name) < 0)
        shadow_die("cannot name a shadow");
}

struct shadow *shadow_of(int fd, const struct place *place, bool fresh)
{
    struct shadow *s;
    struct stat st;

    if (fstat(fd, &st) < 0)
        shadow_die("fstat");
    pthread_mutex_lock(&table);
    for (s = bucket[st.st_ino % BUCKETS]; s && s->inode != st.st_ino; s = s->next)
        ;
    if (!s) {
        size_t path = strlen(place->path), end = drop ? strlen(drop) : 0;

        if (!(s = calloc(1, sizeof *s)))
            shadow_die("calloc");
        s->inode = st.st_ino;
        s->dropped = end && path >= end && !strcmp(place->path + path - end, drop);
        pthread_mutex_init(&s->lock, NULL);
        make_shadow(fd, s->inode, fresh);
        s->next = bucket[st.st_ino % BUCKETS];
        bucket[st.st_ino % BUCKETS] = s;
    }
    pthread_mutex_unlock(&table);
    return s;
}

void shadow_changed(struct shadow *s, off_t from, off_t to)
{
    unsigned last, most = sizeof s->range / sizeof s->range[0];

    pthread_mutex_lock(&s->lock);
    last = s->ranges - 1;
    if (s->ranges && from <= s->range[last].to && to >= s->range[last].from) { /* it touches */
        if (from < s->range[last].from)
            s->range[last].from = from;
        if (to > s->range[last].to)
            s->range[last].to = to;
    } else if (s->ranges < most) {
        s->range[s->ranges].from = from;
        s->range[s->ranges++].to = to;
    } else {
        s->whole = true;
    }
    pthread_mutex_unlock(&s->lock);
}

void shadow_changed_whole(struct shadow *s, bool mapped)
{
    pthread_mutex_lock(&s->lock);
    s->whole = true;
    s->mapped |= mapped;
    pthread_mutex_unlock(&s->lock);
}

void shadow_sync(struct shadow *s, int fd)
{
    struct stat st;
    int in, out;

    if (s->dropped)
        return;
    if (slow) /* so that the power is often cut between a write and its sync */
        usleep((useconds_t)(atomic_fetch_add(&syncs, 1) * 7919 % slow));
    in = open_again(fd);
    pthread_mutex_lock(&s->lock); /* to the end: whoever comes second must not return before it */
    out = open_shadow(s->inode, 0);
    if (out < 0)
        shadow_die("cannot open a shadow");
    if (s->whole || s->mapped)
        copy(in, out, 0, -1);
    else
        for (unsigned i = 0; i < s->ranges; i++)
            copy(in, out, s->range[i].from, s->range[i].to);
    s->ranges = 0;
    s->whole = false;
    if (fstat(in, &st) < 0 || syscall(SYS_ftruncate, out, st.st_size) < 0)
        shadow_die("cannot cut a shadow");
    pthread_mutex_unlock(&s->lock);
    close(out);
    close(in);
}

void shadow_begin(void)
{
    pthread_mutex_lock(&order);
}

void shadow_end(void)
{
    pthread_mutex_unlock(&order);
}

void shadow_event(const char *what, uint64_t folder, uint64_t inode, const char *name)
{
    char line[PATH_MAX + 64];
    int n =
        snprintf(line, sizeof line, "%s %" PRIu64 " %" PRIu64 " %s\n", what, folder, inode, name);

    if (n >= (int)sizeof line || syscall(SYS_write, events_fd, line, n) != n)
        shadow_die("cannot write down a folder's event");
}

void shadow_keep(const struct place *place)
{
    struct stat st;
    char name[64];

    if (lstat(place->path, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    snprintf(name, sizeof name, "kept-%" PRIu64, (uint64_t)st.st_ino);
    if (syscall(SYS_linkat, AT_FDCWD, place->path, folder_fd, name, 0) < 0 && errno != EEXIST)
        shadow_die("cannot keep a file without a name");
}
