/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of numbers, as arrays or as text. No state. */
#include "client/embctl/array.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/print.h"
#include "kernels/kernels.h"
#include "table/npy.h"

#define ARRAY_BYTES_MAX ((size_t)1 << 30)
#define SPACE " \t\r\n,"

enum kind { KIND_I64, KIND_U32, KIND_F32 };

static const size_t kind_bytes[] = {8, 4, 4};
static const char *const kind_name[] = {"an integer", "an integer from 0 to 4294967295",
                                        "a finite number"};

/* One element of an array as a double and, for integer types, as an int64; false if it has none. */
static bool get_element(const struct tensor *t, size_t i, int64_t *integer, double *real)
{
    const void *data = t->data;

    switch (t->dtype) {
    case DT_I64:
        *integer = ((const int64_t *)data)[i];
        break;
    case DT_U64:
        if (((const uint64_t *)data)[i] > INT64_MAX)
            return false;
        *integer = (int64_t)((const uint64_t *)data)[i];
        break;
    case DT_I32:
        *integer = ((const int32_t *)data)[i];
        break;
    case DT_U32:
        *integer = ((const uint32_t *)data)[i];
        break;
    case DT_I16:
        *integer = ((const int16_t *)data)[i];
        break;
    case DT_U16:
        *integer = ((const uint16_t *)data)[i];
        break;
    case DT_I8:
        *integer = ((const int8_t *)data)[i];
        break;
    case DT_U8:
        *integer = ((const uint8_t *)data)[i];
        break;
    case DT_F64:
        *real = ((const double *)data)[i];
        return isfinite(*real);
    case DT_F32:
        *real = (double)((const float *)data)[i];
        return isfinite(*real);
    case DT_F16:
        *real = (double)f32_from_f16(((const uint16_t *)data)[i]);
        return isfinite(*real);
    default:
        return false;
    }
    *real = (double)*integer;
    return true;
}

/* Store a number as the wanted kind; false if it does not fit. */
static bool put(void *out, size_t i, enum kind kind, int64_t integer, double real)
{
    if (kind == KIND_I64)
        ((int64_t *)out)[i] = integer;
    else if (kind == KIND_U32)
        ((uint32_t *)out)[i] = (uint32_t)integer;
    else
        ((float *)out)[i] = (float)real;
    return kind == KIND_I64 || (kind == KIND_U32 && integer >= 0 && integer <= UINT32_MAX) ||
           (kind == KIND_F32 && isfinite(((float *)out)[i]));
}

static enum status from_npy(void **out, size_t *n, enum kind kind, char *file, size_t size,
                            struct error *e)
{
    struct tensor t;
    void *list;
    uint64_t offset;
    enum status st = npy_parse(&t, &offset, (unsigned char *)file, size, size, e);

    if (st != ST_OK)
        return st;
    if (t.rank != 1)
        return error_set(e, ST_INVALID, "the array has %u dimensions, a list has one", t.rank);
    if (kind != KIND_F32 && (t.dtype == DT_F16 || t.dtype == DT_F32 || t.dtype == DT_F64))
        return error_set(e, ST_INVALID, "the array has type %s, integers are needed",
                         dtype_name(t.dtype));
    t.data = memmove(file, file + offset, t.bytes); /* aligned */
    list = need(t.count * kind_bytes[kind]);
    for (size_t i = 0; i < t.count; i++) {
        int64_t integer = 0;
        double real;

        if (get_element(&t, i, &integer, &real) && put(list, i, kind, integer, real))
            continue;
        mem_free(list);
        return error_set(e, ST_INVALID, "element %zu is not %s", i, kind_name[kind]);
    }
    *out = list;
    *n = t.count;
    return ST_OK;
}

static enum status from_text(void **out, size_t *n, enum kind kind, char *text, size_t size,
                             struct error *e)
{
    size_t count = 0, room = 0, line = 1;
    void *list = NULL;

    if (strlen(text) != size)
        return error_set(e, ST_INVALID, "it is neither an .npy array nor text");
    for (char *word = text;;) {
        int64_t integer = 0;
        double real = 0;
        size_t length;
        bool good;

        for (; *word && strchr(SPACE, *word); word++)
            line += *word == '\n';
        length = strcspn(word, SPACE);
        if (!length)
            break;
        if (count == room) {
            room = room ? 2 * room : 256;
            list = need_resize(list, room, kind_bytes[kind]);
        }
        if (kind == KIND_F32) {
            char kept = word[length];

            word[length] = '\0';
            good = parse_double(word, &real);
            word[length] = kept;
        } else {
            good = parse_i64(word, length, &integer);
        }
        if (!good || !put(list, count, kind, integer, real)) {
            mem_free(list);
            return error_set(e, ST_INVALID, "line %zu: %s is not %s", line, QUOTE_N(word, length),
                             kind_name[kind]);
        }
        count++;
        word += length;
    }
    *out = list ? list : need(1);
    *n = count;
    return ST_OK;
}

static enum status read_list(void **out, size_t *n, enum kind kind, const char *path,
                             struct error *e)
{
    char *file;
    size_t size;
    enum status st = file_read(&file, &size, path, ARRAY_BYTES_MAX, e);

    if (st != ST_OK)
        return st;
    if (size >= 6 && !memcmp(file, "\x93NUMPY", 6))
        st = from_npy(out, n, kind, file, size, e);
    else
        st = from_text(out, n, kind, file, size, e);
    mem_free(file);
    if (st == ST_OK)
        return st;
    return error_prefix(e, st, "%s", strcmp(path, "-") ? QUOTE(path) : "standard input");
}

enum status array_read_i64(int64_t **out, size_t *n, const char *path, struct error *e)
{
    return read_list((void **)out, n, KIND_I64, path, e);
}

enum status array_read_u32(uint32_t **out, size_t *n, const char *path, struct error *e)
{
    return read_list((void **)out, n, KIND_U32, path, e);
}

enum status array_read_f32(float **out, size_t *n, const char *path, struct error *e)
{
    return read_list((void **)out, n, KIND_F32, path, e);
}
