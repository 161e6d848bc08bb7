/* SPDX-License-Identifier: Apache-2.0 */
/* Codes and codebooks: lookups, gradients, the rules for what a file holds. No state. */
#include "methods/codes.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/prefetch.h"
#include "kernels/kernels.h"
#include "methods/gradient.h"

#define BATCH 512 /* rows whose codes are located at a time, on the stack */
#define PLACES                                                                                     \
    4096 /* places in the codebook at a time, on the stack; a multiple of 8, so that               \
            their codes begin with a byte, whatever their bits */

unsigned code_bits(uint64_t k)
{
    unsigned bits = 0;

    while (bits < 64 && (uint64_t)1 << bits < k)
        bits++;
    return bits;
}

struct code_array code_array_plain(const struct tensor *t)
{
    return (struct code_array){
        .tensor = t, .rows = t->shape[0], .parts = t->shape[1], .bits = t->dtype == DT_U8 ? 8 : 16};
}

static enum status padding_check(const struct code_array *a, struct error *e)
{
    unsigned used = a->parts * a->bits % 8;
    uint64_t bytes = code_bytes(a->parts, a->bits);

    for (uint64_t i = 0; used && i < a->rows; i++)
        if (code_array_row(a, i)[bytes - 1] >> used)
            return error_set(e, ST_INVALID,
                             "tensor \"%s\": row %" PRIu64
                             " has bits behind its last code; they must be 0",
                             a->tensor->name, i);
    return ST_OK;
}

/* Codes [first, first + n) of a run of them. The largest is looked for before anything is named,
   so that the loop has no exit. */
static enum status run_check(const struct code_array *a, const unsigned char *codes, uint64_t first,
                             size_t n, uint64_t k, struct error *e)
{
    uint32_t code[PLACES], largest = 0;

    kernels->codes_unpack(code, &(struct code_row){codes, a->bits}, 1, n, 0);
    for (size_t i = 0; i < n; i++)
        largest = code[i] > largest ? code[i] : largest;
    for (size_t i = 0; largest >= k && i < n; i++)
        if (code[i] >= k)
            return error_set(e, ST_INVALID,
                             "tensor \"%s\": row %" PRIu64 " has the code %" PRIu32
                             " in part %" PRIu64 "; it must be below %" PRIu64,
                             a->tensor->name, (first + i) / a->parts, code[i],
                             (first + i) % a->parts, k);
    return ST_OK;
}

enum status code_array_check(const struct code_array *a, uint64_t k, struct error *e)
{
    bool whole = a->parts * a->bits % 8 == 0; /* rows follow each other without a gap */
    uint64_t runs = whole ? 1 : a->rows, length = whole ? a->rows * a->parts : a->parts;
    enum status st = padding_check(a, e);

    if (k >= (uint64_t)1 << a->bits)
        return st;
    for (uint64_t r = 0; st == ST_OK && r < runs; r++)
        for (uint64_t i = 0; st == ST_OK && i < length; i += PLACES)
            st = run_check(a, code_array_row(a, r) + i / 8 * a->bits, r * a->parts + i,
                           length - i < PLACES ? (size_t)(length - i) : PLACES, k, e);
    return st;
}

enum status code_type_check(const struct tensor *codes, uint64_t k, struct error *e)
{
    if (codes->dtype == DT_U8 && k > 256)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" holds U8, which cannot name %" PRIu64
                         " vectors; it must be U16",
                         codes->name, k);
    return ST_OK;
}

void codes_pack(unsigned char *to, unsigned bits, const uint32_t *code, size_t parts)
{
    uint64_t word = 0; /* at most 7 + 16 bits wait in it */
    unsigned waiting = 0;

    for (size_t i = 0; i < parts; i++) {
        assert(!(code[i] >> bits));
        word |= (uint64_t)code[i] << waiting;
        waiting += bits;
        for (; waiting >= 8; waiting -= 8, word >>= 8)
            *to++ = (unsigned char)word;
    }
    if (waiting)
        *to = (unsigned char)word;
}

void codes_rows(const struct parameters *p, const struct codebook *book, code_locate *locate,
                const uint64_t *row, size_t n, void *out)
{
    struct code_row at[BATCH];
    unsigned char *to = out;

    while (n) {
        size_t m = n < BATCH ? n : BATCH;

        locate(p, row, m, at);
        kernels->codes_rows(to, book->data, book->width, at, m, book->parts, book->step);
        to += m * p->dim * sizeof(float);
        row += m;
        n -= m;
    }
}

void codes_gradient(const struct parameters *p, const struct codebook *book, code_locate *locate,
                    const uint64_t *row, size_t n, const float *grad, struct gradients *out)
{
    struct code_row at[BATCH];
    uint32_t place[PLACES];

    while (n) {
        size_t m = n < BATCH ? n : BATCH;

        locate(p, row, m, at);
        for (size_t i = 0; i < m; i++)
            prefetch(at[i].at, code_bytes(book->parts, at[i].bits));
        for (size_t i = 0; i < m; i++)
            for (size_t first = 0; first < book->parts; first += PLACES) {
                size_t some = book->parts - first < PLACES ? book->parts - first : PLACES;
                struct code_row from = {at[i].at + first / 8 * at[i].bits, at[i].bits};

                kernels->codes_unpack(place, &from, 1, some, book->step);
                for (size_t k = 0; k < some; k++, grad += book->width)
                    kernels->f32_add(
                        gradient_at(out, book->tensor, (uint64_t)first * book->step + place[k]),
                        grad, book->width);
            }
        row += m;
        n -= m;
    }
}
