/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of checkpoints: which there are, and how they go. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/checkpoint_parts.h"

#define FOLDER "checkpoints"

static char *join(const char *data_dir, const char *a, const char *b, const char *c, const char *d)
{
    size_t size =
        strlen(data_dir) + sizeof "/" FOLDER "/" + strlen(a) + strlen(b) + strlen(c) + strlen(d);
    char *path = mem_alloc(size);

    if (path)
        snprintf(path, size, "%s/" FOLDER "/%s%s%s%s", data_dir, a, b, c, d);
    return path;
}

char *checkpoint_folder(const char *data_dir, const char *label, const char *name)
{
    return join(data_dir, label, name ? "/" : "", name ? name : "", "");
}

char *checkpoint_path(const char *data_dir, const char *label, const char *end)
{
    return join(data_dir, ".", label, end, "");
}

enum status checkpoint_make_folder(const char *path, struct error *e)
{
    if (FAILPOINT("checkpoint.folder") || (mkdir(path, 0700) < 0 && errno != EEXIST))
        return error_errno(e, errno, "cannot create the folder %s", QUOTE(path));
    return ST_OK;
}

/* ---- Reading the folder ---- */

/* Hand each name in a folder to `one`; a folder that is not there has none. */
static enum status each_name(const char *folder,
                             enum status (*one)(void *context, const char *name, struct error *e),
                             void *context, struct error *e)
{
    enum status st = ST_OK;
    struct dirent *entry;
    DIR *dir = opendir(folder);

    if (!dir && errno == ENOENT)
        return ST_OK;
    if (!dir)
        return error_errno(e, errno, "cannot open the folder %s", QUOTE(folder));
    while (st == ST_OK && (errno = 0, entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            st = one(context, entry->d_name, e);
    if (st == ST_OK && errno)
        st = error_errno(e, errno, "cannot read the folder %s", QUOTE(folder));
    closedir(dir);
    return st;
}

struct labels {
    const char *data_dir;
    struct checkpoint *list;
    size_t count, room;
};

static bool is_folder(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static enum status add_label(void *context, const char *name, struct error *e)
{
    struct labels *l = context;
    char *path;
    bool ours;

    if (!table_name_valid(name, strlen(name)))
        return ST_OK;
    path = checkpoint_folder(l->data_dir, name, NULL);
    if (!path)
        return error_memory(e, "checkpoints");
    ours = is_folder(path);
    mem_free(path);
    if (!ours)
        return ST_OK;
    if (l->count == l->room) {
        size_t more = l->room ? 2 * l->room : 16;
        struct checkpoint *grown = mem_resize(l->list, more, sizeof *grown);

        if (!grown)
            return error_memory(e, "checkpoints");
        l->list = grown;
        l->room = more;
    }
    l->list[l->count] = (struct checkpoint){.label = ""};
    memcpy(l->list[l->count++].label, name, strlen(name) + 1);
    return ST_OK;
}

static int by_label(const void *a, const void *b)
{
    return strcmp(((const struct checkpoint *)a)->label, ((const struct checkpoint *)b)->label);
}

enum status checkpoint_labels(struct checkpoint **list, size_t *count, const char *data_dir,
                              struct error *e)
{
    struct labels l = {.data_dir = data_dir};
    char *folder = join(data_dir, "", "", "", "");
    enum status st = folder ? each_name(folder, add_label, &l, e) : error_memory(e, "checkpoints");

    mem_free(folder);
    if (st != ST_OK) {
        mem_free(l.list);
        return st;
    }
    if (l.count)
        qsort(l.list, l.count, sizeof *l.list, by_label);
    *list = l.list;
    *count = l.count;
    return ST_OK;
}

/* ---- Deleting ---- */

/* Something in a checkpoint's folder: the folder of a table, or a file. */
static enum status remove_part(void *context, const char *name, struct error *e)
{
    const char *folder = context;
    size_t size = strlen(folder) + 1 + strlen(name) + 1;
    char *path = mem_alloc(size);
    enum status st = ST_OK;

    if (!path)
        return error_memory(e, "checkpoint");
    snprintf(path, size, "%s/%s", folder, name);
    if (is_folder(path))
        st = snapshot_forget(path, e);
    else if (unlink(path) < 0)
        st = error_errno(e, errno, "cannot delete %s", QUOTE(path));
    mem_free(path);
    return st;
}

enum status checkpoint_remove(const char *path, struct error *e)
{
    enum status st;

    if (!is_folder(path))
        return ST_OK;
    if (FAILPOINT("checkpoint.remove"))
        return error_errno(e, errno, "cannot delete the folder %s", QUOTE(path));
    st = each_name(path, remove_part, (void *)(uintptr_t)path, e);
    if (st == ST_OK && rmdir(path) < 0)
        st = error_errno(e, errno, "cannot delete the folder %s", QUOTE(path));
    return st;
}

enum status checkpoint_drop(const char *data_dir, const char *label, struct error *e)
{
    char *folder = checkpoint_folder(data_dir, label, NULL);
    char *gone = checkpoint_path(data_dir, label, CHECKPOINT_GONE);
    enum status st = folder && gone ? ST_OK : error_memory(e, "checkpoint");

    if (st == ST_OK && !is_folder(folder))
        st = error_set(e, ST_NOT_FOUND, "there is no checkpoint %s", QUOTE(label));
    if (st == ST_OK)
        st = checkpoint_remove(gone, e);
    if (st == ST_OK && (FAILPOINT("checkpoint.drop.before") || rename(folder, gone) < 0))
        st = error_errno(e, errno, "cannot drop %s", QUOTE(folder));
    if (st == ST_OK)
        st = file_sync_folder(gone, e);
    (void)FAILPOINT("checkpoint.drop.after");
    if (st == ST_OK)
        st = checkpoint_remove(gone, e);
    mem_free(folder);
    mem_free(gone);
    return st;
}

/* ---- After a crash ---- */

/* What a name is that begins with a dot: the label in it, and how it ends. */
static bool is_half_made(const char *name, const char *end, char label[CHECKPOINT_LABEL_MOST + 1])
{
    size_t n = strlen(name), tail = strlen(end);

    if (name[0] != '.' || n < 1 + tail || strcmp(name + n - tail, end) ||
        !table_name_valid(name + 1, n - 1 - tail))
        return false;
    memcpy(label, name + 1, n - 1 - tail);
    label[n - 1 - tail] = '\0';
    return true;
}

/* An old checkpoint whose place nothing has taken comes back. */
static enum status bring_back(const char *data_dir, const char *label, const char *path,
                              struct error *e)
{
    char *folder = checkpoint_folder(data_dir, label, NULL);
    enum status st = ST_OK;

    if (!folder)
        return error_memory(e, "checkpoint");
    if (is_folder(folder))
        st = checkpoint_remove(path, e);
    else if (rename(path, folder) < 0)
        st = error_errno(e, errno, "cannot bring back %s", QUOTE(folder));
    mem_free(folder);
    return st;
}

static enum status sweep_name(void *context, const char *name, struct error *e)
{
    const char *data_dir = context;
    char label[CHECKPOINT_LABEL_MOST + 1], *path;
    bool old = is_half_made(name, CHECKPOINT_OLD, label);
    enum status st;

    if (!old && !is_half_made(name, CHECKPOINT_NEW, label) &&
        !is_half_made(name, CHECKPOINT_GONE, label))
        return ST_OK;
    path = checkpoint_folder(data_dir, name, NULL);
    if (!path)
        return error_memory(e, "checkpoint");
    st = old ? bring_back(data_dir, label, path, e) : checkpoint_remove(path, e);
    mem_free(path);
    return st;
}

enum status checkpoint_sweep(const char *data_dir, struct error *e)
{
    char *folder = join(data_dir, "", "", "", "");
    enum status st;

    if (!folder)
        return error_memory(e, "checkpoints");
    st = each_name(folder, sweep_name, (void *)(uintptr_t)data_dir, e);
    if (st == ST_OK && is_folder(folder))
        st = file_sync_folder(folder, e); /* it ends in a slash: the folder itself */
    mem_free(folder);
    return st;
}
