/* SPDX-License-Identifier: Apache-2.0 */
/* How an id is answered: the facts that a lookup goes through, in order, for people to read. */
#pragma once

#include "methods/method.h"

enum fact_kind {
    FACT_NUMBER,  /* an integer: quotient 44 */
    FACT_REAL,    /* scale 0.0125 */
    FACT_TEXT,    /* rank high */
    FACT_NUMBERS, /* codes 3 17 200 4 */
    FACT_CELLS    /* elements of a tensor that the row is made of */
};

struct fact {
    enum fact_kind kind;
    char name[40];
    int64_t number;
    double real;
    char *text;
    int64_t *list;
    size_t n; /* of list; of cells */
    /* FACT_CELLS: `name` is the tensor's, elements [first, first + n) of its place `number` along
       the first dimension. */
    uint64_t first;
    uint64_t sharers; /* other rows of the table that read the same cells */
};

#define SHARERS_UNKNOWN UINT64_MAX

/* Begins zeroed. Functions that fail for want of memory set `status` and do nothing from then on.
 */
struct explanation {
    struct fact *fact;
    size_t count, room;
    enum status status;
    uint64_t scan_most; /* elements that may be read to count sharers; 0: any number */
};
/* Whether that many may be read; else the sharers are SHARERS_UNKNOWN. */
static inline bool explain_may_scan(const struct explanation *x, uint64_t elements)
{
    return !x->scan_most || elements <= x->scan_most;
}
void explanation_done(struct explanation *x);

void explain_number(struct explanation *x, const char *name, int64_t number);
void explain_real(struct explanation *x, const char *name, double real);
void explain_text(struct explanation *x, const char *name, const char *text);
void explain_numbers(struct explanation *x, const char *name, const int64_t *list, size_t n);
/* `n` elements from `first` on of unit `unit` of a tensor. */
void explain_cells(struct explanation *x, const struct parameters *p, unsigned tensor,
                   uint64_t unit, uint64_t first, size_t n, uint64_t sharers);

/* The facts of a row (< p->rows): method->explain, or the row of the first trained tensor. */
void parameters_explain(const struct parameters *p, uint64_t row, struct explanation *x);
