/* SPDX-License-Identifier: Apache-2.0 */
/* Narrow rows: an id owns a row of `width` columns, and a projection that all ids share makes D of
   them, perhaps with a bias added. What mde and autodim have in common. */
#pragma once

#include "methods/plan.h"

enum { PROJECTED_EMB, PROJECTED_PROJ, PROJECTED_BIAS }; /* proj and bias may be absent */
enum { PROJECTED_DIMS };

#define PROJECTED_SETTINGS 1
extern const struct setting projected_settings[PROJECTED_SETTINGS];

/* Columns of emb. */
uint64_t projected_width(const struct parameters *p);

/* method->check, rows, work, gradient, gradient_scratch, touched, init, explain. */
MUST_CHECK enum status projected_check(struct parameters *p, struct error *e);
void projected_rows(const struct parameters *p, const uint64_t *row, size_t n, void *out);
uint64_t projected_work(const struct parameters *p);
void projected_gradient(const struct parameters *p, const uint64_t *row, size_t n,
                        const float *grad, struct gradients *out);
size_t projected_gradient_scratch(const struct parameters *p, size_t rows);
size_t projected_touched(const struct parameters *p, unsigned tensor, size_t rows);
MUST_CHECK enum status projected_init(const struct init *init, struct parameters *p,
                                      struct error *e);
void projected_explain(const struct parameters *p, uint64_t row, struct explanation *x);

/* Floats of a table of that many rows and columns: emb alone, with a projection, with both.
   UINT64_MAX if they are more than can be counted. */
uint64_t projected_floats(uint64_t rows, uint32_t dim, uint64_t width, bool proj, bool bias);
/* Bytes of so many floats, likewise. */
uint64_t projected_bytes(uint64_t floats);
/* The width that is settled already, by a size that is there or by `dims`; 0: it is open. */
MUST_CHECK enum status projected_settled(const struct plan *plan, uint64_t *width, struct error *e);

/* The sizes of a plan: width and projection. */
MUST_CHECK enum status projected_size(struct plan *plan, uint64_t width, bool proj,
                                      struct error *e);

/* mde's widths by the authors' power law (methods.md 10.4): fields of `rows` [count] rows, of which
   empty ones get none, and `budget` in bytes with projections. The widths are as the authors'
   solver finds them, except that they never exceed the dimension or the budget. False if no widths
   keep the budget; they are then those that take the fewest bytes. */
bool mde_widths(const uint64_t *rows, size_t count, uint32_t dim, uint64_t budget, uint64_t *width);

/* autodim's widths to choose from: 2, 4, 8, … and D, ascending; 0 beyond the last. */
uint64_t autodim_candidate(uint32_t dim, size_t i);
