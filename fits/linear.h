/* SPDX-License-Identifier: Apache-2.0 */
/* What the fits need of linear algebra, through BLAS and LAPACK. Matrices are row-major. Sizes
   above INT32_MAX, and memory that LAPACK does not get, are ST_EXHAUSTED. */
#pragma once

#include <stddef.h>

#include "base/status.h"

/* Eigenvalues of the symmetric a [n][n] (its upper triangle is read), the largest first, to value
   [n]; the rows of `a` become the eigenvectors of length 1 in the same order. Each has its first
   element of the largest magnitude positive, so that the same matrix gives the same vectors. */
MUST_CHECK enum status eigen_symmetric(double *a, size_t n, double *value, struct error *e);

/* gram [n][n] += sum over i < count of w_i x_i x_i^T, x [count][n], w all 1 if NULL and >= 0. Only
   the upper triangle is added to. `room` holds count * n doubles. */
void gram_add(double *gram, size_t n, const float *x, const float *w, size_t count, double *room);

/* gram [n][n] += x x^T, x [n][count]. Only the upper triangle is added to. `room` holds
   n * GRAM_COLUMNS doubles. */
#define GRAM_COLUMNS 256
void gram_across(double *gram, size_t n, const float *x, size_t count, double *room);

/* out [m][n] = a [m][k] * b [k][n] */
void product(float *out, const float *a, const float *b, size_t m, size_t n, size_t k);
/* out [m][n] = a [m][k] * b [n][k]^T */
void product_transposed(float *out, const float *a, const float *b, size_t m, size_t n, size_t k);
/* out [m][n] = a [k][m]^T * b [k][n] */
void product_of_columns(float *out, const float *a, const float *b, size_t m, size_t n, size_t k);

/* b [n][m] becomes the x of a x = b, for a positive definite a [n][n], of which the upper triangle
   is read and overwritten. ST_PRECONDITION if it is not positive definite. */
MUST_CHECK enum status solve_positive(double *a, size_t n, double *b, size_t m, struct error *e);
