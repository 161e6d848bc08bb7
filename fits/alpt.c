/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting integers with a scale for each row: the best scale there is, by trying all roundings.

   Let x be the magnitudes of a row and t the inverse of its scale. As t grows, one after the
   other of the integers round(t * x) goes up by one, and between two such events they stay; for
   given integers q the best scale is <x, q> / <q, q>, which leaves the error <x, x> - <x, q>^2 /
   <q, q>. So the events are sorted, both sums are carried along, and the largest quotient wins: no
   other scale rounds better. With 16 bits there may be too many events to try all; then those are
   tried that lie around the scale that just reaches the largest value. One thread. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "fits/scan.h"
#include "methods/alpt.h"
#include "methods/integer_rows.h"

#define EVENTS 4096       /* sorted at a time */
#define EVENTS_ALL 65536  /* up to so many all are tried, */
#define EVENTS_SOME 16384 /* else so many, */
#define FEWEST_STEPS 128  /* and no fewer than so many steps of the largest value */
#define FARTHEST 4        /* values may be cut off to this part */

struct event {
    double at; /* t */
    uint32_t column;
};

struct search {
    uint32_t dim;
    size_t room;   /* events that there is memory for */
    double *x;     /* [dim] magnitudes */
    int *most, *q; /* [dim] the largest integer, and the one at hand */
    struct event *event, *sorted;
    uint32_t *begin;    /* [room + 1] of each bucket of events */
    double sum;         /* of x */
    double best, scale; /* <x, q>^2 / <q, q>, and the scale that gives it */
};

static void search_done(struct search *s)
{
    mem_free(s->x);
    mem_free(s->most);
    mem_free(s->q);
    mem_free(s->event);
    mem_free(s->sorted);
    mem_free(s->begin);
}

static enum status search_init(struct search *s, uint32_t dim, struct error *e)
{
    /* A slice of events as wide as EVENTS + dim of them on average may have one more a column. */
    *s = (struct search){.dim = dim, .room = EVENTS + 2 * (size_t)dim};
    s->x = mem_zero(dim, sizeof *s->x);
    s->most = mem_zero(dim, sizeof *s->most);
    s->q = mem_zero(dim, sizeof *s->q);
    s->event = mem_zero(s->room, sizeof *s->event);
    s->sorted = mem_zero(s->room, sizeof *s->sorted);
    s->begin = mem_zero(s->room + 1, sizeof *s->begin);
    if (s->x && s->most && s->q && s->event && s->sorted && s->begin)
        return ST_OK;
    return error_memory(e, "the search for scales");
}

static void try(struct search *s, double xq, double qq)
{
    if (qq > 0 && xq * xq > s->best * qq) {
        s->best = xq * xq / qq;
        s->scale = xq / qq;
    }
}

/* The integers at t = from, tried, and the events after it up to `to`; how many. */
static size_t begin_slice(struct search *s, double from, double to, double *xq, double *qq)
{
    size_t n = 0;

    *xq = *qq = 0;
    for (uint32_t j = 0; j < s->dim; j++) {
        double half = floor(s->x[j] * from + 0.5);
        int q = half < s->most[j] ? (int)half : s->most[j];

        s->q[j] = q;
        *xq += s->x[j] * q;
        *qq += (double)q * q;
        if (s->x[j] == 0)
            continue;
        for (; q < s->most[j] && n < s->room; q++) {
            double at = (q + 0.5) / s->x[j];

            if (!(at < to))
                break;
            s->event[n++] = (struct event){at, j};
        }
    }
    try(s, *xq, *qq);
    return n;
}

/* Into as many buckets as there are events, which leaves about one in each; then the few that are
   out of order change places. */
static void sort_events(struct search *s, size_t n, double from, double to)
{
    double factor = (double)n / (to - from);

    memset(s->begin, 0, (n + 1) * sizeof *s->begin);
    for (size_t i = 0; i < n; i++) {
        size_t bucket = (size_t)((s->event[i].at - from) * factor);

        s->begin[bucket < n ? bucket + 1 : n]++;
    }
    for (size_t b = 0; b < n; b++)
        s->begin[b + 1] += s->begin[b];
    for (size_t i = 0; i < n; i++) {
        size_t bucket = (size_t)((s->event[i].at - from) * factor);

        s->sorted[s->begin[bucket < n ? bucket : n - 1]++] = s->event[i];
    }
    for (size_t i = 1; i < n; i++) {
        struct event e = s->sorted[i];
        size_t k = i;

        for (; k > 0 && s->sorted[k - 1].at > e.at; k--)
            s->sorted[k] = s->sorted[k - 1];
        s->sorted[k] = e;
    }
}

static void search_slice(struct search *s, double from, double to)
{
    double xq, qq;
    size_t n = begin_slice(s, from, to, &xq, &qq);

    sort_events(s, n, from, to);
    for (size_t i = 0; i < n; i++) {
        uint32_t j = s->sorted[i].column;

        xq += s->x[j];
        qq += 2.0 * s->q[j]++ + 1;
        try(s, xq, qq);
    }
}

/* From the inverse scale that leaves the largest value at half of the highest integer, since with
   half the scale twice the integers give the same row, to one that cuts it off. Cutting a value off
   by a share c costs c^2 of its square, and without it no error is more than half a step: beyond c
   = sqrt(dim) / (2 high) nothing can be won. */
static void search_row(struct search *s, double largest, int high)
{
    double each = s->sum / largest, cut = sqrt(s->dim) / (2.0 * high); /* events a step */
    double width = (EVENTS + (double)s->dim) / s->sum, steps = EVENTS_SOME / each, from, to;
    double half = (high - 1) / 2;

    steps = steps > FEWEST_STEPS ? steps : FEWEST_STEPS;
    from = steps < half && each * half > EVENTS_ALL ? (high - steps) / largest : half / largest;
    to = cut < 1 - 1.0 / FARTHEST ? high / largest / (1 - cut) : FARTHEST * high / largest;
    s->best = 0;
    s->scale = largest / high;
    for (double at = from; at < to; at += width)
        search_slice(s, at, at + width < to ? at + width : to);
}

static enum status fit_row(struct search *s, struct parameters *p, uint64_t row, const float *w,
                           struct error *e)
{
    double middle = (double)(float)p->value[ALPT_MIDDLE].r, largest = 0;
    int low = alpt_low(p), high = alpt_high(p);
    float scale = 1;

    s->sum = 0;
    for (uint32_t j = 0; j < p->dim; j++) {
        double x = (double)w[j] - middle;

        s->x[j] = fabs(x);
        s->most[j] = x < 0 ? -low : high;
        s->sum += s->x[j];
        largest = s->x[j] > largest ? s->x[j] : largest;
    }
    if (largest + fabs(middle) > INTEGER_LARGEST)
        return error_set(e, ST_INVALID, "row %" PRIu64 " reaches %g: too far for %s", row, largest,
                         p->method->name);
    if (largest > 0) {
        search_row(s, largest, high);
        scale = s->scale > (double)FLT_MIN ? (float)s->scale : FLT_MIN;
    }
    ((float *)p->tensor[ALPT_SCALE].data)[row] = scale;
    for (uint32_t j = 0; j < p->dim; j++)
        alpt_store(p, row * p->dim + j,
                   integer_nearest(((double)w[j] - middle) / (double)scale, low, high));
    return ST_OK;
}

static enum status alpt_fit(const struct fit *fit, struct parameters *p, struct error *e)
{
    struct search search;
    struct scan s = {0};
    enum status st = search_init(&search, p->dim, e);

    if (st == ST_OK)
        st = scan_open(&s, fit, e);
    while (st == ST_OK && (st = scan_next(&s, e)) == ST_OK && s.n)
        for (size_t i = 0; st == ST_OK && i < s.n; i++)
            st = fit_row(&search, p, s.first + i, s.rows + i * p->dim, e);
    scan_close(&s);
    search_done(&search);
    return st;
}

const struct fitter fitter_alpt = {.fit = alpt_fit};
