/* SPDX-License-Identifier: Apache-2.0 */
/* Writing safetensors: the layout is known before the first byte, so the file is made in its full
   size and its tensors are filled in place. One writer, one thread. */
#include "table/safetensors.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "table/header_build.h"

#define WIDEST 8 /* bytes of the widest element */

bool safetensors_lay_out(const struct tensor *tensor, size_t count, size_t *place, size_t *total)
{
    size_t end = 0;

    for (size_t width = WIDEST; width > 0; width /= 2)
        for (size_t i = 0; i < count; i++) {
            if (dtype_size(tensor[i].dtype) != width)
                continue;
            place[i] = end;
            if (!size_add(end, tensor[i].bytes, &end))
                return false;
        }
    *total = end;
    return true;
}

/* The header's JSON as a tree; `*out` is the caller's. */
static enum status build_header(json_t **out, const struct metadata *metadata,
                                size_t metadata_count, const struct tensor *tensor, size_t count,
                                size_t *total, struct error *e)
{
    size_t *place = mem_zero(count, sizeof *place);
    enum status st = ST_OK;

    if (!place)
        return error_memory(e, "header");
    if (!safetensors_lay_out(tensor, count, place, total) || *total > INT64_MAX / 2)
        st = error_set(e, ST_EXHAUSTED, "the tensors are larger than any file");
    else
        st = header_tree(out, metadata, metadata_count, tensor, place, count, e);
    mem_free(place);
    return st;
}

static enum status make_room(struct safetensors_writer *w, struct error *e)
{
    enum status st = file_writer_reserve(&w->file, w->size, e);
    void *map;

    if (st != ST_OK)
        return st;
    map = mmap(NULL, w->size, PROT_READ | PROT_WRITE, MAP_SHARED, w->file.fd, 0);
    if (map == MAP_FAILED)
        return error_errno(e, errno, "cannot map %zu bytes of %s", w->size, QUOTE(w->file.path));
    w->map = map;
    return ST_OK;
}

enum status safetensors_create(struct safetensors_writer *out, const char *path,
                               const struct metadata *metadata, size_t metadata_count,
                               struct tensor *tensor, size_t tensor_count, size_t spare,
                               struct error *e)
{
    struct safetensors_writer w = {0};
    json_t *root = NULL;
    size_t total, *place = NULL;
    enum status st = build_header(&root, metadata, metadata_count, tensor, tensor_count, &total, e);

    if (st != ST_OK)
        return st;
    w.data_offset = 8 + json_dumpb(root, NULL, 0, JSON_COMPACT);
    if (w.data_offset == 8 || !size_add(w.data_offset, spare, &w.data_offset) ||
        w.data_offset > HEADER_BYTES_MOST) {
        st = error_set(e, ST_EXHAUSTED, "the header of %s would be too large", QUOTE(path));
        goto out;
    }
    w.data_offset = header_padded(w.data_offset);
    w.size = w.data_offset + total;
    place = mem_zero(tensor_count, sizeof *place);
    if (!place) {
        st = error_memory(e, "header");
        goto out;
    }
    st = file_writer_open(&w.file, path, e);
    if (st != ST_OK)
        goto out;
    if ((st = make_room(&w, e)) != ST_OK ||
        (st = header_put(w.map, w.data_offset, root, e)) != ST_OK) {
        safetensors_abort(&w);
        goto out;
    }
    safetensors_lay_out(tensor, tensor_count, place, &total);
    for (size_t i = 0; i < tensor_count; i++)
        tensor[i].data = w.map + w.data_offset + place[i];
    *out = w;
out:
    mem_free(place);
    json_decref(root);
    return st;
}

enum status safetensors_metadata(struct safetensors_writer *w, const struct metadata *metadata,
                                 size_t metadata_count, const struct tensor *tensor,
                                 size_t tensor_count, struct error *e)
{
    size_t total, need;
    json_t *root;
    enum status st = build_header(&root, metadata, metadata_count, tensor, tensor_count, &total, e);

    if (st != ST_OK)
        return st;
    assert(w->data_offset + total == w->size);
    need = json_dumpb(root, NULL, 0, JSON_COMPACT);
    if (need == 0)
        st = error_memory(e, "header");
    else if (need > w->data_offset - 8)
        st = error_set(e, ST_INVALID, "the metadata need %zu bytes of header; %zu are reserved",
                       need, w->data_offset - 8);
    else
        st = header_put(w->map, w->data_offset, root, e);
    json_decref(root);
    return st;
}

uint64_t safetensors_checksum(const struct safetensors_writer *w)
{
    return hash_bytes(w->map + w->data_offset, w->size - w->data_offset);
}

static void unmap(struct safetensors_writer *w)
{
    if (w->map)
        munmap(w->map, w->size);
    w->map = NULL;
}

enum status safetensors_commit(struct safetensors_writer *w, struct error *e)
{
    unmap(w); /* the kernel keeps the changed pages for the fsync of the commit */
    return file_writer_commit(&w->file, e);
}

void safetensors_abort(struct safetensors_writer *w)
{
    unmap(w);
    file_writer_abort(&w->file);
}
