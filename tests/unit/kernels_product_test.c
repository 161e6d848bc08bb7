/* SPDX-License-Identifier: Apache-2.0 */
/* Products of matrices and of vectors: every level has the bits of the sums as they are promised.
 */
#include "kernels/kernels.h"

#include <math.h>

#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define GUARD 8

static float *numbers(struct random *r, size_t n)
{
    float *x =
        malloc((n + 1) * sizeof *x); /* exact but for none, so that ASan sees a read beyond */

    for (size_t i = 0; i < n; i++)
        x[i] = random_normal(r) * ldexpf(1, (int)random_below(r, 20) - 10);
    return x;
}

static void one_product(const struct kernels *k, struct random *r, size_t m, size_t depth, size_t n,
                        size_t stride, size_t offset)
{
    float *a = numbers(r, m * depth), *b = numbers(r, depth * stride);
    size_t bytes = m * n * sizeof(float);
    unsigned char *room = malloc(bytes + 2 * GUARD + 4), *out = room + GUARD + offset;

    memset(room, 0x5a, bytes + 2 * GUARD + 4);
    k->f32_product(out, a, b, stride, m, depth, n);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float want = 0, have;

            for (size_t l = 0; l < depth; l++) {
                float term = a[i * depth + l] * b[l * stride + j];

                want = want + term;
            }
            memcpy(&have, out + (i * n + j) * sizeof have, sizeof have);
            if (memcmp(&have, &want, sizeof have) != 0)
                fail_msg("%s: %zu x %zu x %zu, stride %zu: [%zu][%zu] is %g, not %g", k->isa, m,
                         depth, n, stride, i, j, (double)have, (double)want);
        }
    for (unsigned char *at = room; at < room + bytes + 2 * GUARD + 4; at++)
        if ((at < out || at >= out + bytes) && *at != 0x5a)
            fail_msg("%s wrote %zd bytes from its place", k->isa, (ssize_t)(at - out));
    free(room);
    free(b);
    free(a);
}

static void test_product(void **state)
{
    static const size_t rows[] = {0, 1, 2, 3, 4, 5, 7, 8, 11}, depths[] = {0, 1, 2, 17, 40};
    struct random r = {61};

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k; k++)
        for (size_t i = 0; kernels_supported(*k) && i < COUNT(rows); i++)
            for (size_t d = 0; d < COUNT(depths); d++)
                for (size_t n = 0; n < 80; n++)
                    one_product(*k, &r, rows[i], depths[d], n, n + n % 3, n % 4);
}

static void test_dot(void **state)
{
    struct random r = {62};

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k; k++)
        for (size_t n = 0; kernels_supported(*k) && n < 100; n++) {
            float *a = numbers(&r, n), *b = numbers(&r, n), sum[16] = {0}, have;

            for (size_t j = 0; j < n; j++) {
                float term = a[j] * b[j];

                sum[j % 16] = sum[j % 16] + term;
            }
            for (size_t half = 8; half; half /= 2)
                for (size_t j = 0; j < half; j++)
                    sum[j] = sum[j] + sum[j + half];
            have = (*k)->f32_dot(a, b, n);
            assert_memory_equal(&have, &sum[0], sizeof have);
            free(b);
            free(a);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_product),
        cmocka_unit_test(test_dot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
