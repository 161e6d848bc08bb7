/* SPDX-License-Identifier: Apache-2.0 */
/* What the pruned methods (deeplight, autosrh, pep) share: of each row only some entries are
   stored, with their columns; all others are 0. `form` = csr: csr.indptr says where each row
   begins; coo: each entry brings its row, which is smaller where most rows have none. */
#pragma once

#include "methods/plan.h"

enum { SPARSE_FORM, SPARSE_SETTINGS };
enum { SPARSE_CSR, SPARSE_COO };
enum { CSR_INDPTR, CSR_INDICES, CSR_DATA, COO_ROW, COO_COL, COO_DATA, SPARSE_TENSORS };

#define SPARSE_INDPTR "entry_ends" /* size of csr.indptr: N + 1 */
#define SPARSE_ENTRIES "nnz"       /* size of the others */

extern const struct setting sparse_settings[SPARSE_SETTINGS];
extern const struct tensor_decl sparse_tensors[SPARSE_TENSORS];

/* Everything of a pruned method but its name: training, so far as a server does it, and tables are
   the same for all of them. */
#define SPARSE_METHOD                                                                              \
    .settings = sparse_settings, .settings_count = SPARSE_SETTINGS, .tensors = sparse_tensors,     \
    .tensors_count = SPARSE_TENSORS, .check = sparse_check, .release = sparse_release,             \
    .rows = sparse_rows, .gradient = sparse_gradient, .unit_place = sparse_unit_place,             \
    .unit_most = sparse_unit_most, .unit_count = sparse_unit_count, .plan = sparse_plan,           \
    .author_words = sparse_author_words, .init = sparse_init, .explain = sparse_explain

/* The tensors of a table's form. */
static inline bool sparse_is_coo(const struct value *value)
{
    return value[SPARSE_FORM].i == SPARSE_COO;
}
static inline unsigned sparse_data(const struct value *value)
{
    return sparse_is_coo(value) ? COO_DATA : CSR_DATA;
}
static inline unsigned sparse_columns(const struct value *value)
{
    return sparse_is_coo(value) ? COO_COL : CSR_INDICES;
}

/* An index tensor's element; a negative one is larger than any size. */
uint64_t sparse_index(const struct tensor *t, size_t i);
void sparse_index_set(const struct tensor *t, size_t i, uint64_t index);
/* The entries [first[i], last[i]) of n rows. */
void sparse_entries(const struct parameters *p, const uint64_t *row, size_t n, size_t *first,
                    size_t *last);
#define SPARSE_BATCH 64 /* rows whose entries are looked for at a time, on the stack */

MUST_CHECK enum status sparse_check(struct parameters *p, struct error *e);
void sparse_release(struct parameters *p);
void sparse_rows(const struct parameters *p, const uint64_t *row, size_t n, void *out);
void sparse_explain(const struct parameters *p, uint64_t row, struct explanation *x);

/* Training: the entries that are stored learn, the others stay 0. A unit is a row's entries. */
void sparse_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                     struct gradients *out);
void sparse_unit_place(const struct parameters *p, unsigned tensor, uint64_t unit, uint64_t *first,
                       size_t *n);
size_t sparse_unit_most(const struct parameters *p, unsigned tensor);
uint64_t sparse_unit_count(const struct parameters *p, unsigned tensor);

MUST_CHECK enum status sparse_plan(struct plan *plan, struct error *e);
double sparse_author_words(const struct plan *plan);
MUST_CHECK enum status sparse_init(const struct init *init, struct parameters *p, struct error *e);
