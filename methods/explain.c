/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of an explanation. One thread. */
#include "methods/explain.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "methods/gradient.h"
#include "methods/optimizer.h"

void explanation_done(struct explanation *x)
{
    for (size_t i = 0; i < x->count; i++) {
        mem_free(x->fact[i].text);
        mem_free(x->fact[i].list);
    }
    mem_free(x->fact);
    *x = (struct explanation){0};
}

static struct fact *add(struct explanation *x, enum fact_kind kind, const char *name)
{
    struct fact *grown;

    if (x->status != ST_OK)
        return NULL;
    if (x->count == x->room) {
        size_t room = x->room ? 2 * x->room : 8;

        grown = mem_resize(x->fact, room, sizeof *grown);
        if (!grown) {
            x->status = ST_EXHAUSTED;
            return NULL;
        }
        x->fact = grown;
        x->room = room;
    }
    grown = x->fact + x->count++;
    *grown = (struct fact){.kind = kind};
    snprintf(grown->name, sizeof grown->name, "%s", name);
    return grown;
}

void explain_number(struct explanation *x, const char *name, int64_t number)
{
    struct fact *f = add(x, FACT_NUMBER, name);

    if (f)
        f->number = number;
}

void explain_real(struct explanation *x, const char *name, double real)
{
    struct fact *f = add(x, FACT_REAL, name);

    if (f)
        f->real = real;
}

void explain_text(struct explanation *x, const char *name, const char *text)
{
    struct fact *f = add(x, FACT_TEXT, name);

    if (f && !(f->text = mem_text(text, strlen(text))))
        x->status = ST_EXHAUSTED;
}

void explain_numbers(struct explanation *x, const char *name, const int64_t *list, size_t n)
{
    struct fact *f = add(x, FACT_NUMBERS, name);

    if (!f)
        return;
    f->list = mem_zero(n, sizeof *list);
    if (!f->list) {
        x->status = ST_EXHAUSTED;
        return;
    }
    memcpy(f->list, list, n * sizeof *list);
    f->n = n;
}

void explain_cells(struct explanation *x, const struct parameters *p, unsigned tensor,
                   uint64_t unit, uint64_t first, size_t n, uint64_t sharers)
{
    struct fact *f = add(x, FACT_CELLS, p->tensor[tensor].name);

    if (!f)
        return;
    f->number = (int64_t)unit;
    f->first = first;
    f->n = n;
    f->sharers = sharers;
}

void parameters_explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    if (p->method->explain) {
        p->method->explain(p, row, x);
        return;
    }
    for (unsigned k = 0; k < p->method->tensors_count; k++)
        if (tensor_trained(p, k)) {
            explain_cells(x, p, k, row, 0, unit_width(&p->tensor[k]), 0);
            return;
        }
}
