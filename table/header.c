/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a safetensors file. What is kept of it is one block of memory: arrays, then texts;
   jansson's tree is gone when header_parse() returns. No state; any thread. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "table/header_tensor.h"
#include "table/json.h"
#include "table/safetensors.h"

#define METADATA "__metadata__"
#define HEADER_DEPTH 3 /* header, tensor, shape */

static enum status check_lengths(uint64_t *json_bytes, const unsigned char *start, size_t n,
                                 uint64_t size, const struct header_limits *limits, struct error *e)
{
    uint64_t most = limits->bytes < HEADER_BYTES_MOST ? limits->bytes : HEADER_BYTES_MOST, length;

    if (size < 8 || n < 8)
        return error_set(
            e, ST_INVALID,
            "the file has %llu bytes; a safetensors file begins with 8 bytes of header length",
            (unsigned long long)size);
    memcpy(&length, start, 8);
    length = le64toh(length);
    if (length > most)
        return error_set(e, ST_INVALID,
                         "the file says that its header has %llu bytes; at most %llu are read",
                         (unsigned long long)length, (unsigned long long)most);
    if (length > size - 8)
        return error_set(e, ST_INVALID,
                         "the file says that its header has %llu bytes, but only %llu follow",
                         (unsigned long long)length, (unsigned long long)(size - 8));
    *json_bytes = length;
    return ST_OK;
}

/* Count entries and the bytes of their texts; checks what the counts need. */
static enum status measure(struct header *h, size_t *text_bytes, const json_t *root,
                           const json_t *metadata, struct error *e)
{
    size_t bytes = 0;
    const char *key;
    json_t *value;

    if (metadata && !json_is_object(metadata))
        return error_set(e, ST_INVALID, METADATA " is not an object");
    h->metadata_count = json_object_size(metadata);
    h->tensor_count = json_object_size(root) - (metadata ? 1 : 0);
    if (h->tensor_count > TENSORS_MOST)
        return error_set(e, ST_INVALID, "the file has %zu tensors; at most %d are read",
                         h->tensor_count, TENSORS_MOST);
    json_object_foreach((json_t *)metadata, key, value)
    {
        if (!json_is_string(value))
            return error_set(e, ST_INVALID, METADATA ": the value of %s is not a string",
                             QUOTE(key));
        bytes += strlen(key) + 1 + json_string_length(value) + 1;
    }
    json_object_foreach((json_t *)root, key, value)
    {
        if (strlen(key) > TENSOR_NAME_MOST)
            return error_set(e, ST_INVALID, "tensor %s has a name of more than %d bytes",
                             QUOTE(key), TENSOR_NAME_MOST);
        bytes += strlen(key) + 1;
    }
    *text_bytes = bytes;
    return ST_OK;
}

static const char *put_text(char **at, const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = *at;

    memcpy(copy, s, n);
    *at += n;
    return copy;
}

static int by_name(const void *a, const void *b, void *context)
{
    const struct file_tensor *tensor = context;

    return strcmp(tensor[*(const uint32_t *)a].tensor.name,
                  tensor[*(const uint32_t *)b].tensor.name);
}

static enum status fill(struct header *h, const json_t *root, const json_t *metadata,
                        struct error *e)
{
    size_t text_bytes = 0, i = 0;
    enum status st = measure(h, &text_bytes, root, metadata, e);
    const char *key;
    json_t *value;
    char *text;

    if (st != ST_OK)
        return st;
    /* The sums are far from overflow: counts are bounded by tokens, texts by the header's bytes. */
    h->memory_bytes = h->tensor_count * (sizeof *h->tensor + sizeof *h->by_name) +
                      h->metadata_count * sizeof *h->metadata + text_bytes;
    h->memory = mem_zero(1, h->memory_bytes);
    if (!h->memory)
        return error_memory(e, "header");
    h->tensor = h->memory;
    h->metadata = (struct metadata *)(h->tensor + h->tensor_count);
    h->by_name = (uint32_t *)(h->metadata + h->metadata_count);
    text = (char *)(h->by_name + h->tensor_count);

    json_object_foreach((json_t *)metadata, key, value)
    {
        h->metadata[i].key = put_text(&text, key);
        h->metadata[i++].value = put_text(&text, json_string_value(value));
    }
    i = 0;
    json_object_foreach((json_t *)root, key, value)
    {
        if (value == metadata)
            continue;
        h->tensor[i].tensor.name = put_text(&text, key);
        st = header_tensor_read(&h->tensor[i++], value, e);
        if (st != ST_OK)
            return st;
    }
    st = header_layout_check(h->tensor, h->tensor_count, h->data_bytes, e);
    if (st != ST_OK)
        return st;
    for (i = 0; i < h->tensor_count; i++) {
        h->tensor[i].offset += h->data_offset;
        h->by_name[i] = (uint32_t)i;
    }
    if (h->tensor_count)
        qsort_r(h->by_name, h->tensor_count, sizeof *h->by_name, by_name, h->tensor);
    return ST_OK;
}

enum status header_parse(struct header *out, const unsigned char *start, size_t n, uint64_t size,
                         const struct header_limits *limits, struct error *e)
{
    struct header h = {0};
    struct json_limits json = {.tokens = limits->tokens, .depth = HEADER_DEPTH, .plain = true};
    json_t *root = NULL;
    uint64_t length;
    enum status st = check_lengths(&length, start, n, size, limits, e);

    if (st != ST_OK)
        return st;
    if (n - 8 < length)
        return error_set(e, ST_INVALID, "the file ends within its header");
    st = json_read(&root, (const char *)start + 8, (size_t)length, &json, e);
    if (st != ST_OK)
        return error_prefix(e, st, "header");
    h.data_offset = 8 + length;
    h.data_bytes = size - h.data_offset;
    h.hash = hash_bytes(start, 8 + (size_t)length);
    st = header_seal_check(&h.sealed, start, 8 + (size_t)length, e);
    if (st != ST_OK)
        goto out;
    if (!json_is_object(root))
        st = error_set(e, ST_INVALID, "header: is not a JSON object");
    else
        st = fill(&h, root, json_object_get(root, METADATA), e);
out:
    json_decref(root);
    if (st != ST_OK)
        header_done(&h);
    else
        *out = h;
    return st;
}

enum status header_read(struct header *h, int fd, uint64_t size, const struct header_limits *limits,
                        struct error *e)
{
    unsigned char length[8], *start;
    uint64_t json_bytes;
    enum status st;

    if (size >= 8) {
        st = file_pread(fd, length, 8, 0, e);
        if (st != ST_OK)
            return st;
    }
    st = check_lengths(&json_bytes, length, 8, size, limits, e);
    if (st != ST_OK)
        return st;
    start = mem_alloc(8 + (size_t)json_bytes);
    if (!start)
        return error_memory(e, "header");
    /* The length is kept as it was checked, whatever the file says now. */
    memcpy(start, length, 8);
    st = file_pread(fd, start + 8, (size_t)json_bytes, 8, e);
    if (st == ST_OK)
        st = header_parse(h, start, 8 + (size_t)json_bytes, size, limits, e);
    mem_free(start);
    return st;
}

void header_done(struct header *h)
{
    mem_free(h->memory);
    *h = (struct header){0};
}

const char *header_metadata(const struct header *h, const char *key)
{
    for (size_t i = 0; i < h->metadata_count; i++)
        if (!strcmp(h->metadata[i].key, key))
            return h->metadata[i].value;
    return NULL;
}

const struct file_tensor *header_tensor(const struct header *h, const char *name)
{
    size_t low = 0, high = h->tensor_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct file_tensor *t = &h->tensor[h->by_name[middle]];
        int order = strcmp(name, t->tensor.name);

        if (order == 0)
            return t;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
