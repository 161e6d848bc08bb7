/* SPDX-License-Identifier: Apache-2.0 */
/* Opening arrays. What a file is, its first bytes tell. */
#include "client/import/arrays.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#define NPY_MAGIC "\x93NUMPY"
#define START_BYTES 16

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n > m && !strcmp(s + n - m, end);
}

struct array *arrays_add(struct arrays *a, const char *name, size_t n, enum status *st,
                         struct error *e)
{
    struct array *grown;

    for (size_t i = 0; i < a->count; i++)
        if (strlen(a->one[i].name) == n && !memcmp(a->one[i].name, name, n)) {
            *st = error_set(e, ST_INVALID, "there are two arrays named %s", QUOTE_N(name, n));
            return NULL;
        }
    grown = mem_resize(a->one, a->count + 1, sizeof *a->one);
    if (grown) {
        a->one = grown;
        a->one[a->count] = (struct array){.name = mem_text(name, n)};
    }
    if (!grown || !a->one[a->count].name) {
        *st = error_memory(e, "arrays");
        return NULL;
    }
    return &a->one[a->count++];
}

static enum status open_npy(struct arrays *a, const char *path, struct error *e)
{
    const char *name = base_name(path);
    enum status st = ST_OK;
    struct array *one;

    one = arrays_add(a, name, strlen(name) - (ends_in(name, ".npy") ? 4 : 0), &st, e);
    if (!one)
        return st;
    st = npy_open(&one->npy, path, UINT64_MAX, e);
    if (st == ST_OK)
        one->tensor = one->npy.array;
    return st;
}

static enum status add_tensors(struct arrays *a, const struct container *c, struct error *e)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < c->header.tensor_count; i++) {
        const struct file_tensor *ft = &c->header.tensor[i];
        struct array *one = arrays_add(a, ft->tensor.name, strlen(ft->tensor.name), &st, e);

        if (!one)
            return st;
        one->tensor = ft->tensor;
        one->tensor.data = c->region->data + ft->offset;
    }
    return ST_OK;
}

static enum status open_safetensors(struct arrays *a, int fd, uint64_t size, struct error *e)
{
    const struct header_limits limits = {.bytes = HEADER_BYTES_MOST,
                                         .tokens = HEADER_TOKENS_DEFAULT};
    struct container *grown, *c;
    enum status st;

    grown = mem_resize(a->container, a->containers + 1, sizeof *a->container);
    if (!grown)
        return error_memory(e, "files");
    a->container = grown;
    c = &a->container[a->containers];
    *c = (struct container){0};
    st = header_read(&c->header, fd, size, &limits, e);
    if (st != ST_OK)
        return st;
    a->containers++;
    st = region_map(&c->region, fd, (size_t)size, e);
    return st == ST_OK ? add_tensors(a, c, e) : st;
}

enum status arrays_refuse_pickle(const char *path, const unsigned char *start, size_t n,
                                 struct error *e)
{
    static const char *const endings[] = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".npz"};
    bool zip = n >= 4 && !memcmp(start, "PK\3\4", 4);
    bool pickle = n >= 2 && start[0] == 0x80 && start[1] >= 2 && start[1] <= 5;

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        pickle = pickle || ends_in(path, endings[i]);
    if (!zip && !pickle)
        return ST_OK;
    return error_set(e, ST_INVALID,
                     "%s is a %s, which embd does not open; convert it where you trust it: "
                     "for name, array in arrays.items(): numpy.save(name + \".npy\", array)",
                     QUOTE(path),
                     zip ? "zip archive (a checkpoint of PyTorch, or .npz)" : "pickle, a program");
}

static enum status open_file(struct arrays *a, const char *path, struct error *e)
{
    unsigned char start[START_BYTES];
    enum status st;
    struct stat file;
    size_t n;
    int fd;

    st = file_open(&fd, path, &file, e);
    if (st != ST_OK)
        return st;
    n = (uint64_t)file.st_size < sizeof start ? (size_t)file.st_size : sizeof start;
    st = file_pread(fd, start, n, 0, e);
    if (st == ST_OK && n >= 6 && !memcmp(start, NPY_MAGIC, 6)) {
        close(fd);
        return open_npy(a, path, e);
    }
    if (st == ST_OK)
        st = arrays_refuse_pickle(path, start, n, e);
    if (st == ST_OK) {
        st = open_safetensors(a, fd, (uint64_t)file.st_size, e);
        if (st != ST_OK)
            error_prefix(e, st, "%s", path);
    }
    close(fd);
    return st;
}

static int only_arrays(const struct dirent *entry)
{
    return entry->d_name[0] != '.' &&
           (ends_in(entry->d_name, ".npy") || ends_in(entry->d_name, ".safetensors"));
}

/* The first file of the folder that is a pickle, for a folder without arrays. */
static enum status refuse_folder(const char *path, struct error *e)
{
    DIR *folder = opendir(path);
    enum status st = ST_OK;
    struct dirent *entry;

    while (folder && st == ST_OK && (entry = readdir(folder)))
        st = arrays_refuse_pickle(entry->d_name, NULL, 0, e);
    if (folder)
        closedir(folder);
    return st == ST_OK
               ? error_set(e, ST_INVALID, "%s holds no .npy or .safetensors files", QUOTE(path))
               : st;
}

static enum status open_folder(struct arrays *a, const char *path, struct error *e)
{
    struct dirent **entry;
    enum status st = ST_OK;
    int n = scandir(path, &entry, only_arrays, alphasort);

    if (n < 0)
        return error_errno(e, errno, "cannot read %s", QUOTE(path));
    if (n == 0)
        st = refuse_folder(path, e);
    for (int i = 0; i < n; i++) {
        size_t room = strlen(path) + strlen(entry[i]->d_name) + 2;
        char *whole = st == ST_OK ? mem_alloc(room) : NULL;

        if (whole) {
            snprintf(whole, room, "%s/%s", path, entry[i]->d_name);
            st = open_file(a, whole, e);
            mem_free(whole);
        } else if (st == ST_OK) {
            st = error_memory(e, "path");
        }
        free(entry[i]);
    }
    free(entry);
    return st;
}

enum status arrays_open(struct arrays *a, const char *const *path, size_t count, struct error *e)
{
    enum status st = ST_OK;
    struct stat file;

    *a = (struct arrays){0};
    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = stat(path[i], &file) == 0 && S_ISDIR(file.st_mode) ? open_folder(a, path[i], e)
                                                                : open_file(a, path[i], e);
    return st;
}

void arrays_close(struct arrays *a)
{
    for (size_t i = 0; i < a->count; i++) {
        npy_close(&a->one[i].npy);
        region_free(a->one[i].raw);
        mem_free(a->one[i].name);
    }
    for (size_t i = 0; i < a->containers; i++) {
        header_done(&a->container[i].header);
        region_free(a->container[i].region);
    }
    mem_free(a->one);
    mem_free(a->container);
    *a = (struct arrays){0};
}

bool arrays_damaged(const struct arrays *a)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct array *one = &a->one[i];

        if ((one->npy.region && region_damaged(one->npy.region)) ||
            (one->raw && region_damaged(one->raw)))
            return true;
    }
    for (size_t i = 0; i < a->containers; i++)
        if (region_damaged(a->container[i].region))
            return true;
    return false;
}
