/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of `embctl plan`: what each method would make of a table, and how it is shown. */
#pragma once

#include "client/embctl/words.h"
#include "methods/cost.h"

#define OPTIMIZERS_MOST 8
#define NO_STATE UINT64_MAX /* the optimizer does not train the method's tensors */
#define SUMMARY_TEXT 400

/* What one method would make. */
struct outlook {
    const struct method *method;
    struct layout layout; /* kept for one method alone, else released */
    enum status st;
    struct error e; /* why it cannot */
    uint64_t need;  /* the least, if that is why; 0: another reason */
    uint64_t bytes, work;
    double words;                    /* by the authors' way of counting; negative: they have none */
    uint64_t state[OPTIMIZERS_MOST]; /* bytes of each optimizer's */
    char summary[SUMMARY_TEXT];      /* of the settings */
};

struct plan_question {
    uint64_t rows, budget; /* 0: none */
    uint32_t dim;
    struct fields fields;
    const struct optimizer *optimizer; /* NULL: all */
};

/* All methods: those that can, in the order of their list, then the others, the least need first.
 */
void plan_print_list(const struct plan_question *q, const struct outlook *o, size_t count);
/* One method that can, in full. */
void plan_print_one(const struct plan_question *q, const struct outlook *o);
int plan_print_json(const struct plan_question *q, const struct outlook *o, size_t count, bool one);
