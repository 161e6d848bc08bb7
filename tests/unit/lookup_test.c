/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups against a plain reference that works row by row. */
#include "table_file.h"

#include <math.h>

#include "base/text.h"
#include "kernels/kernels.h"
#include "table/lookup.h"

#define MOST 3000

/* Tables of the cases; their data are small numbers that differ everywhere. */
static const struct {
    const char *name, *header;
    size_t floats;
} tables[] = {
    {"full", HEAD(META("full", "7", "5"), TENSOR("weight", "F32", "[7,5]", "0", "140")), 35},
    {"full with a default",
     HEAD(META("full", "7", "3"), TENSOR("weight", "F32", "[7,3]", "0",
                                         "84") "," TENSOR("default", "F32", "[3]", "84", "96")),
     24},
    {"one column", HEAD(META("full", "3", "1"), TENSOR("weight", "F32", "[3,1]", "0", "12")), 3},
    {"wide", HEAD(META("full", "2", "2000"), TENSOR("weight", "F32", "[2,2000]", "0", "16000")),
     4000},
    {"empty",
     HEAD(META("full", "0", "3"), TENSOR("weight", "F32", "[0,3]", "0",
                                         "0") "," TENSOR("default", "F32", "[3]", "0", "12")),
     3},
    {"compo",
     HEAD(META("compo", "9", "4") CONFIG("{`collisions`:3,`op`:`mult`}"),
          TENSOR("q.weight", "F32", "[3,4]", "0", "48") "," TENSOR("r.weight", "F32", "[3,4]", "48",
                                                                   "96")),
     24},
    {"compo that pools first",
     HEAD(META("compo", "9", "4") CONFIG("{`collisions`:3,`op`:`mult`,`pool`:`pool_first`}"),
          TENSOR("q.weight", "F32", "[3,4]", "0",
                 "48") "," TENSOR("r.weight", "F32", "[3,4]", "48",
                                  "96") "," TENSOR("default", "F32", "[4]", "96", "112")),
     28},
    {"fields",
     HEAD(META("hash", "7",
               "2") ",'embd.fields':'[3,0,4]'" CONFIG("{`per_field`:[{},{},{`method`:`full`}]}"),
          TENSOR("f0.table", "F32", "[2,2]", "0",
                 "16") "," TENSOR("f1.table", "F32", "[0,2]", "16",
                                  "16") "," TENSOR("f2.weight", "F32", "[4,2]", "16", "48")),
     12},
    {"fields of which some pool first",
     HEAD(META("compo", "11", "2") ",'embd.fields':'[4,3,4]'" CONFIG(
              "{`per_field`:[{`collisions`:2,`op`:`mult`,`pool`:`pool_first`},{`method`:`full`},"
              "{`collisions`:2,`op`:`add`,`pool`:`pool_first`}]}"),
          TENSOR("f0.q.weight", "F32", "[2,2]", "0", "16") "," TENSOR(
              "f0.r.weight", "F32", "[2,2]", "16",
              "32") "," TENSOR("f1.weight", "F32", "[3,2]", "32",
                               "56") "," TENSOR("f2.q.weight", "F32", "[2,2]", "56",
                                                "72") "," TENSOR("f2.r.weight", "F32", "[2,2]",
                                                                 "72",
                                                                 "88") "," TENSOR("default", "F32",
                                                                                  "[2]", "88",
                                                                                  "96")),
     24},
};

static struct unit_folder folder;

static struct table *open_table(size_t which)
{
    static float data[4000];
    const struct table_file f = {.header = tables[which].header,
                                 .zeros = tables[which].floats * 4,
                                 .patch = (const char *)data,
                                 .patch_n = tables[which].floats * 4,
                                 .align = 64};

    for (size_t i = 0; i < tables[which].floats; i++)
        data[i] = (float)(i * 37 % 101) / 16 - 2.5f;
    return table_file_load(&folder, &f, REGION_MAP);
}

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

/* ---- Refusals ---- */

static void test_refuses_bad_queries(void **state)
{
    static const int64_t ids[] = {3, 9, 1, -1};
    static const uint32_t good[] = {0, 1, 4}, late[] = {1, 4}, falling[] = {0, 3, 2, 4},
                          beyond[] = {0, 5, 4}, early[] = {0, 3}, zero[] = {0};
    static const float weights[] = {1, 2, INFINITY, NAN}, nan_first[] = {NAN, 0, 0, 0};
    static const struct {
        struct lookup_query q;
        enum status st;
        const char *words;
    } cases[] = {
        {{.pooling = 3, .offsets = good, .offset_count = 3},
         ST_INVALID,
         "pooling is 3; it must be"},
        {{.pooling = (enum pooling) - 1}, ST_INVALID, "pooling is 4294967295"},
        {{.format = 4}, ST_INVALID, "format is 4; it must be"},
        {{.missing = 2}, ST_INVALID, "missing is 2; it must be"},
        {{.offsets = good, .offset_count = 3}, ST_INVALID, "3 offsets without pooling"},
        {{.offsets = zero, .offset_count = 1}, ST_INVALID, "1 offsets without pooling"},
        {{.pooling = POOLING_SUM}, ST_INVALID, "no offsets; pooling needs"},
        {{.pooling = POOLING_MEAN}, ST_INVALID, "no offsets; pooling needs"},
        {{.pooling = POOLING_SUM, .offsets = late, .offset_count = 2},
         ST_INVALID,
         "offsets[0] = 1; it must be 0"},
        {{.pooling = POOLING_SUM, .offsets = falling, .offset_count = 4},
         ST_INVALID,
         "offsets[2] = 2 is below offsets[1] = 3"},
        {{.pooling = POOLING_SUM, .offsets = beyond, .offset_count = 3},
         ST_INVALID,
         "offsets[1] = 5 is above the number of ids, 4"},
        {{.pooling = POOLING_SUM, .offsets = early, .offset_count = 2},
         ST_INVALID,
         "offsets[1] = 3; the last one must be the number of ids, 4"},
        {{.pooling = POOLING_SUM, .offsets = zero, .offset_count = 1},
         ST_INVALID,
         "offsets[0] = 0; the last one must be"},
        {{.weights = weights, .weight_count = 4}, ST_INVALID, "4 weights without SUM"},
        {{.pooling = POOLING_MEAN,
          .offsets = good,
          .offset_count = 3,
          .weights = weights,
          .weight_count = 4},
         ST_INVALID,
         "4 weights without SUM"},
        {{.pooling = POOLING_SUM,
          .offsets = good,
          .offset_count = 3,
          .weights = weights,
          .weight_count = 3},
         ST_INVALID,
         "3 weights for 4 ids"},
        {{.pooling = POOLING_SUM,
          .offsets = good,
          .offset_count = 3,
          .weights = weights,
          .weight_count = 4},
         ST_INVALID,
         "weights[2] is not finite"},
        {{.pooling = POOLING_SUM,
          .offsets = good,
          .offset_count = 3,
          .weights = nan_first,
          .weight_count = 4},
         ST_INVALID,
         "weights[0] is not finite"},
        {{.missing = MISSING_ERROR},
         ST_RANGE,
         "ids[1] = 9 is not in the table, whose ids are 0 to 6"},
    };
    struct table *t = open_table(0);
    struct arena arena;
    struct lookup l;
    struct error e;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lookup_query q = cases[i].q;

        q.ids = ids;
        q.id_count = 4;
        arena_init(&arena, SIZE_MAX);
        assert_fails(lookup_prepare(&l, t, &q, &arena, &e), cases[i].st, e, cases[i].words);
        arena_done(&arena);
    }
    table_close(t);
}

static void test_names_unknown_keys(void **state)
{
    static const struct table_file f = {
        .header = HEAD(FULL, WEIGHT "," TENSOR("keys", "I64", "[2]", "32", "48")),
        .zeros = 48,
        .at = 32,
        .patch = "\5",
        .patch_n = 1};
    static const int64_t ids[] = {5, 0, 6};
    const struct lookup_query q = {.ids = ids, .id_count = 3, .missing = MISSING_ERROR};
    struct table *t = table_file_load(&folder, &f, REGION_MAP);
    struct arena arena;
    struct lookup l;
    struct error e;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    assert_fails(lookup_prepare(&l, t, &q, &arena, &e), ST_RANGE, e,
                 "ids[2] = 6 is not in the table");
    arena_done(&arena);
    table_close(t);
}

static void test_zero_bags_and_zero_ids(void **state)
{
    static const uint32_t offsets[] = {0, 0, 0};
    struct table *t = open_table(1);
    struct lookup_scratch scratch = {0};
    unsigned char got[2 * 3 * sizeof(float)]; /* the widest rows */
    struct arena arena;
    struct lookup l;
    struct error e;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    for (size_t bags = 0; bags <= 2; bags++)
        for (int format = FORMAT_F32; format <= FORMAT_INT8; format++) {
            const struct lookup_query q = {.pooling = POOLING_MEAN,
                                           .offsets = offsets,
                                           .offset_count = bags + 1,
                                           .format = (enum vector_format)format};

            assert_ok(lookup_prepare(&l, t, &q, &arena, &e), e);
            assert_int_equal(l.rows, bags);
            memset(got, 0xff, sizeof got);
            assert_ok(lookup_run(&l, 0, bags, got, &scratch, &e), e);
            for (size_t i = 0; i < bags * l.row_bytes; i++)
                assert_int_equal(got[i], 0); /* an empty bag is +0 in every format */
        }
    assert_ok(lookup_prepare(&l, t, &(struct lookup_query){0}, &arena, &e), e);
    assert_int_equal(l.rows, 0);
    assert_int_equal(lookup_slice(&l, 0, 10), 0);
    lookup_scratch_done(&scratch);
    arena_done(&arena);
    table_close(t);
}

static void test_slices(void **state)
{
    static const uint32_t offsets[] = {0, 1, 2, 3, 103, 104, 104, 104, 104, 105};
    static int64_t ids[105];
    struct lookup_query q = {.ids = ids, .id_count = 105};
    struct table *t = open_table(0);
    struct arena arena;
    struct lookup l;
    struct error e;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    assert_ok(lookup_prepare(&l, t, &q, &arena, &e), e);
    assert_int_equal(lookup_slice(&l, 0, 10), 10);
    assert_int_equal(lookup_slice(&l, 100, 10), 5);
    assert_int_equal(lookup_slice(&l, 0, 0), 1);
    q.pooling = POOLING_SUM;
    q.offsets = offsets;
    q.offset_count = 10;
    assert_ok(lookup_prepare(&l, t, &q, &arena, &e), e);
    assert_int_equal(lookup_slice(&l, 0, 2), 2);
    assert_int_equal(lookup_slice(&l, 0, 10), 3); /* the next bag has a hundred */
    assert_int_equal(lookup_slice(&l, 3, 10), 1); /* a long bag is one slice */
    assert_int_equal(lookup_slice(&l, 4, 2), 2);  /* empty bags count as well */
    assert_int_equal(lookup_slice(&l, 4, 10), 5);
    assert_int_equal(lookup_slice(&l, 8, 10), 1);
    assert_int_equal(lookup_slice(&l, 9, 10), 0);
    arena_done(&arena);
    table_close(t);
}

static void test_counts_work(void **state)
{
    static const int64_t ids[] = {0, 1, 99};
    const struct lookup_query q = {.ids = ids, .id_count = 3};
    struct table *t = open_table(5);
    struct arena arena;
    struct lookup l;
    struct error e;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    assert_ok(lookup_prepare(&l, t, &q, &arena, &e), e);
    assert_true(t->work > 0);
    assert_int_equal(l.work, 2 * t->work); /* an unknown id costs none */
    t->work = UINT64_MAX;
    assert_ok(lookup_prepare(&l, t, &q, &arena, &e), e);
    assert_true(l.work == UINT64_MAX);
    arena_done(&arena);
    table_close(t);
}

/* A small arena, or none at all, is an error and nothing else. */
static void test_prepare_obeys_the_arena(void **state)
{
    static const int64_t ids[2000];
    static const uint32_t offsets[] = {0, 2000};
    const struct lookup_query q = {.ids = ids,
                                   .id_count = 2000,
                                   .pooling = POOLING_SUM,
                                   .offsets = offsets,
                                   .offset_count = 2};
    struct table *t = open_table(8);
    size_t cap = 0;
    enum status st = ST_EXHAUSTED;
    struct arena arena;
    struct lookup l;
    struct error e;

    (void)state;
    for (; st != ST_OK; cap += 1000) {
        arena_init(&arena, cap);
        st = lookup_prepare(&l, t, &q, &arena, &e);
        arena_done(&arena);
        assert_true(st == ST_OK ||
                    (st == ST_EXHAUSTED && strstr(e.text, "more than a call may take")));
    }
    assert_true(cap > 2000 * 36); /* rows, order, groups */
    table_close(t);
}

#ifdef EMBD_DEVELOPER
static void test_survives_failing_allocations(void **state)
{
    static const int64_t ids[] = {0, 5, 99, 1};
    static const uint32_t offsets[] = {0, 4};
    static const float weights[] = {1, 2, 3, 4};
    const struct lookup_query q = {.ids = ids,
                                   .id_count = 4,
                                   .pooling = POOLING_SUM,
                                   .offsets = offsets,
                                   .offset_count = 2,
                                   .weights = weights,
                                   .weight_count = 4};
    struct table *t = open_table(8);
    enum status st = ST_EXHAUSTED;

    (void)state;
    for (uint64_t n = 1; st != ST_OK; n++) {
        struct lookup_scratch scratch = {0};
        struct arena arena;
        struct lookup l;
        struct error e;
        float got[2];

        arena_init(&arena, SIZE_MAX);
        mem_fail_at(n, false);
        st = lookup_prepare(&l, t, &q, &arena, &e);
        if (st == ST_OK)
            st = lookup_run(&l, 0, 1, got, &scratch, &e);
        mem_fail_at(0, false);
        assert_true(st == ST_OK ? n > 2 : st == ST_EXHAUSTED);
        lookup_scratch_done(&scratch);
        arena_done(&arena);
    }
    table_close(t);
}
#endif

static void test_damage_is_told(void **state)
{
    static const struct table_file f = {
        .header =
            HEAD(META("full", "10000", "4"), TENSOR("weight", "F32", "[10000,4]", "0", "160000")),
        .zeros = 160000,
        .align = 64};
    static const int64_t ids[] = {0, 9999};
    const struct lookup_query q = {.ids = ids, .id_count = 2};
    struct lookup_scratch scratch = {0};
    struct arena arena;
    struct lookup l;
    struct error e;
    struct table *t;
    float got[8];
    const char *path = unit_path(&folder, "t");

    (void)state;
    region_init(); /* cmocka takes SIGBUS before each test */
    table_file_write(path, &f);
    t = table_file_open(path, REGION_MAP);
    arena_init(&arena, SIZE_MAX);
    assert_ok(lookup_prepare(&l, t, &q, &arena, &e), e);
    assert_ok(lookup_run(&l, 0, 2, got, &scratch, &e), e);
    assert_int_equal(truncate(path, 4096), 0);
    assert_fails(lookup_run(&l, 0, 2, got, &scratch, &e), ST_DATA_LOSS, e,
                 "was damaged while it was served");
    lookup_scratch_done(&scratch);
    arena_done(&arena);
    table_close(t);
}

static int start(void **state)
{
    struct error e;

    (void)state;
    unit_folder_make(&folder);
    return kernels_init(NULL, &e) == ST_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    unit_folder_remove(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_the_reference),
        cmocka_unit_test(test_refuses_bad_queries),
        cmocka_unit_test(test_names_unknown_keys),
        cmocka_unit_test(test_zero_bags_and_zero_ids),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_counts_work),
        cmocka_unit_test(test_prepare_obeys_the_arena),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_survives_failing_allocations),
#endif
        cmocka_unit_test(test_damage_is_told),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
