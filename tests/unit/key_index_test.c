/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/memory.h"
#include "random.h"
#include "table/key_index.h"

/* A sequence that visits every 64-bit number once: no two keys are equal. */
static int64_t key_of(uint64_t i)
{
    return (int64_t)(i * UINT64_C(0x9e3779b97f4a7c15));
}

static void check_all(const int64_t *keys, size_t n)
{
    struct key_index *index;
    uint64_t *row = malloc((n + 1) * sizeof *row);
    struct error e;

    assert_ok(key_index_new(&index, keys, NULL, n, &e), e);
    assert_int_equal(key_index_find(index, keys, n, row), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(row[i], i);
    assert_true(key_index_bytes(index) >= n * 16);
    key_index_free(index);
    free(row);
}

static void test_finds_every_key(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 31, 32, 33, 1000, 100000};
    int64_t *keys = malloc(100000 * sizeof *keys);

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (size_t i = 0; i < sizes[s]; i++)
            keys[i] = key_of(i);
        check_all(keys, sizes[s]);
    }
    for (size_t i = 0; i < 100000; i++) /* the usual keys: small and dense */
        keys[i] = (int64_t)i;
    check_all(keys, 100000);
    for (size_t i = 0; i < 100000; i++) /* equal in their lower bits */
        keys[i] = (int64_t)((uint64_t)i << 40);
    check_all(keys, 100000);
    free(keys);
}

static void test_knows_what_is_not_there(void **state)
{
    int64_t keys[1000], other[1000];
    struct key_index *index;
    uint64_t row[1000];
    struct error e;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        keys[i] = key_of((uint64_t)i);
        other[i] = i % 2 ? keys[i] : key_of(1000 + (uint64_t)i);
    }
    assert_ok(key_index_new(&index, keys, NULL, 1000, &e), e);
    assert_int_equal(key_index_find(index, other, 1000, row), 500);
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(row[i] == (i % 2 ? i : UINT64_MAX));
    assert_int_equal(key_index_find(index, NULL, 0, row), 0);
    key_index_free(index);
    assert_ok(key_index_new(&index, NULL, NULL, 0, &e), e);
    assert_int_equal(key_index_find(index, other, 1000, row), 1000);
    key_index_free(index);
    key_index_free(NULL);
    assert_int_equal(key_index_bytes(NULL), 0);
}

static void test_takes_any_number_at_any_alignment(void **state)
{
    static const int64_t keys[] = {0, -1, 1, INT64_MIN, INT64_MAX, INT64_MIN + 1};
    struct key_index *index;
    unsigned char moved[sizeof keys + 7];
    uint64_t row[6];
    struct error e;

    (void)state;
    for (int shift = 0; shift < 8; shift++) {
        memcpy(moved + shift, keys, sizeof keys);
        assert_ok(key_index_new(&index, moved + shift, NULL, 6, &e), e);
        assert_int_equal(key_index_find(index, moved + shift, 6, row), 0);
        for (uint64_t i = 0; i < 6; i++)
            assert_int_equal(row[i], i);
        key_index_free(index);
    }
}

static void test_refuses_a_key_twice(void **state)
{
    static int64_t keys[5000];
    struct key_index *index = NULL;
    struct error e;

    (void)state;
    for (uint64_t i = 0; i < 5000; i++)
        keys[i] = key_of(i);
    keys[4321] = keys[17];
    keys[17] = keys[4321] = -5;
    assert_fails(key_index_new(&index, keys, NULL, 5000, &e), ST_INVALID, e,
                 "-5 is there twice, in rows 17 and 4321");
    assert_null(index);
}

/* Against a list of what should be there, with keys that crowd a small index. */
static void test_changes_like_a_model(void **state)
{
    enum { ROWS = 200, NAMES = 400, TURNS = 200000 };
    static uint64_t row_of[NAMES]; /* + 1; 0: not there */
    static int64_t keys[ROWS], touched[ROWS];
    struct random r = {7};
    struct key_index *index;
    struct error e;

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        keys[i] = i % 2 ? key_of(i) : 0; /* what a spare row has does not count */
        touched[i] = i % 2 ? 0 : -1;
        if (i % 2)
            row_of[i] = i + 1;
    }
    assert_ok(key_index_new(&index, keys, touched, ROWS, &e), e);
    assert_int_equal(key_index_count(index), ROWS / 2);
    for (int turn = 0; turn < TURNS; turn++) {
        uint64_t name = random_below(&r, NAMES), found, used = key_index_count(index);
        int64_t key = key_of(name);

        assert_int_equal(key_index_find(index, &key, 1, &found), row_of[name] == 0);
        assert_int_equal(found, row_of[name] - 1);
        if (row_of[name]) {
            key_index_erase(index, key);
            row_of[name] = 0;
            assert_int_equal(key_index_count(index), used - 1);
        } else if (used < ROWS && random_below(&r, 3)) {
            row_of[name] = 1 + random_below(&r, ROWS);
            key_index_insert(index, key, row_of[name] - 1);
            assert_int_equal(key_index_count(index), used + 1);
        }
        if (turn % 1000)
            continue;
        for (uint64_t i = 0; i < NAMES; i++) {
            key = key_of(i);
            key_index_find(index, &key, 1, &found);
            assert_int_equal(found, row_of[i] - 1);
        }
    }
    key_index_free(index);
}

static void test_is_filled_and_emptied(void **state)
{
    static int64_t touched[3000];
    struct key_index *index;
    struct error e;
    uint64_t row;

    (void)state;
    for (size_t i = 0; i < 3000; i++)
        touched[i] = -1;
    assert_ok(key_index_new(&index, touched, touched, 3000, &e), e);
    for (int turn = 0; turn < 3; turn++) {
        for (uint64_t i = 0; i < 3000; i++)
            key_index_insert(index, key_of(i), i);
        for (uint64_t i = 0; i < 3000; i++) {
            int64_t key = key_of(i);

            assert_int_equal(key_index_find(index, &key, 1, &row), 0);
            assert_int_equal(row, i);
            key_index_erase(index, key);
            assert_int_equal(key_index_find(index, &key, 1, &row), 1);
        }
        assert_int_equal(key_index_count(index), 0);
    }
    key_index_free(index);
}

#ifdef EMBD_DEVELOPER
static void test_survives_failing_allocations(void **state)
{
    static const int64_t keys[] = {1, 2, 3};
    enum status st = ST_EXHAUSTED;

    (void)state;
    for (uint64_t n = 1; st != ST_OK; n++) {
        struct key_index *index = NULL;
        struct error e;

        mem_fail_at(n, false);
        st = key_index_new(&index, keys, NULL, 3, &e);
        mem_fail_at(0, false);
        assert_true(st == ST_OK ? n > 1 && index : st == ST_EXHAUSTED && !index);
        key_index_free(index);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_every_key),
        cmocka_unit_test(test_knows_what_is_not_there),
        cmocka_unit_test(test_takes_any_number_at_any_alignment),
        cmocka_unit_test(test_refuses_a_key_twice),
        cmocka_unit_test(test_changes_like_a_model),
        cmocka_unit_test(test_is_filled_and_emptied),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_survives_failing_allocations),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
