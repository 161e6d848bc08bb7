/* SPDX-License-Identifier: Apache-2.0 */
/* Weighted k-means: vectors (centroids) such that the sum over points of weight * squared distance
   to the nearest one is small. Lloyd's turns from a start by k-means++; the same seed gives the
   same bytes. */
#pragma once

#include "fits/fit.h"
#include "fits/nearest.h"
#include "methods/init.h"

#define KMEANS_TURNS 25

struct points {
    const float *x;      /* [n][width] */
    const float *weight; /* [n], >= 0; NULL: all 1 */
    size_t n, width;
    size_t repeat; /* so many points in a row have one weight: weight[i / repeat]; at least 1 */
};

static inline float point_weight(const struct points *p, size_t i)
{
    return p->weight ? p->weight[i / p->repeat] : 1;
}

/* Tells progress now and then, as work (multiply-adds) goes by. */
struct kmeans_progress {
    const struct fit *fit;
    double from, to; /* the share of the whole that this is */
    double waiting;  /* work since it was told last */
};
MUST_CHECK enum status kmeans_tell(struct kmeans_progress *p, double done, double work,
                                   struct error *e);

struct kmeans {
    struct nearest nearest;
    size_t width;
    double *sum;      /* [most][width] of weight * x over a centroid's points */
    double *mass;     /* [most] of their weights */
    double *cost;     /* [most] what they cost */
    double *far;      /* [most] the most that one of them costs, */
    size_t *farthest; /* [most] and which one it is */
    uint32_t *number;
    float *distance;
};

/* Room for up to `most` centroids. Release with kmeans_close(), also after a failure. */
MUST_CHECK enum status kmeans_open(struct kmeans *k, size_t width, size_t most, struct error *e);
void kmeans_close(struct kmeans *k);
/* Centroids [0, fixed) are given and stay; find [fixed, count). Without a point of any weight the
   others stay as they are, too. */
MUST_CHECK enum status kmeans_run(struct kmeans *k, const struct points *points, float *centroid,
                                  size_t fixed, size_t count, const struct draws *draws,
                                  struct kmeans_progress *progress, struct error *e);

/* Where kmeans_run() begins (kmeans_start.c). False in *found: there is nothing to go by. */
MUST_CHECK enum status kmeans_start(const struct points *points, struct nearest *nearest,
                                    float *centroid, size_t fixed, size_t count,
                                    const struct draws *draws, struct kmeans_progress *progress,
                                    bool *found, struct error *e);
