/* SPDX-License-Identifier: Apache-2.0 */
/* Ids to row numbers, and row numbers to rows, in one part and in several. */
#include "table_file.h"

#include "base/hash.h"
#include "kernels/kernels.h"

static void test_resolve_rows(void **state)
{
    static const struct table_file f = WITH_MORE("");
    const int64_t ids[] = {0, 1, 2, -1, INT64_MIN, INT64_MAX, 1};
    unsigned char moved[sizeof ids + 1];
    uint64_t row[7];
    struct unit_folder folder;
    struct table *t;

    (void)state;
    unit_folder_make(&folder);
    t = table_file_load(&folder, &f, REGION_MAP);
    memcpy(moved + 1, ids, sizeof ids);
    assert_int_equal(table_resolve(t, moved + 1, 7, row), 4);
    assert_true(row[0] == 0 && row[1] == 1 && row[6] == 1);
    for (int i = 2; i < 6; i++)
        assert_true(row[i] == ROW_UNKNOWN);
    assert_int_equal(table_resolve(t, NULL, 0, row), 0);
    table_close(t);
    unit_folder_remove(&folder);
}

static void test_resolve_hashed(void **state)
{
    static const struct table_file f = {
        .header = HEAD(META("hash", "1000003", "1") ",'embd.ids':'hash'" CONFIG("{`seed`:`99`}"),
                       TENSOR("table", "F32", "[1,1]", "0", "4")),
        .zeros = 4};
    static const struct table_file empty = {.header =
                                                HEAD(META("full", "0", "1") ",'embd.ids':'hash'",
                                                     TENSOR("weight", "F32", "[0,1]", "0", "0"))};
    const int64_t ids[] = {0, -1, INT64_MIN, INT64_MAX, 123456789012345};
    struct unit_folder folder;
    uint64_t row[5];
    struct table *t;

    (void)state;
    unit_folder_make(&folder);
    t = table_file_load(&folder, &f, REGION_MAP);
    assert_int_equal(table_resolve(t, ids, 5, row), 0);
    for (int i = 0; i < 5; i++)
        assert_true(row[i] == hash_key(ids[i], 99) % 1000003);
    table_close(t);
    t = table_file_load(&folder, &empty, REGION_MAP);
    assert_int_equal(table_resolve(t, ids, 5, row), 5);
    assert_true(row[4] == ROW_UNKNOWN);
    table_close(t);
    unit_folder_remove(&folder);
}

/* Three fields of 2, 0 and 3 rows: hash, hash, full. */
static void test_rows_of_fields(void **state)
{
    static const float values[] = {1, 2, 10, 11, 20, 21, 30, 31};
    static const struct table_file f = {
        .header = HEAD(HASH_FIELDS("5", "[2,0,3]", "[{},{},{`method`:`full`}]"),
                       TENSOR("f0.table", "F32", "[1,2]", "0", "8") "," TENSOR(
                           "f1.table", "F32", "[0,2]", "8", "8") "," TENSOR("f2.weight", "F32",
                                                                            "[3,2]", "8", "32")),
        .zeros = 32,
        .patch = (const char *)values,
        .patch_n = 32};
    const uint64_t row[] = {4, 0, 1, 2, 3, 0};
    const float want[] = {30, 31, 1, 2, 1, 2, 10, 11, 20, 21, 1, 2};
    struct unit_folder folder;
    float got[12];
    struct table *t;

    (void)state;
    unit_folder_make(&folder);
    t = table_file_load(&folder, &f, REGION_MAP);
    assert_int_equal(t->part_count, 3);
    assert_string_equal(t->part[2].method->name, "full");
    table_rows(t, row, 6, got);
    assert_memory_equal(got, want, sizeof want);
    table_close(t);
    unit_folder_remove(&folder);
}

static int start(void **state)
{
    struct error e;

    (void)state;
    return kernels_init(NULL, &e) == ST_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve_rows),
        cmocka_unit_test(test_resolve_hashed),
        cmocka_unit_test(test_rows_of_fields),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
