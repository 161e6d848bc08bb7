/* SPDX-License-Identifier: Apache-2.0 */
/* The full check: every byte is read once, hashed, and held against the rules for its type and
   tensor. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/give_way.h"
#include "base/hash.h"
#include "base/text.h"
#include "table/load.h"

#define BLOCK GIVE_WAY_BYTES /* hashed and checked while they are in the cache */
#define GROUP ((size_t)64)
#define PROGRESS_STEP 0.01

/* Whether the bits `x` of a float break a rule: exponent all ones (infinite or NaN), or a sign that
   the flags refuse. */
#define FLOAT_BAD(x, exponent, sign, flags)                                                        \
    (((x) & (sign - 1)) >= (exponent) ||                                                           \
     ((flags) & (TENSOR_NONNEGATIVE | TENSOR_POSITIVE) && (x) > (sign)) ||                         \
     ((flags)&TENSOR_POSITIVE && ((x) & (sign - 1)) == 0))

/* Place of the first element that breaks a rule, or n. Nearly all tensors may hold any finite
   number, and nearly all do: a group of those is looked at together, without branches. */
#define FLOAT_FIRST_BAD(name, type, exponent, sign)                                                \
    static size_t name(const void *data, size_t n, unsigned flags)                                 \
    {                                                                                              \
        const type *v = data;                                                                      \
        size_t i = 0;                                                                              \
                                                                                                   \
        while (!(flags & (TENSOR_NONNEGATIVE | TENSOR_POSITIVE)) && n - i >= GROUP) {              \
            type bad = 0;                                                                          \
                                                                                                   \
            for (size_t j = 0; j < GROUP; j++)                                                     \
                bad |= (v[i + j] & (sign - 1)) >= (exponent);                                      \
            if (bad)                                                                               \
                break;                                                                             \
            i += GROUP;                                                                            \
        }                                                                                          \
        for (; i < n; i++)                                                                         \
            if (FLOAT_BAD(v[i], exponent, sign, flags))                                            \
                return i;                                                                          \
        return n;                                                                                  \
    }

FLOAT_FIRST_BAD(f16_first_bad, uint16_t, 0x7c00u, 0x8000u)
FLOAT_FIRST_BAD(bf16_first_bad, uint16_t, 0x7f80u, 0x8000u)
FLOAT_FIRST_BAD(f32_first_bad, uint32_t, 0x7f800000u, 0x80000000u)
FLOAT_FIRST_BAD(f64_first_bad, uint64_t, UINT64_C(0x7ff0000000000000), UINT64_C(0x8000000000000000))

static size_t bool_first_bad(const void *data, size_t n)
{
    const uint8_t *v = data;

    for (size_t i = 0; i < n; i++)
        if (v[i] > 1)
            return i;
    return n;
}

/* The sign of an integer element. */
static int integer_sign(enum dtype dtype, const void *data, size_t i)
{
    int64_t v;

    switch (dtype) {
    case DT_I8:
        v = ((const int8_t *)data)[i];
        break;
    case DT_I16:
        v = ((const int16_t *)data)[i];
        break;
    case DT_I32:
        v = ((const int32_t *)data)[i];
        break;
    case DT_I64:
        v = ((const int64_t *)data)[i];
        break;
    case DT_U8:
        v = ((const uint8_t *)data)[i] != 0;
        break;
    case DT_U16:
        v = ((const uint16_t *)data)[i] != 0;
        break;
    case DT_U32:
        v = ((const uint32_t *)data)[i] != 0;
        break;
    default:
        v = ((const uint64_t *)data)[i] != 0;
        break;
    }
    return v < 0 ? -1 : v > 0;
}

static size_t integer_first_bad(enum dtype dtype, const void *data, size_t n, unsigned flags)
{
    int least = flags & TENSOR_POSITIVE ? 1 : 0;

    if (!(flags & (TENSOR_POSITIVE | TENSOR_NONNEGATIVE)))
        return n;
    for (size_t i = 0; i < n; i++)
        if (integer_sign(dtype, data, i) < least)
            return i;
    return n;
}

static size_t first_bad(enum dtype dtype, const void *data, size_t n, unsigned flags)
{
    switch (dtype) {
    case DT_F16:
        return f16_first_bad(data, n, flags);
    case DT_BF16:
        return bf16_first_bad(data, n, flags);
    case DT_F32:
        return f32_first_bad(data, n, flags);
    case DT_F64:
        return f64_first_bad(data, n, flags);
    case DT_BOOL:
        return bool_first_bad(data, n);
    default:
        return integer_first_bad(dtype, data, n, flags);
    }
}

static bool is_float(enum dtype d)
{
    return d == DT_F16 || d == DT_BF16 || d == DT_F32 || d == DT_F64;
}

/* `element` counts from the start of the tensor. */
static enum status refuse(const struct tensor *t, const void *value, size_t element, unsigned flags,
                          struct error *e)
{
    char place[192] = "";
    size_t n = sizeof place - 1;
    const char *rule;

    /* From the last dimension to the first, written from the end of the buffer. */
    for (unsigned i = t->rank; i-- > 0; element /= t->shape[i]) {
        char digits[32];
        size_t length = (size_t)snprintf(digits, sizeof digits, "%s%zu", i ? "," : "",
                                         (size_t)(element % t->shape[i]));

        n -= length;
        memcpy(place + n, digits, length);
    }
    if (t->dtype == DT_BOOL)
        rule = "is neither 0 nor 1";
    else if (is_float(t->dtype) && first_bad(t->dtype, value, 1, 0) == 0)
        rule = "is not finite";
    else
        rule = flags & TENSOR_POSITIVE ? "is not above 0" : "is below 0";
    return error_set(e, ST_INVALID, "tensor %s: element [%s] %s", QUOTE(t->name), place + n, rule);
}

struct reading {
    struct loading *l;
    struct hasher *hasher;
    uint64_t bytes; /* read so far */
    double told;
};

/* Bytes [at, at + n) of tensor i, from the file. */
static enum status fill(struct loading *l, size_t i, size_t at, size_t n, struct error *e)
{
    const struct file_tensor *ft = &l->t->header.tensor[i];
    unsigned char *to = l->t->region->data + (ft->offset - l->t->header.data_offset) + at;
    enum status st = file_pread(l->fd, to, n, ft->offset + at, e);

    if (st == ST_OK && l->use[i].private_offset != SIZE_MAX)
        memcpy((unsigned char *)l->use[i].data + at, to, n);
    return st;
}

static enum status tell(struct reading *r, struct error *e)
{
    double done = (double)r->bytes / (double)r->l->t->header.data_bytes;

    if (done - r->told < PROGRESS_STEP)
        return ST_OK;
    r->told = done;
    return load_progress(r->l, done, e);
}

/* The rules for keys are seen to when they are indexed; they may lie unaligned. */
static enum status check(const struct tensor *t, const struct use *u, size_t at, size_t n,
                         struct error *e)
{
    const unsigned char *data = (const unsigned char *)u->data + at;
    size_t width = dtype_size(t->dtype), bad;

    if (u->role == USE_KEYS || u->role == USE_TOUCHED)
        return ST_OK;
    bad = first_bad(t->dtype, data, n / width, u->flags);
    return bad < n / width ? refuse(t, data + bad * width, at / width + bad, u->flags, e) : ST_OK;
}

/* Hash one tensor and, unless a fault was `found` before, check it; that is left to the checksum.
   Any other status ends it all. */
static enum status read_tensor(struct reading *r, size_t i, enum status *found, struct error *e)
{
    const struct tensor *t = &r->l->t->header.tensor[i].tensor;
    enum status st = ST_OK;

    for (size_t at = 0, n; st == ST_OK && at < t->bytes; at += n) {
        n = t->bytes - at < BLOCK ? t->bytes - at : BLOCK;
        if (r->l->unread)
            st = fill(r->l, i, at, n, e);
        if (st != ST_OK)
            break;
        hasher_add(r->hasher, (const unsigned char *)r->l->use[i].data + at, n);
        if (*found == ST_OK)
            *found = check(t, &r->l->use[i], at, n, e);
        r->bytes += n;
        give_way(n);
        st = tell(r, e);
    }
    return st;
}

enum status load_values(struct loading *l, struct error *e)
{
    struct reading r = {.l = l, .hasher = hasher_new()};
    enum status st = ST_OK, found = ST_OK;

    if (!r.hasher)
        return error_memory(e, "checksum");
    for (size_t i = 0; st == ST_OK && i < l->t->header.tensor_count; i++) {
        st = read_tensor(&r, i, &found, e);
        if (st == ST_OK && !l->has_checksum)
            st = found;
    }
    if (st == ST_OK) {
        l->t->checksum = hasher_value(r.hasher);
        st = found;
        if (l->has_checksum && l->t->checksum != l->checksum)
            st = error_set(e, ST_DATA_LOSS,
                           "the data have the checksum %016llx; embd.checksum says %016llx",
                           (unsigned long long)l->t->checksum, (unsigned long long)l->checksum);
    }
    hasher_free(r.hasher);
    return st;
}
