/* SPDX-License-Identifier: Apache-2.0 */
/* Table files built from text, for tests. In header text a single quote stands for ", and a
   backquote for the \" inside a metadata value, so that JSON within JSON stays readable in C. */
#pragma once

#include "unit.h"

#include "base/memory.h"
#include "table/table.h"

#define META(method, rows, dim)                                                                    \
    "'embd.version':'1','embd.method':'" method "','embd.rows':'" rows "','embd.dim':'" dim "'"
#define CONFIG(json) ",'embd.config':'" json "'"
#define TENSOR(name, dtype, shape, begin, end)                                                     \
    "'" name "':{'dtype':'" dtype "','shape':" shape ",'data_offsets':[" begin "," end "]}"
#define HEAD(metadata, tensors) "{'__metadata__':{" metadata "}," tensors "}"

/* The smallest good file: 2 rows of 4, 32 bytes of data. */
#define FULL META("full", "2", "4")
#define WEIGHT TENSOR("weight", "F32", "[2,4]", "0", "32")

/* The same with more metadata, as an initializer. */
#define WITH_MORE(more)                                                                            \
    {                                                                                              \
        .header = HEAD(FULL more, WEIGHT), .zeros = 32                                             \
    }
/* Metadata of a table of hash parameters for each field. */
#define HASH_FIELDS(rows, fields, per_field)                                                       \
    META("hash", rows, "2") ",'embd.fields':'" fields "'" CONFIG("{`per_field`:" per_field "}")

/* A file: header text, then `zeros` bytes of data with `patch` over them at `at`. */
struct table_file {
    const char *header;
    size_t zeros;
    size_t at;
    const char *patch;
    size_t patch_n;
    uint64_t length; /* the eight bytes, if they shall lie; 0: the header's true length */
    size_t align;    /* spaces behind the JSON make the data begin at a multiple of this; 0: none */
};

/* The file's bytes; the caller frees them. */
static inline unsigned char *table_file_build(const struct table_file *f, size_t *n)
{
    size_t m = strlen(f->header), used = 8;
    unsigned char *out = malloc(8 + 2 * m + f->align + f->zeros + 1);
    uint64_t length;

    assert_non_null(out);
    for (size_t i = 0; i < m; i++) {
        if (f->header[i] == '`')
            out[used++] = '\\';
        out[used++] =
            f->header[i] == '`' || f->header[i] == '\'' ? '"' : (unsigned char)f->header[i];
    }
    while (f->align && used % f->align)
        out[used++] = ' ';
    length = f->length ? f->length : used - 8;
    memcpy(out, &length, 8);
    memset(out + used, 0, f->zeros);
    if (f->patch) {
        assert_true(f->at + f->patch_n <= f->zeros);
        memcpy(out + used + f->at, f->patch, f->patch_n);
    }
    *n = used + f->zeros;
    return out;
}

static inline void table_file_write(const char *path, const struct table_file *f)
{
    size_t n;
    unsigned char *bytes = table_file_build(f, &n);

    unit_write(path, bytes, n);
    free(bytes);
}

static inline struct table *table_file_open(const char *path, enum region_mode memory)
{
    const struct table_options options = {.memory = memory};
    struct table *t = NULL;
    struct error e;

    assert_ok(table_open(&t, path, &options, &e), e);
    return t;
}

/* Write, open, and leave no file behind (the mapping lives on). */
static inline struct table *table_file_load(struct unit_folder *folder, const struct table_file *f,
                                            enum region_mode memory)
{
    const char *path = unit_path(folder, "t.safetensors");
    struct table *t;

    table_file_write(path, f);
    t = table_file_open(path, memory);
    assert_int_equal(unlink(path), 0);
    return t;
}
