/* SPDX-License-Identifier: Apache-2.0 */
/* Products of matrices: every element has the bits of its sum in the promised order, fused or not
   as its level does it, whatever the shapes, and nothing else is written. */
#include "kernels/kernels.h"

#include <math.h>

#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define GUARD 8 /* bytes around a result */

static float *numbers(struct random *r, size_t n)
{
    float *x =
        malloc((n + 1) * sizeof *x); /* exact but for none, so that ASan sees a read beyond */

    for (size_t i = 0; i < n; i++)
        x[i] = random_normal(r) * ldexpf(1, (int)random_below(r, 20) - 10);
    return x;
}

/* One step of a sum. */
static float fused(const struct kernels *k, float a, float b, float sum)
{
    float product = a * b;

    return k == kernels_levels[0] ? sum + product : fmaf(a, b, sum);
}

/* A result [m][n] with rows `stride` floats apart, somewhere in a room that must keep its bytes. */
struct result {
    size_t m, n, stride, offset;
    unsigned char *room;
    float *want;
};

static size_t result_bytes(const struct result *r)
{
    return r->m ? ((r->m - 1) * r->stride + r->n) * sizeof(float) : 0;
}

static void result_make(struct result *r, struct random *random, size_t m, size_t n, size_t stride,
                        size_t offset)
{
    size_t bytes;

    *r = (struct result){.m = m, .n = n, .stride = stride, .offset = offset};
    bytes = result_bytes(r);
    r->room = malloc(bytes + 2 * GUARD + 4);
    memset(r->room, 0x5a, bytes + 2 * GUARD + 4);
    r->want = numbers(random, m * n);
    for (size_t i = 0; i < m; i++)
        memcpy(r->room + GUARD + offset + i * stride * sizeof(float), r->want + i * n,
               n * sizeof(float));
}

static void result_check(struct result *r, const struct kernels *k, const char *what, size_t depth)
{
    const unsigned char *out = r->room + GUARD + r->offset;

    for (size_t i = 0; i < r->m; i++)
        if (memcmp(out + i * r->stride * sizeof(float), r->want + i * r->n, r->n * sizeof(float)))
            fail_msg("%s at %s: row %zu of %zu x %zu x %zu, stride %zu", what, k->isa, i, r->m,
                     depth, r->n, r->stride);
    for (size_t at = 0; at < result_bytes(r) + 2 * GUARD + 4; at++) {
        size_t in = at - GUARD - r->offset;

        if ((in >= result_bytes(r) || in % (r->stride * sizeof(float)) >= r->n * sizeof(float)) &&
            r->room[at] != 0x5a)
            fail_msg("%s at %s wrote beyond its place", what, k->isa);
    }
    free(r->want);
    free(r->room);
}

static void one_product(const struct kernels *k, struct random *r, size_t m, size_t depth, size_t n,
                        size_t stride, size_t offset)
{
    float *a = numbers(r, m * depth), *b = numbers(r, depth * stride);
    struct result x;

    result_make(&x, r, m, n, n ? n : 1, offset);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float *want = &x.want[i * n + j];

            *want = 0;
            for (size_t l = 0; l < depth; l++)
                *want = fused(k, a[i * depth + l], b[l * stride + j], *want);
        }
    k->f32_product(x.room + GUARD + offset, a, b, stride, m, depth, n);
    result_check(&x, k, "f32_product", depth);
    free(b);
    free(a);
}

static void one_dots(const struct kernels *k, struct random *r, size_t m, size_t depth, size_t n,
                     size_t stride)
{
    float *a = numbers(r, m * depth), *b = numbers(r, n * stride);
    struct result x;

    result_make(&x, r, m, n, n ? n : 1, 0);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t l = 0; l < depth; l++)
                x.want[i * n + j] =
                    fused(k, a[i * depth + l], b[j * stride + l], x.want[i * n + j]);
    k->f32_dots_add((void *)(x.room + GUARD), a, b, stride, m, n, depth);
    result_check(&x, k, "f32_dots_add", depth);
    free(b);
    free(a);
}

static void one_outer(const struct kernels *k, struct random *r, size_t m, size_t depth, size_t n,
                      size_t stride)
{
    float *a = numbers(r, depth * m), *b = numbers(r, depth * n);
    struct result x;

    result_make(&x, r, m, n, stride ? stride : 1, 0);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t l = 0; l < depth; l++)
                x.want[i * n + j] = fused(k, a[l * m + i], b[l * n + j], x.want[i * n + j]);
    k->f32_outer_add((void *)(x.room + GUARD), x.stride, a, b, depth, m, n);
    result_check(&x, k, "f32_outer_add", depth);
    free(b);
    free(a);
}

static void one_rows(const struct kernels *k, struct random *r, size_t m, size_t depth, size_t n,
                     size_t offset)
{
    enum { ROWS = 50 };
    float *table = numbers(r, ROWS * depth), *b = numbers(r, depth * n);
    uint64_t *row = malloc((m + 1) * sizeof *row);
    struct result x;

    result_make(&x, r, m, n, n, offset);
    for (size_t i = 0; i < m; i++) {
        row[i] = random_below(r, ROWS);
        for (size_t j = 0; j < n; j++) {
            float *want = &x.want[i * n + j];

            *want = 0;
            for (size_t l = 0; l < depth; l++)
                *want = fused(k, table[row[i] * depth + l], b[l * n + j], *want);
        }
    }
    k->f32_rows_product(x.room + GUARD + offset, table, depth, row, m, b, n);
    result_check(&x, k, "f32_rows_product", depth);
    free(row);
    free(b);
    free(table);
}

/* Every number of columns, few and many rows. */
static void test_columns(void **state)
{
    static const size_t rows[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 17, 25},
                        depths[] = {0, 1, 2, 17, 40};
    struct random r = {61};

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k; k++)
        for (size_t i = 0; kernels_supported(*k) && i < COUNT(rows); i++)
            for (size_t d = 0; d < COUNT(depths); d++)
                for (size_t n = 0; n < 80; n += SANITIZED ? 1 + n / 3 : 1 + n / 20) {
                    one_product(*k, &r, rows[i], depths[d], n, n + n % 3, n % 4);
                    one_dots(*k, &r, rows[i], depths[d], n, depths[d] + n % 3);
                    one_outer(*k, &r, rows[i], depths[d], n, n + n % 3);
                    if (n && depths[d])
                        one_rows(*k, &r, rows[i], depths[d], n, n % 4);
                }
}

/* So deep, or so many, that a sum goes on from one panel to the next. */
static void test_panels(void **state)
{
    static const size_t shapes[][3] = {{3, 255, 70},  {13, 256, 130}, {12, 257, 129},
                                       {14, 700, 65}, {50, 513, 20},  {97, 260, 5},
                                       {1, 5000, 3},  {100, 3, 300}};
    struct random r = {62};

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k; k++)
        for (size_t i = 0; kernels_supported(*k) && i < COUNT(shapes); i++) {
            size_t m = shapes[i][0], depth = shapes[i][1], n = shapes[i][2];

            one_product(*k, &r, m, depth, n, n, 1);
            one_dots(*k, &r, m, depth, n, depth);
            one_outer(*k, &r, m, depth, n, n);
            one_rows(*k, &r, m, depth, n, 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_panels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
