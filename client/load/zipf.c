/* SPDX-License-Identifier: Apache-2.0 */
/* Rejection-inversion after Hörmann and Derflinger (ACM TOMACS 6, 1996). The hat is h(x) = x^-s
   over real x, with the integral H. A point uniform under the hat is found by inverting H, rounded
   to the next integer k, and accepted if it lies in the last h(k) of k's area, which runs from
   H(k - 1/2) to H(k + 1/2) and is never smaller than h(k) because h is convex. Of a hundred points
   98 or more are accepted, whatever n and s. */
#include "client/load/zipf.h"

#include <math.h>

/* log(1 + x) / x and (exp(x) - 1) / x, which are 1 at 0: with them H has no gap at s = 1. */
static double log1p_over(double x)
{
    return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x / 2;
}

static double expm1_over(double x)
{
    return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2;
}

static double hat(const struct zipf *z, double x)
{
    return exp(-z->exponent * log(x));
}

/* H(x) = (x^(1 - s) - 1) / (1 - s), log(x) for s = 1. */
static double area(const struct zipf *z, double x)
{
    double logarithm = log(x);

    return expm1_over((1 - z->exponent) * logarithm) * logarithm;
}

static double area_inverse(const struct zipf *z, double a)
{
    double t = a * (1 - z->exponent);

    if (t < -1) /* rounding */
        t = -1;
    return exp(log1p_over(t) * a);
}

void zipf_init(struct zipf *z, uint64_t n, double exponent)
{
    z->n = (double)n;
    z->exponent = exponent;
    z->area_first = area(z, 1.5) - 1; /* rank 1 gets exactly h(1) = 1 */
    z->area_last = area(z, z->n + 0.5);
    z->sure = 2 - area_inverse(z, area(z, 2.5) - hat(z, 2));
}

uint64_t zipf_draw(const struct zipf *z, struct random *r)
{
    for (;;) {
        double a = z->area_last + random_unit(r) * (z->area_first - z->area_last);
        double x = area_inverse(z, a), k = floor(x + 0.5);

        if (k < 1) /* rounding, at both ends */
            k = 1;
        else if (k > z->n)
            k = z->n;
        if (k - x <= z->sure || a >= area(z, k + 0.5) - hat(z, k))
            return (uint64_t)k;
    }
}
