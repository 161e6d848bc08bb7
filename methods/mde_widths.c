/* SPDX-License-Identifier: Apache-2.0 */
/* Widths that fall with the size of a field by a power law, as the authors of mixed dimensions
   choose them: d = D (n_min / n)^alpha, rounded to a power of two, with the exponent that meets the
   budget. No state. */
#include "methods/projected.h"

#include <math.h>

#define ALPHA_STEP 1e-3 /* the authors stop halving here */
#define ALPHA_MOST 64   /* they stop at 1; beyond it fields of two sizes and more still differ */

struct solver {
    const uint64_t *rows;
    size_t count;
    uint32_t dim;
    double smallest; /* field that has rows */
    uint64_t *width;
};

static void widths_at(const struct solver *s, double alpha)
{
    double lambda = s->dim * pow(s->smallest, alpha);

    for (size_t i = 0; i < s->count; i++) {
        double d = lambda * pow((double)s->rows[i], -alpha);

        /* An empty field takes no memory at any width. Powers of two may pass D, which is none. */
        d = s->rows[i] ? exp2(rint(log2(rint(d > 1 ? d : 1)))) : s->dim;
        s->width[i] = d < s->dim ? (uint64_t)d : s->dim;
    }
}

static uint64_t field_floats(const struct solver *s, size_t i, uint64_t width)
{
    return projected_floats(s->rows[i], s->dim, width, width < s->dim, false);
}

static uint64_t floats(const struct solver *s)
{
    uint64_t total = 0;

    for (size_t i = 0; i < s->count; i++)
        if (__builtin_add_overflow(total, field_floats(s, i, s->width[i]), &total))
            return UINT64_MAX;
    return total;
}

/* One column and its projection, or the full field where that is less. */
static void narrowest(const struct solver *s)
{
    for (size_t i = 0; i < s->count; i++)
        s->width[i] = field_floats(s, i, 1) < field_floats(s, i, s->dim) ? 1 : s->dim;
}

bool mde_widths(const uint64_t *rows, size_t count, uint32_t dim, uint64_t budget, uint64_t *width)
{
    struct solver s = {
        .rows = rows, .count = count, .dim = dim, .smallest = INFINITY, .width = width};
    uint64_t target = budget / sizeof(float);
    double low = 0, high = 1;

    for (size_t i = 0; i < count; i++)
        if (rows[i] && (double)rows[i] < s.smallest)
            s.smallest = (double)rows[i];
    if (isinf(s.smallest))
        s.smallest = 1;
    widths_at(&s, low);
    if (floats(&s) <= target)
        return true;
    for (widths_at(&s, high); floats(&s) > target; widths_at(&s, high)) {
        if (high >= ALPHA_MOST) {
            narrowest(&s);
            return floats(&s) <= target;
        }
        low = high;
        high *= 2;
    }
    while (high - low > ALPHA_STEP) {
        double middle = (low + high) / 2;

        widths_at(&s, middle);
        if (floats(&s) > target)
            low = middle;
        else
            high = middle;
    }
    /* The authors take the lower end if it is above the budget by no more than a thousandth. */
    widths_at(&s, high);
    return true;
}
