/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of decoded rows: what it gives are always the table's rows of that moment, it never has
   more rows than it was made for, and it keeps those that are named often. And the caches of all
   workers: sizes, the budget, memory that runs out. */
#include "table/caches.h"

#include <math.h>

#include "kernels/kernels.h"
#include "tests/unit/random.h"
#include "tests/unit/table_file.h"

#define DIM 3
#define ROWS 20000

static struct unit_folder folder;

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

static float *values(struct table *t)
{
    return t->part[0].tensor[0].data;
}

/* Rows of numbers that tell them apart, in memory that the test may change. */
static struct table *open_rows(void)
{
    const struct table_file f = {
        .header = HEAD(META("full", "20000", "3"),
                       TENSOR("weight", "F32", "[20000,3]", "0",
                              "240000") "," TENSOR("default", "F32", "[3]", "240000", "240012")),
        .zeros = sizeof(float) * DIM * (ROWS + 1),
        .align = 64};
    struct table *t = table_file_load(&folder, &f, REGION_COPY);

    for (size_t i = 0; i < DIM * ROWS; i++)
        values(t)[i] = (float)i;
    return t;
}

/* Find rows through the cache, hold each against the table, and return how many were decoded. */
static size_t look(struct cache *c, const struct table *t, const uint64_t *row, size_t n)
{
    const float *at[CACHE_FIND];
    size_t decoded = 0;

    for (size_t found; n; n -= found, row += found) {
        size_t before = decoded;

        found = cache_find(c, t, row, n, at, &decoded);
        assert_true(found > 0 && found <= n && found <= CACHE_FIND);
        assert_true(decoded - before <= CACHE_DECODE);
        for (size_t i = 0; i < found; i++) {
            const float *want = row[i] == ROW_UNKNOWN
                                    ? t->fallback
                                    : (float *)t->part[0].tensor[0].data + row[i] * DIM;

            assert_memory_equal(at[i], want, DIM * sizeof(float));
        }
        cache_keep(c);
    }
    return decoded;
}

static void test_rows_are_those_of_the_moment(void **state)
{
    struct random r = {.state = 1};
    struct table *t = open_rows();
    uint64_t row[3000];

    (void)state;
    for (size_t sets = 1; sets <= 64; sets *= 4) {
        struct cache *c = cache_new(sets, DIM);

        assert_non_null(c);
        for (uint64_t moment = 0; moment < 40; moment++) {
            cache_begin(c, moment);
            for (int i = 0; i < 8; i++) {
                size_t n = 1 + (size_t)random_below(&r, 3000);
                uint64_t rows = random_below(&r, 3) ? sets * CACHE_SET : ROWS;

                for (size_t j = 0; j < n; j++)
                    row[j] = random_below(&r, 50) ? random_below(&r, rows) : ROW_UNKNOWN;
                look(c, t, row, n);
            }
            /* As a push does, with nobody inside; sometimes back to a number that was there. */
            for (size_t j = 0; j < DIM * ROWS; j++)
                values(t)[j] += 1;
        }
        cache_free(c);
    }
    table_close(t);
}

static void test_a_row_is_decoded_once(void **state)
{
    struct cache *c = cache_new(8, DIM);
    struct table *t = open_rows();
    uint64_t row[60];

    (void)state;
    assert_non_null(c);
    for (size_t i = 0; i < 60; i++)
        row[i] = i % 20;
    assert_int_equal(look(c, t, row, 60), 20); /* the others are the same rows again */
    assert_int_equal(look(c, t, row, 60), 0);
    cache_begin(c, 1);
    assert_int_equal(look(c, t, row, 60), 20);
    cache_begin(c, 1);
    assert_int_equal(look(c, t, row, 60), 0);
    cache_begin(c, 0); /* any other number is another moment */
    assert_int_equal(look(c, t, row, 60), 20);
    for (size_t i = 0; i < 60; i++)
        row[i] = ROW_UNKNOWN;
    assert_int_equal(look(c, t, row, 60), 0);
    cache_free(c);
    table_close(t);
}

static void test_no_more_rows_than_it_was_made_for(void **state)
{
    struct table *t = open_rows();
    uint64_t row[CACHE_FIND];

    (void)state;
    for (size_t sets = 1; sets <= 32; sets *= 2) {
        struct cache *c = cache_new(sets, DIM);
        size_t decoded = 0, kept = sets * CACHE_SET;

        assert_non_null(c);
        for (uint64_t i = 0; i < ROWS; i++)
            decoded += look(c, t, &i, 1);
        assert_int_equal(decoded, ROWS);
        /* Whatever it has, it has it twice; what it has not, it decodes. */
        decoded = 0;
        for (uint64_t first = 0; first < ROWS; first += CACHE_FIND) {
            size_t n = ROWS - first < CACHE_FIND ? ROWS - (size_t)first : CACHE_FIND;

            for (size_t i = 0; i < n; i++)
                row[i] = ROWS - 1 - first - i;
            decoded += look(c, t, row, n);
        }
        assert_true(decoded >= ROWS - kept && decoded < ROWS);
        cache_free(c);
    }
    table_close(t);
}

/* Draw from a Zipf law of exponent 1: row 0 most often. */
static uint64_t draw_zipf(struct random *r, const double *sum)
{
    double x = random_unit(r) * sum[ROWS - 1];
    size_t low = 0, high = ROWS - 1;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (sum[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void test_frequent_rows_stay(void **state)
{
    enum { DRAWS = 400000, SETS = 63 };
    const size_t kept = SETS * CACHE_SET; /* 5 percent */
    double *sum = malloc(ROWS * sizeof *sum), best, hits;
    struct cache *c = cache_new(SETS, DIM);
    struct random r = {.state = 3};
    struct table *t = open_rows();
    size_t decoded = 0, hot = 0;

    (void)state;
    assert_true(c && sum);
    for (size_t i = 0; i < ROWS; i++)
        sum[i] = (i ? sum[i - 1] : 0) + 1 / (double)(i + 1);
    best = sum[kept - 1] / sum[ROWS - 1]; /* of a cache that knows the law */
    for (int i = 0; i < DRAWS; i++) {
        uint64_t row = draw_zipf(&r, sum);
        size_t missed = look(c, t, &row, 1);

        if (i < DRAWS / 2)
            continue;
        decoded += missed;
        hot += missed && row < 200;
    }
    hits = 1 - (double)decoded / (DRAWS / 2);
    assert_true(hits > best - 0.03);
    /* The 200 hottest rows are named some 112,000 times in that half. */
    assert_true(hot < 200);
    /* Rows that come once each pass by. */
    for (uint64_t i = 0; i < 5000; i++)
        look(c, t, &(uint64_t){ROWS - 1 - i}, 1);
    hot = 0;
    for (uint64_t i = 0; i < 200; i++)
        hot += look(c, t, &i, 1);
    assert_true(hot < 100);
    /* Another moment: they are decoded again, and then they are there. */
    cache_begin(c, 1);
    for (int i = 0; i < 20000; i++)
        look(c, t, &(uint64_t){draw_zipf(&r, sum)}, 1);
    hot = 0;
    for (uint64_t i = 0; i < 200; i++)
        hot += look(c, t, &i, 1);
    assert_true(hot < 40);
    free(sum);
    cache_free(c);
    table_close(t);
}

/* ---- Caches of all workers ---- */

static void test_sizes_are_read_and_written(void **state)
{
    static const struct {
        const char *text, *written;
    } good[] = {{"5%", "5%"},       {"0.25 %", "0.25%"}, {"100%", "100%"}, {"64MiB", "67108864"},
                {"12345", "12345"}, {"0", "0"},          {"0%", "0"}};
    static const char *const bad[] = {
        "",     "%",    "101%", "-1%",    "5%%",
        "nan%", "five", "5 %x", "1e400%", "0.000000000000000000000000001%"};
    struct cache_size size;
    char text[24];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(cache_size_parse(&size, good[i].text));
        assert_string_equal(cache_size_format(text, &size), good[i].written);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(cache_size_parse(&size, bad[i]));
}

static struct caches *make(const struct table *t, unsigned workers, struct cache_budget *budget)
{
    struct caches *c;
    struct error e;

    assert_ok(caches_new(&c, t, workers, budget, &e), e);
    return c;
}

static void test_memory_is_shared_out(void **state)
{
    struct cache_budget budget = {.most = 1 << 20};
    struct table *t = open_rows();
    struct caches *a = make(t, 2, &budget), *b = make(t, 1, &budget);
    uint64_t half;

    (void)state;
    assert_null(caches_of(a, 0)); /* of size 0 */
    caches_resize(a, &(struct cache_size){.percent = 5});
    assert_int_equal(caches_bytes(a), 0); /* nobody has come by */
    assert_non_null(caches_of(a, 0));
    half = caches_bytes(a);
    /* 500 rows each, in whole sets. */
    assert_int_equal(half, cache_bytes(32, DIM));
    assert_non_null(caches_of(a, 1));
    assert_true(caches_of(a, 0) == caches_of(a, 0) && caches_of(a, 0) != caches_of(a, 1));
    assert_int_equal(caches_bytes(a), 2 * half);
    assert_int_equal(budget.bytes, 2 * half);
    /* Bytes are a bound, for the two together. */
    caches_resize(a, &(struct cache_size){.bytes = 100000});
    assert_non_null(caches_of(a, 0));
    assert_non_null(caches_of(a, 1));
    assert_true(caches_bytes(a) <= 100000 && caches_bytes(a) > 80000);
    caches_resize(a, &(struct cache_size){.bytes = 1000}); /* too little for any */
    assert_null(caches_of(a, 0));
    assert_null(caches_of(a, 1));
    assert_int_equal(budget.bytes, 0);
    /* No more than there is to keep. */
    budget.most = UINT64_MAX;
    caches_resize(b, &(struct cache_size){.bytes = UINT64_MAX});
    assert_non_null(caches_of(b, 0));
    assert_true(caches_bytes(b) < 2 * cache_bytes(ROWS / CACHE_SET + 1, DIM));
    caches_free(a);
    caches_free(b);
    assert_int_equal(budget.bytes, 0);
    caches_free(NULL);
    table_close(t);
}

static void test_the_budget_holds(void **state)
{
    struct cache_budget budget = {.most = 2 * cache_bytes(32, DIM) + 100};
    struct table *t = open_rows();
    struct caches *a = make(t, 2, &budget), *b = make(t, 1, &budget);

    (void)state;
    caches_resize(a, &(struct cache_size){.percent = 5});
    caches_resize(b, &(struct cache_size){.percent = 1});
    assert_true(caches_of(a, 0) && caches_of(a, 1));
    assert_null(caches_of(b, 0));
    assert_null(caches_of(b, 0));
    assert_true(budget.bytes <= budget.most && caches_bytes(b) == 0);
    caches_free(a); /* an unload: now there is room */
    assert_non_null(caches_of(b, 0));
    assert_int_equal(budget.bytes, caches_bytes(b));
    caches_free(b);
    assert_int_equal(budget.bytes, 0);
    table_close(t);
}

#ifdef EMBD_DEVELOPER
static void test_without_memory_there_is_none(void **state)
{
    struct cache_budget budget = {.most = 1 << 20};
    struct table *t = open_rows();
    struct caches *c;
    struct error e;

    (void)state;
    mem_fail_at(1, false);
    assert_fails(caches_new(&c, t, 1, &budget, &e), ST_EXHAUSTED, e, "memory");
    c = make(t, 1, &budget);
    caches_resize(c, &(struct cache_size){.percent = 5});
    mem_fail_at(1, false);
    assert_null(caches_of(c, 0));
    assert_true(mem_failed());
    assert_null(caches_of(c, 0)); /* it does not try again with each lookup … */
    assert_int_equal(budget.bytes, 0);
    budget.freed++; /* … but when some has been given back */
    assert_non_null(caches_of(c, 0));
    caches_free(c);
    mem_fail_at(0, false);
    assert_null(cache_new(SIZE_MAX / 100, DIM));
    table_close(t);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_those_of_the_moment),
        cmocka_unit_test(test_a_row_is_decoded_once),
        cmocka_unit_test(test_no_more_rows_than_it_was_made_for),
        cmocka_unit_test(test_frequent_rows_stay),
        cmocka_unit_test(test_sizes_are_read_and_written),
        cmocka_unit_test(test_memory_is_shared_out),
        cmocka_unit_test(test_the_budget_holds),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_without_memory_there_is_none),
#endif
    };

    return cmocka_run_group_tests(tests, start, stop);
}
