/* SPDX-License-Identifier: Apache-2.0 */
/* The files that a snapshot consists of, found again in its folder. */
#include <string.h>

#include "base/memory.h"
#include "storage/snapshot_parts.h"

void snapshot_chain_done(struct snapshot_chain *c)
{
    mem_free(c->link);
    snapshot_scan_done(&c->scan);
    *c = (struct snapshot_chain){0};
}

static enum status tie_chain(struct snapshot_chain *c, const char *path, struct error *e)
{
    const struct snapshot_link *l = NULL;
    size_t at;

    for (size_t i = 0; !l && i < c->scan.count; i++)
        if (!strcmp(c->scan.link[i].s.path, path))
            l = &c->scan.link[i];
    if (!l)
        return error_set(e, ST_DATA_LOSS, "%s: is not there", path);
    if (l->s.damaged)
        return error_set(e, ST_DATA_LOSS, "%s", l->trouble.text);
    c->count = (size_t)l->s.files;
    c->link = mem_zero(c->count, sizeof *c->link);
    if (!c->link)
        return error_memory(e, "snapshot");
    for (at = c->count; at > 0; l = l->base == NO_LINK ? NULL : &c->scan.link[l->base])
        c->link[--at] = l;
    return ST_OK;
}

enum status snapshot_chain_find(struct snapshot_chain *c, const struct snapshot *s, struct error *e)
{
    const char *slash = strrchr(s->path, '/');
    char folder[sizeof s->path];
    enum status st;

    *c = (struct snapshot_chain){0};
    if (!slash)
        return error_set(e, ST_INTERNAL, "%s: is in no folder", s->path);
    memcpy(folder, s->path, (size_t)(slash - s->path));
    folder[slash - s->path] = '\0';
    st = snapshot_scan(&c->scan, folder, s->generation, e);
    if (st == ST_OK)
        st = tie_chain(c, s->path, e);
    if (st != ST_OK)
        snapshot_chain_done(c);
    return st;
}
