/* SPDX-License-Identifier: Apache-2.0 */
/* libembd as a stranger uses it: the public header and the shared library, nothing else of ours. */
#include "table/embd.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/embd-unit-XXXXXX";

/* Three rows of two, and a default row. The header is filled up to 512 bytes, so that the data
   begin at an aligned place. */
static const float values[] = {1, 2, 3, 4, 5, 6, -1, -2};

static void write_table(size_t rows_said)
{
    unsigned char file[8 + 504 + sizeof values];
    const uint64_t length = 504;
    FILE *f = fopen(path, "wb");
    int n;

    memset(file, ' ', sizeof file);
    memcpy(file, &length, 8);
    n = snprintf(
        (char *)file + 8, 504,
        "{\"__metadata__\":{\"embd.version\":\"1\",\"embd.method\":\"full\",\"embd.rows\":\"%zu\","
        "\"embd.dim\":\"2\"},"
        "\"weight\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]},"
        "\"default\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[24,32]}}",
        rows_said);
    file[8 + n] = ' ';
    memcpy(file + 512, values, sizeof values);
    assert_non_null(f);
    assert_int_equal(fwrite(file, 1, sizeof file, f), sizeof file);
    assert_int_equal(fclose(f), 0);
}

static embd_table *open_table(int memory)
{
    char error[EMBD_ERROR_MAX] = "";
    embd_table *table = NULL;

    write_table(3);
    if (embd_table_open(&table, path, memory, error) != EMBD_OK)
        fail_msg("%s", error);
    return table;
}

static void test_tells_about_itself(void **state)
{
    (void)state;
    for (int memory = EMBD_MEMORY_MAP; memory <= EMBD_MEMORY_COPY; memory++) {
        embd_table *table = open_table(memory);

        assert_int_equal(embd_table_rows(table), 3);
        assert_int_equal(embd_table_dim(table), 2);
        assert_string_equal(embd_table_method(table), "full");
        assert_int_equal(embd_table_bytes(table), 24);
        embd_table_close(table);
    }
    embd_table_close(NULL);
}

static void test_looks_up(void **state)
{
    enum { MANY = 2000 };
    embd_table *table = open_table(EMBD_MEMORY_MAP);
    int64_t *ids = malloc(MANY * sizeof *ids);
    float *out = malloc(MANY * 2 * sizeof *out);
    size_t missing = 99, unknown = 0;
    char error[EMBD_ERROR_MAX];

    (void)state;
    for (int i = 0; i < MANY; i++)
        ids[i] = i % 5 - 1;
    assert_int_equal(embd_table_lookup(table, ids, MANY, out, &missing, error), EMBD_OK);
    for (int i = 0; i < MANY; i++) {
        size_t row = ids[i] >= 0 && ids[i] < 3 ? (size_t)ids[i] : 3;

        unknown += row == 3;
        assert_memory_equal(out + 2 * i, values + 2 * row, 8);
    }
    assert_int_equal(missing, unknown);
    assert_int_equal(embd_table_lookup(table, ids + 1, 2, out, NULL, NULL), EMBD_OK);
    assert_int_equal(embd_table_lookup(table, NULL, 0, NULL, &missing, NULL), EMBD_OK);
    assert_int_equal(missing, 0);
    free(ids);
    free(out);
    embd_table_close(table);
}

static void test_looks_up_bags(void **state)
{
    static const int64_t ids[] = {0, 2, 7, 1};
    static const uint32_t offsets[] = {0, 2, 2, 4}, bad[] = {0, 3, 2, 4};
    static const float weights[] = {1, 2, 3, 4};
    embd_table *table = open_table(EMBD_MEMORY_COPY);
    char error[EMBD_ERROR_MAX] = "";
    size_t missing = 0;
    float out[6];

    (void)state;
    assert_int_equal(
        embd_table_lookup_bags(table, ids, 4, offsets, 3, 0, NULL, out, &missing, error), EMBD_OK);
    assert_memory_equal(out, ((float[]){6, 8, 0, 0, 2, 2}), sizeof out);
    assert_int_equal(missing, 1);
    assert_int_equal(embd_table_lookup_bags(table, ids, 4, offsets, 3, 1, NULL, out, NULL, NULL),
                     EMBD_OK);
    assert_memory_equal(out, ((float[]){3, 4, 0, 0, 1, 1}), sizeof out);
    assert_int_equal(embd_table_lookup_bags(table, ids, 4, offsets, 3, 0, weights, out, NULL, NULL),
                     EMBD_OK);
    assert_memory_equal(out, ((float[]){11, 14, 0, 0, 9, 10}), sizeof out);
    assert_int_equal(embd_table_lookup_bags(table, ids, 4, bad, 3, 0, NULL, out, NULL, error),
                     EMBD_INVALID_ARGUMENT);
    assert_string_equal(error, "offsets[2] = 2 is below offsets[1] = 3");
    assert_int_equal(
        embd_table_lookup_bags(table, ids, 4, offsets, 3, 1, weights, out, NULL, error),
        EMBD_INVALID_ARGUMENT);
    assert_int_equal(embd_table_lookup_bags(table, ids, 4, bad, 3, 0, NULL, out, NULL, NULL),
                     EMBD_INVALID_ARGUMENT);
    embd_table_close(table);
}

static void test_refuses(void **state)
{
    char error[EMBD_ERROR_MAX] = "";
    embd_table *table = NULL;

    (void)state;
    write_table(4);
    assert_int_equal(embd_table_open(&table, path, EMBD_MEMORY_MAP, error), EMBD_INVALID_ARGUMENT);
    assert_non_null(strstr(error, "tensor \"weight\""));
    assert_int_equal(embd_table_open(&table, path, EMBD_MEMORY_MAP, NULL), EMBD_INVALID_ARGUMENT);
    assert_int_equal(embd_table_open(&table, "/nonexistent", EMBD_MEMORY_MAP, error),
                     EMBD_NOT_FOUND);
    assert_int_equal(embd_table_open(&table, path, 3, error), EMBD_INVALID_ARGUMENT);
    assert_int_equal(embd_table_open(&table, path, -1, error), EMBD_INVALID_ARGUMENT);
    assert_null(table);
}

static void test_truncation_is_told(void **state)
{
    embd_table *table = open_table(EMBD_MEMORY_MAP);
    const int64_t id = 0;
    char error[EMBD_ERROR_MAX];
    float out[2];

    (void)state;
    assert_int_equal(embd_table_lookup(table, &id, 1, out, NULL, error), EMBD_OK);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(embd_table_lookup(table, &id, 1, out, NULL, error), EMBD_DATA_LOSS);
    assert_non_null(strstr(error, "damaged"));
    embd_table_close(table);
}

static void *look_often(void *context)
{
    const int64_t ids[] = {2, 0};
    float out[4];
    intptr_t wrong = 0;

    for (int i = 0; i < 10000; i++) {
        wrong += embd_table_lookup(context, ids, 2, out, NULL, NULL) != EMBD_OK;
        wrong += memcmp(out, ((float[]){5, 6, 1, 2}), sizeof out) != 0;
    }
    return (void *)wrong;
}

static void test_threads(void **state)
{
    embd_table *table = open_table(EMBD_MEMORY_MAP);
    pthread_t thread[3];
    void *wrong;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, look_often, table), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(thread[i], &wrong), 0);
        assert_null(wrong);
    }
    embd_table_close(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tells_about_itself), cmocka_unit_test(test_looks_up),
        cmocka_unit_test(test_looks_up_bags),      cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_truncation_is_told), cmocka_unit_test(test_threads),
    };
    int fd = mkstemp(path), failed;

    if (fd < 0)
        return 1;
    close(fd);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
