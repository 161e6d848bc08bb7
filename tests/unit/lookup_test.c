/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups against a plain reference that works row by row. */
#include "lookup_tables.h"

#include <math.h>

#include "table/cache.h"
#include "table/lookup.h"

#define MOST 3000

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)((random_state >> 33) % n);
}

/* ---- Reference ---- */

static void row_of(const struct table *t, int64_t id, float *out)
{
    uint64_t row = (uint64_t)id;

    if (row < t->rows)
        table_rows(t, &row, 1, out);
    else
        memcpy(out, t->fallback, t->dim * sizeof *out);
}

static bool pools_first(const struct table *t)
{
    for (size_t i = 0; i < t->part_count; i++)
        if (t->part[i].pool_first)
            return true;
    return false;
}

/* A bag as table/lookup.h defines it, one id after the other. */
static void bag_of(const struct table *t, const int64_t *id, const float *weight, size_t n,
                   bool mean, float *out)
{
    float row[2000], divisor = mean ? (float)n : 1, unknown = 0, *sum;

    memset(out, 0, t->dim * sizeof *out);
    if (!n)
        return;
    if (!pools_first(t)) {
        for (size_t i = 0; i < n; i++) {
            row_of(t, id[i], row);
            for (uint32_t j = 0; j < t->dim; j++)
                out[j] += weight ? weight[i] * row[j] : row[j];
        }
        for (uint32_t j = 0; j < t->dim; j++)
            out[j] /= divisor;
        return;
    }
    for (size_t p = 0; p < t->part_count; p++) {
        uint64_t local[MOST];
        float w[MOST], scratch[2 * 4];
        size_t m = 0;

        for (size_t i = 0; i < n; i++)
            if ((uint64_t)id[i] >= t->part_first[p] && (uint64_t)id[i] < t->part_first[p + 1]) {
                local[m] = (uint64_t)id[i] - t->part_first[p];
                w[m++] = weight ? weight[i] : 1;
            }
        if (!m)
            continue;
        if (t->part[p].pool_first) {
            t->part[p].method->pool(&t->part[p], local, weight ? w : NULL, m, divisor, row,
                                    scratch);
        } else {
            memset(row, 0, t->dim * sizeof *row);
            for (size_t i = 0; i < m; i++) {
                t->part[p].method->rows(&t->part[p], &local[i], 1, scratch);
                for (uint32_t j = 0; j < t->dim; j++)
                    row[j] += w[i] * scratch[j];
            }
            for (uint32_t j = 0; j < t->dim; j++)
                row[j] /= divisor;
        }
        for (uint32_t j = 0; j < t->dim; j++)
            out[j] += row[j];
    }
    for (size_t i = 0; i < n; i++)
        if ((uint64_t)id[i] >= t->rows)
            unknown += weight ? weight[i] : 1;
    sum = out;
    for (uint32_t j = 0; j < t->dim; j++)
        sum[j] += unknown * t->fallback[j] / divisor;
}

static void put(enum vector_format format, const float *row, uint32_t dim, unsigned char *out)
{
    if (format == FORMAT_INT8) {
        kernels->f32_to_fused8(out, row, dim);
        return;
    }
    for (uint32_t j = 0; j < dim; j++) {
        uint16_t half = format == FORMAT_F16 ? f16_from_f32(row[j]) : bf16_from_f32(row[j]);

        if (format == FORMAT_F32)
            memcpy(out + 4 * j, &row[j], 4);
        else
            memcpy(out + 2 * j, &half, 2);
    }
}

/* ---- One random lookup, held against the reference ---- */

struct question {
    int64_t id[MOST];
    uint32_t offset[MOST + 1];
    float weight[MOST];
    size_t ids, bags;
};

static void make_question(struct question *q, const struct table *t, size_t ids, bool unknown)
{
    q->ids = t->rows || unknown ? ids : 0;
    for (size_t i = 0; i < q->ids; i++) {
        q->id[i] = t->rows ? (int64_t)random_below((uint32_t)t->rows) : -1;
        if (unknown && random_below(3) == 0)
            q->id[i] = random_below(2) ? -1 - (int64_t)random_below(5)
                                       : (int64_t)t->rows + random_below(5);
        q->weight[i] = (float)random_below(64) / 8 - 4;
    }
    q->bags = 0;
    q->offset[0] = 0;
    while (q->offset[q->bags] < q->ids && q->bags + 2 < MOST) {
        uint32_t left = (uint32_t)q->ids - q->offset[q->bags],
                 n = random_below(random_below(4) ? 6u : 700u);

        q->offset[q->bags + 1] = q->offset[q->bags] + (n < left ? n : left);
        q->bags++;
    }
    q->offset[q->bags] = (uint32_t)q->ids;
}

/* Everything is moved by a byte, so that nothing is aligned. */
static const void *moved(unsigned char *room, const void *from, size_t n)
{
    memcpy(room + 1, from, n);
    return room + 1;
}

/* The same through a cache, which is small: twice, so that it is empty and not. */
static void answer_cached(const struct lookup *l, const unsigned char *want,
                          struct lookup_scratch *scratch)
{
    struct cache *c = cache_new(1 + random_below(40), l->table->dim);
    size_t bytes = l->rows * l->row_bytes, decoded = 0;
    unsigned char *got = malloc(bytes + 2);

    assert_true(c && got);
    for (int round = 0; round < (lookup_may_cache(l) ? 2 : 0); round++) {
        memset(got, 0, bytes + 2);
        got[bytes + 1] = 0xa5;
        for (size_t first = 0, n; first < l->rows; first += n) {
            size_t some, most = 1 + random_below(100), asked;
            struct error e;

            n = asked = 1 + random_below((uint32_t)(l->rows - first));
            assert_ok(lookup_run_cached(l, c, first, &n, most, &some,
                                        got + 1 + first * l->row_bytes, scratch, &e),
                      e);
            assert_true(n > 0 && n <= asked && (n == asked || some >= most));
            decoded += some;
        }
        assert_memory_equal(got + 1, want, bytes);
        assert_int_equal(got[bytes + 1], 0xa5);
    }
    assert_true(decoded <= 2 * l->query.id_count);
    free(got);
    cache_free(c);
}

static void answer(const struct table *t, const struct question *q, enum pooling pooling,
                   bool weighted, enum vector_format format)
{
    static unsigned char ids[MOST * 8 + 1], offsets[MOST * 4 + 5], weights[MOST * 4 + 1];
    const struct lookup_query query = {
        .ids = moved(ids, q->id, q->ids * 8),
        .id_count = q->ids,
        .pooling = pooling,
        .offsets = moved(offsets, q->offset, (q->bags + 1) * 4),
        .offset_count = pooling ? q->bags + 1 : 0,
        .weights = moved(weights, q->weight, q->ids * 4),
        .weight_count = weighted ? q->ids : 0,
        .format = format,
    };
    struct lookup_scratch scratch = {0};
    unsigned char *got, want[8008];
    float row[2000];
    struct arena arena;
    struct lookup l;
    struct error e;
    size_t unknown = 0;

    arena_init(&arena, SIZE_MAX);
    assert_ok(lookup_prepare(&l, t, &query, &arena, &e), e);
    assert_int_equal(l.rows, pooling ? q->bags : q->ids);
    assert_int_equal(l.row_bytes, format_row_bytes(format, t->dim));
    for (size_t i = 0; i < q->ids; i++)
        if ((uint64_t)q->id[i] >= t->rows)
            assert_int_equal(l.missing[unknown++], i);
    assert_int_equal(l.missing_count, unknown);
    got = malloc(l.rows * l.row_bytes + 2);
    got[l.rows * l.row_bytes + 1] = 0xa5;
    /* In slices, the last one first. */
    for (size_t end = l.rows, n; end > 0; end -= n) {
        n = 1 + random_below((uint32_t)end);
        assert_ok(lookup_run(&l, end - n, n, got + 1 + (end - n) * l.row_bytes, &scratch, &e), e);
    }
    answer_cached(&l, got + 1, &scratch);
    for (size_t i = 0; i < l.rows; i++) {
        if (pooling)
            bag_of(t, q->id + q->offset[i], weighted ? q->weight + q->offset[i] : NULL,
                   q->offset[i + 1] - q->offset[i], pooling == POOLING_MEAN, row);
        else
            row_of(t, q->id[i], row);
        put(format, row, t->dim, want);
        assert_memory_equal(got + 1 + i * l.row_bytes, want, l.row_bytes);
    }
    assert_int_equal(got[l.rows * l.row_bytes + 1], 0xa5);
    free(got);
    lookup_scratch_done(&scratch);
    arena_done(&arena);
}

static void test_agrees_with_the_reference(void **state)
{
    static struct question q;

    (void)state;
    for (size_t which = 0; which < sizeof tables / sizeof tables[0]; which++) {
        struct table *t = open_table(which);

        for (int round = 0; round < 12; round++) {
            make_question(&q, t, round < 8 ? random_below(40) : random_below(MOST), round % 2);
            for (int format = FORMAT_F32; format <= FORMAT_INT8; format++) {
                answer(t, &q, POOLING_NONE, false, (enum vector_format)format);
                answer(t, &q, POOLING_SUM, false, (enum vector_format)format);
                answer(t, &q, POOLING_SUM, true, (enum vector_format)format);
                answer(t, &q, POOLING_MEAN, false, (enum vector_format)format);
            }
        }
        table_close(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_the_reference),
    };

    return cmocka_run_group_tests(tests, lookup_start, lookup_stop);
}
