/* SPDX-License-Identifier: Apache-2.0 */
/* Row-major matrices on BLAS and LAPACK. Any thread. */
#include "fits/linear.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

static void swap_rows(double *a, double *b, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        double x = a[j];

        a[j] = b[j];
        b[j] = x;
    }
}

static void fix_sign(double *v, size_t n)
{
    size_t largest = 0;

    for (size_t j = 1; j < n; j++)
        if (fabs(v[j]) > fabs(v[largest]))
            largest = j;
    if (v[largest] < 0)
        for (size_t j = 0; j < n; j++)
            v[j] = -v[j];
}

enum status eigen_symmetric(double *a, size_t n, double *value, struct error *e)
{
    lapack_int failed;

    if (n == 0)
        return ST_OK;
    if (n > INT32_MAX)
        return error_set(e, ST_EXHAUSTED, "a matrix of %zu rows is too large", n);
    /* Column-major, the lower triangle of the same array is our upper one, and the vectors come in
       columns, which are our rows; the smallest value first. */
    failed = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'L', (lapack_int)n, a, (lapack_int)n, value);
    if (failed == LAPACK_WORK_MEMORY_ERROR || failed == LAPACK_TRANSPOSE_MEMORY_ERROR)
        return error_memory(e, "eigenvectors");
    if (failed)
        return error_set(e, ST_INTERNAL, "the eigenvectors of %zu columns were not found", n);
    for (size_t i = 0; i < n / 2; i++) {
        double x = value[i];

        value[i] = value[n - 1 - i];
        value[n - 1 - i] = x;
        swap_rows(a + i * n, a + (n - 1 - i) * n, n);
    }
    for (size_t i = 0; i < n; i++)
        fix_sign(a + i * n, n);
    return ST_OK;
}

void gram_add(double *gram, size_t n, const float *x, const float *w, size_t count, double *room)
{
    for (size_t i = 0; i < count; i++) {
        double root = w ? sqrt((double)w[i]) : 1;

        for (size_t j = 0; j < n; j++)
            room[i * n + j] = root * (double)x[i * n + j];
    }
    if (count && n)
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)n, (int)count, 1, room, (int)n, 1,
                    gram, (int)n);
}

void gram_across(double *gram, size_t n, const float *x, size_t count, double *room)
{
    for (size_t at = 0; n && at < count; at += GRAM_COLUMNS) {
        size_t width = count - at < GRAM_COLUMNS ? count - at : GRAM_COLUMNS;

        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < width; j++)
                room[i * width + j] = (double)x[i * count + at + j];
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, (int)n, (int)width, 1, room,
                    (int)width, 1, gram, (int)n);
    }
}

void product(float *out, const float *a, const float *b, size_t m, size_t n, size_t k)
{
    if (!k)
        memset(out, 0, m * n * sizeof *out);
    else if (m && n)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)k,
                    b, (int)n, 0, out, (int)n);
}

void product_transposed(float *out, const float *a, const float *b, size_t m, size_t n, size_t k)
{
    if (!k)
        memset(out, 0, m * n * sizeof *out);
    else if (m && n)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, 1, a, (int)k,
                    b, (int)k, 0, out, (int)n);
}

void product_of_columns(float *out, const float *a, const float *b, size_t m, size_t n, size_t k)
{
    if (!k)
        memset(out, 0, m * n * sizeof *out);
    else if (m && n)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)m,
                    b, (int)n, 0, out, (int)n);
}

enum status solve_positive(double *a, size_t n, double *b, size_t m, struct error *e)
{
    if (n == 0 || m == 0)
        return ST_OK;
    if (n > INT32_MAX || m > INT32_MAX)
        return error_set(e, ST_EXHAUSTED, "a system of %zu equations is too large", n);
    /* Column-major, the lower triangle of the same array is our upper one: a = u^T u. */
    if (LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', (lapack_int)n, a, (lapack_int)n) != 0)
        return error_set(e, ST_PRECONDITION, "%zu equations have no definite solution", n);
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasUpper, CblasTrans, CblasNonUnit, (int)n, (int)m, 1,
                a, (int)n, b, (int)m);
    cblas_dtrsm(CblasRowMajor, CblasLeft, CblasUpper, CblasNoTrans, CblasNonUnit, (int)n, (int)m, 1,
                a, (int)n, b, (int)m);
    return ST_OK;
}
