/* SPDX-License-Identifier: Apache-2.0 */
/* Collections of gradients: units in the order of first touch, found by a hash table. One thread.
 */
#include "methods/gradient.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/kernels.h"

size_t unit_width(const struct tensor *t)
{
    return t->count ? t->count / (size_t)t->shape[0] : 0;
}

size_t unit_most(const struct parameters *p, unsigned tensor)
{
    if (p->method->unit_most && p->method->unit_place)
        return p->tensor[tensor].count ? p->method->unit_most(p, tensor) : 0;
    return unit_width(&p->tensor[tensor]);
}

uint64_t unit_count(const struct parameters *p, unsigned tensor)
{
    if (p->method->unit_count)
        return p->method->unit_count(p, tensor);
    return p->tensor[tensor].shape[0];
}

void unit_place(const struct parameters *p, unsigned tensor, uint64_t unit, uint64_t *first,
                size_t *n)
{
    if (p->method->unit_place) {
        p->method->unit_place(p, tensor, unit, first, n);
    } else {
        *n = unit_width(&p->tensor[tensor]);
        *first = unit * *n;
    }
}

size_t parameters_touched(const struct parameters *p, unsigned tensor, size_t rows)
{
    const struct method *m = p->method;
    const struct tensor *t = &p->tensor[tensor];
    size_t units = rows;

    if (tensor >= m->tensors_count || !t->data || !t->count ||
        !(m->tensors[tensor].flags & (TENSOR_TRAINED | TENSOR_FOLLOWS)))
        return 0;
    if (m->touched)
        units = m->touched(p, tensor, rows);
    return units < unit_count(p, tensor) ? units : (size_t)unit_count(p, tensor);
}

static bool reserve(struct gradient *g, size_t units, size_t width)
{
    size_t values, buckets = 2;

    if (units > UINT32_MAX - 1 || !size_mul(units, width, &values))
        return false;
    while (buckets < 2 * units)
        buckets *= 2;
    if (!(g->unit = mem_room(g->unit, &g->unit_room, units, sizeof *g->unit)) ||
        !(g->value = mem_room(g->value, &g->value_room, values, sizeof *g->value)) ||
        !(g->bucket = mem_room(g->bucket, &g->bucket_room, buckets, sizeof *g->bucket)))
        return false;
    memset(g->bucket, 0, buckets * sizeof *g->bucket);
    g->bucket_count = buckets;
    g->capacity = units;
    g->width = width;
    return true;
}

enum status gradients_reserve(struct gradients *g, const struct parameters *p, size_t rows,
                              struct error *e)
{
    g->secret = hash_secret();
    for (unsigned i = 0; i < METHOD_TENSORS_MAX; i++) {
        size_t units = parameters_touched(p, i, rows);

        g->tensor[i].count = g->tensor[i].capacity = 0;
        g->tensor[i].rows_unit = NULL;
        if (units && p->method->tensors[i].flags & TENSOR_TRAINED &&
            !reserve(&g->tensor[i], units, unit_most(p, i)))
            return error_memory(e, "gradients");
    }
    if (p->method->gradient_scratch &&
        !(g->scratch = mem_room(g->scratch, &g->scratch_room, p->method->gradient_scratch(p, rows),
                                sizeof *g->scratch)))
        return error_memory(e, "gradients");
    return ST_OK;
}

void gradients_done(struct gradients *g)
{
    for (unsigned i = 0; i < METHOD_TENSORS_MAX; i++) {
        mem_free(g->tensor[i].unit);
        mem_free(g->tensor[i].value);
        mem_free(g->tensor[i].bucket);
    }
    mem_free(g->scratch);
    memset(g, 0, sizeof *g);
}

/* Sixteen units beside each other have their buckets in one line of memory, in an order of their
   own; who finds a bucket taken goes on in the next line. */
#define NEIGHBOURS 16

static inline uint64_t line_of(const struct gradients *g, uint64_t unit)
{
    return hash_number(&g->secret, unit / NEIGHBOURS);
}

static inline float *place(struct gradient *t, uint64_t line, uint64_t unit)
{
    size_t last = t->bucket_count - 1, at = (line ^ unit % NEIGHBOURS) & last;
    float *value;

    assert(t->capacity);
    for (; t->bucket[at]; at = (at + NEIGHBOURS + 1) & last)
        if (t->unit[t->bucket[at] - 1] == unit)
            return t->value + (t->bucket[at] - 1) * t->width;
    assert(t->count < t->capacity);
    value = t->value + t->count * t->width;
    for (size_t i = 0; i < t->width; i++)
        value[i] = 0;
    t->unit[t->count++] = unit;
    t->bucket[at] = (uint32_t)t->count;
    return value;
}

/* More is added to what was borrowed, so it is copied after all. */
static void copy_rows(struct gradients *g, struct gradient *t)
{
    const uint64_t *unit = t->rows_unit;
    size_t n = t->count;

    t->rows_unit = NULL;
    t->count = 0;
    for (size_t i = 0; i < n; i++)
        memcpy(place(t, line_of(g, unit[i]), unit[i]), t->rows_value + i * t->width,
               t->width * sizeof *t->value);
}

float *gradient_at(struct gradients *g, unsigned tensor, uint64_t unit)
{
    struct gradient *t = &g->tensor[tensor];

    if (t->rows_unit)
        copy_rows(g, t);
    return place(t, line_of(g, unit), unit);
}

void gradient_add(struct gradients *g, unsigned tensor, const uint64_t *unit, size_t n,
                  const float *grad)
{
    size_t width = g->tensor[tensor].width;

    for (size_t i = 0; i < n; i++)
        kernels->f32_add(gradient_at(g, tensor, unit[i]), grad + i * width, width);
}

void gradient_run(struct gradients *g, unsigned tensor, uint64_t first, size_t n, const float *grad)
{
    struct gradient *t = &g->tensor[tensor];
    uint64_t line = 0;

    assert(t->width == 1 && !t->rows_unit);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || (first + i) % NEIGHBOURS == 0)
            line = line_of(g, first + i);
        *place(t, line, first + i) += grad[i];
    }
}

void gradient_rows(struct gradients *g, unsigned tensor, const uint64_t *unit, size_t n,
                   const float *grad)
{
    struct gradient *t = &g->tensor[tensor];

    if (t->count) {
        gradient_add(g, tensor, unit, n, grad);
        return;
    }
    assert(n <= t->capacity);
    t->rows_unit = unit;
    t->rows_value = grad;
    t->count = n;
}
