/* SPDX-License-Identifier: Apache-2.0 */
/* The word for each refusal of update_prepare(): the query is refused first, then the word found.
 */
#include "tests/unit/table_file.h"

#include <math.h>

#include "daemon/push_reason.h"
#include "kernels/kernels.h"

static const int64_t one[] = {1}, both[] = {0, 1}, unknown[] = {2};
static const float fine[] = {1, 1, 1, 1, 1, 1, 1, 1}, nan_[] = {1, 1, NAN, 1},
                   infinite[] = {1, -INFINITY, 1, 1}, large[] = {3, 0, 4, 0},
                   huge[] = {3e38F, 1, 1, 1, 3e38F, 1, 1, 1}, bad_weight[] = {INFINITY};
static const int64_t twice[] = {1, 1};
static const uint16_t half[] = {0, 0, 0x7c00, 0}, brain[] = {0, 0, 0, 0x7fc0},
                      small[] = {0, 0, 0, 1};
static const uint32_t bag[] = {0, 1}, late[] = {1, 1};

static const struct {
    const char *name;
    struct update_query query;
    enum status st;
    const char *reason;
} cases[] = {
    {"columns", {one, 1, 0, NULL, 0, NULL, 0, FORMAT_F32, fine, 12}, ST_INVALID, REASON_DIMENSION},
    {"rows", {both, 2, 0, NULL, 0, NULL, 0, FORMAT_F32, fine, 16}, ST_INVALID, REASON_DIMENSION},
    {"halves", {one, 1, 0, NULL, 0, NULL, 0, FORMAT_F16, small, 6}, ST_INVALID, REASON_DIMENSION},
    {"bags",
     {both, 2, POOLING_SUM, (uint32_t[]){0, 2}, 2, NULL, 0, FORMAT_F32, fine, 32},
     ST_INVALID,
     REASON_DIMENSION},
    {"NaN", {one, 1, 0, NULL, 0, NULL, 0, FORMAT_F32, nan_, 16}, ST_INVALID, REASON_NOT_FINITE},
    {"infinity",
     {one, 1, 0, NULL, 0, NULL, 0, FORMAT_F32, infinite, 16},
     ST_INVALID,
     REASON_NOT_FINITE},
    {"F16", {one, 1, 0, NULL, 0, NULL, 0, FORMAT_F16, half, 8}, ST_INVALID, REASON_NOT_FINITE},
    {"BF16", {one, 1, 0, NULL, 0, NULL, 0, FORMAT_BF16, brain, 8}, ST_INVALID, REASON_NOT_FINITE},
    {"weight",
     {one, 1, POOLING_SUM, bag, 2, bad_weight, 1, FORMAT_F32, fine, 16},
     ST_INVALID,
     REASON_NOT_FINITE},
    {"norm", {one, 1, 0, NULL, 0, NULL, 0, FORMAT_F32, large, 16}, ST_INVALID, REASON_NORM},
    {"sum", {twice, 2, 0, NULL, 0, NULL, 0, FORMAT_F32, huge, 32}, ST_INVALID, REASON_NORM},
    {"format",
     {one, 1, 0, NULL, 0, NULL, 0, (enum vector_format)FORMAT_INT8, fine, 16},
     ST_INVALID,
     REASON_MALFORMED},
    {"pooling",
     {one, 1, (enum pooling)7, bag, 2, NULL, 0, FORMAT_F32, fine, 16},
     ST_INVALID,
     REASON_MALFORMED},
    {"offsets",
     {one, 1, POOLING_SUM, late, 2, NULL, 0, FORMAT_F32, fine, 16},
     ST_INVALID,
     REASON_MALFORMED},
    {"no offsets",
     {one, 1, POOLING_MEAN, NULL, 0, NULL, 0, FORMAT_F32, fine, 16},
     ST_INVALID,
     REASON_MALFORMED},
    {"weights", {one, 1, 0, NULL, 0, fine, 1, FORMAT_F32, fine, 16}, ST_INVALID, REASON_MALFORMED},
    {"id", {unknown, 1, 0, NULL, 0, NULL, 0, FORMAT_F32, fine, 16}, ST_RANGE, REASON_UNKNOWN_ID},
};

static void test_each(void **state)
{
    static const struct update_limits limits = {.max_norm = 4.5F};
    const struct table_file file = {.header = HEAD(FULL, WEIGHT), .zeros = 32};
    struct unit_folder folder;
    struct table *t;
    struct error e;

    (void)state;
    assert_ok(kernels_init(NULL, &e), e);
    unit_folder_make(&folder);
    t = table_file_load(&folder, &file, REGION_COPY);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena;
        struct update u;
        enum status st;
        size_t at;

        arena_init(&arena, SIZE_MAX);
        st = update_prepare(&u, t, &cases[i].query, 1, PUSH_REFUSE, &limits, &arena, &at, &e);
        if (st != cases[i].st)
            fail_msg("%s: %s", cases[i].name, status_name(st));
        if (reason_of_query(st, &cases[i].query, t) != cases[i].reason)
            fail_msg("%s: %s", cases[i].name, reason_of_query(st, &cases[i].query, t));
        arena_done(&arena);
    }
    table_close(t);
    unit_folder_remove(&folder);
}

static void test_memory(void **state)
{
    const struct table_file file = {.header = HEAD(FULL, WEIGHT), .zeros = 32};
    const struct update_query q = {one, 1, 0, NULL, 0, NULL, 0, FORMAT_F32, fine, 16};
    struct unit_folder folder;
    struct table *t;

    (void)state;
    unit_folder_make(&folder);
    t = table_file_load(&folder, &file, REGION_COPY);
    assert_ptr_equal(reason_of_query(ST_EXHAUSTED, &q, t), REASON_MEMORY);
    table_close(t);
    unit_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
