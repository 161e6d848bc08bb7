/* SPDX-License-Identifier: Apache-2.0 */
/* Zipf's law against its exact distribution, by chi-square: cells are single ranks at the front and
   growing ranges behind, so that each is expected often enough. Seeds are fixed: a run either
   passes always or never, and the bound is five standard deviations. */
#include "client/load/zipf.h"

#include <math.h>

#include "tests/unit/unit.h"

#define CELLS_MAX 200
#define EXPECTED_MIN 20 /* draws in a cell, for chi-square to hold */

struct cells {
    size_t count;
    uint64_t last[CELLS_MAX]; /* rank, inclusive */
    double share[CELLS_MAX];
};

static void make_cells(struct cells *c, uint64_t n, double exponent, int draws)
{
    double total = 0, part = 0;
    uint64_t width = 1, first = 1;

    for (uint64_t k = 1; k <= n; k++)
        total += pow((double)k, -exponent);
    c->count = 0;
    for (uint64_t k = 1; k <= n; k++) {
        part += pow((double)k, -exponent) / total;
        if (k != n && (k - first + 1 < width || part * draws < EXPECTED_MIN))
            continue;
        assert_true(c->count < CELLS_MAX);
        c->last[c->count] = k;
        c->share[c->count++] = part;
        part = 0;
        first = k + 1;
        if (c->count >= 50)
            width = width * 5 / 4 + 1;
    }
}

static size_t cell_of(const struct cells *c, uint64_t rank)
{
    size_t low = 0, high = c->count - 1;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (rank <= c->last[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static double chi_square(uint64_t n, double exponent, size_t *cells_count)
{
    enum { DRAWS = 400000 };
    static int count[CELLS_MAX];
    static struct cells cells;
    double chi = 0;
    struct zipf z;
    struct random r;

    memset(count, 0, sizeof count);
    make_cells(&cells, n, exponent, DRAWS);
    zipf_init(&z, n, exponent);
    random_init(&r, 99, n);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t rank = zipf_draw(&z, &r);

        assert_true(rank >= 1 && rank <= n);
        count[cell_of(&cells, rank)]++;
    }
    for (size_t i = 0; i < cells.count; i++) {
        double expected = cells.share[i] * DRAWS;

        /* A cell at the end may be expected hardly ever: it must then hardly ever come. */
        if (expected < EXPECTED_MIN)
            assert_true(count[i] < EXPECTED_MIN + 5 * sqrt(EXPECTED_MIN));
        else
            chi += (count[i] - expected) * (count[i] - expected) / expected;
    }
    *cells_count = cells.count;
    return chi;
}

static void test_frequencies_are_exact(void **state)
{
    static const struct {
        uint64_t n;
        double exponent;
    } rows[] = {
        {2, 1},      {3, 0.5},        {10, 1},        {100, 0.3},      {100, 0.99},
        {100, 1},    {100, 1.01},     {100, 2.5},     {1000, 1},       {100000, 0.8},
        {100000, 1}, {1000000, 0.99}, {1000000, 1.2}, {1000000, 0.01}, {50, 10},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t cells;
        double chi = chi_square(rows[i].n, rows[i].exponent, &cells), free = (double)cells - 1;

        if (chi > free + 5 * sqrt(2 * free))
            fail_msg("n %d, s %g: chi-square %g with %g degrees of freedom", (int)rows[i].n,
                     rows[i].exponent, chi, free);
    }
}

static void test_one_rank_is_always_it(void **state)
{
    struct random r;
    struct zipf z;

    (void)state;
    random_init(&r, 5, 1);
    zipf_init(&z, 1, 1.1);
    for (int i = 0; i < 1000; i++)
        assert_true(zipf_draw(&z, &r) == 1);
}

static void test_many_ranks_stay_in_range(void **state)
{
    const uint64_t n = UINT64_C(1) << 40;
    uint64_t most = 0;
    struct random r;
    struct zipf z;

    (void)state;
    random_init(&r, 6, 1);
    zipf_init(&z, n, 0.5);
    for (int i = 0; i < 100000; i++) {
        uint64_t rank = zipf_draw(&z, &r);

        assert_true(rank >= 1 && rank <= n);
        most = rank > most ? rank : most;
    }
    assert_true(most > n / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frequencies_are_exact),
        cmocka_unit_test(test_one_rank_is_always_it),
        cmocka_unit_test(test_many_ranks_stay_in_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
