/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of mgqe and dpq share: parameters by settings, tables made of few vectors. */
#pragma once

#include "kernels/kernels.h"
#include "methods/codes.h"
#include "methods/explain.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static inline void make(struct parameters *p, const char *method, uint64_t rows, uint32_t dim,
                        const char *settings)
{
    kit_parameters(p, method_find(method, strlen(method)), rows, dim, 0, settings);
}

static inline void *data_of(const struct parameters *p, const char *name)
{
    return kit_tensor(p, name)->data;
}

/* Each part of each row is one of `k` vectors of its own; with `shared`, of all parts'. */
static inline void few_vectors(struct kit_table *t, uint32_t parts, uint64_t k, bool shared,
                               struct random *r)
{
    uint32_t dim = t->fit.dim, width = dim / parts;
    float *vector = malloc(parts * k * width * sizeof *vector);

    for (uint64_t i = 0; i < parts * k * width; i++)
        vector[i] = random_normal(r);
    for (uint64_t i = 0; i < t->fit.rows; i++)
        for (uint32_t part = 0; part < parts; part++) {
            uint64_t code = i < k ? i : random_below(r, k); /* each comes at least once */

            memcpy(t->data + i * dim + part * width,
                   vector + ((shared ? 0 : part * k) + code) * width, width * sizeof *vector);
        }
    free(vector);
}

/* All rows of two sets of parameters are the same bits. */
static inline void expect_same_rows(const struct parameters *a, const struct parameters *b)
{
    float *x = malloc(a->dim * sizeof *x), *y = malloc(a->dim * sizeof *y);

    for (uint64_t id = 0; id < a->rows; id++) {
        a->method->rows(a, &id, 1, x);
        b->method->rows(b, &id, 1, y);
        assert_memory_equal(x, y, a->dim * sizeof *x);
    }
    free(y);
    free(x);
}

static inline double expect_error(struct kit_table *t, const char *method, const char *settings)
{
    struct fit_error error;
    struct parameters p;

    make(&p, method, t->fit.rows, t->fit.dim, settings);
    kit_fit(t, &p, &error);
    kit_done(&p);
    return error.relative;
}

/* The fact of this name, the n-th of them. */
static inline const struct fact *fact_of(const struct explanation *x, const char *name, size_t n)
{
    for (size_t i = 0; i < x->count; i++)
        if (strcmp(x->fact[i].name, name) == 0 && n-- == 0)
            return &x->fact[i];
    fail_msg("no fact %s", name);
    return NULL;
}
