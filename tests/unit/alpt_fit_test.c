/* SPDX-License-Identifier: Apache-2.0 */
/* The fit of ALPT against a fine grid of scales, and rows at the ends of what there is. */
#include "fits/fit.h"

#include <math.h>

#include "kernels/kernels.h"
#include "methods/alpt.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void make(struct parameters *p, uint64_t rows, uint32_t dim, const char *settings)
{
    kit_parameters(p, method_find("alpt", 4), rows, dim, 0, settings);
}

/* The squared error of a row at a scale. */
static double error_at(const float *w, uint32_t dim, double scale, double high)
{
    double sum = 0;

    for (uint32_t j = 0; j < dim; j++) {
        double q = fmin(fmax(rint((double)w[j] / scale), -high - 1), high);
        double d = (double)w[j] - q * scale;

        sum += d * d;
    }
    return sum;
}

static float drawn(struct random *r, int kind)
{
    float x = random_normal(r);

    return kind == 0   ? x
           : kind == 1 ? x * x * x * x * x /* a few far values */
           : kind == 2 ? (float)random_below(r, 5) - 2
                       : (float)random_unit(r);
}

/* The least error of a row over a fine grid of scales. */
static double grid_search(const float *w, uint32_t dim, double high)
{
    enum { GRID = 2000 };
    double largest = 0, best = INFINITY;

    for (uint32_t j = 0; j < dim; j++)
        largest = fmax(largest, fabs((double)w[j]));
    for (int k = 1; k <= GRID; k++)
        best = fmin(best, error_at(w, dim, (0.1 + 1.3 * k / GRID) * largest / high, high));
    return best;
}

/* With 8 bits no row is worse; with 16, where not all roundings are tried and luck decides between
   many that are nearly equal, the rows of a table are not on average. */
static void test_fit_beats_a_grid(void **state)
{
    static const uint32_t dims[] = {1, 2, 3, 5, 16, 100, 700};
    enum { ROWS = 30 };
    struct random r = {93};

    (void)state;
    for (size_t d = 0; d < COUNT(dims); d++)
        for (int turn = 0; turn < 8; turn++) {
            bool wide = turn % 2;
            double high = wide ? 32767 : 127, ratios = 0;
            uint32_t dim = dims[d];
            struct fit_error error;
            struct parameters p;
            struct kit_table t;

            make(&p, ROWS, dim, wide ? "digit=16" : "digit=8");
            kit_table_init(&t, ROWS, dim);
            for (size_t i = 0; i < ROWS * dim; i++)
                t.data[i] = drawn(&r, turn / 2);
            kit_fit(&t, &p, &error);
            for (uint64_t x = 0; x < ROWS; x++) {
                const float *w = t.data + x * dim;
                double scale = (double)((const float *)p.tensor[ALPT_SCALE].data)[x], squares = 0;
                double found = error_at(w, dim, scale, high), best = grid_search(w, dim, high);

                for (uint32_t j = 0; j < dim; j++)
                    squares += (double)w[j] * (double)w[j];
                best += 1e-13 * squares; /* the scale itself is rounded to float32 */
                if (!wide && !(found <= best * (1 + 1e-6)))
                    fail_msg("%u columns, kind %d: %g, not %g", dim, turn / 2, found, best);
                ratios += squares > 0 ? found / best : 1;
            }
            if (!(ratios / ROWS <= 1.01))
                fail_msg("%u columns, kind %d, %g: %g of the grid's error", dim, turn / 2, high,
                         ratios / ROWS);
            kit_done(&p);
            kit_table_done(&t);
        }
}

static void test_fit_edges(void **state)
{
    static const float rows[] = {0, 0, 0, 3e-45f, 0, -1e-44f, -128, 127, 64, 5, -5, 5};
    struct fit_error error;
    struct parameters p;
    struct kit_table t;
    struct error e;
    float out[3];

    (void)state;
    make(&p, 4, 3, "digit=8");
    kit_table_init(&t, 4, 3);
    memcpy(t.data, rows, sizeof rows);
    kit_fit(&t, &p, &error);
    assert_true(((float *)p.tensor[ALPT_SCALE].data)[0] == 1);
    assert_true(((float *)p.tensor[ALPT_SCALE].data)[1] > 0);
    for (uint64_t x = 0; x < 4; x++) {
        p.method->rows(&p, &x, 1, out);
        for (int j = 0; j < 3; j++)
            assert_true(fabsf(out[j] - rows[3 * x + (uint64_t)j]) <= (x == 1 ? 1e-38f : 0));
    }
    t.data[4] = 1e38f;
    t.done = 0;
    assert_fails(fitter_find(p.method)->fit(&t.fit, &p, &e), ST_INVALID, e,
                 "row 1 reaches 1e+38: too far for alpt");
    kit_done(&p);
    kit_table_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit_beats_a_grid),
        cmocka_unit_test(test_fit_edges),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
