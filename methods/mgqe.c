/* SPDX-License-Identifier: Apache-2.0 */
/* Multi-granular quantized embeddings: vectors of a codebook, of which rare rows have fewer to
   choose from. Plans, starts and the choice of frequent rows are in files of their own. */
#include "methods/mgqe.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "methods/explain.h"

#define BLOCK 64 /* rows whose bits are counted together: a word of the map */

static const struct setting settings[] = {
    [MGQE_PARTS] = {"parts", SETTING_INT, .min = 1, .max = METHOD_DIM_MAX,
                    .help = "how many parts a row is cut into; divides the columns"},
    [MGQE_K_HIGH] = {"k_high", SETTING_INT, .min = 2, .max = CODES_MOST,
                     .help = "vectors that frequent rows choose from, in each part"},
    [MGQE_K_LOW] = {"k_low", SETTING_INT, .min = 1, .max = CODES_MOST - 1,
                    .help = "how many of the first of them rare rows choose from"},
    [MGQE_SHARED] = {"shared", SETTING_BOOL, .fallback = "false",
                     .help = "whether all parts choose from the same vectors"},
    [MGQE_PACKING] = {"packing", SETTING_CHOICE, .choices = "bytes bits", .fallback = "bytes",
                      .help = "whole bytes for each code, or just the bits it needs"},
};

static const struct tensor_decl tensors[] = {
    [MGQE_CODEBOOK] = {"codebook", DT(F32), "parts*k_high D/parts", .when = "shared=false",
                       .flags = TENSOR_TRAINED, .help = "the vectors of each part"},
    [MGQE_COMMON_CODEBOOK] = {"codebook", DT(F32), "k_high D/parts", .when = "shared=true",
                              .flags = TENSOR_TRAINED, .help = "the vectors of all parts"},
    [MGQE_CODES] = {"codes", DT(U8) | DT(U16), "N parts", .when = "packing=bytes",
                    .flags = TENSOR_ADDRESS, .help = "which vector each part of a row is"},
    [MGQE_MAP] = {"high", DT(U8), "map_bytes", .when = "packing=bits", .flags = TENSOR_ADDRESS,
                  .help = "a bit for each row: whether it is a frequent one"},
    [MGQE_HIGH] = {"codes.high", DT(U8), "n_high high_bytes", .when = "packing=bits",
                   .flags = TENSOR_ADDRESS, .help = "codes of the frequent rows"},
    [MGQE_LOW] = {"codes.low", DT(U8), "n_low low_bytes", .when = "packing=bits",
                  .flags = TENSOR_ADDRESS, .help = "codes of the rare rows"},
};

static bool packed(const struct parameters *p)
{
    return p->value[MGQE_PACKING].i == CODES_BITS;
}

struct codebook mgqe_codebook(const struct parameters *p)
{
    bool shared = p->value[MGQE_SHARED].i;
    unsigned tensor = shared ? MGQE_COMMON_CODEBOOK : MGQE_CODEBOOK;
    size_t parts = (size_t)p->value[MGQE_PARTS].i;

    return (struct codebook){.tensor = tensor,
                             .data = p->tensor[tensor].data,
                             .parts = parts,
                             .width = p->dim / parts,
                             .step = shared ? 0 : (uint32_t)p->value[MGQE_K_HIGH].i};
}

struct code_array mgqe_codes(const struct parameters *p, bool high)
{
    const struct tensor *t = &p->tensor[high ? MGQE_HIGH : MGQE_LOW];
    uint64_t k = (uint64_t)p->value[high ? MGQE_K_HIGH : MGQE_K_LOW].i;

    if (!packed(p))
        return code_array_plain(&p->tensor[MGQE_CODES]);
    return (struct code_array){.tensor = t,
                               .rows = t->shape[0],
                               .parts = (uint64_t)p->value[MGQE_PARTS].i,
                               .bits = code_bits(k)};
}

uint64_t mgqe_high_of(const struct parameters *p)
{
    return packed(p) ? p->tensor[MGQE_HIGH].shape[0] : mgqe_high_rows(p->rows);
}

/* Bits [0, 8 * bytes) of a map, at most 64 of them, the first lowest. */
static uint64_t word_of(const unsigned char *map, uint64_t bytes)
{
    uint64_t word = 0;

    if (bytes >= 8)
        memcpy(&word, map, 8);
    else
        memcpy(&word, map, (size_t)bytes);
    return word;
}

/* How many rows before each block are high, in memory of its own, and in all. */
static enum status count_high(const struct tensor *map, uint64_t **before, uint64_t *high,
                              struct error *e)
{
    const unsigned char *bits = map->data;
    uint64_t bytes = map->count;

    if (!(*before = mem_zero(bytes / (BLOCK / 8) + 1, sizeof **before)))
        return error_memory(e, "counts of high rows");
    for (uint64_t at = 0; at < bytes; at += 8) {
        if (at % (BLOCK / 8) == 0)
            (*before)[at / (BLOCK / 8)] = *high;
        *high += (uint64_t)__builtin_popcountll(word_of(bits + at, bytes - at));
    }
    return ST_OK;
}

/* One of the two arrays of packed codes. */
static enum status packed_check(const struct parameters *p, bool high, uint64_t rows,
                                struct error *e)
{
    const struct tensor *t = &p->tensor[high ? MGQE_HIGH : MGQE_LOW];
    uint64_t k = (uint64_t)p->value[high ? MGQE_K_HIGH : MGQE_K_LOW].i;
    struct code_array a = mgqe_codes(p, high);
    uint64_t bytes = code_bytes(a.parts, a.bits);

    if (t->shape[0] != rows)
        return error_set(e, ST_INVALID, "tensor \"%s\" has %" PRIu64 " rows; \"%s\" says %" PRIu64,
                         t->name, t->shape[0], p->tensor[MGQE_MAP].name, rows);
    if (t->shape[1] != bytes)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" has %" PRIu64 " bytes a row; %" PRIu64
                         " codes of %u bits take %" PRIu64,
                         t->name, t->shape[1], a.parts, a.bits, bytes);
    return code_array_check(&a, k, e);
}

static enum status bits_check(struct parameters *p, struct error *e)
{
    const struct tensor *map = &p->tensor[MGQE_MAP];
    uint64_t *before = NULL, high = 0;
    enum status st;

    if (map->count != (p->rows + 7) / 8)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" has %zu bytes; a bit for each of %" PRIu64
                         " rows takes %" PRIu64,
                         map->name, map->count, p->rows, (p->rows + 7) / 8);
    if (p->rows % 8 && ((const unsigned char *)map->data)[map->count - 1] >> p->rows % 8)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" has bits behind the last row; they must be 0", map->name);
    if ((st = count_high(map, &before, &high, e)) == ST_OK &&
        (st = packed_check(p, true, high, e)) == ST_OK)
        st = packed_check(p, false, p->rows - high, e);
    if (st == ST_OK) {
        p->state = before;
        return ST_OK;
    }
    mem_free(before);
    return st;
}

static enum status check(struct parameters *p, struct error *e)
{
    int64_t k_high = p->value[MGQE_K_HIGH].i, k_low = p->value[MGQE_K_LOW].i;
    struct code_array codes;
    enum status st;

    if (k_low >= k_high)
        return error_set(e, ST_INVALID, "k_low is %" PRIi64 "; it must be below k_high, %" PRIi64,
                         k_low, k_high);
    if (packed(p))
        return bits_check(p, e);
    codes = mgqe_codes(p, true);
    st = code_type_check(codes.tensor, (uint64_t)k_high, e);
    return st == ST_OK ? code_array_check(&codes, (uint64_t)k_high, e) : st;
}

static void release(struct parameters *p)
{
    mem_free(p->state);
    p->state = NULL;
}

/* Whether a row is high, and how many before it are. */
static bool rank_of(const struct parameters *p, uint64_t row, uint64_t *high)
{
    const struct tensor *map = &p->tensor[MGQE_MAP];
    const unsigned char *bits = map->data;
    uint64_t at = row / BLOCK * (BLOCK / 8), word = word_of(bits + at, map->count - at);

    *high = ((const uint64_t *)p->state)[row / BLOCK] +
            (uint64_t)__builtin_popcountll(word & (((uint64_t)1 << row % BLOCK) - 1));
    return word >> row % BLOCK & 1;
}

static void locate_packed(const struct parameters *p, const uint64_t *row, size_t n,
                          struct code_row *out)
{
    const struct code_array array[] = {mgqe_codes(p, false), mgqe_codes(p, true)};
    const unsigned char *map = p->tensor[MGQE_MAP].data;

    for (size_t i = 0; i < n; i++) {
        __builtin_prefetch(map + row[i] / 8);
        __builtin_prefetch((const uint64_t *)p->state + row[i] / BLOCK);
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t before;
        bool high = rank_of(p, row[i], &before);

        out[i].at = code_array_row(&array[high], high ? before : row[i] - before);
        out[i].bits = array[high].bits;
    }
}

static void locate_plain(const struct parameters *p, const uint64_t *row, size_t n,
                         struct code_row *out)
{
    struct code_array codes = mgqe_codes(p, true);

    for (size_t i = 0; i < n; i++)
        out[i] = (struct code_row){code_array_row(&codes, row[i]), codes.bits};
}

static void rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    struct codebook book = mgqe_codebook(p);

    codes_rows(p, &book, packed(p) ? locate_packed : locate_plain, row, n, out);
}

static void gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                     struct gradients *out)
{
    struct codebook book = mgqe_codebook(p);

    codes_gradient(p, &book, packed(p) ? locate_packed : locate_plain, row, n, grad, out);
}

static size_t touched(const struct parameters *p, unsigned tensor, size_t rows)
{
    (void)tensor; /* the codebook, which alone is trained */
    return codes_touched((size_t)p->value[MGQE_PARTS].i, rows);
}

/* Plain codes do not say which rows are high, but a code that low rows cannot have does. */
static const char *group_of(const struct parameters *p, uint64_t row)
{
    struct code_array codes = mgqe_codes(p, true);
    const unsigned char *at;
    uint64_t before;

    if (packed(p))
        return rank_of(p, row, &before) ? "high" : "low";
    at = code_array_row(&codes, row);
    for (uint64_t i = 0; i < codes.parts; i++) {
        int64_t code = codes.bits == 8 ? at[i] : at[2 * i] | at[2 * i + 1] << 8;

        if (code >= p->value[MGQE_K_LOW].i)
            return "high";
    }
    return "low, or high with low codes";
}

static void explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    struct codebook book = mgqe_codebook(p);

    explain_text(x, "group", group_of(p, row));
    codes_explain(p, &book, packed(p) ? locate_packed : locate_plain,
                  (uint64_t)p->value[MGQE_K_HIGH].i, row, x);
}

const struct method method_mgqe = {
    .name = "mgqe",
    .title = "MGQE (multi-granular quantized embeddings)",
    .source = "Kang et al., WWW 2020",
    .per_field = true,
    .fit_extension = true,
    .settings = settings,
    .settings_count = sizeof settings / sizeof settings[0],
    .tensors = tensors,
    .tensors_count = sizeof tensors / sizeof tensors[0],
    .check = check,
    .release = release,
    .rows = rows,
    .gradient = gradient,
    .touched = touched,
    .plan = mgqe_plan,
    .share = mgqe_share,
    .author_words = mgqe_author_words,
    .init = mgqe_init,
    .explain = explain,
};
