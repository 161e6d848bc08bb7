/* SPDX-License-Identifier: Apache-2.0 */
/* Products of matrices and the loops of hashed networks: every level has the bits of the plain
   sums, whatever the shapes, and writes nothing else; mish and its slope are near the exact ones.
 */
#include "kernels/kernels.h"

#include <math.h>

#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define ROWS_MAX 9
#define DEPTH_MAX 41
#define DIM_MAX 75
#define GUARD 8 /* floats around an output */

struct scene {
    size_t n, depth, dim;
    float a[ROWS_MAX * DEPTH_MAX], b[DEPTH_MAX * DIM_MAX], g[ROWS_MAX * DIM_MAX];
    float room[DEPTH_MAX * DIM_MAX + 2 * GUARD], want[DEPTH_MAX * DIM_MAX];
};

static void scene_make(struct scene *s, struct random *r, size_t n, size_t depth, size_t dim)
{
    s->n = n;
    s->depth = depth;
    s->dim = dim;
    for (size_t i = 0; i < sizeof s->a / 4; i++)
        s->a[i] = random_normal(r);
    for (size_t i = 0; i < sizeof s->b / 4; i++)
        s->b[i] = random_normal(r);
    for (size_t i = 0; i < sizeof s->g / 4; i++)
        s->g[i] = random_normal(r);
}

static void room_clear(struct scene *s)
{
    for (size_t i = 0; i < sizeof s->room / 4; i++)
        s->room[i] = 777;
}

static void expect(const struct scene *s, size_t offset, size_t count, const char *what,
                   const struct kernels *k)
{
    if (memcmp(s->room + GUARD + offset, s->want, count * sizeof *s->want))
        fail_msg("%s at %s: n %zu, depth %zu, dim %zu", what, k->isa, s->n, s->depth, s->dim);
    for (size_t i = 0; i < sizeof s->room / 4; i++)
        if ((i < GUARD + offset || i >= GUARD + offset + count) && s->room[i] != 777)
            fail_msg("%s at %s wrote beyond its place", what, k->isa);
}

static void compare_product(struct scene *s, const struct kernels *k, size_t offset)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < s->dim; j++) {
            float sum = 0;

            for (size_t l = 0; l < s->depth; l++) {
                float product = s->a[i * s->depth + l] * s->b[l * s->dim + j];

                sum = sum + product;
            }
            s->want[i * s->dim + j] = sum;
        }
    room_clear(s);
    k->f32_product(s->room + GUARD + offset, s->a, s->b, s->dim, s->n, s->depth, s->dim);
    expect(s, offset, s->n * s->dim, "f32_product", k);
}

static void compare_dots(struct scene *s, const struct kernels *k)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t l = 0; l < s->depth; l++) {
            float part[16] = {0};

            for (size_t j = 0; j < s->dim; j++) {
                float product = s->g[i * s->dim + j] * s->b[l * s->dim + j];

                part[j % 16] = part[j % 16] + product;
            }
            for (size_t half = 8; half; half /= 2)
                for (size_t c = 0; c < half; c++)
                    part[c] = part[c] + part[c + half];
            s->want[i * s->depth + l] = part[0];
        }
    room_clear(s);
    k->f32_dots(s->room + GUARD, s->g, s->b, s->n, s->depth, s->dim);
    expect(s, 0, s->n * s->depth, "f32_dots", k);
}

static void compare_outer(struct scene *s, const struct kernels *k)
{
    memcpy(s->want, s->b, s->depth * s->dim * sizeof *s->want);
    for (size_t i = 0; i < s->n; i++)
        for (size_t l = 0; l < s->depth; l++)
            for (size_t j = 0; j < s->dim; j++) {
                float product = s->a[i * s->depth + l] * s->g[i * s->dim + j];

                s->want[l * s->dim + j] = s->want[l * s->dim + j] + product;
            }
    room_clear(s);
    memcpy(s->room + GUARD, s->b, s->depth * s->dim * sizeof *s->b);
    k->f32_outer_add(s->room + GUARD, s->a, s->g, s->n, s->depth, s->dim);
    expect(s, 0, s->depth * s->dim, "f32_outer_add", k);
}

static void test_products(void **state)
{
    static const size_t depths[] = {0, 1, 2, 17, DEPTH_MAX};
    struct scene *s = calloc(1, sizeof *s);
    struct random r = {61};

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k; k++) {
        if (!kernels_supported(*k))
            continue;
        for (size_t dim = 1; dim <= DIM_MAX; dim++)
            for (size_t n = 0; n <= ROWS_MAX; n++) {
                scene_make(s, &r, n, depths[(dim + n) % 5], dim);
                compare_product(s, *k, n % 4);
                compare_dots(s, *k);
                compare_outer(s, *k);
            }
    }
    free(s);
}

static void test_affine(void **state)
{
    float x[DIM_MAX], scale[DIM_MAX], shift[DIM_MAX], got[DIM_MAX + 1];
    struct random r = {62};

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k; k++)
        for (size_t n = 0; n <= DIM_MAX && kernels_supported(*k); n++) {
            for (size_t j = 0; j < n; j++) {
                x[j] = random_normal(&r);
                scale[j] = random_normal(&r);
                shift[j] = random_normal(&r);
            }
            memcpy(got, x, sizeof x);
            got[n] = 777;
            (*k)->f32_affine(got, scale, shift, n);
            assert_true(got[n] == 777);
            for (size_t j = 0; j < n; j++) {
                float product = x[j] * scale[j];

                assert_true(got[j] == product + shift[j]);
            }
        }
}

#define POINTS 65536

/* The scalar level against libm, the others against the scalar one. */
static void test_mish(void **state)
{
    float *y = malloc(POINTS * sizeof *y), *x = malloc(POINTS * sizeof *x);
    float *want = malloc(POINTS * sizeof *want), *slope = malloc(POINTS * sizeof *slope);

    (void)state;
    for (size_t i = 0; i < POINTS; i++)
        y[i] = ((float)i - POINTS / 2) / (i % 3 ? 2000.0f : 300.0f);
    y[0] = 0;
    y[1] = 1e30f;
    y[2] = -1e30f;
    y[3] = -0x1p-140f;
    y[4] = 20;
    y[5] = -87;
    for (const struct kernels *const *k = kernels_levels; *k; k++) {
        if (!kernels_supported(*k))
            continue;
        memcpy(x, y, POINTS * sizeof *x);
        (*k)->f32_mish(x, POINTS);
        if (k == kernels_levels) {
            memcpy(want, x, POINTS * sizeof *x);
            for (size_t i = 0; i < POINTS; i++) {
                double a = (double)y[i], exact = a > 20 ? a : a * tanh(log1p(exp(a)));

                if (!(fabs((double)x[i] - exact) <= 4e-7 * fabs(exact) + 2e-36))
                    fail_msg("mish(%g) is %g, not %g", a, (double)x[i], exact);
            }
        }
        assert_memory_equal(x, want, POINTS * sizeof *x);
        for (size_t i = 0; i < POINTS; i++)
            x[i] = 3;
        (*k)->f32_mish_back(x, y, POINTS);
        if (k == kernels_levels) {
            memcpy(slope, x, POINTS * sizeof *x);
            for (size_t i = 0; i < POINTS; i++) {
                double a = (double)y[i], t = tanh(a > 20 ? a : log1p(exp(a)));
                double exact = t + (fabs(a) > 700 ? 0 : a / (1 + exp(-a))) * (1 - t * t);

                if (!(fabs((double)x[i] - 3 * exact) <= 2e-6))
                    fail_msg("the slope at %g is %g, not %g", a, (double)x[i] / 3, exact);
            }
        }
        assert_memory_equal(x, slope, POINTS * sizeof *x);
    }
    x[0] = NAN;
    for (const struct kernels *const *k = kernels_levels; *k; k++)
        if (kernels_supported(*k)) {
            (*k)->f32_mish(x, 1);
            assert_true(isnan(x[0]));
        }
    free(slope);
    free(want);
    free(x);
    free(y);
}

/* Against integers, at the ends of what is promised. */
static void test_hash_small(void **state)
{
    enum { COUNT = 37 };
    double a[COUNT], b[COUNT], p[COUNT], over[COUNT];
    struct random r = {63};
    float out[COUNT + 1];

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k; k++)
        for (size_t turn = 0; turn < 3000 && kernels_supported(*k); turn++) {
            uint64_t x = random_below(&r, (uint64_t)1 << (1 + turn % 40)), m;

            m = 1 + random_below(&r, (uint64_t)1 << (turn % 26));
            if (turn % 10 == 0)
                x = ((uint64_t)1 << 40) - 1 - turn;
            for (size_t t = 0; t < COUNT; t++) {
                uint64_t prime = m + random_below(&r, ((uint64_t)1 << 26) - m);

                p[t] = (double)prime;
                a[t] = (double)(t % 3 ? random_below(&r, prime) : prime - 1);
                b[t] = (double)(t % 5 ? random_below(&r, prime) : prime - 1);
                over[t] = 1 / p[t];
            }
            out[COUNT] = 777;
            (*k)->hash_small(out, (double)x, a, b, p, over, (double)m, COUNT);
            assert_true(out[COUNT] == 777);
            for (size_t t = 0; t < COUNT; t++) {
                unsigned __int128 wide = (unsigned __int128)(uint64_t)a[t] * x + (uint64_t)b[t];

                if (out[t] != (float)(uint64_t)(wide % (uint64_t)p[t] % m))
                    fail_msg("%s: x %llu, a %.0f, b %.0f, p %.0f, m %llu: %.0f", (*k)->isa,
                             (unsigned long long)x, a[t], b[t], p[t], (unsigned long long)m,
                             (double)out[t]);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_affine),
        cmocka_unit_test(test_mish),
        cmocka_unit_test(test_hash_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
