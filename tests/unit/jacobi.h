/* SPDX-License-Identifier: Apache-2.0 */
/* Eigenvalues without LAPACK, to hold the fits' against. */
#pragma once

#include <math.h>
#include <stddef.h>

/* Eigenvalues of a symmetric matrix, descending, by Jacobi's rotations. */
static inline void jacobi(double *a, size_t n, double *value)
{
    for (int sweep = 0; sweep < 60; sweep++)
        for (size_t p = 0; p < n; p++)
            for (size_t q = p + 1; q < n; q++) {
                double apq = a[p * n + q], theta, t, c, s;

                if (fabs(apq) < 1e-300)
                    continue;
                theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
                t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
                c = 1 / sqrt(t * t + 1);
                s = t * c;
                for (size_t k = 0; k < n; k++) {
                    double x = a[k * n + p], y = a[k * n + q];

                    a[k * n + p] = c * x - s * y;
                    a[k * n + q] = s * x + c * y;
                }
                for (size_t k = 0; k < n; k++) {
                    double x = a[p * n + k], y = a[q * n + k];

                    a[p * n + k] = c * x - s * y;
                    a[q * n + k] = s * x + c * y;
                }
            }
    for (size_t i = 0; i < n; i++)
        value[i] = a[i * n + i];
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            if (value[k] > value[i]) {
                double x = value[i];

                value[i] = value[k];
                value[k] = x;
            }
}
