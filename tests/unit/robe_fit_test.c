/* SPDX-License-Identifier: Apache-2.0 */
/* robe's fits: every cell is the weighted mean of what meets in it, the best set of coefficients is
   kept, and tables that robe can hold come back. */
#include "fits/fit.h"

#include "kernels/kernels.h"
#include "methods/robe.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct method *robe(void)
{
    return method_find("robe", 4);
}

/* The cell and the sign of each element, from lookups in an array of powers of two. */
static void element_cells(struct parameters *p, size_t *cell, float *sign)
{
    size_t cells = p->tensor[ROBE_ARRAY].count;
    float *array = p->tensor[ROBE_ARRAY].data, *kept = malloc(cells * sizeof *kept);
    float *row = malloc(p->dim * sizeof *row);

    memcpy(kept, array, cells * sizeof *kept);
    for (size_t i = 0; i < cells; i++)
        array[i] = (float)(i + 1);
    for (uint64_t id = 0; id < p->rows; id++) {
        p->method->rows(p, &id, 1, row);
        for (uint32_t j = 0; j < p->dim; j++) {
            sign[id * p->dim + j] = row[j] > 0 ? 1 : -1;
            cell[id * p->dim + j] = (size_t)fabsf(row[j]) - 1;
        }
    }
    memcpy(array, kept, cells * sizeof *kept);
    free(row);
    free(kept);
}

/* Every cell is the weighted mean of what reads it: least squares. */
static void test_fit_is_the_mean(void **state)
{
    static const char *const settings[] = {"block=8", "block=2", "variant=uma block=3",
                                           "block=4 signs=false"};
    struct random r = {42};

    (void)state;
    for (size_t s = 0; s < 2 * COUNT(settings); s++) {
        size_t *cell = calloc(500 * 8, sizeof *cell);
        float *sign = calloc(500 * 8, sizeof *sign);
        struct fit_error error;
        struct parameters p;
        struct kit_table t;

        kit_table_init(&t, 500, 8);
        kit_table_random(&t, &r, s % 2);
        kit_parameters(&p, robe(), 500, 8, 700 * 4 + 80, settings[s / 2]);
        kit_fit(&t, &p, &error);
        element_cells(&p, cell, sign);
        for (size_t c = 0; c < 700; c++) {
            double sum = 0, weight = 0, have = ((float *)p.tensor[ROBE_ARRAY].data)[c];

            for (size_t i = 0; i < 500 * 8; i++) {
                double w = s % 2 ? t.weight[i / 8] : 1;

                sum += cell[i] == c ? w * sign[i] * t.data[i] : 0;
                weight += cell[i] == c ? w : 0;
            }
            assert_true(fabs(have - (weight > 0 ? sum / weight : 0)) < 1e-6);
        }
        free(cell);
        free(sign);
        kit_done(&p);
        kit_table_done(&t);
    }
}

/* Of several sets the best is kept, whatever number of passes it takes to compare them: as each
   alone would be found by a fit that tries fewer. */
static void test_fit_keeps_the_best(void **state)
{
    struct random r = {43};
    struct value tries = {.set = true};
    double best = 2;

    (void)state;
    for (tries.i = 1; tries.i <= 6; tries.i++) {
        struct fit_error error;
        struct parameters p;
        struct kit_table t;

        kit_table_init(&t, 300, 16);
        r.state = 43;
        kit_table_random(&t, &r, false);
        t.fit.option[0] = tries;
        kit_parameters(&p, robe(), 300, 16, 1000 * 4 + 80, "");
        kit_fit(&t, &p, &error);
        assert_true(error.relative <= best);
        best = error.relative;
        kit_done(&p);
        kit_table_done(&t);
    }
}

/* A table that robe can hold comes back bit by bit. With 800,000 cells, the sets are compared in
   several passes. */
static void test_structured_tables_are_found(void **state)
{
    static const struct {
        const char *settings;
        uint64_t rows, budget;
        uint32_t dim;
    } rows[] = {
        {"block=8", 3000, 1000 * 4 + 80, 16},
        {"variant=uma block=5", 3000, 1000 * 4 + 80, 16},
        {"block=100", 9000, 800000 * 4, 100},
    };
    struct random r = {44};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fit_error error;
        struct parameters p[2];
        struct kit_table t;
        struct error e;

        for (int k = 0; k < 2; k++)
            kit_parameters(&p[k], robe(), rows[i].rows, rows[i].dim, rows[i].budget,
                           rows[i].settings);
        kit_fill(&p[0], &r);
        robe_draw(&p[0], 9, 2, p[0].tensor[ROBE_RAND].data); /* the third that the fit tries */
        assert_ok(kit_check(&p[0], &e), e);
        kit_table_init(&t, rows[i].rows, rows[i].dim);
        t.fit.seed = 9;
        for (uint64_t id = 0; id < rows[i].rows; id++)
            p[0].method->rows(&p[0], &id, 1, t.data + id * rows[i].dim);
        kit_fit(&t, &p[1], &error);
        assert_true(error.relative == 0);
        assert_memory_equal(p[0].tensor[ROBE_RAND].data, p[1].tensor[ROBE_RAND].data, 80);
        assert_true(t.done == 1);
        kit_done(&p[0]);
        kit_done(&p[1]);
        kit_table_done(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit_is_the_mean),
        cmocka_unit_test(test_fit_keeps_the_best),
        cmocka_unit_test(test_structured_tables_are_found),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
