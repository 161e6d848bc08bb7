/* SPDX-License-Identifier: Apache-2.0 */
/* The pruned methods beyond what all methods share: worked lookups, everything that a file may have
   wrong, tables of no entries and of very many rows, budgets, starts, explanations. Which entries
   are kept is in prune_test.c. */
#include "methods/sparse_rows.h"

#include <math.h>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "methods/explain.h"
#include "methods/gradient.h"
#include "methods/init.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct method *deeplight(void)
{
    return method_find("deeplight", strlen("deeplight"));
}

/* Parameters with so many entries. */
static void make(struct parameters *p, uint64_t rows, uint32_t dim, uint64_t entries,
                 const char *settings)
{
    struct plan plan;
    struct error e;

    kit_plan(&plan, deeplight(), rows, dim, 0, settings);
    assert_ok(plan_size(&plan, SPARSE_ENTRIES, entries, &e), e);
    assert_ok(plan_make(&plan, &e), e);
    assert_ok(plan_parameters(&plan, p, &e), e);
    plan_done(&plan);
    assert_ok(kit_allocate(p, &e), e);
}

/* Four rows of three columns; the second is empty, and one entry is a zero of its own. */
static const float entries[] = {1.5f, -2, -0.0f, 4};
static const float dense[] = {1.5f, 0, -2, 0, 0, 0, 0, -0.0f, 0, 4, 0, 0};
static const int64_t ends[] = {0, 2, 2, 3, 4};
static const unsigned char columns[] = {0, 2, 1, 0};
static const int32_t row_of[] = {0, 0, 2, 3};

static void worked(struct parameters *p, const char *settings)
{
    make(p, 4, 3, 4, settings);
    if (sparse_is_coo(p->value))
        memcpy(p->tensor[COO_ROW].data, row_of, sizeof row_of);
    else
        memcpy(p->tensor[CSR_INDPTR].data, ends, sizeof ends);
    memcpy(p->tensor[sparse_columns(p->value)].data, columns, sizeof columns);
    memcpy(p->tensor[sparse_data(p->value)].data, entries, sizeof entries);
}

static void test_worked(void **state)
{
    static const uint64_t row[] = {0, 1, 2, 3}, back[] = {3, 1, 0};
    float out[12];

    (void)state;
    for (int form = 0; form < 2; form++) {
        struct parameters p;
        struct error e;

        worked(&p, form ? "form=coo" : "form=csr");
        assert_ok(parameters_check(&p, &e), e);
        p.method->rows(&p, row, 4, out);
        assert_memory_equal(out, dense, sizeof dense);
        p.method->rows(&p, back, 3, out);
        assert_memory_equal(out, dense + 9, 3 * sizeof *out);
        assert_memory_equal(out + 3, dense + 3, 3 * sizeof *out);
        assert_memory_equal(out + 6, dense, 3 * sizeof *out);
        kit_done(&p);
    }
}

static void test_check(void **state)
{
    static const struct {
        const char *settings, *tensor;
        size_t element;
        int64_t value;
        const char *words;
    } rows[] = {
        {"form=csr", "csr.indptr", 0, 1, "tensor \"csr.indptr\" begins with 1; it must be 0"},
        {"form=csr", "csr.indptr", 0, -1, "begins with -1"},
        {"form=csr", "csr.indptr", 1, 3, "element 2 is 2 after 3; it must never fall"},
        {"form=csr", "csr.indptr", 2, INT64_MIN, "element 2 is -9223372036854775808 after 2"},
        {"form=csr", "csr.indptr", 2, INT64_MAX, "element 3 is 3 after 9223372036854775807"},
        {"form=csr", "csr.indptr", 4, 5, "ends with 5; there are 4 entries"},
        {"form=csr", "csr.indptr", 4, 3, "ends with 3; there are 4 entries"},
        {"form=csr", "csr.indptr", 4, INT64_MAX, "there are 4 entries"},
        {"form=csr", "csr.indices", 1, 3,
         "tensor \"csr.indices\": element 1 (row 0) is 3; the columns are 0 to 2"},
        {"form=csr", "csr.indices", 3, 255, "element 3 (row 3) is 255"},
        {"form=csr", "csr.indices", 1, 0,
         "element 1 is 0 after 0; columns must ascend within a row (0)"},
        {"form=coo", "coo.row", 3, 4,
         "tensor \"coo.row\": element 3 is 4; it must be from 0 to below N = 4"},
        {"form=coo", "coo.row", 0, -1, "element 0 is -1; it must be from 0"},
        {"form=coo", "coo.row", 2, INT32_MIN, "element 2 is -2147483648"},
        {"form=coo", "coo.row", 0, 2, "element 1 is 0 after 2; rows must never fall"},
        {"form=coo", "coo.row", 2, 0, "element 2 is 1 after 2; columns must ascend"},
        {"form=coo", "coo.col", 2, 3, "tensor \"coo.col\": element 2 (row 2) is 3"},
        {"form=coo", "coo.col", 1, 0, "columns must ascend within a row (0)"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameters p;
        struct error e;

        worked(&p, rows[i].settings);
        sparse_index_set(kit_tensor(&p, rows[i].tensor), rows[i].element, (uint64_t)rows[i].value);
        assert_fails(parameters_check(&p, &e), ST_INVALID, e, rows[i].words);
        assert_null(p.state);
        kit_done(&p);
    }
}

/* Shapes that the declarations cannot tell, and types that are too narrow or have a sign. */
static void test_check_shapes(void **state)
{
    static int32_t wide[] = {0, 2, 1, -1};
    static int64_t long_rows[] = {0, 0, 2, INT64_MAX};
    struct parameters p;
    struct error e;
    void *kept;

    (void)state;
    worked(&p, "form=csr");
    p.tensor[CSR_INDPTR].shape[0] = 4;
    assert_fails(parameters_check(&p, &e), ST_INVALID, e,
                 "tensor \"csr.indptr\" has 4 elements; it must have N + 1 = 5");
    p.tensor[CSR_INDPTR].shape[0] = 6;
    assert_fails(parameters_check(&p, &e), ST_INVALID, e, "has 6 elements");
    p.tensor[CSR_INDPTR].shape[0] = 5;
    p.tensor[CSR_INDICES].shape[0] = 3;
    assert_fails(parameters_check(&p, &e), ST_INVALID, e, "\"csr.data\" has the shape [4]");
    p.tensor[CSR_INDICES].shape[0] = 4;
    p.dim = 257;
    assert_fails(parameters_check(&p, &e), ST_INVALID, e,
                 "\"csr.indices\" holds U8, which is for at most 256 columns, not 257");
    p.dim = 3;
    kept = p.tensor[CSR_INDICES].data;
    p.tensor[CSR_INDICES].data = wide;
    p.tensor[CSR_INDICES].dtype = DT_I32;
    assert_fails(parameters_check(&p, &e), ST_INVALID, e, "element 3 (row 3) is -1");
    p.tensor[CSR_INDICES].data = kept;
    kit_done(&p);
    worked(&p, "form=coo");
    kept = p.tensor[COO_ROW].data;
    p.tensor[COO_ROW].data = long_rows;
    p.tensor[COO_ROW].dtype = DT_I64;
    assert_fails(parameters_check(&p, &e), ST_INVALID, e, "element 3 is 9223372036854775807");
    p.tensor[COO_ROW].data = kept;
    kit_done(&p);
}

/* No entry, no row, and more rows than any memory has. */
static void test_edges(void **state)
{
    static const struct {
        const char *settings;
        uint64_t rows, entries;
    } tables[] = {
        {"form=csr", 5, 0}, {"form=coo", 5, 0},         {"form=csr", 0, 0},
        {"form=coo", 0, 0}, {"form=coo", INT64_MAX, 0}, {"form=coo", INT64_MAX, 3},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(tables); i++) {
        uint64_t last = tables[i].rows - 1, row[] = {0, last / 2, last};
        float out[12], zeros[12] = {0};
        struct parameters p;
        struct error e;

        make(&p, tables[i].rows, 4, tables[i].entries, tables[i].settings);
        for (uint64_t k = 0; k < tables[i].entries; k++) {
            sparse_index_set(&p.tensor[COO_ROW], k, row[k]);
            sparse_index_set(&p.tensor[COO_COL], k, k);
            ((float *)p.tensor[COO_DATA].data)[k] = zeros[5 * k] = (float)k + 1;
        }
        assert_ok(parameters_check(&p, &e), e);
        if (tables[i].rows) {
            p.method->rows(&p, row, 3, out);
            assert_memory_equal(out, zeros, sizeof zeros);
        }
        assert_int_equal(unit_count(&p, sparse_data(p.value)), tables[i].rows);
        kit_done(&p);
    }
}

static uint64_t planned(const struct plan *plan)
{
    uint64_t n = UINT64_MAX;

    assert_true(symbols_get(&plan->size, SPARSE_ENTRIES, strlen(SPARSE_ENTRIES), &n));
    return n;
}

/* The form that keeps more, and one entry more would not fit. */
static void test_plan_is_exact(void **state)
{
    struct random r = {71};
    unsigned coo = 0;

    (void)state;
    for (int turn = 0; turn < 5000; turn++) {
        uint64_t rows = 1 + random_below(&r, 300), dim = 1 + random_below(&r, turn % 5 ? 40 : 600);
        uint64_t column = dim <= 256 ? 1 : 2, cells = rows * dim, budget, by_csr = 0, by_coo;
        struct plan plan;
        struct error e;

        budget = 1 + random_below(&r, cells * 7);
        by_coo = budget / (8 + column) < cells ? budget / (8 + column) : cells;
        if (budget >= 8 * (rows + 1))
            by_csr = (budget - 8 * (rows + 1)) / (4 + column);
        by_csr = by_csr < cells ? by_csr : cells;
        kit_plan(&plan, deeplight(), rows, (uint32_t)dim, budget, "");
        if (!by_csr && !by_coo) {
            assert_fails(plan_make(&plan, &e), ST_INVALID, e, "deeplight needs at least ");
        } else {
            assert_ok(plan_make(&plan, &e), e);
            assert_int_equal(planned(&plan), by_csr > by_coo ? by_csr : by_coo);
            if (by_csr != by_coo)
                assert_int_equal(plan.value[SPARSE_FORM].i, by_coo > by_csr);
            coo += (unsigned)plan.value[SPARSE_FORM].i;
        }
        plan_done(&plan);
    }
    assert_in_range(coo, 200, 4800);
}

static void test_plan_refuses(void **state)
{
    struct plan plan;
    struct error e;

    (void)state;
    kit_plan(&plan, deeplight(), 100, 16, 8, "");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e,
                 "deeplight needs at least 9 B for 100 x 16; the budget is 8 B");
    kit_plan(&plan, deeplight(), 100, 16, 812, "form=csr");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "needs at least 813 B");
    kit_plan(&plan, deeplight(), INT64_MAX, 65536, 1 << 20, "form=csr");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "needs at least ");
    kit_plan(&plan, deeplight(), INT64_MAX, 65536, 1 << 20, ""); /* 14 bytes an entry */
    assert_ok(plan_make(&plan, &e), e);
    assert_int_equal(planned(&plan), (1 << 20) / 14);
    kit_plan(&plan, deeplight(), INT64_MAX, 65536, 0, "");
    assert_fails(plan_make(&plan, &e), ST_EXHAUSTED, e, "larger than memory");
}

/* The densities that the authors' own formula gives for a ratio take that ratio of their words. */
static void test_author_words(void **state)
{
    static const struct {
        uint32_t dim;
        double ratio, density;
        const char *settings;
    } rows[] = {
        {16, 0.5, 0.21875, "form=csr"},
        {16, 0.25, 0.09375, "form=csr"},
        {16, 0.1, 0.1 / 3, "form=coo"},
        {64, 0.1, 0.0421875, "form=csr"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t n = 1000000;
        double cells = (double)n * rows[i].dim;
        struct plan plan;
        struct error e;

        kit_plan(&plan, deeplight(), n, rows[i].dim, 0, rows[i].settings);
        assert_ok(plan_size(&plan, SPARSE_ENTRIES, (uint64_t)(rows[i].density * cells), &e), e);
        assert_ok(plan_make(&plan, &e), e);
        assert_true(fabs(plan.method->author_words(&plan) - rows[i].ratio * cells) <= 3);
        plan_done(&plan);
    }
}

/* Rows have the same number of entries but for one, all columns come, and the whole has the wanted
   deviation, zeros included. */
static void test_init(void **state)
{
    static const struct {
        const char *settings;
        uint64_t rows, entries;
        uint32_t dim;
    } tables[] = {
        {"form=csr", 700, 7777, 40},
        {"form=coo", 7000, 5000, 12},
        {"form=csr", 100, 100 * 300, 300},
        {"form=csr", 3, 0, 4},
        {"form=coo", 0, 0, 4},
    };
    struct init init = {.seed = 5, .deviation = 0.25};

    (void)state;
    for (size_t i = 0; i < COUNT(tables); i++) {
        size_t count = tables[i].rows * tables[i].dim;
        uint64_t each = tables[i].rows ? tables[i].entries / tables[i].rows : 0;
        float *out = calloc(count + 1, sizeof *out);
        unsigned char *seen = calloc(tables[i].dim, 1);
        struct parameters p;
        struct error e;
        double sum = 0;

        make(&p, tables[i].rows, tables[i].dim, tables[i].entries, tables[i].settings);
        assert_ok(init_parameters(&init, &p, &e), e);
        assert_ok(parameters_check(&p, &e), e);
        for (uint64_t row = 0; row < tables[i].rows; row++) {
            size_t first, last;

            sparse_entries(&p, &row, 1, &first, &last);
            assert_in_range(last - first, each, each + 1);
            p.method->rows(&p, &row, 1, out + row * tables[i].dim);
            for (; first < last; first++)
                seen[sparse_index(&p.tensor[sparse_columns(p.value)], first)] = 1;
        }
        for (size_t k = 0; k < count; k++)
            sum += (double)out[k] * (double)out[k];
        if (tables[i].entries) {
            assert_true(fabs(sqrt(sum / (double)count) - 0.25) < 0.02);
            assert_null(memchr(seen, 0, tables[i].dim));
        }
        kit_done(&p);
        free(seen);
        free(out);
    }
}

static void test_explain(void **state)
{
    (void)state;
    for (int form = 0; form < 2; form++) {
        struct explanation x = {0};
        struct parameters p;
        struct error e;

        worked(&p, form ? "form=coo" : "form=csr");
        assert_ok(parameters_check(&p, &e), e);
        parameters_explain(&p, 0, &x);
        assert_int_equal(x.status, ST_OK);
        assert_int_equal(x.count, 4);
        assert_string_equal(x.fact[0].name, "stored entries");
        assert_int_equal(x.fact[0].number, 2);
        assert_int_equal(x.fact[1].number, 0);
        assert_int_equal(x.fact[2].n, 2);
        assert_int_equal(x.fact[2].list[1], 2);
        assert_string_equal(x.fact[3].name, form ? "coo.data" : "csr.data");
        assert_int_equal(x.fact[3].n, 2);
        assert_int_equal(x.fact[3].sharers, 0);
        explanation_done(&x);
        kit_done(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked),        cmocka_unit_test(test_check),
        cmocka_unit_test(test_check_shapes),  cmocka_unit_test(test_edges),
        cmocka_unit_test(test_plan_is_exact), cmocka_unit_test(test_plan_refuses),
        cmocka_unit_test(test_author_words),  cmocka_unit_test(test_init),
        cmocka_unit_test(test_explain),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
