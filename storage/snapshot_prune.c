/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting what no one needs any more. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/snapshot_parts.h"

/* A file that goes. */
struct doomed {
    char text[NAME_MAX + 1];
    struct snapshot_name name; /* zeros for a temporary */
};

struct pruning {
    const char *folder;
    uint64_t generation;
    struct snapshot_scan scan;
    bool *needed;                                 /* [scan.count] */
    const struct snapshot_link *newest[LINEAGES]; /* good ones; NULL: none */
    struct doomed *doomed;
    size_t count, room;
};

/* Find the newest good snapshot of a lineage, if it has one, and mark its chain. */
static void mark_newest(struct pruning *p, unsigned lineage, uint64_t since)
{
    const struct snapshot_link *newest = NULL;

    for (size_t i = 0; i < p->scan.count; i++) {
        const struct snapshot_link *l = &p->scan.link[i];

        if (l->s.lineage == lineage && !l->s.damaged && l->s.version >= since &&
            (!newest || snapshot_newer(l, newest)))
            newest = l;
    }
    p->newest[lineage] = newest;
    for (const struct snapshot_link *l = newest; l;
         l = l->base == NO_LINK ? NULL : &p->scan.link[l->base])
        p->needed[l - p->scan.link] = true;
}

/* What is called damaged may be an error of the disk that passes, so it goes only when a good
   snapshot of a later version has taken its place. */
static bool is_past(const struct snapshot_link *l, const struct snapshot_link *newest)
{
    return l->s.damaged ? l->s.version < newest->s.version : snapshot_newer(newest, l);
}

/* A file that came after the scan is not known, and stays. */
static bool may_go(const struct pruning *p, const char *text, const struct snapshot_name *name)
{
    if (!p->newest[0] || !p->newest[1])
        return false;
    if (name->generation != p->generation)
        return true;
    for (size_t i = 0; i < p->scan.count; i++) {
        const struct snapshot_link *l = &p->scan.link[i];

        if (!strcmp(strrchr(l->s.path, '/') + 1, text))
            return !p->needed[i] && is_past(l, p->newest[l->s.lineage]);
    }
    return false;
}

static enum status add_doomed(struct pruning *p, const char *text, const struct snapshot_name *name,
                              struct error *e)
{
    struct doomed *d;

    if (p->count == p->room) {
        size_t more = p->room ? 2 * p->room : 16;
        struct doomed *grown = mem_resize(p->doomed, more, sizeof *grown);

        if (!grown)
            return error_memory(e, "snapshots");
        p->doomed = grown;
        p->room = more;
    }
    d = &p->doomed[p->count++];
    memcpy(d->text, text, strlen(text) + 1);
    d->name = *name;
    return ST_OK;
}

static enum status list_doomed(struct pruning *p, DIR *dir, struct error *e)
{
    enum status st = ST_OK;

    while (st == ST_OK) {
        struct snapshot_name name = {0};
        struct dirent *entry;

        errno = 0;
        entry = readdir(dir);
        if (!entry && errno)
            return error_errno(e, errno, "cannot read the folder %s", QUOTE(p->folder));
        if (!entry)
            break;
        if (snapshot_name_temporary(entry->d_name) ||
            (snapshot_name_parse(&name, entry->d_name) && may_go(p, entry->d_name, &name)))
            st = add_doomed(p, entry->d_name, &name, e);
    }
    return st;
}

/* Newest first and blocks before whole files, so that what is left when we are stopped has no chain
   without its beginning. */
static int last_first(const void *a, const void *b)
{
    const struct doomed *x = a, *y = b;

    if (x->name.version != y->name.version)
        return x->name.version < y->name.version ? 1 : -1;
    return (int)x->name.whole - (int)y->name.whole;
}

/* Folders are not ours. */
static enum status delete_file(const char *folder, const char *text, struct error *e)
{
    char path[PATH_MAX + NAME_MAX + 2];

    snprintf(path, sizeof path, "%s/%s", folder, text);
    if (unlink(path) == 0 || errno == ENOENT || errno == EISDIR)
        return ST_OK;
    return error_errno(e, errno, "cannot delete %s", path);
}

/* Go on after a failure; the first one is told. */
static enum status delete_doomed(struct pruning *p, struct error *e)
{
    enum status first = ST_OK;

    if (p->count)
        qsort(p->doomed, p->count, sizeof *p->doomed, last_first);
    for (size_t i = 0; i < p->count; i++) {
        struct error own;
        enum status st;

        if (FAILPOINT("snapshot.prune.unlink"))
            st = error_errno(&own, errno, "cannot delete %s/%s", p->folder, p->doomed[i].text);
        else
            st = delete_file(p->folder, p->doomed[i].text, &own);
        if (st != ST_OK && first == ST_OK)
            first = error_set(e, st, "%s", own.text);
    }
    return first;
}

static enum status prune(struct pruning *p, uint64_t since, struct error *e)
{
    enum status st = snapshot_scan(&p->scan, p->folder, p->generation, e);
    DIR *dir;

    if (st != ST_OK)
        return st;
    p->needed = mem_zero(p->scan.count, sizeof *p->needed);
    if (!p->needed)
        return error_memory(e, "snapshots");
    for (unsigned lineage = 0; lineage < LINEAGES; lineage++)
        mark_newest(p, lineage, since);
    dir = opendir(p->folder);
    if (!dir && errno == ENOENT)
        return ST_OK;
    if (!dir)
        return error_errno(e, errno, "cannot open the folder %s", QUOTE(p->folder));
    st = list_doomed(p, dir, e);
    if (st == ST_OK)
        st = delete_doomed(p, e);
    closedir(dir);
    (void)FAILPOINT("snapshot.prune.after");
    return st;
}

enum status snapshot_prune(const char *folder, uint64_t generation, uint64_t since, struct error *e)
{
    struct pruning p = {.folder = folder, .generation = generation};
    enum status st = prune(&p, since, e);

    mem_free(p.needed);
    mem_free(p.doomed);
    snapshot_scan_done(&p.scan);
    return st;
}

enum status snapshot_forget(const char *folder, struct error *e)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    enum status st = ST_OK;

    if (!dir && errno == ENOENT)
        return ST_OK;
    if (!dir)
        return error_errno(e, errno, "cannot open the folder %s", QUOTE(folder));
    while (st == ST_OK && (errno = 0, entry = readdir(dir)))
        if (FAILPOINT("snapshot.forget.unlink"))
            st = error_errno(e, errno, "cannot delete %s/%s", folder, entry->d_name);
        else
            st = delete_file(folder, entry->d_name, e);
    if (st == ST_OK && errno)
        st = error_errno(e, errno, "cannot read the folder %s", QUOTE(folder));
    closedir(dir);
    if (st == ST_OK && rmdir(folder) < 0)
        st = error_errno(e, errno, "cannot delete the folder %s", QUOTE(folder));
    return st == ST_OK ? file_sync_folder(folder, e) : st;
}
