/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of a method's own parameters, and the changed parameters that come of them.

     dL/drow ── method->gradient ──> struct gradients ── optimizer ──> struct patch ──> memory

   A tensor is trained in units: places along its first dimension, each `width` elements (all other
   dimensions together; 1 for a tensor of one dimension). Gradients are sparse, a unit at a time; a
   dense one has every unit. No memory is asked for once it is reserved, so that a push which is in
   the log can always be applied. */
#pragma once

#include "methods/method.h"

struct gradient {
    size_t width;   /* elements of a unit */
    uint64_t *unit; /* [count], in the order of first touch, all different */
    size_t count, capacity;
    float *value;     /* [count][width] */
    uint32_t *bucket; /* unit -> place + 1, open addressing */
    size_t bucket_count;
};

/* Of one set of parameters, for one push. */
struct gradients {
    struct gradient tensor[METHOD_TENSORS_MAX]; /* as p->tensor; capacity 0: not trained */
};

/* The most units of a tensor that a push of `rows` different rows may touch, whether by gradients
   or because they are written along with others; 0 for tensors that never change. */
size_t parameters_touched(const struct parameters *p, unsigned tensor, size_t rows);

/* Make room for a push of `rows` rows and begin an empty collection. What was reserved is kept from
   push to push. */
MUST_CHECK enum status gradients_reserve(struct gradients *g, const struct parameters *p,
                                         size_t rows, struct error *e);
void gradients_done(struct gradients *g);
/* Where the gradient of a unit is summed: [width] floats, zero at first touch. Good until the next
   gradients_reserve(). Cannot fail within what was reserved. */
float *gradient_at(struct gradients *g, unsigned tensor, uint64_t unit);

/* New bytes for places in memory, collected before any of them is written. */
struct patch_piece {
    unsigned char *to;
    size_t bytes;
    size_t from; /* offset in `data` */
};

struct patch {
    struct patch_piece *piece;
    size_t count, capacity;
    unsigned char *data;
    size_t used, room;
    /* What the numbers did: elements that kept value and state because the new ones would not be
       finite; elements that were cut off at the largest value that can be stored. */
    uint64_t kept, saturated;
};

MUST_CHECK enum status patch_reserve(struct patch *p, size_t pieces, size_t bytes,
                                     struct error *e); /* and empty it */
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
/* Uniform in [0, 1), a multiple of 2^-24. */
float rounding_draw(const struct rounding *r, uint64_t element);

/* What the new values of one unit are made from; for method->unit_write. */
struct unit_change {
    unsigned tensor;
    uint64_t unit;
    const float *before; /* [width] as unit_read gave it */
    const float *after;  /* [width], finite */
    const struct rounding *rounding;
};

/* Values of a unit as float32: by method->unit_read if there is one, else by the tensor's type. */
void unit_read(const struct parameters *p, unsigned tensor, uint64_t unit, float *out);
/* Put the stored form of the new values into the patch: by method->unit_write if there is one, else
   by the tensor's type (F16 and BF16 are rounded randomly and saturate). An element whose value did
   not change keeps its bits. */
void unit_write(const struct parameters *p, const struct unit_change *c, struct patch *patch);
