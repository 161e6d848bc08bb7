/* SPDX-License-Identifier: Apache-2.0 */
/* What the methods with codebooks share. A row is cut into `parts` parts of D / parts columns; each
   part is one of the codebook's vectors, and the row's codes say which. Codes lie one after the
   other, `bits` bits each, the least significant bit first, and each row begins with a byte of its
   own: U8 and U16 codes are the same thing with 8 and 16 bits. */
#pragma once

#include "kernels/kernels.h"
#include "methods/plan.h"

#define CODES_MOST 65536 /* vectors that a code chooses from */

enum { CODES_BYTES, CODES_BITS }; /* setting `packing` */

/* The codebook [K, width], or [parts * K, width] where each part has its own. */
struct codebook {
    unsigned tensor;
    float *data;
    size_t parts, width;
    uint32_t step; /* from one part's vectors to the next part's: K, or 0 where they are shared */
};

/* How a method finds the codes of n rows. */
typedef void code_locate(const struct parameters *p, const uint64_t *row, size_t n,
                         struct code_row *out);

/* Bits that tell k codes apart: 0 for one, 16 for the most. */
unsigned code_bits(uint64_t k);
/* Bytes of a row of codes. */
static inline uint64_t code_bytes(uint64_t parts, unsigned bits)
{
    return (parts * bits + 7) / 8;
}
/* The type of plain codes below k, as a DT() bit. */
static inline unsigned code_dtype(uint64_t k)
{
    return k <= 256 ? DT(U8) : DT(U16);
}

/* An array of codes, [rows][code_bytes(parts, bits)]. */
struct code_array {
    const struct tensor *tensor;
    uint64_t rows;
    uint64_t parts;
    unsigned bits;
};
/* A plain tensor [rows, parts] of U8 or U16. */
struct code_array code_array_plain(const struct tensor *t);
static inline const unsigned char *code_array_row(const struct code_array *a, uint64_t row)
{
    return (const unsigned char *)a->tensor->data + row * code_bytes(a->parts, a->bits);
}
/* Every code below k, every bit behind a row's last code 0. */
MUST_CHECK enum status code_array_check(const struct code_array *a, uint64_t k, struct error *e);
/* Plain codes of U8 cannot name more than 256 vectors. */
MUST_CHECK enum status code_type_check(const struct tensor *codes, uint64_t k, struct error *e);
/* Write a row of codes, each below 2^bits. */
void codes_pack(unsigned char *to, unsigned bits, const uint32_t *code, size_t parts);

/* method->rows, gradient, touched and explain. */
void codes_rows(const struct parameters *p, const struct codebook *book, code_locate *locate,
                const uint64_t *row, size_t n, void *out);
void codes_gradient(const struct parameters *p, const struct codebook *book, code_locate *locate,
                    const uint64_t *row, size_t n, const float *grad, struct gradients *out);
static inline size_t codes_touched(size_t parts, size_t rows)
{
    return rows > SIZE_MAX / parts ? SIZE_MAX : rows * parts;
}
/* The codes, and for each part its vector and how many other rows have it there too (in any part,
   where the codebook is shared). A scan over all codes. */
void codes_explain(const struct parameters *p, const struct codebook *book, code_locate *locate,
                   uint64_t k, uint64_t row, struct explanation *x);

/* ---- Plans ---- */

/* One way to spend the budget, and what it gives. */
struct code_choice {
    uint64_t parts;
    uint64_t k, k_low; /* k_low: mgqe's rare rows */
    int64_t packing;
    uint64_t bytes;
    double quality;
};

/* What a choice is for: one plan, or the fields of a layout, which have it in common as the authors
   have it; a field stays full where it would not be smaller. The settings that the caller gave are
   the same in all of them. */
struct code_scope {
    const struct plan *part;
    size_t count;
    uint64_t budget;
    bool fields;
    /* Bytes of one part. */
    uint64_t (*bytes)(const struct plan *part, const struct code_choice *c);
};
static inline struct code_scope code_scope_of(const struct plan *plan)
{
    return (struct code_scope){.part = plan, .count = 1, .budget = plan->budget};
}
static inline struct code_scope code_scope_of_fields(const struct layout *l)
{
    return (struct code_scope){
        .part = l->part, .count = l->part_count, .budget = l->budget, .fields = true};
}
/* Bytes of all parts; UINT64_MAX if they are more than can be counted. */
uint64_t code_scope_bytes(const struct code_scope *s, const struct code_choice *c);
/* Rows of the largest part. */
uint64_t code_scope_rows(const struct code_scope *s);
/* Leave a field full to which the choice would bring nothing, an empty one too; tells if so. */
bool codes_stay_full(struct layout *l, size_t part, uint64_t bytes);

/* How closely a part of `width` columns is met by the best of k vectors: bits a column, as the
   error of a normal table would tell them. */
double codes_quality(double k, double width);
/* Whether `a` is to be taken rather than `b` (quality below 0: there is no b). */
bool code_choice_better(const struct code_choice *a, const struct code_choice *b);
/* The next divisor of dim below `parts`, 0 after the last; begin with dim + 1. */
uint64_t codes_divisor_below(uint32_t dim, uint64_t parts);
/* `parts`, if it is set, divides the columns. */
MUST_CHECK enum status codes_parts_check(const struct plan *plan, unsigned setting,
                                         struct error *e);
/* count * bytes + more, UINT64_MAX if that is more than can be counted. */
static inline uint64_t bytes_of(uint64_t count, uint64_t bytes, uint64_t more)
{
    return __builtin_mul_overflow(count, bytes, &bytes) ||
                   __builtin_add_overflow(bytes, more, &more)
               ? UINT64_MAX
               : more;
}
