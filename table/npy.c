/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and writing .npy files. */
#include "table/npy.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "table/npy_types.h"

#define START_BYTES 16384 /* more than the longest header that npy_parse() takes */

const char *const npy_types[DT_COUNT] = {
    [DT_BOOL] = "|b1", [DT_U8] = "|u1",  [DT_I8] = "|i1",  [DT_U16] = "<u2",
    [DT_I16] = "<i2",  [DT_F16] = "<f2", [DT_U32] = "<u4", [DT_I32] = "<i4",
    [DT_F32] = "<f4",  [DT_U64] = "<u8", [DT_I64] = "<i8", [DT_F64] = "<f8",
};

static enum status open_pipe(struct npy *a, uint64_t limit, struct error *e)
{
    uint64_t offset;
    enum status st;
    size_t n;

    st = file_read(&a->memory, &n, "-", limit < SIZE_MAX ? (size_t)limit : SIZE_MAX, e);
    if (st != ST_OK)
        return st;
    st = npy_parse(&a->array, &offset, (unsigned char *)a->memory, n, n, e);
    if (st != ST_OK)
        return st;
    a->array.data = a->memory + offset;
    if (offset % dtype_size(a->array.dtype))
        a->array.data = memmove(a->memory, a->array.data, a->array.bytes);
    return ST_OK;
}

static enum status open_file(struct npy *a, int fd, uint64_t size, struct error *e)
{
    unsigned char start[START_BYTES];
    size_t n = size < sizeof start ? (size_t)size : sizeof start;
    uint64_t offset;
    enum status st;

    st = file_pread(fd, start, n, 0, e);
    if (st == ST_OK)
        st = npy_parse(&a->array, &offset, start, n, size, e);
    if (st != ST_OK)
        return st;
    if (offset % dtype_size(a->array.dtype) == 0) {
        st = region_map(&a->region, fd, (size_t)size, e);
        if (st == ST_OK)
            a->array.data = a->region->data + offset;
        return st;
    }
    st = region_private(&a->region, a->array.bytes, REGION_COPY, e);
    if (st != ST_OK)
        return st;
    a->array.data = a->region->data;
    return file_pread(fd, a->array.data, a->array.bytes, offset, e);
}

enum status npy_open(struct npy *out, const char *path, uint64_t limit, struct error *e)
{
    const char *name = strcmp(path, "-") ? QUOTE(path) : "standard input";
    struct npy a = {0};
    struct stat file;
    enum status st;
    int fd;

    if (!strcmp(path, "-")) {
        st = open_pipe(&a, limit, e);
    } else {
        st = file_open(&fd, path, &file, e);
        if (st != ST_OK)
            return st;
        st = open_file(&a, fd, (uint64_t)file.st_size, e);
        close(fd);
    }
    if (st != ST_OK) {
        npy_close(&a);
        return error_prefix(e, st, "%s", name);
    }
    *out = a;
    return ST_OK;
}

void npy_close(struct npy *a)
{
    region_free(a->region);
    mem_free(a->memory);
    *a = (struct npy){0};
}

size_t npy_header(unsigned char out[256], const struct tensor *t)
{
    /* Version 1.0: six bytes, the version, the length of what follows in two bytes. Eight
       dimensions of 19 digits fit: 10 + 232 bytes, filled up with spaces to 256. */
    char *text = (char *)out + 10;
    int n = snprintf(text, 246, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                     npy_types[t->dtype]);
    uint16_t length;
    size_t whole;

    for (unsigned i = 0; i < t->rank; i++)
        n += snprintf(text + n, 246 - (size_t)n, "%s%llu", i ? ", " : "",
                      (unsigned long long)t->shape[i]);
    n += snprintf(text + n, 246 - (size_t)n, "%s), }", t->rank == 1 ? "," : "");
    whole = (10 + (size_t)n + 1 + 63) & ~(size_t)63;
    memset(text + n, ' ', whole - 10 - (size_t)n);
    out[whole - 1] = '\n';
    length = htole16((uint16_t)(whole - 10));
    memcpy(out, "\x93NUMPY\x01", 8); /* with the NUL: version 1.0 */
    memcpy(out + 8, &length, 2);
    return whole;
}

static enum status write_all(const void *data, size_t n, struct error *e)
{
    const unsigned char *from = data;

    while (n > 0) {
        ssize_t done = write(STDOUT_FILENO, from, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_errno(e, errno, "cannot write to standard output");
        from += done;
        n -= (size_t)done;
    }
    return ST_OK;
}

enum status npy_write(const char *path, const struct tensor *t, struct error *e)
{
    struct file_writer w;
    unsigned char header[256];
    enum status st;
    size_t n;

    if (!npy_types[t->dtype])
        return error_set(e, ST_INVALID, "NumPy has no type for %s", dtype_name(t->dtype));
    n = npy_header(header, t);
    if (!strcmp(path, "-")) {
        st = write_all(header, n, e);
        return st == ST_OK ? write_all(t->data, t->bytes, e) : st;
    }
    st = file_writer_open(&w, path, e);
    if (st != ST_OK)
        return st;
    st = file_writer_add(&w, header, n, e);
    if (st == ST_OK)
        st = file_writer_add(&w, t->data, t->bytes, e);
    if (st == ST_OK)
        return file_writer_commit(&w, e);
    file_writer_abort(&w);
    return st;
}
