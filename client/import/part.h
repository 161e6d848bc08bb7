/* SPDX-License-Identifier: Apache-2.0 */
/* One set of parameters in the making: a whole table, or one field of it. What derive() and
   measure() of a recipe work on. One thread. */
#pragma once

#include "client/import/arrays.h"
#include "client/import/recipe.h"
#include "methods/plan.h"

#define OWN_MOST 3 /* arrays that a part makes itself */
#define ROWS_UNKNOWN UINT64_MAX

/* One piece of a recipe, found. */
struct part_source {
    struct array *array; /* NULL: not there */
    enum change change;
    uint64_t place;       /* of the table, for TABLE */
    const char *name;     /* of our tensor */
    struct tensor wanted; /* shape after the change, type as it will be stored; no data */
    bool typed;           /* the type is decided */
};

struct import_wish; /* import.h */

struct part {
    const struct recipe *recipe; /* that of its own, or of a field left full */
    const struct method *method;
    const struct import_wish *wish;
    long field; /* -1: the whole table */
    uint64_t rows;
    uint32_t dim; /* 0: unknown */
    struct value value[METHOD_SETTINGS_MAX];
    struct part_source source[METHOD_TENSORS_MAX]; /* in the order of the pieces, then own ones */
    size_t sources;
    struct array own[OWN_MOST];
    size_t owned;
};

/* Find the recipe's arrays for p->field and see what they are; then settings that follow from the
   source, and rows and dimension as far as shapes tell. */
MUST_CHECK enum status part_open(struct part *p, struct arrays *a, struct error *e);
/* With rows and dimension known: the remaining settings and the shapes, into the plan. */
MUST_CHECK enum status part_plan(struct part *p, struct plan *plan, struct error *e);
void part_close(struct part *p);

/* A found piece by the name of our tensor, or NULL. */
struct part_source *part_find(struct part *p, const char *tensor);
/* The same, changed: NULL is never returned for a piece that is not optional. */
static inline const struct tensor *part_shape(struct part *p, const char *tensor)
{
    struct part_source *s = part_find(p, tensor);

    return s ? &s->wanted : NULL;
}
static inline uint64_t part_last(const struct tensor *t) /* columns */
{
    return t->rank ? t->shape[t->rank - 1] : 1;
}

/* Settings that are open; what the user has set stays. A setting that this method has not is passed
   over. */
void part_integer(struct part *p, const char *key, uint64_t value);
MUST_CHECK enum status part_integers(struct part *p, const char *key, const uint64_t *value,
                                     size_t n, struct error *e);
MUST_CHECK enum status part_text(struct part *p, const char *key, const char *text,
                                 struct error *e);
/* The value of an integer setting; false if it is open. */
bool part_given(const struct part *p, const char *key, uint64_t *value);
/* A list of three, as given; false if it is open or none. */
bool part_given_list(const struct part *p, const char *key, uint64_t value[3]);

/* Store a tensor with the narrowest of its types that holds numbers below `bound`. */
void part_narrow(struct part *p, const char *tensor, uint64_t bound);
/* Memory for a tensor that the part makes itself, in place of an array; zeroed. */
MUST_CHECK enum status part_own(struct part *p, const char *tensor, enum dtype dtype,
                                uint64_t count, void **data, struct error *e);
