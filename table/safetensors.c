/* SPDX-License-Identifier: Apache-2.0 */
/* Writing safetensors: the layout is known before the first byte, so the file is made in its full
   size and its tensors are filled in place. One writer, one thread. */
#include "table/safetensors.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/mman.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"

#define DATA_ALIGN ((size_t)64) /* of the data area within the file */
#define WIDEST 8                /* bytes of the widest element */

/* Give each tensor its place in the data area, widest elements first, so that each is aligned to
   its own element and no hole is left. `place` may be NULL; `*total` is the size of the area. */
static bool lay_out(const struct tensor *tensor, size_t count, size_t *place, size_t *total)
{
    size_t end = 0;

    for (size_t width = WIDEST; width > 0; width /= 2)
        for (size_t i = 0; i < count; i++) {
            if (dtype_size(tensor[i].dtype) != width)
                continue;
            if (place)
                place[i] = end;
            if (!size_add(end, tensor[i].bytes, &end))
                return false;
        }
    *total = end;
    return true;
}

/* The one place where new JSON values may be NULL for lack of memory: packing takes the reference.
 */
static json_t *tensor_entry(const struct tensor *t, size_t place)
{
    json_t *shape = json_array();

    for (unsigned i = 0; shape && i < t->rank; i++)
        if (json_array_append_new(shape, json_integer((json_int_t)t->shape[i])) < 0) {
            json_decref(shape);
            shape = NULL;
        }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_name(t->dtype), "shape", shape,
                     "data_offsets", (json_int_t)place, (json_int_t)(place + t->bytes));
}

static enum status add_metadata(json_t *root, const struct metadata *metadata, size_t count,
                                struct error *e)
{
    json_t *object = json_object();

    if (json_object_set_new(root, "__metadata__", object) < 0)
        return error_memory(e, "header");
    for (size_t i = 0; i < count; i++) {
        if (!utf8_valid(metadata[i].value, strlen(metadata[i].value)))
            return error_set(e, ST_INVALID, "the metadata value of \"%s\" is not UTF-8",
                             metadata[i].key);
        if (json_object_set_new(object, metadata[i].key, json_string(metadata[i].value)) < 0)
            return error_memory(e, "header");
    }
    return ST_OK;
}

/* The header's JSON as a tree; `*out` is the caller's. */
static enum status build_header(json_t **out, const struct metadata *metadata,
                                size_t metadata_count, const struct tensor *tensor, size_t count,
                                size_t *total, struct error *e)
{
    size_t *place = mem_zero(count, sizeof *place);
    json_t *root = json_object();
    enum status st;

    if (!place || !root) {
        st = error_memory(e, "header");
        goto out;
    }
    if (!lay_out(tensor, count, place, total) || *total > INT64_MAX / 2) {
        st = error_set(e, ST_EXHAUSTED, "the tensors are larger than any file");
        goto out;
    }
    st = add_metadata(root, metadata, metadata_count, e);
    for (size_t i = 0; st == ST_OK && i < count; i++) {
        assert(!json_object_get(root, tensor[i].name));
        if (json_object_set_new(root, tensor[i].name, tensor_entry(&tensor[i], place[i])) < 0)
            st = error_memory(e, "header");
    }
    for (size_t i = 0; st == ST_OK && i < count; i++)
        assert(place[i] % dtype_size(tensor[i].dtype) == 0);
out:
    mem_free(place);
    if (st == ST_OK)
        *out = root;
    else
        json_decref(root);
    return st;
}

/* Write the eight bytes, the JSON and spaces up to `room` at `to`. */
static void put_header(unsigned char *to, size_t room, const json_t *root)
{
    uint64_t length = htole64(room - 8);
    size_t n;

    memset(to + 8, ' ', room - 8);
    n = json_dumpb(root, (char *)to + 8, room - 8, JSON_COMPACT);
    assert(n > 0 && n <= room - 8);
    (void)n;
    memcpy(to, &length, 8);
}

static enum status make_room(struct safetensors_writer *w, struct error *e)
{
    int failed = posix_fallocate(w->file.fd, 0, (off_t)w->size);
    void *map;

    if (failed)
        return error_errno(e, failed, "cannot reserve %zu bytes for %s", w->size,
                           QUOTE(w->file.path));
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
    w.data_offset = (w.data_offset + DATA_ALIGN - 1) & ~(DATA_ALIGN - 1);
    w.size = w.data_offset + total;
    place = mem_zero(tensor_count, sizeof *place);
    if (!place) {
        st = error_memory(e, "header");
        goto out;
    }
    st = file_writer_open(&w.file, path, e);
    if (st != ST_OK)
        goto out;
    st = make_room(&w, e);
    if (st != ST_OK) {
        safetensors_abort(&w);
        goto out;
    }
    put_header(w.map, w.data_offset, root);
    lay_out(tensor, tensor_count, place, &total);
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
        put_header(w->map, w->data_offset, root);
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
