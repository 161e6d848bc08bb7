/* SPDX-License-Identifier: Apache-2.0 */
#include "table/header_build.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

#define DATA_ALIGN ((size_t)64) /* of the data area within the file */

/* New JSON values may be NULL for lack of memory: packing takes the reference. */
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

enum status header_tree(json_t **out, const struct metadata *metadata, size_t metadata_count,
                        const struct tensor *tensor, const size_t *place, size_t count,
                        struct error *e)
{
    json_t *root = json_object();
    enum status st =
        root ? add_metadata(root, metadata, metadata_count, e) : error_memory(e, "header");

    for (size_t i = 0; st == ST_OK && i < count; i++) {
        assert(!json_object_get(root, tensor[i].name));
        if (json_object_set_new(root, tensor[i].name, tensor_entry(&tensor[i], place[i])) < 0)
            st = error_memory(e, "header");
    }
    if (st == ST_OK)
        *out = root;
    else
        json_decref(root);
    return st;
}

size_t header_padded(size_t n)
{
    return (n + DATA_ALIGN - 1) & ~(DATA_ALIGN - 1);
}

enum status header_put(unsigned char *to, size_t room, const json_t *root, struct error *e)
{
    uint64_t length = htole64(room - 8);
    size_t n;

    memset(to + 8, ' ', room - 8);
    n = json_dumpb(root, (char *)to + 8, room - 8, JSON_COMPACT);
    if (n == 0)
        return error_memory(e, "header");
    assert(n <= room - 8);
    memcpy(to, &length, 8);
    return ST_OK;
}

enum status header_build(unsigned char **out, size_t *n, const struct metadata *metadata,
                         size_t metadata_count, const struct tensor *tensor, const size_t *place,
                         size_t count, struct error *e)
{
    unsigned char *bytes = NULL;
    json_t *root;
    size_t room;
    enum status st = header_tree(&root, metadata, metadata_count, tensor, place, count, e);

    if (st != ST_OK)
        return st;
    room = json_dumpb(root, NULL, 0, JSON_COMPACT);
    if (room > HEADER_BYTES_MOST) {
        st = error_set(e, ST_EXHAUSTED, "the header would be larger than %llu bytes",
                       (unsigned long long)HEADER_BYTES_MOST);
        goto out;
    }
    if (room == 0 || !(bytes = mem_alloc(header_padded(8 + room)))) {
        st = error_memory(e, "header");
        goto out;
    }
    room = header_padded(8 + room);
    st = header_put(bytes, room, root, e);
    if (st != ST_OK) {
        mem_free(bytes);
        goto out;
    }
    *n = room;
    *out = bytes;
out:
    json_decref(root);
    return st;
}
