/* SPDX-License-Identifier: Apache-2.0 */
/* Rows for people: id, the first values, the length of the vector, and marks on unknown ids. */
#include <inttypes.h>
#include <math.h>

#include "base/text.h"
#include "client/embctl/lookup.h"
#include "client/embctl/print.h"

#define SHOWN 8  /* values a line when the terminal's width is not known */
#define VALUE 10 /* columns of a value */

static enum status begin(void *context, const struct question *q, struct error *e)
{
    struct people_sink *s = context;
    unsigned width = terminal_width();
    char title[64];

    (void)e;
    s->row = need(q->dim * sizeof *s->row + 1);
    s->label = q->pooling == EMBD_POOLING_NONE ? 2 : 3;
    for (size_t i = 0; i < question_rows(q); i++) {
        int n =
            snprintf(NULL, 0, "%" PRId64, q->pooling == EMBD_POOLING_NONE ? q->ids[i] : (int64_t)i);

        s->label = (unsigned)n > s->label ? (unsigned)n : s->label;
    }
    /* Besides the values: the label, " …", the norm, "  unknown". */
    if (s->all)
        s->shown = q->dim;
    else if (width > s->label + 2 + VALUE + 9 + VALUE)
        s->shown = (width - s->label - 2 - VALUE - 9) / VALUE;
    else
        s->shown = SHOWN;
    if (s->shown > q->dim)
        s->shown = q->dim;
    if (s->all)
        return ST_OK;
    snprintf(title, sizeof title, s->shown < q->dim ? "values, %u of %u" : "values", s->shown,
             q->dim);
    printf("%s%*s    %-*s%*s%s\n", style(STYLE_DIM), (int)s->label,
           q->pooling == EMBD_POOLING_NONE ? "id" : "bag",
           (int)(s->shown * VALUE) - 4 + (s->shown < q->dim ? 2 : 0), title, VALUE, "norm",
           style(STYLE_NONE));
    return ST_OK;
}

static void print_value(float value)
{
    double size = fabs((double)value);

    if (value == 0 || (size >= 1e-4 && size < 999.99995))
        printf("%*.4f", VALUE, (double)value);
    else
        printf("%*.2e", VALUE, (double)value);
}

static void print_row(const struct people_sink *s, const struct question *q)
{
    double sum = 0;

    for (uint32_t i = 0; s->all && i < q->dim; i++)
        printf(" %.9g", (double)s->row[i]);
    if (s->all)
        return;
    for (uint32_t i = 0; i < q->dim; i++)
        sum += (double)s->row[i] * (double)s->row[i];
    for (uint32_t i = 0; i < s->shown; i++)
        print_value(s->row[i]);
    if (s->shown < q->dim)
        fputs(" …", stdout);
    print_value((float)sqrt(sum));
}

static enum status part(void *context, const struct question *q, const embd_lookup *answer,
                        size_t first, size_t missing_first, struct error *e)
{
    struct people_sink *s = context;
    size_t size = row_size(q->options.format, q->dim), next = missing_first;

    (void)e;
    for (size_t i = 0; i < answer->rows; i++) {
        size_t row = first + i, unknown = 0;
        size_t end = q->pooling == EMBD_POOLING_NONE ? row + 1 : q->offsets[row + 1];

        row_decode(s->row, (const unsigned char *)answer->values + i * size, q->options.format,
                   q->dim);
        printf("%s%*" PRId64 "%s", style(STYLE_BOLD), (int)s->label,
               q->pooling == EMBD_POOLING_NONE ? q->ids[row] : (int64_t)row, style(STYLE_NONE));
        print_row(s, q);
        for (; next < q->missing_count && q->missing[next] < end; next++)
            unknown++;
        if (unknown)
            fputs(style(STYLE_YELLOW), stdout);
        if (unknown && q->pooling == EMBD_POOLING_NONE)
            fputs("  unknown", stdout);
        else if (unknown)
            printf("  %zu unknown", unknown);
        printf("%s\n", unknown ? style(STYLE_NONE) : "");
    }
    return ST_OK;
}

static enum status end(void *context, const struct question *q, struct error *e)
{
    const struct people_sink *s = context;
    size_t rows = question_rows(q);
    char count[32], dim[32], unknown[32];

    (void)e;
    if (s->all)
        return ST_OK;
    printf("\n%s%s %s of %s, version %" PRIu64, style(STYLE_DIM), format_count(count, rows),
           q->pooling == EMBD_POOLING_NONE ? rows == 1 ? "row" : "rows"
           : rows == 1                     ? "bag"
                                           : "bags",
           format_count(dim, q->dim), q->version_first);
    if (q->version_last != q->version_first)
        printf(" to %" PRIu64, q->version_last);
    if (q->missing_count)
        printf(", %s unknown", format_count(unknown, q->missing_count));
    printf("%s\n", style(STYLE_NONE));
    return ST_OK;
}

struct sink sink_people(struct people_sink *s)
{
    return (struct sink){begin, part, end, s};
}
