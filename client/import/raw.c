/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that are compressed by nothing: one array, or HugeCTR's pair of files without headers. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "client/import/arrays.h"

#define VALUES "values"

enum status arrays_open_values(struct arrays *a, const char *path, struct error *e)
{
    enum status st = ST_OK;
    struct array *one;

    *a = (struct arrays){0};
    one = arrays_add(a, VALUES, strlen(VALUES), &st, e);
    if (!one)
        return st;
    st = npy_open(&one->npy, path, UINT64_MAX, e);
    if (st == ST_OK)
        one->tensor = one->npy.array;
    return st;
}

static enum status open_file(int *fd, uint64_t *size, const char *folder, const char *name,
                             struct error *e)
{
    size_t room = strlen(folder) + strlen(name) + 2;
    char *path = mem_alloc(room);
    struct stat file;
    enum status st;

    if (!path)
        return error_memory(e, "path");
    snprintf(path, room, "%s/%s", folder, name);
    st = file_open(fd, path, &file, e);
    mem_free(path);
    if (st == ST_OK)
        *size = (uint64_t)file.st_size;
    return st;
}

static enum status read_keys(int64_t **keys, size_t *count, const char *folder, struct error *e)
{
    uint64_t size;
    enum status st;
    int fd;

    st = open_file(&fd, &size, folder, "key", e);
    if (st != ST_OK)
        return st;
    if (size % sizeof **keys || !size)
        st = error_set(e, ST_INVALID, "the file key of %s has %" PRIu64 " bytes, which are %s",
                       QUOTE(folder), size, size ? "no whole 64-bit keys" : "no keys");
    else if (!(*keys = mem_alloc((size_t)size)))
        st = error_memory(e, "keys");
    else
        st = file_pread(fd, *keys, (size_t)size, 0, e);
    *count = (size_t)size / sizeof **keys;
    close(fd);
    return st;
}

static enum status map_vectors(struct array *one, size_t count, const char *folder, struct error *e)
{
    uint64_t size, row;
    enum status st;
    int fd;

    st = open_file(&fd, &size, folder, "emb_vector", e);
    if (st != ST_OK)
        return st;
    row = size / count;
    if (size % count || row % sizeof(float) || !row)
        st = error_set(e, ST_INVALID,
                       "the file emb_vector of %s has %" PRIu64
                       " bytes, which are no whole rows of float32 for %zu keys",
                       QUOTE(folder), size, count);
    else
        st = region_map(&one->raw, fd, (size_t)size, e);
    close(fd);
    if (st == ST_OK)
        one->tensor = (struct tensor){.dtype = DT_F32,
                                      .rank = 2,
                                      .shape = {count, row / sizeof(float)},
                                      .count = (size_t)size / sizeof(float),
                                      .bytes = (size_t)size,
                                      .data = one->raw->data};
    return st;
}

enum status arrays_open_hugectr(struct arrays *a, const char *folder, int64_t **keys, size_t *count,
                                struct error *e)
{
    struct array *one;
    enum status st;

    *a = (struct arrays){0};
    st = read_keys(keys, count, folder, e);
    if (st != ST_OK)
        return st;
    one = arrays_add(a, VALUES, strlen(VALUES), &st, e);
    return one ? map_vectors(one, *count, folder, e) : st;
}
