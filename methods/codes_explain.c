/* SPDX-License-Identifier: Apache-2.0 */
/* Which vectors of the codebook a row is made of, and how many other rows have them. */
#include <string.h>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "methods/codes.h"
#include "methods/explain.h"

#define ROWS 64 /* located at a time */

/* Counts of rows by the asked row's parts. */
struct sharers {
    const struct codebook *book;
    size_t parts;
    uint32_t *mine, *code; /* [parts] codes of the row asked for, and of the one in hand */
    /* For a shared codebook, where a vector counts in whichever part: the first of the asked row's
       parts that has a code, plus 1, by code; and the last row that was counted there. */
    uint32_t *first;
    uint64_t *counted;
    uint64_t *count;
};

static void count_row(struct sharers *s, uint64_t row)
{
    for (size_t i = 0; i < s->parts; i++) {
        if (s->book->step) {
            s->count[i] += s->code[i] == s->mine[i];
        } else {
            size_t at = s->first[s->code[i]];

            if (at && s->counted[at - 1] != row + 1) {
                s->counted[at - 1] = row + 1;
                s->count[at - 1]++;
            }
        }
    }
}

static void count_all(const struct parameters *p, struct sharers *s, code_locate *locate,
                      uint64_t asked)
{
    uint64_t row[ROWS];
    struct code_row at[ROWS];

    for (uint64_t from = 0; from < p->rows; from += ROWS) {
        size_t n = p->rows - from < ROWS ? (size_t)(p->rows - from) : ROWS;

        for (size_t i = 0; i < n; i++)
            row[i] = from + i;
        locate(p, row, n, at);
        for (size_t i = 0; i < n; i++) {
            if (row[i] == asked)
                continue;
            kernels->codes_unpack(s->code, &at[i], 1, s->parts, 0);
            count_row(s, row[i]);
        }
    }
}

static void tell(const struct parameters *p, const struct sharers *s, int64_t *list,
                 struct explanation *x)
{
    for (size_t i = 0; i < s->parts; i++)
        list[i] = s->mine[i];
    explain_numbers(x, "codes", list, s->parts);
    for (size_t i = 0; i < s->parts; i++) {
        size_t of = s->book->step ? i : s->first[s->mine[i]] - 1;

        explain_cells(x, p, s->book->tensor, (uint64_t)i * s->book->step + s->mine[i], 0,
                      s->book->width, s->count[of]);
    }
}

void codes_explain(const struct parameters *p, const struct codebook *book, code_locate *locate,
                   uint64_t k, uint64_t row, struct explanation *x)
{
    struct sharers s = {.book = book, .parts = book->parts};
    int64_t *list = mem_zero(s.parts, sizeof *list);
    struct code_row at;

    s.mine = mem_zero(s.parts, sizeof *s.mine);
    s.code = mem_zero(s.parts, sizeof *s.code);
    s.count = mem_zero(s.parts, sizeof *s.count);
    s.counted = mem_zero(s.parts, sizeof *s.counted);
    s.first = mem_zero(book->step ? 1 : k, sizeof *s.first);
    if (list && s.mine && s.code && s.count && s.counted && s.first) {
        locate(p, &row, 1, &at);
        kernels->codes_unpack(s.mine, &at, 1, s.parts, 0);
        for (size_t i = s.parts; !book->step && i-- > 0;)
            s.first[s.mine[i]] = (uint32_t)i + 1;
        count_all(p, &s, locate, row);
        tell(p, &s, list, x);
    } else {
        x->status = ST_EXHAUSTED;
    }
    mem_free(s.first);
    mem_free(s.counted);
    mem_free(s.count);
    mem_free(s.code);
    mem_free(s.mine);
    mem_free(list);
}
