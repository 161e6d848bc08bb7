/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a folder of snapshots: names, then headers, then which file goes on from which. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/snapshot_parts.h"

#define TOKENS_MOST ((uint64_t)1000000)

struct header_limits snapshot_header_limits(void)
{
    return (struct header_limits){.bytes = HEADER_BYTES_MOST, .tokens = TOKENS_MOST};
}

enum status snapshot_file_open(int *fd, const char *path, struct stat *st, struct error *e)
{
    int opened = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    if (opened < 0 && errno == ELOOP)
        return error_set(e, ST_INVALID, "%s: is a symbolic link", path);
    if (opened < 0)
        return error_errno(e, errno, "%s", path);
    if (fstat(opened, st) < 0 || !S_ISREG(st->st_mode)) {
        close(opened);
        return error_set(e, ST_INVALID, "%s: is not a regular file", path);
    }
    *fd = opened;
    return ST_OK;
}

/* What the header says, held against the name. */
static enum status read_header(struct snapshot_link *l, int fd, struct error *e)
{
    const struct header_limits limits = snapshot_header_limits();
    struct blocks_file f = {0};
    enum status st;

    if (l->s.whole) {
        st = header_read(&f.header, fd, l->s.bytes, &limits, e);
        if (st == ST_OK && header_is_blocks(&f.header))
            st = error_set(e, ST_INVALID, "is a file of blocks");
        if (st == ST_OK)
            st = moment_read(&f.moment, &f.header, e);
    } else {
        st = blocks_file_header(&f, fd, l->s.bytes, &limits, e);
    }
    if (st == ST_OK && (f.moment.applied != l->s.version || f.moment.generation != l->s.generation))
        st = error_set(e, ST_INVALID, "holds version %llu of generation %llu",
                       (unsigned long long)f.moment.applied,
                       (unsigned long long)f.moment.generation);
    if (st == ST_OK) {
        l->lsn = f.moment.lsn;
        l->s.checksum = f.moment.checksum;
        l->header_hash = f.header.hash;
        l->data_bytes = f.header.data_bytes;
        l->base_version = f.base_version;
        l->base_checksum = f.base_checksum;
    }
    blocks_file_done(&f);
    return st == ST_OK ? st : error_prefix(e, st, "%s", l->s.path);
}

/* Fill the link of a name. Only what says nothing about the file is a failure; *there is false if
   it has gone meanwhile. */
static enum status read_link(struct snapshot_link *l, const char *folder, const char *text,
                             const struct snapshot_name *name, bool *there, struct error *e)
{
    struct stat file = {0};
    enum status st;
    int fd = -1;

    *l = (struct snapshot_link){.base = NO_LINK};
    l->s.generation = name->generation;
    l->s.version = name->version;
    l->s.lineage = name->lineage;
    l->s.whole = name->whole;
    l->s.files = 1;
    st = snapshot_path(&l->s, folder, text, e);
    if (st != ST_OK)
        return st;
    st = snapshot_file_open(&fd, l->s.path, &file, &l->trouble);
    *there = st != ST_NOT_FOUND;
    if (st == ST_OK) {
        l->s.bytes = l->s.chain_bytes = (uint64_t)file.st_size;
        l->time_ns = file.st_mtim.tv_sec * INT64_C(1000000000) + file.st_mtim.tv_nsec;
        l->s.time_us = l->time_ns / 1000;
        st = read_header(l, fd, &l->trouble);
        close(fd);
    }
    if (st == ST_EXHAUSTED)
        return error_set(e, st, "%s", l->trouble.text);
    if (st == ST_OK)
        l->trouble.text[0] = '\0';
    return ST_OK;
}

static enum status add_link(struct snapshot_scan *scan, size_t *room, const char *folder,
                            const char *text, const struct snapshot_name *name, struct error *e)
{
    enum status st;
    bool there;

    if (scan->count == *room) {
        size_t more = *room ? 2 * *room : 16;
        struct snapshot_link *grown = mem_resize(scan->link, more, sizeof *grown);

        if (!grown)
            return error_memory(e, "snapshots");
        scan->link = grown;
        *room = more;
    }
    st = read_link(&scan->link[scan->count], folder, text, name, &there, e);
    if (st == ST_OK && there)
        scan->count++;
    return st;
}

/* A link with trouble is older than a good one of the same version. */
static int compare(const struct snapshot_link *x, const struct snapshot_link *y)
{
    bool good_x = !x->trouble.text[0], good_y = !y->trouble.text[0];

    if (x->s.version != y->s.version)
        return x->s.version < y->s.version ? -1 : 1;
    if (good_x != good_y)
        return good_x ? 1 : -1;
    if (x->lsn != y->lsn)
        return x->lsn < y->lsn ? -1 : 1;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return (int)x->s.whole - (int)y->s.whole;
}

bool snapshot_newer(const struct snapshot_link *a, const struct snapshot_link *b)
{
    return compare(a, b) > 0;
}

static int in_order(const void *a, const void *b)
{
    const struct snapshot_link *x = a, *y = b;

    return x->s.lineage != y->s.lineage ? (int)x->s.lineage - (int)y->s.lineage : compare(x, y);
}

/* Place of the first link of a lineage that has at least this version. */
static size_t find_version(const struct snapshot_scan *scan, unsigned lineage, uint64_t version)
{
    size_t from = 0, to = scan->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct snapshot *s = &scan->link[middle].s;

        if (s->lineage < lineage || (s->lineage == lineage && s->version < version))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The file of the lineage and version that a file of blocks goes on from: with its checksum, and
   rather a good one; else a damaged one, whose checksum is not known. *any: there are others. */
static const struct snapshot_link *find_base(const struct snapshot_scan *scan,
                                             const struct snapshot_link *l, bool *any)
{
    const struct snapshot_link *base = NULL, *damaged = NULL;

    *any = false;
    for (size_t i = find_version(scan, l->s.lineage, l->base_version); i < scan->count; i++) {
        const struct snapshot_link *other = &scan->link[i];

        if (other->s.lineage != l->s.lineage || other->s.version != l->base_version)
            break;
        *any = true;
        if (other->trouble.text[0])
            damaged = other;
        if (other->s.checksum == l->base_checksum && (!base || base->trouble.text[0]))
            base = other;
    }
    return base ? base : damaged;
}

/* Tie a file of blocks to the one before it, which, of a lower version, has been tied already. */
static void tie(struct snapshot_scan *scan, struct snapshot_link *l)
{
    const struct snapshot_link *base;
    bool any;

    l->culprit = (size_t)(l - scan->link);
    if (l->s.whole || l->trouble.text[0])
        return;
    base = find_base(scan, l, &any);
    if (!base)
        error_set(
            &l->trouble, ST_DATA_LOSS,
            any ? "%s: goes on from another snapshot of version %llu than the one that is there"
                : "%s: the snapshot that it goes on from, of version %llu, is not there",
            l->s.path, (unsigned long long)l->base_version);
    else if (base->trouble.text[0]) {
        l->culprit = base->culprit;
        error_set(&l->trouble, ST_DATA_LOSS, "%s: goes on from a damaged snapshot: %s", l->s.path,
                  scan->link[base->culprit].trouble.text);
    } else if (base->lsn > l->lsn)
        error_set(&l->trouble, ST_DATA_LOSS, "%s: goes on from a later snapshot, %s", l->s.path,
                  base->s.path);
    if (l->trouble.text[0])
        return;
    l->base = (size_t)(base - scan->link);
    l->s.files = base->s.files + 1;
    l->s.chain_bytes = base->s.chain_bytes + l->s.bytes;
}

static enum status read_folder(struct snapshot_scan *scan, DIR *dir, const char *folder,
                               uint64_t generation, struct error *e)
{
    enum status st = ST_OK;
    size_t room = 0;

    while (st == ST_OK) {
        struct snapshot_name name;
        struct dirent *entry;

        errno = 0;
        entry = readdir(dir);
        if (!entry && errno)
            return error_errno(e, errno, "cannot read the folder %s", QUOTE(folder));
        if (!entry)
            break;
        if (snapshot_name_parse(&name, entry->d_name) && name.generation == generation)
            st = add_link(scan, &room, folder, entry->d_name, &name, e);
    }
    return st;
}

enum status snapshot_scan(struct snapshot_scan *out, const char *folder, uint64_t generation,
                          struct error *e)
{
    struct snapshot_scan scan = {0};
    enum status st;
    DIR *dir;

    if (FAILPOINT("snapshot.scan.before"))
        return error_errno(e, errno, "cannot open the folder %s", QUOTE(folder));
    dir = opendir(folder);
    if (!dir && errno == ENOENT) {
        *out = scan;
        return ST_OK;
    }
    if (!dir)
        return error_errno(e, errno, "cannot open the folder %s", QUOTE(folder));
    st = read_folder(&scan, dir, folder, generation, e);
    closedir(dir);
    if (st != ST_OK) {
        snapshot_scan_done(&scan);
        return st;
    }
    if (scan.count)
        qsort(scan.link, scan.count, sizeof *scan.link, in_order);
    for (size_t i = 0; i < scan.count; i++) {
        struct snapshot_link *l = &scan.link[i];

        tie(&scan, l);
        l->s.damaged = l->trouble.text[0] != '\0';
        l->s.lsn = l->s.damaged ? SNAPSHOT_LSN_DAMAGED : l->lsn;
    }
    *out = scan;
    return ST_OK;
}

void snapshot_scan_done(struct snapshot_scan *scan)
{
    mem_free(scan->link);
    *scan = (struct snapshot_scan){0};
}
