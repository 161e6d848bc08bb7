/* SPDX-License-Identifier: Apache-2.0 */
/* Which entries pruning keeps: exactly the largest, against sorting them all; the groups of autosrh
   worked out by hand, and its whole columns. */
#include "fits/prune.h"

#include <float.h>
#include <math.h>

#include "fits/autosrh.h"
#include "fits/select.h"
#include "kernels/kernels.h"
#include "methods/sparse_rows.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

struct scored {
    float score;
    size_t place;
};

/* The largest first; of equal ones the first. */
static int by_score(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->place < y->place ? -1 : 1;
}

static void check_selection(const float *score, size_t n, uint64_t keep)
{
    struct scored *sorted = calloc(n + 1, sizeof *sorted);
    unsigned char *taken = calloc(n + 1, 1);
    struct select s;
    struct error e;

    for (size_t i = 0; i < n; i++)
        sorted[i] = (struct scored){fabsf(score[i]), i};
    qsort(sorted, n, sizeof *sorted, by_score);
    for (size_t i = 0; i < n && i < keep; i++)
        taken[sorted[i].place] = 1;
    assert_ok(select_init(&s, keep, &e), e);
    for (int pass = 0; pass < SELECT_PASSES; pass++) {
        select_add(&s, score, n / 3);
        select_add(&s, score + n / 3, n - n / 3);
        select_next(&s);
    }
    for (size_t i = 0; i < n; i++)
        assert_int_equal(select_takes(&s, score[i]), taken[i]);
    select_done(&s);
    free(taken);
    free(sorted);
}

static void test_select(void **state)
{
    static const float ends[] = {0, -0.0f, FLT_MAX, 0x1p-149f, FLT_MIN, 1, 1, FLT_MAX, 0x1p-149f};
    struct random r = {81};
    float score[500];

    (void)state;
    for (uint64_t keep = 0; keep <= COUNT(ends) + 1; keep++)
        check_selection(ends, COUNT(ends), keep);
    for (int turn = 0; turn < 300; turn++) {
        size_t n = random_below(&r, COUNT(score) + 1);

        for (size_t i = 0; i < n; i++) {
            if (turn % 3 == 0) /* many ties */
                score[i] = (float)random_below(&r, 5);
            else if (turn % 3 == 1) /* ties in the upper half of the bits */
                score[i] = 1 + (float)random_below(&r, 1000) * 0x1p-23f;
            else
                score[i] = fabsf(random_normal(&r));
        }
        check_selection(score, n, random_below(&r, n + 3));
    }
}

static void make(struct parameters *p, const char *method, const struct kit_table *t,
                 uint64_t entries, const char *settings)
{
    struct plan plan;
    struct error e;

    kit_plan(&plan, method_find(method, strlen(method)), t->fit.rows, t->fit.dim, 0, settings);
    assert_ok(plan_size(&plan, SPARSE_ENTRIES, entries, &e), e);
    assert_ok(plan_make(&plan, &e), e);
    assert_ok(plan_parameters(&plan, p, &e), e);
    plan_done(&plan);
    assert_ok(kit_allocate(p, &e), e);
}

static float *all_rows(const struct parameters *p)
{
    float *out = calloc(p->rows * p->dim + 1, sizeof *out);

    for (uint64_t row = 0; row < p->rows; row++)
        p->method->rows(p, &row, 1, out + row * p->dim);
    return out;
}

/* Over several blocks of rows: the entries that sorting keeps, and no others. */
static void test_magnitude(void **state)
{
    enum { ROWS = 3000, DIM = 40 };
    static const char *const settings[] = {"form=csr", "form=coo"};
    struct random r = {82};

    (void)state;
    for (int turn = 0; turn < 6; turn++) {
        uint64_t entries = turn == 4 ? ROWS * DIM : 1 + random_below(&r, ROWS * DIM);
        struct scored *sorted = calloc(ROWS * DIM, sizeof *sorted);
        float *want = calloc(ROWS * DIM, sizeof *want), *have;
        struct fit_error error;
        struct parameters p;
        struct kit_table t;
        double lost = 0, all = 0;

        kit_table_init(&t, ROWS, DIM);
        kit_table_random(&t, &r, turn % 2);
        for (size_t i = 0; turn >= 2 && i < ROWS * DIM; i++) /* ties */
            t.data[i] = rintf(4 * t.data[i]) / 4;
        for (size_t i = 0; i < ROWS * DIM; i++) {
            double w = turn % 2 ? (double)t.weight[i / DIM] : 1, x = (double)t.data[i];

            sorted[i] = (struct scored){(float)(w * x * x), i};
            all += w * x * x;
        }
        qsort(sorted, ROWS * DIM, sizeof *sorted, by_score);
        for (size_t i = 0; i < ROWS * DIM; i++) {
            if (i < entries)
                want[sorted[i].place] = t.data[sorted[i].place];
            else
                lost += (double)sorted[i].score;
        }
        make(&p, turn % 3 ? "deeplight" : "pep", &t, entries, settings[turn % 2]);
        kit_fit(&t, &p, &error);
        assert_true(fabs(error.relative - lost / all) <= 1e-6 * (lost / all));
        have = all_rows(&p);
        if (turn % 2 == 0) /* with weights, roots may round two scores to one */
            for (size_t i = 0; i < ROWS * DIM; i++)
                assert_true(have[i] == want[i]);
        kit_done(&p);
        kit_table_done(&t);
        free(have);
        free(want);
        free(sorted);
    }
}

/* Weights and values at the ends of float32 do not meet there. */
static void test_extreme_weights(void **state)
{
    static const float rows[] = {FLT_MAX, 1, 0x1p-100f, 3, -FLT_MAX, 2};
    static const float weights[] = {1, 0, FLT_MAX};
    static const float want[] = {FLT_MAX, 0, 0, 0, -FLT_MAX, 0};
    struct fit_error error;
    struct parameters p;
    struct kit_table t;
    float *have;

    (void)state;
    kit_table_init(&t, 3, 2);
    memcpy(t.data, rows, sizeof rows);
    memcpy(t.weight, weights, sizeof weights);
    t.fit.weight = t.weight;
    make(&p, "deeplight", &t, 2, "form=coo");
    kit_fit(&t, &p, &error);
    have = all_rows(&p);
    assert_memory_equal(have, want, sizeof want);
    memset(t.weight, 0, 3 * sizeof *t.weight); /* nobody asks for anything: values decide */
    kit_fit(&t, &p, &error);
    free(have);
    have = all_rows(&p);
    assert_memory_equal(have, want, sizeof want);
    free(have);
    kit_done(&p);
    kit_table_done(&t);
}

/* Six groups of equal importance in equal shares; where a class is larger it is a group by itself,
   and where a border falls into one it goes to the nearer end. */
static void test_groups(void **state)
{
    static const struct {
        float importance[12];
        size_t n;
        unsigned group[12]; /* of the sorted ones */
    } rows[] = {
        {{12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 12, {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5}},
        {{4, 6, 2, 1, 3, 5}, 6, {0, 1, 2, 3, 4, 5}},
        {{7, 7, 7, 7, 7, 7, 7}, 7, {0}},
        {{0, 3, 0, 2, 0, 1, 0, 0, 0}, 9, {0, 0, 0, 0, 0, 0, 1, 2, 3}},
        {{0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 12, {0, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5}},
        {{0, 1, 2, 3, 3, 3, 3, 4, 5, 6, 7, 8}, 12, {0, 0, 1, 2, 2, 2, 2, 3, 4, 4, 5, 5}},
        {{5}, 1, {0}},
        {{INFINITY, 1}, 2, {0, 1}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        float sorted[12], first[AUTOSRH_GROUPS];

        memcpy(sorted, rows[i].importance, sizeof sorted);
        autosrh_groups(sorted, rows[i].n, first);
        for (size_t k = 0; k < rows[i].n; k++) {
            unsigned group = autosrh_group(first, sorted[k]);

            assert_true(k == 0 || sorted[k - 1] <= sorted[k]);
            if (group != rows[i].group[k] && !isinf(sorted[k])) /* which all empty ones have */
                fail_msg("case %zu: %g is in group %u, not %u", i, (double)sorted[k], group,
                         rows[i].group[k]);
        }
    }
}

/* The cells of a group and a column in the order of their energy an entry, as many as fit; then the
   largest of the other entries. */
static void test_whole_columns(void **state)
{
    enum { DIM = 5, GROUPS = 6, ROWS = 60 };
    static const unsigned sizes[GROUPS] = {10, 12, 8, 11, 9, 10};
    struct random r = {83};

    (void)state;
    for (uint64_t entries = 1; entries <= ROWS * DIM; entries += 1 + random_below(&r, 20)) {
        struct scored cell[GROUPS * DIM], other[ROWS * DIM];
        bool want[ROWS][DIM] = {{false}}, full = false;
        uint64_t left = entries, others = 0;
        unsigned group[ROWS], row = 0;
        struct fit_error error;
        struct parameters p;
        struct kit_table t;

        kit_table_init(&t, ROWS, DIM);
        kit_table_random(&t, &r, true);
        for (size_t g = 0; g < COUNT(cell); g++)
            cell[g] = (struct scored){0, g};
        for (unsigned g = 0; g < GROUPS; g++)
            for (unsigned k = 0; k < sizes[g]; k++, row++) {
                group[row] = g;
                t.weight[row] = (float)(GROUPS - g);
                for (unsigned j = 0; j < DIM; j++) {
                    float x = t.data[row * DIM + j];

                    cell[g * DIM + j].score += t.weight[row] * x * x / (float)sizes[g];
                }
            }
        qsort(cell, COUNT(cell), sizeof *cell, by_score);
        for (size_t c = 0; c < COUNT(cell); c++) {
            full = full || sizes[cell[c].place / DIM] > left;
            for (row = 0; row < ROWS; row++)
                if (group[row] == cell[c].place / DIM) {
                    size_t j = cell[c].place % DIM, place = row * DIM + j;
                    float x = t.data[place];

                    if (full)
                        other[others++] = (struct scored){t.weight[row] * x * x, place};
                    else
                        want[row][j] = true;
                    left -= !full;
                }
        }
        qsort(other, others, sizeof *other, by_score);
        for (uint64_t i = 0; i < left; i++)
            want[other[i].place / DIM][other[i].place % DIM] = true;
        make(&p, "autosrh", &t, entries, entries % 2 ? "form=csr" : "form=coo");
        kit_fit(&t, &p, &error);
        for (uint64_t x = 0; x < ROWS; x++) {
            float out[DIM];

            p.method->rows(&p, &x, 1, out);
            for (unsigned j = 0; j < DIM; j++)
                assert_true(out[j] == (want[x][j] ? t.data[x * DIM + j] : 0));
        }
        kit_done(&p);
        kit_table_done(&t);
    }
}

/* Without weights a row is as important as it is long, and the groups are found by that. */
static void test_length_for_weight(void **state)
{
    enum { DIM = 4, ROWS = 600 };
    struct random r = {84};
    struct fit_error error;
    struct parameters p;
    struct kit_table t;

    (void)state;
    kit_table_init(&t, ROWS, DIM);
    kit_table_random(&t, &r, false);
    for (size_t i = 0; i < ROWS * DIM; i++) /* a sixth of the rows is far longer */
        t.data[i] *= i / DIM % 6 == 0 ? 100 : 1;
    make(&p, "autosrh", &t, ROWS / 6 * DIM, "form=csr");
    kit_fit(&t, &p, &error);
    for (uint64_t x = 0; x < ROWS; x++) {
        float out[DIM], zeros[DIM] = {0};

        p.method->rows(&p, &x, 1, out);
        assert_memory_equal(out, x % 6 ? zeros : t.data + x * DIM, sizeof out);
    }
    kit_done(&p);
    kit_table_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select),          cmocka_unit_test(test_magnitude),
        cmocka_unit_test(test_extreme_weights), cmocka_unit_test(test_groups),
        cmocka_unit_test(test_whole_columns),   cmocka_unit_test(test_length_for_weight),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
