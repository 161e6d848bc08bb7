/* SPDX-License-Identifier: Apache-2.0 */
/* Summing the gradients of an update. See update_sum.h. */
#include "table/update_sum.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"

/* ---- Finite or not ---- */

#define SCAN 1024 /* elements looked at before one asks whether any was bad */

static bool finite_half(const unsigned char *from, size_t n, uint16_t exponent)
{
    uint16_t bad = 0;

    for (size_t i = 0; i < n; i++) {
        uint16_t bits;

        memcpy(&bits, from + i * sizeof bits, sizeof bits);
        bad |= (bits & exponent) == exponent;
    }
    return !bad;
}

static bool all_finite(const unsigned char *from, size_t n, enum vector_format format)
{
    if (format == FORMAT_F32)
        return kernels->f32_finite(from, n);
    return finite_half(from, n, format == FORMAT_F16 ? 0x7c00 : 0x7f80);
}

/* float32 tells it, of limits whose square it can hold. NaN is not below anything. */
static bool clearly_within(const void *gradient, size_t n, float max_norm)
{
    float most = max_norm > 0 ? 0.5f * max_norm * max_norm : FLT_MAX;

    if (max_norm > 0 && max_norm < 1e-9f)
        return false;
    return kernels->f32_energy(gradient, n) < (most < FLT_MAX ? most : FLT_MAX);
}

bool gradients_modest(const void *gradients, size_t rows, size_t dim, enum vector_format format,
                      float max_norm)
{
    const unsigned char *from = gradients;

    if (format != FORMAT_F32)
        return false;
    for (size_t i = 0; i < rows; i++)
        if (!clearly_within(from + i * dim * sizeof(float), dim, max_norm))
            return false;
    return true;
}

size_t gradients_check(const void *gradients, size_t n, enum vector_format format)
{
    const unsigned char *from = gradients;
    size_t width = format == FORMAT_F32 ? 4 : 2, step;

    for (size_t i = 0; i < n; i += step) {
        step = n - i < SCAN ? n - i : SCAN;
        if (all_finite(from + i * width, step, format))
            continue;
        while (all_finite(from + i * width, 1, format))
            i++;
        return i;
    }
    return n;
}

double gradient_norm(const float *gradient, size_t n)
{
    double sum[4] = {0};

    /* Four sums, so that one addition need not wait for the other. */
    for (size_t i = 0; i < n; i++)
        sum[i % 4] += (double)gradient[i] * (double)gradient[i];
    return sqrt((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* ---- Sums ---- */

bool bag_run_next(struct bag_run *run, const struct summing *s, const struct source *from)
{
    const uint32_t *part = from->group->part;

    for (; run->bag < bags_rows(&from->bags); run->bag++) {
        size_t end = bags_offset(&from->bags, run->bag + 1);

        /* Parts ascend within a bag; unknown ids come last and look like one part more. */
        for (run->at = run->end; run->at < end; run->at = run->end) {
            run->part = part[run->at];
            for (run->end = run->at + 1; run->end < end && part[run->end] == run->part;)
                run->end++;
            if (run->part < s->t->part_count && s->t->part[run->part].pool_first)
                return true;
        }
    }
    return false;
}

/* The gradient of row or bag `i` of the query as float32; in place if it is that already. */
static const void *widen(const struct summing *s, const struct source *from, size_t i, float *room,
                         uint16_t *halves)
{
    const unsigned char *gradients = from->query->gradients;
    const uint64_t first = 0;

    if (from->query->format == FORMAT_F32)
        return gradients + i * s->dim * sizeof *room;
    /* The kernel wants its halves aligned. */
    memcpy(halves, gradients + i * s->dim * sizeof *halves, s->dim * sizeof *halves);
    if (from->query->format == FORMAT_F16)
        kernels->f16_rows(room, halves, s->dim, &first, 1);
    else
        kernels->bf16_rows(room, halves, s->dim, &first, 1);
    return room;
}

/* One more term of a row's sum. Rows are met first in the order of their places. */
static void sum_term(struct summing *s, float *sum, uint64_t place, const void *gradient)
{
    sum += slot_of(s, place) * s->dim;
    if (place < s->begun) {
        kernels->f32_add(sum, gradient, s->dim);
    } else {
        memcpy(sum, gradient, s->dim * sizeof *sum);
        s->begun++;
    }
}

static void sum_scaled_term(struct summing *s, float *sum, uint64_t place, const void *gradient,
                            float weight)
{
    sum += slot_of(s, place) * s->dim;
    if (place == s->begun) {
        for (size_t j = 0; j < s->dim; j++)
            sum[j] = -0.0f; /* adding to it changes nothing, not even -0 */
        s->begun++;
    }
    kernels->f32_add_scaled(sum, gradient, weight, s->dim);
}

static void sum_source(struct summing *s, const struct source *from, float *sum, float *room,
                       uint16_t *halves)
{
    const struct bags *b = &from->bags;
    bool pooled = b->pooling != POOLING_NONE;

    for (size_t r = 0; r < bags_rows(b); r++) {
        size_t first = pooled ? bags_offset(b, r) : r, end = pooled ? bags_offset(b, r + 1) : r + 1;
        const void *gradient;

        if (first == end)
            continue;
        gradient = widen(s, from, r, room, halves);
        if (b->pooling == POOLING_MEAN) {
            if (gradient != room)
                memcpy(room, gradient, s->dim * sizeof *room);
            kernels->f32_div(room, (float)(end - first), s->dim);
            gradient = room;
        }
        for (size_t i = first; i < end; i++) {
            if (from->row[i] == ROW_UNKNOWN)
                continue;
            if (b->weight_count)
                sum_scaled_term(s, sum, from->row[i], gradient, bags_weight(b, i));
            else
                sum_term(s, sum, from->row[i], gradient);
        }
    }
}

/* The bags of one query, behind those of the queries before it: next[part] is moved on. */
static bool fill_bags(struct summing *s, struct source *from, size_t *next, float *room,
                      uint16_t *halves)
{
    size_t bags = bags_rows(&from->bags);
    const struct lookup_group *g = from->group;
    struct bag_run run = {0};

    from->gradient = arena_alloc(s->arena, bags, s->dim * sizeof *from->gradient);
    if (!from->gradient)
        return false;
    for (size_t i = 0; i < bags; i++)
        memcpy(from->gradient + i * s->dim, widen(s, from, i, room, halves),
               s->dim * sizeof *from->gradient);
    while (bag_run_next(&run, s, from)) {
        size_t ids = bags_offset(&from->bags, run.bag + 1) - bags_offset(&from->bags, run.bag);

        s->bag[next[run.part]++] = (struct update_bag){
            .row = g->row + run.at,
            .weight = g->weight ? g->weight + run.at : NULL,
            .n = run.end - run.at,
            .divisor = from->bags.pooling == POOLING_MEAN ? (float)ids : 1.0f,
            .gradient = from->gradient + run.bag * s->dim,
        };
    }
    return true;
}

bool sum_all(struct summing *s)
{
    size_t parts = s->t->part_count, bags = s->bag_start[parts];
    size_t *next = arena_alloc(s->arena, parts, sizeof *next);
    float *room = arena_alloc(s->arena, s->dim, sizeof *room);
    uint16_t *halves = arena_alloc(s->arena, s->dim, sizeof *halves);
    float *sum;

    sum = arena_alloc(s->arena, s->rows, s->dim * sizeof *sum);
    s->sum = sum;
    s->bag = arena_alloc(s->arena, bags, sizeof *s->bag);
    if (!next || !room || !halves || !sum || !s->bag)
        return false;
    memcpy(next, s->bag_start, parts * sizeof *next);
    for (size_t i = 0; i < s->sources; i++) {
        sum_source(s, &s->source[i], sum, room, halves);
        if (s->source[i].group && !fill_bags(s, &s->source[i], next, room, halves))
            return false;
    }
    return true;
}

/* ---- The limit ---- */

static bool within(double norm, float max_norm)
{
    return isfinite(norm) && !(max_norm > 0 && norm > (double)max_norm);
}

static enum status refuse_norm(const char *what, double norm, float max_norm, struct error *e)
{
    if (!isfinite(norm))
        return error_set(e, ST_INVALID, "the summed gradient of %s is not finite", what);
    return error_set(e, ST_INVALID, "the gradient of %s has the norm %.6g, max_gradient_norm is %g",
                     what, norm, (double)max_norm);
}

/* Name the first id of this row. */
static enum status refuse_row(const struct summing *s, size_t place, double norm, size_t *at,
                              struct error *e)
{
    char what[64] = "a row";
    size_t k = 0, i = 0;
    int64_t id;

    while (k < s->sources) {
        const struct source *from = &s->source[k];

        if (i == from->bags.id_count) {
            k++;
            i = 0;
        } else if (from->row[i] == place) {
            memcpy(&id, (const unsigned char *)from->bags.ids + i * sizeof id, sizeof id);
            snprintf(what, sizeof what, "ids[%zu] = %" PRId64, i, id);
            *at = k;
            break;
        } else {
            i++;
        }
    }
    return refuse_norm(what, norm, s->max_norm, e);
}

/* Whether the terms of sums are far within the limit. */
static bool terms_modest(const struct summing *s)
{
    for (size_t i = 0; i < s->sources; i++)
        if (!s->source[i].modest || s->source[i].bags.weight_count)
            return false;
    return true;
}

static enum status check_rows(const struct summing *s, size_t *at, struct error *e)
{
    bool modest = terms_modest(s);

    for (size_t i = 0; i < s->rows && (s->repeats || !modest); i++) {
        const float *sum = s->sum + slot_of(s, i) * s->dim;
        double norm;

        if ((modest && !s->again[i]) || clearly_within(sum, s->dim, s->max_norm))
            continue;
        norm = gradient_norm(sum, s->dim);
        if (!within(norm, s->max_norm))
            return refuse_row(s, i, norm, at, e);
    }
    return ST_OK;
}

static enum status check_bags(const struct summing *s, const struct source *from, struct error *e)
{
    struct bag_run run = {0};
    char what[32];

    while (bag_run_next(&run, s, from)) {
        double norm = gradient_norm(from->gradient + run.bag * s->dim, s->dim);

        if (within(norm, s->max_norm))
            continue;
        snprintf(what, sizeof what, "bag %zu", run.bag);
        return refuse_norm(what, norm, s->max_norm, e);
    }
    return ST_OK;
}

enum status sum_check(const struct summing *s, size_t *at, struct error *e)
{
    enum status st = check_rows(s, at, e);

    for (size_t k = 0; st == ST_OK && k < s->sources; k++) {
        if (!s->source[k].group || s->source[k].modest)
            continue;
        st = check_bags(s, &s->source[k], e);
        *at = k;
    }
    return st;
}
