/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of lookups in a memory of a fixed size: exact while it has room, right in the mean when it
   has not, and nothing is lost or doubled between a worker and the writer. */
#include "table/samples.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "table/table.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

static struct samples *make(uint64_t rows, unsigned workers)
{
    struct samples *s;
    struct error e;

    assert_ok(samples_new(&s, rows, workers, &e), e);
    return s;
}

/* Take all into `times`; returns their sum. */
static uint64_t take(struct samples *s, uint64_t *times, uint64_t rows)
{
    struct counted *counted;
    uint64_t sum = 0;
    struct error e;
    size_t n;

    assert_ok(samples_take(s, &counted, &n, &e), e);
    assert_int_equal(!counted, !n);
    for (size_t i = 0; i < n; i++) {
        assert_true(counted[i].row < rows && counted[i].times > 0);
        assert_true(!i || counted[i - 1].row < counted[i].row);
        times[counted[i].row] += counted[i].times;
        sum += counted[i].times;
    }
    mem_free(counted);
    return sum;
}

static void test_exact_while_there_is_room(void **state)
{
    static const uint64_t sizes[] = {1, 5, 12, 13, 3000, SAMPLES_ROWS, 1000000};
    struct random r = {.state = 1};

    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        uint64_t rows = sizes[k], named = rows < SAMPLES_ROWS ? rows : SAMPLES_ROWS;
        uint64_t *due = calloc(rows, sizeof *due), *got = calloc(rows, sizeof *got), row[97];
        struct samples *s = make(rows, 3);

        assert_true(due && got);
        assert_int_equal(take(s, got, rows), 0);
        for (int i = 0; i < 900; i++) {
            size_t n = (size_t)random_below(&r, 98);

            for (size_t j = 0; j < n; j++) {
                bool unknown = random_below(&r, 10) == 0;

                /* The last rows: they must all be found. */
                row[j] = unknown ? ROW_UNKNOWN : rows - 1 - random_below(&r, named);
                if (!unknown)
                    due[row[j]]++;
            }
            samples_add(s, i % 3, row, n);
            if (i % 200 == 199)
                take(s, got, rows);
        }
        take(s, got, rows);
        assert_memory_equal(got, due, rows * sizeof *due);
        samples_free(s);
        free(due);
        free(got);
    }
}

/* Half of the ids are a few rows, the others are spread over many more than there is room for. */
static void test_right_in_the_mean(void **state)
{
    enum { ROWS = 400000, OFTEN = 20, IDS = 3000000, RUN = 1000 };
    uint64_t *due = calloc(ROWS, sizeof *due), *got = calloc(ROWS, sizeof *got), row[RUN];
    struct random r = {.state = 7};
    struct samples *s = make(ROWS, 1);
    double rare = 0, rare_due = 0;
    size_t kept = 0;

    (void)state;
    assert_true(due && got);
    for (size_t i = 0; i < IDS; i += RUN) {
        for (size_t j = 0; j < RUN; j++) {
            row[j] = random_below(&r, 2) ? random_below(&r, OFTEN) : random_below(&r, ROWS);
            due[row[j]]++;
        }
        samples_add(s, 0, row, RUN);
    }
    take(s, got, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        kept += got[i] > 0;
        if (i < OFTEN)
            assert_true((double)got[i] > 0.8 * (double)due[i] &&
                        (double)got[i] < 1.25 * (double)due[i]);
        else
            rare += (double)got[i], rare_due += (double)due[i];
    }
    assert_true(kept <= SAMPLES_ROWS && kept > SAMPLES_ROWS / 4);
    assert_true(rare > 0.9 * rare_due && rare < 1.1 * rare_due);
    /* The next one is exact again. */
    memset(got, 0, ROWS * sizeof *got);
    row[0] = ROWS - 1;
    samples_add(s, 0, row, 1);
    assert_int_equal(take(s, got, ROWS), 1);
    assert_int_equal(got[ROWS - 1], 1);
    samples_free(s);
    free(due);
    free(got);
}

/* Rows that all are named often: room comes only when some of them fall out. */
static void test_a_crowd_of_frequent_rows(void **state)
{
    enum { ROWS = 2 * SAMPLES_ROWS, ROUNDS = 200 };
    uint64_t *row = calloc(ROWS, sizeof *row), *got = calloc(ROWS, sizeof *got), sum;
    struct samples *s = make(ROWS, 1);

    (void)state;
    assert_true(row && got);
    for (uint64_t i = 0; i < ROWS; i++)
        row[i] = i;
    for (int i = 0; i < ROUNDS; i++)
        samples_add(s, 0, row, SAMPLES_ROWS);
    for (int i = 0; i < ROUNDS; i++)
        samples_add(s, 0, row + SAMPLES_ROWS, SAMPLES_ROWS);
    sum = take(s, got, ROWS);
    assert_true((double)sum > 0.9 * ROUNDS * ROWS && (double)sum < 1.1 * ROUNDS * ROWS);
    samples_free(s);
    free(row);
    free(got);
}

/* ---- Several threads ---- */

enum { THREADS = 3, EACH = 20000 };

struct adding {
    struct samples *s;
    unsigned worker;
    atomic_uint *left;
};

static void *add(void *arg)
{
    const struct adding *a = arg;
    struct random r = {.state = a->worker + 1};

    for (int i = 0; i < EACH; i++) {
        uint64_t row[7];

        for (int j = 0; j < 7; j++)
            row[j] = random_below(&r, 500);
        samples_add(a->s, a->worker, row, 7);
    }
    atomic_fetch_sub(a->left, 1);
    return NULL;
}

static void test_nothing_is_lost_between_threads(void **state)
{
    struct samples *s = make(500, THREADS);
    struct adding a[THREADS];
    pthread_t thread[THREADS];
    atomic_uint left = THREADS;
    uint64_t got[500] = {0}, sum = 0;

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        a[i] = (struct adding){s, i, &left};
        assert_int_equal(pthread_create(&thread[i], NULL, add, &a[i]), 0);
    }
    while (atomic_load(&left))
        sum += take(s, got, 500);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    sum += take(s, got, 500);
    assert_int_equal(sum, 7 * THREADS * EACH);
    samples_free(s);
}

#ifdef EMBD_DEVELOPER
static void test_survives_failing_allocations(void **state)
{
    struct counted *counted;
    struct samples *s = NULL;
    struct error e;
    uint64_t row = 3;
    size_t n, fails = 0;

    (void)state;
    for (bool done = false; !done; fails++) {
        mem_fail_at(fails + 1, false);
        done = samples_new(&s, 100, 4, &e) == ST_OK;
        mem_fail_at(0, false);
    }
    assert_true(fails > 4);
    samples_add(s, 2, &row, 1);
    mem_fail_at(1, false);
    assert_fails(samples_take(s, &counted, &n, &e), ST_EXHAUSTED, e, "memory");
    mem_fail_at(0, false);
    assert_ok(samples_take(s, &counted, &n, &e), e); /* all is still there */
    assert_true(n == 1 && counted->row == 3 && counted->times == 1);
    mem_free(counted);
    samples_free(s);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_while_there_is_room),
        cmocka_unit_test(test_right_in_the_mean),
        cmocka_unit_test(test_a_crowd_of_frequent_rows),
        cmocka_unit_test(test_nothing_is_lost_between_threads),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_survives_failing_allocations),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
