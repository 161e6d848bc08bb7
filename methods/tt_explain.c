/* SPDX-License-Identifier: Apache-2.0 */
/* How a row of a tensor train is made. No state. */
#include "methods/explain.h"
#include "methods/tt.h"

/* Ids below `rows` whose digit of core `t` is `digit`: of every stretch of n * step ids one run of
   `step` has it. */
static uint64_t with_digit(const struct tt_shape *s, uint64_t rows, unsigned t, uint64_t digit)
{
    uint64_t step = 1, period, rest;

    if (s->big) {
        for (unsigned low = 2; low > t; low--)
            step *= s->n[low];
    } else {
        for (unsigned low = 0; low < t; low++)
            step *= s->n[low];
    }
    period = step * s->n[t];
    rest = rows % period;
    rest = rest > digit * step ? rest - digit * step : 0;
    return rows / period * step + (rest < step ? rest : step);
}

/* Other rows that read slice `digit` of a core. Cached ids do not. */
static uint64_t sharers(const struct parameters *p, const struct tt_shape *s, unsigned t,
                        uint64_t digit, const struct explanation *x)
{
    const int64_t *ids = p->tensor[TT_CACHE_IDS].data;
    size_t count = ids ? p->tensor[TT_CACHE_IDS].count : 0;
    uint64_t others = with_digit(s, p->rows, t, digit) - 1, all[3];

    if (!explain_may_scan(x, count))
        return SHARERS_UNKNOWN;
    for (size_t i = 0; i < count; i++) {
        tt_digits(s, (uint64_t)ids[i], all);
        others -= all[t] == digit;
    }
    return others;
}

void tt_explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    struct tt_shape s = tt_shape(p->value);
    uint64_t digit[3], place;
    int64_t list[3];

    tt_digits(&s, row, digit);
    for (unsigned t = 0; t < 3; t++)
        list[t] = (int64_t)digit[t];
    explain_numbers(x, "digits", list, 3);
    if (tt_cached(p, row, &place)) {
        explain_text(x, "cached", "yes");
        explain_cells(x, p, TT_CACHE_WEIGHT, place, 0, p->dim, 0);
        return;
    }
    if (p->tensor[TT_CACHE_IDS].data)
        explain_text(x, "cached", "no");
    for (unsigned t = 0; t < 3; t++)
        explain_cells(x, p, t, digit[t], 0, (size_t)p->tensor[t].shape[1],
                      sharers(p, &s, t, digit[t], x));
}
