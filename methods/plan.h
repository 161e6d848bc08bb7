/* SPDX-License-Identifier: Apache-2.0 */
/* From a budget to settings and sizes: of one set of parameters (plan), and of a whole table, which
   may have one set for each field (layout). */
#pragma once

#include "methods/method.h"

/* One set of parameters. Begins zeroed but for method, rows and dim. The budget is in bytes for the
   method's tensors; the method fills in settings that are open and the free sizes of its shapes;
   what is set stays. */
struct plan {
    const struct method *method;
    uint64_t rows;
    uint32_t dim;
    uint64_t budget; /* bytes; 0: no budget, take the method's natural size */
    uint64_t need;   /* bytes; what plan_refuse() said */
    struct value value[METHOD_SETTINGS_MAX];
    struct symbols size;                 /* free sizes, by the names in the shapes */
    unsigned dtypes[METHOD_TENSORS_MAX]; /* the DT() bit of each tensor; 0: the first allowed */
    bool with[METHOD_TENSORS_MAX];       /* optional tensors to have */
    struct fields fields;
    bool of_field; /* as in struct parameters */
    /* What a study of the table found and its fit will want again (fits/fit.h); released with the
       plan by found_done. */
    void *found;
    void (*found_done)(void *found);
};

/* Run method->plan, complete the settings and check that the bytes are within the budget.
   ST_INVALID with a sentence that names the need when it cannot be reached. A setting that only the
   table can decide (the scale of int8 and int16) is 0 until the fit writes it. */
MUST_CHECK enum status plan_make(struct plan *plan, struct error *e);
/* Bytes of the planned tensors. */
MUST_CHECK enum status plan_bytes(const struct plan *plan, uint64_t *bytes, struct error *e);
/* Whether the plan, as far as its settings are known, has the tensor. */
bool plan_has(const struct plan *plan, size_t tensor);
/* The refusal of a budget below `need` bytes; for method->plan. */
enum status plan_refuse(struct plan *plan, uint64_t need, struct error *e);
/* Set what is still open; for method->plan. A size that is there stays. */
void plan_choose(struct plan *plan, unsigned setting, int64_t i);
MUST_CHECK enum status plan_size(struct plan *plan, const char *name, uint64_t size,
                                 struct error *e);
/* Release the lists of the settings, and what was found. Safe on a zeroed plan, and twice. */
void plan_done(struct plan *plan);
/* Set up `p` (shapes, types, settings; no memory) as planned. Release with parameters_done(). A fit
   may write settings of `p` that the plan left to it. */
MUST_CHECK enum status plan_parameters(const struct plan *plan, struct parameters *p,
                                       struct error *e);

/* A whole table. */
struct layout {
    const struct method *method;
    uint64_t rows;
    uint32_t dim;
    struct fields fields; /* borrowed; count 0: the table has none */
    uint64_t budget;      /* bytes for all parts; 0: none */
    uint64_t need;        /* bytes; what the refusal of a budget said, 0 for any other failure */
    bool per_field;       /* each part is a field */
    /* part[i].method is the layout's, or full for a field that compression would not make smaller.
     */
    struct plan *part;
    size_t part_count;
};

/* Begin: one part a field if the method keeps fields apart (method->per_field, and its settings do
   not say otherwise) and there are any, else one part. `chosen` [METHOD_SETTINGS_MAX] are the
   settings that the user gave, copied into every part (of a list with by_field its entry); NULL:
   none. Release with layout_done(), also after a failure. */
MUST_CHECK enum status layout_open(struct layout *l, const struct method *m, uint64_t rows,
                                   uint32_t dim, const struct fields *fields, uint64_t budget,
                                   const struct value *chosen, struct error *e);
/* Share the budget among the parts (method->share, or one ratio for all) and plan each. A field
   stays full where that is not larger. The sum of all bytes never exceeds the budget; ST_INVALID
   names the need. */
MUST_CHECK enum status layout_make(struct layout *l, struct error *e);
MUST_CHECK enum status layout_bytes(const struct layout *l, uint64_t *bytes, struct error *e);
/* 32-bit words by the authors' way of counting (method->author_words); negative if there is none.
 */
double layout_author_words(const struct layout *l);
void layout_done(struct layout *l);
/* The refusal of a budget below `need` bytes; for method->share. */
enum status layout_refuse(struct layout *l, uint64_t need, struct error *e);
/* Turn a part into a full field. For method->share; the part's settings are released. */
void layout_full(struct layout *l, size_t part);
