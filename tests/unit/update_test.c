/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of random pushes: every row's sum against a slow one made here, in float32 to the
   bit and in double, and every bag of a table that pools first. */
#include "lookup_tables.h"

#include <math.h>

#include "base/memory.h"
#include "random.h"
#include "table/part.h"
#include "table/update.h"

enum { IDS_MOST = 60, QUERIES_MOST = 3, DIM_MOST = 2000 };

/* One query with all that it points to; the arrays lie at odd addresses. */
struct asked {
    struct update_query q;
    int64_t id[IDS_MOST];
    uint32_t offset[IDS_MOST + 2];
    float weight[IDS_MOST];
    float *gradient; /* as float32, widened */
    unsigned char *bytes[4];
};

/* Bytes of an array at an address that no element would choose. */
static const void *odd(unsigned char **keep, const void *from, size_t n)
{
    *keep = malloc(n + 3);
    assert_non_null(*keep);
    memcpy(*keep + 3, from, n);
    return *keep + 3;
}

static void make_offsets(struct asked *a, struct random *r)
{
    size_t bags = (size_t)random_below(r, 8);

    if (a->q.id_count && !bags)
        bags = 1;
    for (size_t i = 1; i < bags; i++)
        a->offset[i] = (uint32_t)random_below(r, a->q.id_count + 1);
    for (size_t i = 1; i < bags; i++) /* ascending */
        for (size_t k = i; k > 1 && a->offset[k] < a->offset[k - 1]; k--) {
            uint32_t swap = a->offset[k];

            a->offset[k] = a->offset[k - 1];
            a->offset[k - 1] = swap;
        }
    a->offset[0] = 0;
    a->offset[bags] = (uint32_t)a->q.id_count;
    a->q.offset_count = bags + 1;
    a->q.offsets = odd(&a->bytes[1], a->offset, (bags + 1) * sizeof a->offset[0]);
}

static void make_gradients(struct asked *a, struct random *r, size_t dim)
{
    size_t rows = a->q.pooling == POOLING_NONE ? a->q.id_count : a->q.offset_count - 1, n;
    uint16_t *halves;

    n = rows * dim;
    a->gradient = malloc(n * sizeof *a->gradient + 1);
    halves = malloc(n * sizeof *halves + 1);
    assert_true(a->gradient && halves);
    a->q.format = (enum vector_format)random_below(r, 3);
    for (size_t i = 0; i < n; i++) {
        float x = random_normal(r) * ldexpf(1, (int)random_below(r, 7) - 3);

        halves[i] = a->q.format == FORMAT_F16 ? f16_from_f32(x) : bf16_from_f32(x);
        a->gradient[i] = a->q.format == FORMAT_F32   ? x
                         : a->q.format == FORMAT_F16 ? f32_from_f16(halves[i])
                                                     : f32_from_bf16(halves[i]);
    }
    a->q.gradient_bytes = n * (a->q.format == FORMAT_F32 ? 4 : 2);
    a->q.gradients = odd(&a->bytes[3], a->q.format == FORMAT_F32 ? (void *)a->gradient : halves,
                         a->q.gradient_bytes);
    free(halves);
}

static void ask(struct asked *a, struct random *r, const struct table *t, bool unknown)
{
    memset(a, 0, sizeof *a);
    a->q.id_count = t->rows || unknown ? (size_t)random_below(r, IDS_MOST + 1) : 0;
    for (size_t i = 0; i < a->q.id_count; i++)
        a->id[i] = (int64_t)random_below(r, t->rows + (unknown ? 3 : 0));
    a->q.ids = odd(&a->bytes[0], a->id, a->q.id_count * sizeof a->id[0]);
    a->q.pooling = (enum pooling)random_below(r, 3);
    if (a->q.pooling != POOLING_NONE)
        make_offsets(a, r);
    if (a->q.pooling == POOLING_SUM && random_below(r, 2)) {
        for (size_t i = 0; i < a->q.id_count; i++)
            a->weight[i] = random_normal(r);
        a->q.weight_count = a->q.id_count;
        a->q.weights = odd(&a->bytes[2], a->weight, a->q.id_count * sizeof a->weight[0]);
    }
    make_gradients(a, r, t->dim);
}

static void ask_done(struct asked *a)
{
    free(a->gradient);
    for (size_t i = 0; i < 4; i++)
        free(a->bytes[i]);
}

/* The slow sums: rows in the order of first touch. */
struct slow {
    uint64_t row[QUERIES_MOST * IDS_MOST];
    size_t rows;
    float (*sum)[DIM_MOST];
    double (*exact)[DIM_MOST], (*size)[DIM_MOST];
    uint64_t skipped, ids;
};

static void slow_add(struct slow *s, uint64_t row, const float *g, float weight, bool weighted,
                     float divisor, size_t dim)
{
    size_t k = 0;

    while (k < s->rows && s->row[k] != row)
        k++;
    if (k == s->rows)
        s->row[s->rows++] = row;
    for (size_t j = 0; j < dim; j++) {
        volatile float term = weighted ? weight * g[j] : divisor != 1 ? g[j] / divisor : g[j];

        s->sum[k][j] += term;
        s->exact[k][j] += (double)g[j] * (weighted ? (double)weight : 1) / (double)divisor;
        s->size[k][j] += fabs((double)g[j] * (weighted ? (double)weight : 1) / (double)divisor);
    }
}

static size_t bags_of(const struct asked *a)
{
    return a->q.pooling == POOLING_NONE ? a->q.id_count : a->q.offset_count - 1;
}

static size_t start_of(const struct asked *a, size_t bag)
{
    return a->q.pooling == POOLING_NONE ? bag : a->offset[bag];
}

static bool takes_bags(const struct table *t, const struct asked *a, uint64_t row)
{
    return a->q.pooling != POOLING_NONE && t->part[table_part(t, row)].pool_first;
}

static void slow_sum(struct slow *s, const struct table *t, const struct asked *a, size_t count)
{
    for (size_t q = 0; q < count; q++)
        for (size_t b = 0; b < bags_of(&a[q]); b++)
            for (size_t i = start_of(&a[q], b); i < start_of(&a[q], b + 1); i++) {
                size_t ids = start_of(&a[q], b + 1) - start_of(&a[q], b);

                s->ids++;
                if ((uint64_t)a[q].id[i] >= t->rows)
                    s->skipped++;
                else if (!takes_bags(t, &a[q], (uint64_t)a[q].id[i]))
                    slow_add(s, (uint64_t)a[q].id[i], a[q].gradient + b * t->dim, a[q].weight[i],
                             a[q].q.weight_count > 0,
                             a[q].q.pooling == POOLING_MEAN ? (float)ids : 1, t->dim);
            }
}

static const struct update_part *part_of(const struct update *u, size_t part)
{
    for (size_t i = 0; i < u->parts; i++) {
        assert_true(i == 0 || u->part[i].part > u->part[i - 1].part);
        assert_true(u->part[i].rows || u->part[i].bags);
        if (u->part[i].part == part)
            return &u->part[i];
    }
    return NULL;
}

static void check_rows(const struct update *u, const struct slow *s)
{
    const struct table *t = u->table;
    size_t seen[16] = {0}, found = 0;

    for (size_t k = 0; k < s->rows; k++) {
        size_t which = table_part(t, s->row[k]), at = seen[which]++;
        const struct update_part *part = part_of(u, which);

        assert_non_null(part);
        assert_true(at < part->rows);
        assert_int_equal(part->row[at], s->row[k] - t->part_first[which]);
        assert_memory_equal(part->gradient + at * t->dim, s->sum[k], t->dim * sizeof(float));
        for (size_t j = 0; j < t->dim; j++)
            assert_true(fabs((double)part->gradient[at * t->dim + j] - s->exact[k][j]) <=
                        1e-5 * s->size[k][j]);
    }
    for (size_t i = 0; i < u->parts; i++)
        found += u->part[i].rows;
    assert_int_equal(found, s->rows);
}

/* All bags of one part, in the order of the push; returns the rows in them. */
static size_t check_bags(const struct update *u, size_t which, const struct asked *a, size_t count)
{
    const struct table *t = u->table;
    const struct update_part *part = part_of(u, which);
    size_t at = 0, rows = 0;

    for (size_t q = 0; q < count; q++)
        for (size_t b = 0; a[q].q.pooling != POOLING_NONE && b < bags_of(&a[q]); b++) {
            size_t first = a[q].offset[b], end = a[q].offset[b + 1], n = 0;

            for (size_t i = first; i < end; i++) {
                uint64_t row = (uint64_t)a[q].id[i];
                const struct update_bag *bag;

                if (row >= t->rows || table_part(t, row) != which || !t->part[which].pool_first)
                    continue;
                assert_true(part && at < part->bags);
                bag = &part->bag[at];
                assert_true(n < bag->n);
                assert_int_equal(bag->row[n], row - t->part_first[which]);
                assert_true(!bag->weight == !a[q].q.weight_count);
                assert_true(!bag->weight || bag->weight[n] == a[q].weight[i]);
                assert_true(bag->divisor ==
                            (a[q].q.pooling == POOLING_MEAN ? (float)(end - first) : 1));
                assert_memory_equal(bag->gradient, a[q].gradient + b * t->dim,
                                    t->dim * sizeof(float));
                n++;
            }
            if (n)
                assert_int_equal(part->bag[at++].n, n);
            rows += n;
        }
    assert_int_equal(at, part ? part->bags : 0);
    return rows;
}

static void try_push(const struct table *t, struct random *r, struct slow *s)
{
    bool unknown = random_below(r, 2);
    size_t count = (size_t)random_below(r, QUERIES_MOST + 1), at = 99, rows = 0;
    const struct update_limits limits = {.max_norm = random_below(r, 2) ? 1e9f : 0};
    struct update_query query[QUERIES_MOST];
    struct asked a[QUERIES_MOST];
    struct arena arena;
    struct update u;
    struct error e;

    for (size_t q = 0; q < count; q++) {
        ask(&a[q], r, t, unknown);
        query[q] = a[q].q;
    }
    memset(s->sum, 0, IDS_MOST * QUERIES_MOST * sizeof *s->sum);
    memset(s->exact, 0, IDS_MOST * QUERIES_MOST * sizeof *s->exact);
    memset(s->size, 0, IDS_MOST * QUERIES_MOST * sizeof *s->size);
    s->rows = 0;
    s->skipped = s->ids = 0;
    slow_sum(s, t, a, count);
    arena_init(&arena, SIZE_MAX);
    assert_ok(update_prepare(&u, t, query, count, unknown ? PUSH_SKIP : PUSH_REFUSE, &limits,
                             &arena, &at, &e),
              e);
    assert_ptr_equal(u.table, t);
    assert_int_equal(u.ids, s->ids);
    assert_int_equal(u.skipped, s->skipped);
    check_rows(&u, s);
    for (size_t k = 0; k < t->part_count; k++)
        rows += check_bags(&u, k, a, count);
    assert_int_equal(u.rows, s->rows + rows);
    arena_done(&arena);
    for (size_t q = 0; q < count; q++)
        ask_done(&a[q]);
}

static void test_sums_like_the_slow_one(void **state)
{
    struct random r = {.state = 11};
    struct slow s;

    (void)state;
    s.sum = malloc(IDS_MOST * QUERIES_MOST * sizeof *s.sum);
    s.exact = malloc(IDS_MOST * QUERIES_MOST * sizeof *s.exact);
    s.size = malloc(IDS_MOST * QUERIES_MOST * sizeof *s.size);
    assert_true(s.sum && s.exact && s.size);
    for (size_t k = 0; k < sizeof tables / sizeof tables[0]; k++) {
        struct table *t = open_table(k);

        for (int i = 0; i < (t->dim > 100 ? 10 : 150); i++)
            try_push(t, &r, &s);
        table_close(t);
    }
    free(s.sum);
    free(s.exact);
    free(s.size);
}

/* The same push twice gives the same bytes, also in another process: the order of places does not
   depend on the secret of the hash. */
static void test_many_rows_in_order_of_first_touch(void **state)
{
    enum { N = 50000 };
    static const struct table_file f = {
        .header =
            HEAD(META("full", "20000", "2"), TENSOR("weight", "F32", "[20000,2]", "0", "160000")),
        .zeros = 160000};
    struct table *t = table_file_load(&folder, &f, REGION_MAP);
    int64_t *id = malloc(N * sizeof *id);
    float *gradient = malloc(2 * N * sizeof *gradient);
    unsigned char *seen = calloc(20000, 1);
    struct update_query q = {.ids = id, .id_count = N, .gradients = gradient};
    struct random r = {.state = 5};
    struct arena arena;
    struct update u;
    struct error e;
    size_t at, next = 0;

    (void)state;
    assert_true(id && gradient && seen);
    for (size_t i = 0; i < N; i++) {
        id[i] = (int64_t)(random_below(&r, 200) * random_below(&r, 100));
        gradient[2 * i] = 1;
        gradient[2 * i + 1] = (float)id[i];
    }
    q.gradient_bytes = 2 * N * sizeof *gradient;
    arena_init(&arena, SIZE_MAX);
    assert_ok(
        update_prepare(&u, t, &q, 1, PUSH_REFUSE, &(struct update_limits){0}, &arena, &at, &e), e);
    assert_int_equal(u.parts, 1);
    for (size_t i = 0; i < N; i++) {
        if (!seen[id[i]])
            assert_int_equal(u.part[0].row[next++], id[i]);
        seen[id[i]] = 1;
    }
    assert_int_equal(u.rows, next);
    for (size_t i = 0; i < u.rows; i++)
        assert_true(u.part[0].gradient[2 * i + 1] ==
                    u.part[0].gradient[2 * i] * (float)u.part[0].row[i]);
    arena_done(&arena);
    free(id);
    free(gradient);
    free(seen);
    table_close(t);
}

/* Rows that are named once keep the bits of their gradients, -0 too, wherever those lie. */
static void test_single_rows_keep_their_bits(void **state)
{
    static const int64_t id[] = {6, 1, 4, 1};
    static const float gradient[20] = {1, -0.0f, 0, 3e-42f, [5] = -0.0f, [19] = 2};
    struct table *t = open_table(0);
    const struct update_limits limits = {.max_norm = 1e6f};

    (void)state;
    assert_int_equal(t->dim, 5);
    for (size_t ids = 3; ids <= 4; ids++)
        for (size_t shift = 0; shift < 2; shift++) {
            size_t bytes = ids * 5 * sizeof *gradient, at;
            unsigned char *own = malloc(bytes + shift);
            struct update_query q = {.ids = id, .id_count = ids, .gradient_bytes = bytes};
            struct arena arena;
            struct update u;
            struct error e;

            assert_non_null(own);
            q.gradients = memcpy(own + shift, gradient, bytes);
            arena_init(&arena, SIZE_MAX);
            assert_ok(update_prepare(&u, t, &q, 1, PUSH_REFUSE, &limits, &arena, &at, &e), e);
            assert_int_equal(u.rows, 3);
            assert_memory_equal(u.part[0].gradient, gradient, 5 * sizeof *gradient);
            assert_int_equal(signbit(u.part[0].gradient[5]) != 0, ids == 3); /* -0 + 0 is 0 */
            arena_done(&arena);
            free(own);
        }
    table_close(t);
}

static void test_norm(void **state)
{
    static const float v[] = {3, 4, 0, -12, 84};
    const float large[] = {3e38f, 3e38f}, bad[] = {1, NAN, 1};

    (void)state;
    assert_true(gradient_norm(v, 0) == 0);
    assert_true(gradient_norm(v, 2) == 5);
    assert_true(gradient_norm(v, 4) == 13);
    assert_true(gradient_norm(v, 5) == 85);
    assert_true(isfinite(gradient_norm(large, 2)));
    assert_true(isnan(gradient_norm(bad, 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_like_the_slow_one),
        cmocka_unit_test(test_many_rows_in_order_of_first_touch),
        cmocka_unit_test(test_single_rows_keep_their_bits),
        cmocka_unit_test(test_norm),
    };

    return cmocka_run_group_tests(tests, lookup_start, lookup_stop);
}
