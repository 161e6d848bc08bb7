/* SPDX-License-Identifier: Apache-2.0 */
/* Ids of requests: in range, fresh, hot rows the same for all threads, traces in their order. */
#include "client/load/ids.h"

#include "proto/wire.h"
#include "tests/unit/unit.h"

static uint64_t id_at(const unsigned char *bytes, size_t i)
{
    return wire_get_u64(bytes + 8 * i);
}

static void test_ids_are_in_range(void **state)
{
    static const uint64_t rows[] = {1, 2, 3, 4, 5, 1000, 65536, 65537, UINT64_C(1) << 40};
    unsigned char out[1 + 8 * 500];
    struct id_source s;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int kind = IDS_UNIFORM; kind <= IDS_ZIPF; kind++) {
            id_source_init(&s, rows[i], kind, 0.9, 1, 0, 0);
            assert_ptr_equal(id_source_write(&s, out + 1, 500), out + 1 + 8 * 500);
            for (size_t k = 0; k < 500; k++)
                assert_true(id_at(out + 1, k) < rows[i]);
        }
    }
}

static void test_scatter_is_a_permutation(void **state)
{
    static const uint64_t rows[] = {1, 2, 3, 7, 8, 9, 255, 256, 257, 10007};
    static unsigned char seen[10007];
    struct id_source s;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(seen, 0, sizeof seen);
        id_source_init(&s, rows[i], IDS_ZIPF, 1, 7, 3, 0);
        for (uint64_t rank = 0; rank < rows[i]; rank++) {
            uint64_t id = id_source_scatter(&s, rank);

            assert_true(id < rows[i]);
            assert_int_equal(seen[id]++, 0);
        }
    }
}

static void test_hot_rows_are_apart(void **state)
{
    int neighbours = 0;
    struct id_source s;

    (void)state;
    id_source_init(&s, 1000000, IDS_ZIPF, 1, 7, 0, 0);
    for (uint64_t rank = 0; rank < 1000; rank++) {
        int64_t step =
            (int64_t)id_source_scatter(&s, rank + 1) - (int64_t)id_source_scatter(&s, rank);

        neighbours += step > -64 && step < 64;
    }
    assert_true(neighbours < 10);
}

static void test_threads_share_hot_rows_and_not_draws(void **state)
{
    unsigned char one[8 * 100], other[8 * 100];
    struct id_source a, b, elsewhere;

    (void)state;
    id_source_init(&a, 100000, IDS_ZIPF, 1, 7, 0, 0);
    id_source_init(&b, 100000, IDS_ZIPF, 1, 7, 0, 1);
    id_source_init(&elsewhere, 100000, IDS_ZIPF, 1, 7, 1, 0);
    assert_true(id_source_scatter(&a, 0) == id_source_scatter(&b, 0));
    assert_true(id_source_scatter(&a, 0) != id_source_scatter(&elsewhere, 0));
    id_source_write(&a, one, 100);
    id_source_write(&b, other, 100);
    assert_memory_not_equal(one, other, sizeof one);
}

static void test_requests_are_fresh_and_repeatable(void **state)
{
    unsigned char first[8 * 64], second[8 * 64], again[8 * 64];
    struct id_source s;

    (void)state;
    id_source_init(&s, 1000000, IDS_UNIFORM, 0, 7, 0, 0);
    id_source_write(&s, first, 64);
    id_source_write(&s, second, 64);
    assert_memory_not_equal(first, second, sizeof first);
    id_source_init(&s, 1000000, IDS_UNIFORM, 0, 7, 0, 0);
    id_source_write(&s, again, 64);
    assert_memory_equal(first, again, sizeof first);
}

static void test_trace_is_read_in_order(void **state)
{
    const int64_t wide[] = {5, -1, INT64_MAX, 3};
    const int32_t narrow[] = {5, -1, INT32_MAX, 3};
    const int64_t expected_wide[] = {INT64_MAX, 3, 5, -1, INT64_MAX, 3};
    const int64_t expected_narrow[] = {INT32_MAX, 3, 5, -1, INT32_MAX, 3};
    unsigned char out[8 * 6];
    struct id_source s;

    (void)state;
    id_source_init(&s, 10, IDS_UNIFORM, 0, 7, 0, 0);
    id_source_follow(&s, &(struct id_trace){(const unsigned char *)wide, 4, false}, 6);
    id_source_write(&s, out, 6);
    assert_memory_equal(out, expected_wide, sizeof out);
    id_source_follow(&s, &(struct id_trace){(const unsigned char *)narrow, 4, true}, 6);
    id_source_write(&s, out, 6);
    assert_memory_equal(out, expected_narrow, sizeof out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_are_in_range),
        cmocka_unit_test(test_scatter_is_a_permutation),
        cmocka_unit_test(test_hot_rows_are_apart),
        cmocka_unit_test(test_threads_share_hot_rows_and_not_draws),
        cmocka_unit_test(test_requests_are_fresh_and_repeatable),
        cmocka_unit_test(test_trace_is_read_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
