/* SPDX-License-Identifier: Apache-2.0 */
/* What the plans of codebooks share: how good a choice of parts and codes is, before the table is
   known. */
#include "methods/codes.h"

#include <inttypes.h>
#include <math.h>

/* A part of few columns wastes bits, since vectors can be laid out better the more columns they
   have: against the limit of long vectors the best quantizer of normal numbers loses 0.72 bits a
   column for one column and 0.50, 0.35, 0.23 for 2, 4 and 8 (Zador's formula), about 0.72 *
   width^-0.53. With few bits there is less to lose: Lloyd's and Max's tables of one column have
   0.27, 0.46, 0.57, 0.64 for 1, 2, 3, 4 bits, about the share 1 - 0.6^bits. */
double codes_quality(double k, double width)
{
    double bits = log2(k) / width;

    return bits - 0.72 * pow(width, -0.53) * (1 - pow(0.6, bits));
}

bool code_choice_better(const struct code_choice *a, const struct code_choice *b)
{
    if (fabs(a->quality - b->quality) > 1e-9)
        return a->quality > b->quality;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes;
    return a->packing < b->packing; /* the plainer one */
}

uint64_t codes_divisor_below(uint32_t dim, uint64_t parts)
{
    do
        parts--;
    while (parts && dim % parts);
    return parts;
}

enum status codes_parts_check(const struct plan *plan, unsigned setting, struct error *e)
{
    const struct value *v = &plan->value[setting];

    if (v->set && plan->dim % (uint64_t)v->i)
        return error_set(e, ST_INVALID,
                         "%s: parts is %" PRIi64 ", which does not divide %" PRIu32 " columns",
                         plan->method->name, v->i, plan->dim);
    return ST_OK;
}

static uint64_t full_bytes(const struct plan *part)
{
    return bytes_of(part->rows, (uint64_t)part->dim * sizeof(float), 0);
}

uint64_t code_scope_bytes(const struct code_scope *s, const struct code_choice *c)
{
    uint64_t total = 0;

    for (size_t i = 0; i < s->count; i++) {
        uint64_t bytes = s->bytes(&s->part[i], c), full = full_bytes(&s->part[i]);

        if (s->fields && full < bytes)
            bytes = full;
        total = bytes_of(1, bytes, total);
    }
    return total;
}

uint64_t code_scope_rows(const struct code_scope *s)
{
    uint64_t rows = 0;

    for (size_t i = 0; i < s->count; i++)
        rows = s->part[i].rows > rows ? s->part[i].rows : rows;
    return rows;
}

bool codes_stay_full(struct layout *l, size_t part, uint64_t bytes)
{
    if (bytes < full_bytes(&l->part[part]))
        return false;
    layout_full(l, part);
    return true;
}
