/* SPDX-License-Identifier: Apache-2.0 */
/* dedup's fits: what repeats is found bit by bit, alike blocks are replaced, near ones merged, and
   blocks are the weighted means of their places. */
#include "fits/dedup.h"

#include "kernels/kernels.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct method *dedup(void)
{
    return method_find("dedup", 5);
}

/* Study, layout and fit of one part; `p` is what became of it. */
static double fit_table(struct kit_table *t, uint64_t budget, const char *settings,
                        struct parameters *p)
{
    struct fit_error error;
    struct layout l;
    struct plan plan;
    struct error e;

    kit_plan(&plan, dedup(), t->fit.rows, t->fit.dim, budget, settings);
    assert_ok(layout_open(&l, dedup(), t->fit.rows, t->fit.dim, NULL, budget, plan.value, &e), e);
    plan_done(&plan);
    t->done = 0;
    assert_ok(fit_layout(&t->fit, &l, &e), e);
    assert_ok(plan_parameters(&l.part[0], p, &e), e);
    layout_done(&l);
    assert_true(!budget || parameters_bytes(p) <= budget);
    assert_ok(kit_allocate(p, &e), e);
    kit_fit(t, p, &error);
    return error.relative;
}

static uint64_t blocks_of(const struct parameters *p)
{
    return p->tensor[DEDUP_BLOCKS].shape[0];
}

/* Tables of a few blocks, however they are cut: found without loss and without a budget. */
static void test_repeated_blocks_are_found(void **state)
{
    static const struct {
        const char *settings;
        uint64_t rows, bx, by, different;
        uint32_t dim;
    } rows[] = {
        {"bx=1", 3000, 1, 12, 37, 12},
        {"bx=4", 3001, 4, 12, 29, 12}, /* the last block is padded */
        {"bx=3 by=5", 1000, 3, 5, 23, 12},
        {"by=1", 500, 1, 1, 6, 7},
    };
    struct random r = {91};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int weights = 0; weights < 2; weights++) {
            uint64_t size = rows[i].bx * rows[i].by, across = (rows[i].dim - 1) / rows[i].by + 1;
            float *block = calloc(rows[i].different * size, sizeof *block);
            struct parameters p;
            struct kit_table t;
            uint64_t least, seed = r.state;

            kit_table_init(&t, rows[i].rows, rows[i].dim);
            kit_table_random(&t, &r, weights);
            for (uint64_t k = 0; k < rows[i].different * size; k++)
                block[k] = random_normal(&r);
            for (uint64_t k = 0; k < rows[i].rows; k++)
                for (uint32_t j = 0; j < rows[i].dim; j++) {
                    uint64_t place = k / rows[i].bx * across + j / rows[i].by;
                    struct random own = {seed + place};

                    t.data[k * rows[i].dim + j] =
                        block[random_below(&own, rows[i].different) * size +
                              k % rows[i].bx * rows[i].by + j % rows[i].by];
                }
            assert_true(fit_table(&t, 0, rows[i].settings, &p) == 0);
            /* padded blocks are different from those that are not */
            assert_true(blocks_of(&p) <= rows[i].different * (1 + (across > 1)) + across);
            least = 4 * (rows[i].rows / rows[i].bx + 1) * across + 4 * blocks_of(&p) * size;
            kit_done(&p);
            assert_true(fit_table(&t, least, rows[i].settings, &p) == 0);
            kit_done(&p);
            kit_table_done(&t);
            free(block);
        }
}

/* Every element of a block is the weighted mean of the places that have the block. */
static void test_blocks_are_means(void **state)
{
    static const char *const settings[] = {"", "bx=4", "by=5 bx=3"};
    struct random r = {92};

    (void)state;
    for (size_t s = 0; s < 2 * COUNT(settings); s++) {
        struct parameters p;
        struct kit_table t;
        double *sum, *weight;
        int32_t *map;
        struct dedup_cut cut;
        size_t size;

        kit_table_init(&t, 601, 12);
        kit_table_random(&t, &r, s % 2);
        fit_table(&t, 601 * 12 * 4 / 3, settings[s / 2], &p);
        cut = dedup_cut_of(&p);
        size = cut.bx * cut.by;
        map = p.tensor[DEDUP_MAP].data;
        sum = calloc(blocks_of(&p) * size, sizeof *sum);
        weight = calloc(blocks_of(&p) * size, sizeof *weight);
        for (uint64_t k = 0; k < 601; k++)
            for (uint64_t j = 0; j < 12; j++) {
                double w = s % 2 ? fmax(t.weight[k], DEDUP_NO_WEIGHT) : 1;
                size_t at = (size_t)map[k / cut.bx * cut.nby + j / cut.by] * size +
                            k % cut.bx * cut.by + j % cut.by;

                sum[at] += w * t.data[k * 12 + j];
                weight[at] += w;
            }
        for (size_t i = 0; i < blocks_of(&p) * size; i++) {
            double have = ((float *)p.tensor[DEDUP_BLOCKS].data)[i];

            assert_true(fabs(have - (weight[i] > 0 ? sum[i] / weight[i] : 0)) < 1e-6);
        }
        free(weight);
        free(sum);
        kit_done(&p);
        kit_table_done(&t);
    }
}

/* Clusters far apart: the merged blocks are the clusters' means, with weights; better than keeping
   as many rows and dropping the others by far. */
static void test_clusters_are_found(void **state)
{
    enum { ROWS = 2000, DIM = 10, CLUSTERS = 50 };
    float center[CLUSTERS][DIM];
    struct random r = {93};

    (void)state;
    for (int weights = 0; weights < 2; weights++) {
        struct parameters p;
        struct kit_table t;
        const int32_t *map;
        double error;

        kit_table_init(&t, ROWS, DIM);
        kit_table_random(&t, &r, weights);
        for (size_t c = 0; c < CLUSTERS; c++)
            for (size_t j = 0; j < DIM; j++)
                center[c][j] = 10 * random_normal(&r);
        for (size_t i = 0; i < ROWS; i++)
            for (size_t j = 0; j < DIM; j++)
                t.data[i * DIM + j] = center[i * 7 % CLUSTERS][j] + random_normal(&r) * 0.1f;
        error = fit_table(&t, 4 * ROWS + CLUSTERS * DIM * 4, "bx=1", &p);
        assert_int_equal(blocks_of(&p), CLUSTERS);
        assert_true(error < 2e-4); /* 0.01 of 100 */
        map = p.tensor[DEDUP_MAP].data;
        for (size_t i = CLUSTERS; i < ROWS; i++)
            assert_int_equal(map[i], map[i % CLUSTERS]);
        kit_done(&p);
        kit_table_done(&t);
    }
}

/* What is left when a third of the rows is kept and the others are dropped, or merged. */
static void test_merging_beats_dropping(void **state)
{
    struct random r = {94};
    double last = 0;

    (void)state;
    for (int part = 2; part <= 16; part *= 2) {
        struct parameters p;
        struct kit_table t;
        double error, dropped = 0, all = 0;

        kit_table_init(&t, 1500, 8);
        kit_table_random(&t, &r, true);
        error = fit_table(&t, 1500 * 4 + 1500 / part * 32, "bx=1", &p);
        for (size_t i = 0; i < 1500; i++) {
            double squares = 0;

            for (size_t j = 0; j < 8; j++)
                squares += (double)t.weight[i] * t.data[i * 8 + j] * t.data[i * 8 + j];
            all += squares;
            dropped += i % part ? squares : 0;
        }
        if (!(error < dropped / all && error > last))
            fail_msg("one of %d: %g of %g", part, error, dropped / all);
        last = error;
        kit_done(&p);
        kit_table_done(&t);
    }
}

static void set(struct kit_table *t, const char *name, const char *text)
{
    int option = fit_option(dedup(), name, strlen(name));
    struct error e;

    assert_true(option >= 0);
    assert_ok(fit_option_set(&t->fit, dedup(), option, text, &e), e);
}

/* Rows around 40 of them: with fp as wide as the noise they are found without a budget, and those
   of an odd table stay. */
static void test_alike_blocks_are_replaced(void **state)
{
    struct random r = {95};
    struct parameters p;
    struct kit_table t;
    struct error e;
    struct layout l;
    double error;

    (void)state;
    kit_table_init(&t, 2000, 32);
    for (size_t i = 0; i < 40 * 32; i++)
        t.data[i] = random_normal(&r);
    for (size_t i = 40 * 32; i < 1900 * 32; i++)
        t.data[i] = t.data[i % (40 * 32)] + 0.004f * (float)random_below(&r, 2);
    for (size_t i = 1900 * 32; i < 2000 * 32; i++)
        t.data[i] = random_normal(&r);
    fit_table(&t, 0, "", &p);
    assert_true(blocks_of(&p) > 1500);
    kit_done(&p);
    set(&t, "fp", "0.01");
    error = fit_table(&t, 0, "", &p);
    if (!(blocks_of(&p) >= 140 && blocks_of(&p) < 160 && error < 1e-4))
        fail_msg("%llu blocks, error %g", (unsigned long long)blocks_of(&p), error);
    kit_done(&p);
    set(&t, "sim", "1");
    set(&t, "lsh_threshold", "2");
    error = fit_table(&t, 0, "", &p);
    assert_true(blocks_of(&p) >= 140 && blocks_of(&p) < 400 && error < 1e-4);
    kit_done(&p);
    error = fit_table(&t, 8000 + 300 * 128, "bx=1", &p); /* stops where the budget is met */
    assert_true(blocks_of(&p) <= 300 && error < 0.01);
    kit_done(&p);
    for (size_t i = 0; i < 2; i++) {
        t.fit.option[DEDUP_FP].r = i ? 0.01 : -1;
        t.fit.option[DEDUP_SIM].r = i ? 2 : 0.5;
        assert_ok(layout_open(&l, dedup(), 2000, 32, NULL, 0, NULL, &e), e);
        t.done = 0;
        assert_fails(fit_layout(&t.fit, &l, &e), ST_INVALID, e, i ? "sim must be" : "fp must be");
        layout_done(&l);
    }
    kit_table_done(&t);
}

/* Several groups and tiles: neighbours are looked for in parts of the table. */
static void test_nearest(void **state)
{
    enum { N = 1400, SIZE = 3 };
    float *point = calloc(N * SIZE, sizeof *point), norm[N], distance[N];
    float *room = calloc(DEDUP_TILE * DEDUP_TILE, sizeof *room);
    struct random r = {96};
    uint32_t nearest[N];

    (void)state;
    for (size_t i = 0; i < N * SIZE; i++)
        point[i] = (float)random_below(&r, 2000); /* exact in float32 */
    for (size_t i = 0; i < N; i++) {
        norm[i] = 0;
        for (size_t j = 0; j < SIZE; j++)
            norm[i] += point[i * SIZE + j] * point[i * SIZE + j];
    }
    for (size_t from = 0; from < N; from += DEDUP_TILE) {
        size_t n = N - from < DEDUP_TILE ? N - from : DEDUP_TILE;

        dedup_nearest(point + from * SIZE, n, point, norm, N, SIZE, true, from, room, nearest,
                      distance);
        for (size_t i = 0; i < n; i++) {
            double best = INFINITY, have = 0;

            for (size_t k = 0; k < N; k++) {
                double d = 0;

                for (size_t j = 0; j < SIZE; j++)
                    d += pow(point[(from + i) * SIZE + j] - point[k * SIZE + j], 2);
                best = k != from + i && d < best ? d : best;
                have = k == nearest[i] ? d : have;
            }
            assert_true(nearest[i] != from + i && have == best);
        }
    }
    free(room);
    free(point);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeated_blocks_are_found),
        cmocka_unit_test(test_blocks_are_means),
        cmocka_unit_test(test_clusters_are_found),
        cmocka_unit_test(test_merging_beats_dropping),
        cmocka_unit_test(test_alike_blocks_are_replaced),
        cmocka_unit_test(test_nearest),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
