/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of a method's own parameters, and the changed parameters that come of them.

     dL/drow ── method->gradient ──> struct gradients ── optimizer ──> struct patch ──> memory

   A tensor is trained in units: places along its first dimension, each `width` elements (all other
   dimensions together; 1 for a tensor of one dimension), or what method->unit_place says. Gradients
   are sparse, a unit at a time; a dense one has every unit. No memory is asked for once it is
   reserved, so that a push which is in the log can always be applied. */
#pragma once

#include "base/hash.h"
#include "methods/method.h"

struct gradient {
    size_t width;   /* elements of a unit */
    uint64_t *unit; /* [count], in the order of first touch, all different */
    size_t count, capacity;
    float *value;              /* [count][width] */
    const uint64_t *rows_unit; /* by gradient_rows(), in the place of the two; else NULL */
    const float *rows_value;
    uint32_t *bucket;                          /* unit -> place + 1, open addressing */
    size_t bucket_count;                       /* a power of two */
    size_t unit_room, value_room, bucket_room; /* elements that there is memory for */
};

/* Of one set of parameters, for one push. Begins zeroed. */
struct gradients {
    struct gradient tensor[METHOD_TENSORS_MAX]; /* as p->tensor; capacity 0: not trained */
    struct hash_secret secret;                  /* places in `bucket`, never orders */
    float *scratch;                             /* method->gradient_scratch floats */
    size_t scratch_room;
};

/* The units and their values, whoever holds them. */
static inline const uint64_t *gradient_units(const struct gradient *g)
{
    return g->rows_unit ? g->rows_unit : g->unit;
}
static inline const float *gradient_values(const struct gradient *g)
{
    return g->rows_unit ? g->rows_value : g->value;
}

/* Elements of a unit of equal ones. */
size_t unit_width(const struct tensor *t);
/* Elements of the widest unit of a trained tensor: what its gradients have room for. */
size_t unit_most(const struct parameters *p, unsigned tensor);
/* How many units it has. */
uint64_t unit_count(const struct parameters *p, unsigned tensor);
/* The elements [*first, *first + *n) of the tensor that are the unit. */
void unit_place(const struct parameters *p, unsigned tensor, uint64_t unit, uint64_t *first,
                size_t *n);

/* The most units of a tensor that a push of `rows` different rows may touch, whether by gradients
   or because they are written along with others; 0 for tensors that never change. */
size_t parameters_touched(const struct parameters *p, unsigned tensor, size_t rows);

/* Make room for a push of `rows` rows and begin an empty collection, for these parameters or others
   than last time. What was reserved is kept from push to push. ST_EXHAUSTED is the only failure. */
MUST_CHECK enum status gradients_reserve(struct gradients *g, const struct parameters *p,
                                         size_t rows, struct error *e);
void gradients_done(struct gradients *g);
/* Where the gradient of a unit is summed: [width] floats, zero at first touch. Good until the next
   gradients_reserve(). Cannot fail within what was reserved. */
float *gradient_at(struct gradients *g, unsigned tensor, uint64_t unit);
/* Add grad [n][width] to the gradients of n units, which may repeat. */
void gradient_add(struct gradients *g, unsigned tensor, const uint64_t *unit, size_t n,
                  const float *grad);

/* The same for n units from `first` on, each of one element; not with gradient_rows(). */
void gradient_run(struct gradients *g, unsigned tensor, uint64_t first, size_t n,
                  const float *grad);
/* The same for units that are all different, as those of rows that have one each: while nothing
   else is added they are not copied, so both arrays stay until the step. */
void gradient_rows(struct gradients *g, unsigned tensor, const uint64_t *unit, size_t n,
                   const float *grad);

/* New bytes for places in memory, collected before any of them is written. */
struct patch_piece {
    unsigned char *to;
    size_t bytes;
    size_t from; /* offset in `data` */
};

/* Begins zeroed. */
struct patch {
    struct patch_piece *piece;
    size_t count, capacity;
    unsigned char *data;
    size_t used, room;
    /* What the numbers did: elements that kept value and state because the new ones would not be
       finite; elements that were cut off at the largest value that can be stored. */
    uint64_t kept, saturated;
};

/* Make room for so many pieces of so many bytes in all, and begin an empty patch. ST_EXHAUSTED is
   the only failure. */
MUST_CHECK enum status patch_reserve(struct patch *p, size_t pieces, size_t bytes, struct error *e);
void patch_done(struct patch *p);
/* Room for the new bytes of [to, to + bytes), aligned to 8; cannot fail within what was reserved.
 */
void *patch_add(struct patch *p, void *to, size_t bytes);
/* Write all of it. */
void patch_write(const struct patch *p);

/* Random rounding (methods.md 21.4): Philox 4x32-10, keyed by XXH64 of the tensor's name with the
   table's seed, counted by element and version. */
struct rounding {
    uint64_t key;
    uint64_t version; /* that the push produces */
};
struct rounding rounding_of(const char *tensor, uint64_t seed, uint64_t version);
/* The draws of `n` elements from `first` on: uniform in [0, 1), multiples of 2^-24. An element is
   counted within its tensor. */
void rounding_draws(const struct rounding *r, uint64_t first, size_t n, float *out);

/* Whether the units of a tensor lie there as float32 and are stored as the optimizer leaves them.
 */
bool unit_is_floats(const struct parameters *p, unsigned tensor);

/* What the new values of one unit are made from; for method->unit_store. */
struct unit_change {
    unsigned tensor;
    uint64_t unit;
    size_t n;              /* elements of the unit */
    const float *before;   /* [n] as unit_load gave it */
    const float *after;    /* [n], finite */
    const float *gradient; /* [n] what the optimizer got */
    const struct rounding *rounding;
    uint64_t ids;   /* of the push for this table, repeats included */
    float scale_lr; /* optimizer_settings.scale_lr; below 0: that of the config */
};

/* Values of a unit as float32: by method->unit_load if there is one, else by the tensor's type. */
void unit_load(const struct parameters *p, unsigned tensor, uint64_t unit, float *out);
/* Put the stored form of the new values into the patch: by method->unit_store if there is one, else
   by the tensor's type (F16 and BF16 are rounded randomly and saturate). An element whose value did
   not change keeps its bits, unless its whole unit gets another range (integers). */
void unit_store(const struct parameters *p, const struct unit_change *c, struct patch *patch);
