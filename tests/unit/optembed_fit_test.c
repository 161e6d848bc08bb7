/* SPDX-License-Identifier: Apache-2.0 */
/* OptEmbed's fit keeps the rows that matter most, and its study the number of rows and columns that
   lose the least, against all there is to choose from. */
#include "fits/fit.h"

#include "fits/energy.h"
#include "kernels/kernels.h"
#include "methods/optembed.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define ROWS_MOST 40
#define DIM 4

static const struct method *find(void)
{
    return method_find("optembed", 8);
}

static double energy(const struct kit_table *t, uint64_t row, uint32_t width)
{
    double sum = 0;

    for (uint32_t j = 0; j < width; j++) {
        double x = (double)t->data[row * t->fit.dim + j];

        sum += (double)fit_weight(&t->fit, row) * x * x;
    }
    return sum;
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

/* What the best `kept` rows of [first, first + rows) leave out with that width. */
static double left_out(const struct kit_table *t, uint64_t first, uint64_t rows, uint64_t kept,
                       uint32_t width)
{
    double held[ROWS_MOST], left = 0;

    for (uint64_t i = 0; i < rows; i++) {
        held[i] = energy(t, first + i, width);
        left += energy(t, first + i, t->fit.dim);
    }
    qsort(held, rows, sizeof *held, falling);
    for (uint64_t i = 0; i < kept; i++)
        left -= held[i];
    return left > 0 ? left : 0;
}

/* Rows of very different sizes, columns that fall. */
static void uneven(struct kit_table *t, struct random *r)
{
    for (uint64_t i = 0; i < t->fit.rows; i++) {
        float size = (float)random_below(r, 5);

        for (uint32_t j = 0; j < t->fit.dim; j++)
            t->data[i * t->fit.dim + j] =
                random_normal(r) * size / (float)(1 + j * random_below(r, 3));
        t->weight[i] = (float)random_below(r, 6);
    }
}

/* The rows with the largest weighted sums, the first of equal ones, as they are. */
static void test_keeps_the_largest(void **state)
{
    static const float rows[][3] = {{1, 0, 9},  {0, 2, 0}, {1, 1, 0}, {0, 0, 50},
                                    {-2, 0, 1}, {0, 0, 0}, {2, 0, 7}};
    float weight[] = {1, 1, 9, 1, 1, 1, 0};
    static const uint64_t plain[] = {1, 4, 6}, weighted[] = {1, 2, 4}, all[] = {0, 3, 6};
    const uint64_t id[] = {0, 1, 2, 3, 4, 5, 6};

    (void)state;
    for (int turn = 0; turn < 4;
         turn++) { /* two columns; with weights; three, by bitmap or number */
        const uint64_t *want = turn == 0 ? plain : turn == 1 ? weighted : all;
        uint64_t width = turn < 2 ? 2 : 3, place = 0;
        struct fit_error error;
        struct parameters p;
        struct kit_table t;
        struct plan plan;
        float out[21];
        struct error e;

        kit_table_init(&t, 7, 3);
        memcpy(t.data, rows, sizeof rows);
        t.fit.weight = turn == 1 ? weight : NULL;
        kit_plan(&plan, find(), 7, 3, turn == 3 ? 4 * (8 + 9) : 0, turn == 3 ? "form=remap" : "");
        if (turn < 3) {
            assert_ok(plan_size(&plan, "K", 3, &e), e);
            assert_ok(plan_size(&plan, "W", width, &e), e);
        }
        assert_ok(plan_make(&plan, &e), e);
        assert_ok(plan_parameters(&plan, &p, &e), e);
        plan_done(&plan);
        assert_ok(kit_allocate(&p, &e), e);
        kit_fit(&t, &p, &error);
        p.method->rows(&p, id, 7, out);
        for (uint64_t i = 0; i < 7; i++) {
            bool due = place < 3 && want[place] == i;

            assert_int_equal(optembed_place(&p, i), due ? place++ : OPTEMBED_PRUNED);
            for (uint64_t j = 0; j < 3; j++)
                assert_true(out[i * 3 + j] == (due && j < width ? rows[i][j] : 0));
        }
        kit_done(&p);
        kit_table_done(&t);
    }
}

static double fitted(struct kit_table *t, struct layout *l, uint64_t budget)
{
    struct parameters p[3] = {{.method = NULL}};
    struct fit_error error;
    uint64_t bytes;
    double total = 0;
    struct error e;

    t->done = 0;
    assert_ok(fit_layout(&t->fit, l, &e), e);
    assert_ok(layout_bytes(l, &bytes, &e), e);
    assert_true(bytes <= budget);
    for (size_t f = 0; f < l->part_count; f++) {
        assert_ok(plan_parameters(&l->part[f], &p[f], &e), e);
        assert_ok(kit_allocate(&p[f], &e), e);
    }
    t->done = 0;
    assert_ok(fit_parameters(&t->fit, l, p, &e), e);
    for (size_t f = 0; f < l->part_count; f++)
        assert_ok(parameters_check(&p[f], &e), e);
    t->done = 0;
    assert_ok(fit_measure(&t->fit, p, l->part_count, &error, &e), e);
    for (uint64_t i = 0; i < t->fit.rows; i++)
        total += energy(t, i, t->fit.dim);
    for (size_t f = 0; f < l->part_count; f++)
        kit_done(&p[f]);
    return total > 0 ? error.relative * total : 0;
}

/* No fields: the best of all pairs. */
static void test_study_is_exact(void **state)
{
    struct random r = {83};

    (void)state;
    for (int turn = 0; turn < 300; turn++) {
        uint64_t rows = 1 + random_below(&r, ROWS_MOST), index = optembed_bitmap(rows);
        uint64_t budget = index + 4 + random_below(&r, rows * DIM * 4);
        double best = INFINITY, have;
        struct kit_table t;
        struct layout l;
        struct error e;

        kit_table_init(&t, rows, DIM);
        uneven(&t, &r);
        t.fit.weight = turn & 1 ? t.weight : NULL;
        for (uint32_t w = 1; w <= DIM; w++) {
            uint64_t kept = (budget - index) / 4 / w;

            best = fmin(best, left_out(&t, 0, rows, kept < rows ? kept : rows, w));
        }
        assert_ok(layout_open(&l, find(), rows, DIM, NULL, budget, NULL, &e), e);
        have = fitted(&t, &l, budget);
        /* Rows of one bucket of the histogram count alike: within an eighth of a power of two. */
        if (!(have <= best * 1.02 + 1e-9))
            fail_msg("%llu rows, %llu bytes: %g, not %g", (unsigned long long)rows,
                     (unsigned long long)budget, have, best);
        layout_done(&l);
        kit_table_done(&t);
    }
}

#define FIELDS 3
static const uint64_t first[] = {0, 9, 12, 22};

static uint64_t bytes_of(size_t f, uint64_t kept, uint32_t width)
{
    return optembed_bitmap(first[f + 1] - first[f]) + kept * width * 4;
}

/* The best of fields [f, FIELDS), each full, or with any number of rows and columns. */
static double best_total(const struct kit_table *t, size_t f, uint64_t budget)
{
    uint64_t rows = f < FIELDS ? first[f + 1] - first[f] : 0;
    double best = INFINITY;

    if (f == FIELDS)
        return 0;
    if (rows * DIM * 4 <= budget)
        best = best_total(t, f + 1, budget - rows * DIM * 4);
    for (uint32_t w = 1; w <= DIM; w++)
        for (uint64_t k = 0; k <= rows && bytes_of(f, k, w) <= budget; k++)
            best = fmin(best, left_out(t, first[f], rows, k, w) +
                                  best_total(t, f + 1, budget - bytes_of(f, k, w)));
    return best;
}

static void test_study_of_fields(void **state)
{
    const struct fields fields = {first, FIELDS};
    struct random r = {84};

    (void)state;
    for (int turn = 0; turn < 12; turn++) {
        uint64_t budget = 30 + random_below(&r, 22 * DIM * 4);
        struct kit_table t;
        struct layout l;
        struct error e;
        double have;

        kit_table_init(&t, first[FIELDS], DIM);
        uneven(&t, &r);
        for (uint64_t i = 0; i < 9 * DIM; i++)
            t.data[i] *= (float)(turn % 4);
        t.fit.weight = turn & 1 ? t.weight : NULL;
        assert_ok(layout_open(&l, find(), first[FIELDS], DIM, &fields, budget, NULL, &e), e);
        have = fitted(&t, &l, budget);
        if (!(have <= best_total(&t, 0, budget * 85 / 100) * 1.02 + 1e-9))
            fail_msg("turn %d: %g, not %g", turn, have, best_total(&t, 0, budget));
        layout_done(&l);
        kit_table_done(&t);
    }
}

/* Fields that are zero take nothing but their bitmaps, and those that are not get the rest. */
static void test_zero_fields(void **state)
{
    const struct fields fields = {first, FIELDS};
    struct random r = {85};
    struct kit_table t;
    struct layout l;
    struct error e;
    uint64_t kept;

    (void)state;
    kit_table_init(&t, first[FIELDS], DIM);
    kit_table_random(&t, &r, false);
    memset(t.data + 12 * DIM, 0, 10 * DIM * sizeof *t.data);
    assert_ok(layout_open(&l, find(), first[FIELDS], DIM, &fields, 12 * DIM * 4 + 2, NULL, &e), e);
    assert_true(fitted(&t, &l, 12 * DIM * 4 + 2) == 0);
    assert_string_equal(l.part[0].method->name, "full");
    assert_string_equal(l.part[1].method->name, "full");
    assert_true(symbols_get(&l.part[2].size, "K", 1, &kept) && kept == 0);
    layout_done(&l);
    assert_ok(layout_open(&l, find(), first[FIELDS], DIM, &fields, 4, NULL, &e), e);
    t.done = 0;
    assert_fails(fit_layout(&t.fit, &l, &e), ST_INVALID, e, "optembed needs at least 5 B");
    layout_done(&l);
    kit_table_done(&t);
}

/* Histograms never promise more than there is, and all of it for all rows. */
static void test_energy(void **state)
{
    static const uint32_t dims[] = {1, 5, 256, 700};
    struct random r = {86};

    (void)state;
    for (size_t i = 0; i < COUNT(dims); i++) {
        struct energy x = {.widths = 0};
        struct kit_table t;
        struct error e;

        kit_table_init(&t, 30, dims[i]);
        uneven(&t, &r);
        t.fit.weight = t.weight;
        for (int turn = 0; turn < 2; turn++) { /* again into the same */
            t.done = 0;
            assert_ok(energy_find(&x, &t.fit, &e), e);
        }
        assert_int_equal(x.widths, dims[i] < ENERGY_WIDTHS ? dims[i] : ENERGY_WIDTHS);
        assert_int_equal(x.width[x.widths - 1], dims[i]);
        assert_true(fabs(x.total - left_out(&t, 0, 30, 0, 1)) <= 1e-9 * x.total);
        for (size_t w = 0; w < x.widths; w += 1 + x.widths / 9)
            for (uint64_t k = 0; k <= 30; k++) {
                double best = x.total - left_out(&t, 0, 30, k, x.width[w]);
                double have = energy_of(&x, w, k);

                assert_true(w == 0 || x.width[w] > x.width[w - 1]);
                assert_true(have <= best * (1 + 1e-9) + 1e-9 && have >= best * 0.9 - 1e-9);
            }
        assert_true(fabs(energy_of(&x, x.widths - 1, 30) - x.total) <= 1e-9 * x.total);
        energy_done(&x);
        kit_table_done(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_the_largest),
        cmocka_unit_test(test_study_is_exact),
        cmocka_unit_test(test_study_of_fields),
        cmocka_unit_test(test_zero_fields),
        cmocka_unit_test(test_energy),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
