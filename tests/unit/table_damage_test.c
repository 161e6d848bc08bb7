/* SPDX-License-Identifier: Apache-2.0 */
/* Tables whose file is damaged, changes while or after it is read, or is known from before; and
   allocations that fail while one is opened. */
#include "table_file.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "kernels/kernels.h"

static void test_open_compares_checksum(void **state)
{
    struct table_file filled = {.zeros = 32};
    static const unsigned char zeros[32];
    struct unit_folder folder;
    char header[500];
    struct table *t;

    (void)state;
    unit_folder_make(&folder);
    snprintf(header, sizeof header, HEAD(FULL ",'embd.checksum':'%016llx'", WEIGHT),
             (unsigned long long)hash_bytes(zeros, 32));
    filled.header = header;
    for (int memory = REGION_MAP; memory <= REGION_COPY; memory++) {
        t = table_file_load(&folder, &filled, (enum region_mode)memory);
        assert_true(t->checksum == hash_bytes(zeros, 32));
        table_close(t);
    }
    unit_folder_remove(&folder);
}

/* A file that was checked before is not read again; any other is. */
static void test_open_trusts_what_is_unchanged(void **state)
{
    static const struct table_file f = {
        .header = HEAD(FULL, WEIGHT), .zeros = 32, .patch = "\0\0\xc0\x7f", .patch_n = 4};
    struct table_options options = {.trusted = true};
    struct unit_folder folder;
    struct table *t;
    struct error e;
    const char *path;

    (void)state;
    unit_folder_make(&folder);
    path = unit_path(&folder, "t");
    table_file_write(path, &f); /* with a NaN, so that it shows whether values were read */
    assert_ok(file_identify(&options.expected, path, &e), e);
    assert_ok(table_open(&t, path, &options, &e), e);
    assert_int_equal(t->checksum, 0);
    table_close(t);
    options.expected.mtime_ns--;
    assert_fails(table_open(&t, path, &options, &e), ST_INVALID, e, "is not finite");
    unit_folder_remove(&folder);
}

static bool stop_at_once(void *context, double done)
{
    assert_true(done > 0 && done <= 1);
    ++*(int *)context;
    return false;
}

static void test_open_can_be_stopped(void **state)
{
    static const struct table_file f = WITH_MORE("");
    struct unit_folder folder;
    const char *path;

    (void)state;
    unit_folder_make(&folder);
    path = unit_path(&folder, "t");
    table_file_write(path, &f);
    for (int memory = REGION_MAP; memory <= REGION_COPY; memory++) {
        int calls = 0;
        const struct table_options options = {
            .memory = (enum region_mode)memory, .progress = stop_at_once, .context = &calls};
        struct table *t;
        struct error e;

        assert_fails(table_open(&t, path, &options, &e), ST_CANCELLED, e, "stopped");
        assert_int_equal(calls, 1);
    }
    unit_folder_remove(&folder);
}

static bool write_meanwhile(void *context, double done)
{
    int fd = open(context, O_WRONLY);

    (void)done;
    assert_int_equal(pwrite(fd, "\1", 1, lseek(fd, 0, SEEK_END) - 1), 1);
    close(fd);
    return true;
}

static bool cut_meanwhile(void *context, double done)
{
    (void)done;
    assert_int_equal(truncate(context, 100), 0);
    return true;
}

static void test_open_notices_a_change_meanwhile(void **state)
{
    static const struct table_file f = WITH_MORE("");
    bool (*const changes[])(void *, double) = {write_meanwhile, cut_meanwhile};
    const struct timespec old[2] = {{1000000, 0}, {1000000, 0}};
    struct unit_folder folder;
    char path[PATH_MAX];

    (void)state;
    unit_folder_make(&folder);
    strcpy(path, unit_path(&folder, "t"));
    for (int i = 0; i < 4; i++) {
        const struct table_options options = {
            .memory = (enum region_mode)(i / 2), .progress = changes[i % 2], .context = path};
        struct table *t;
        struct error e;

        table_file_write(path, &f);
        assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0); /* clocks tick coarsely */
        assert_fails(table_open(&t, path, &options, &e), ST_DATA_LOSS, e,
                     "changed while it was read");
    }
    unit_folder_remove(&folder);
}

/* ---- A file that changes under an open table ---- */

static void test_truncated_under_the_mapping(void **state)
{
    const uint64_t row[] = {0, 9999};
    static float got[2 * 4];
    static const struct table_file f = {
        .header =
            HEAD(META("full", "10000", "4"), TENSOR("weight", "F32", "[10000,4]", "0", "160000")),
        .align = 64,
        .zeros = 160000};
    struct unit_folder folder;
    char path[PATH_MAX];
    struct table *t;

    (void)state;
    region_init(); /* cmocka takes SIGBUS before each test */
    unit_folder_make(&folder);
    strcpy(path, unit_path(&folder, "t"));
    table_file_write(path, &f);
    t = table_file_open(path, REGION_MAP);
    assert_false(table_file_changed(t));
    table_rows(t, row, 2, got);
    assert_false(table_damaged(t));
    assert_int_equal(truncate(path, 4096), 0);
    assert_true(table_file_changed(t));
    table_rows(t, row, 2, got);
    assert_true(table_damaged(t));
    table_touch(t);
    table_close(t);
    /* Private memory does not care. */
    table_file_write(path, &f);
    t = table_file_open(path, REGION_COPY);
    assert_int_equal(truncate(path, 0), 0);
    table_rows(t, row, 2, got);
    assert_false(table_damaged(t));
    assert_false(table_file_changed(t));
    table_mark_damaged(t);
    assert_true(table_damaged(t));
    table_close(t);
    unit_folder_remove(&folder);
}

/* Whatever is written over the file, addresses stay those that were checked. */
static void test_overwritten_under_the_mapping(void **state)
{
    static const int64_t keys[] = {100, -100};
    static const struct table_file f = {
        .header =
            HEAD(META("full", "2", "4"), TENSOR("keys", "I64", "[2]", "0", "16") "," TENSOR(
                                             "weight", "F32", "[2,4]", "16",
                                             "48") "," TENSOR("default", "F32", "[4]", "48", "64")),
        .align = 64,
        .zeros = 64,
        .patch = (const char *)keys,
        .patch_n = 16};
    const struct timespec old[2] = {{1000000, 0}, {1000000, 0}};
    unsigned char ones[4096];
    struct unit_folder folder;
    char path[PATH_MAX];
    uint64_t row[2];
    float got[4];
    struct table *t;
    int fd;

    (void)state;
    unit_folder_make(&folder);
    strcpy(path, unit_path(&folder, "t"));
    table_file_write(path, &f);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    t = table_file_open(path, REGION_MAP);
    memset(ones, 0xff, sizeof ones);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, ones, t->identity.size, 0), t->identity.size);
    close(fd);
    assert_true(table_file_changed(t));
    assert_int_equal(table_resolve(t, keys, 2, row), 0);
    assert_true(row[0] == 0 && row[1] == 1);
    assert_true(t->fallback[0] == 0 && t->fallback[3] == 0);
    table_rows(t, row, 1, got);
    assert_true(got[0] != got[0]); /* values show through, as NaN here */
    table_close(t);
    unit_folder_remove(&folder);
}

static void test_renamed_over_keeps_the_mapping(void **state)
{
    static const struct table_file f = WITH_MORE("");
    struct unit_folder folder;
    char path[PATH_MAX], other[PATH_MAX];
    const uint64_t row = 1;
    float got[4];
    struct table *t;

    (void)state;
    unit_folder_make(&folder);
    strcpy(path, unit_path(&folder, "t"));
    strcpy(other, unit_path(&folder, "other"));
    table_file_write(path, &f);
    t = table_file_open(path, REGION_MAP);
    unit_write(other, "", 0);
    assert_int_equal(rename(other, path), 0);
    assert_false(table_file_changed(t));
    table_rows(t, &row, 1, got);
    assert_true(got[3] == 0);
    assert_false(table_damaged(t));
    assert_int_equal(unlink(path), 0);
    assert_false(table_file_changed(t));
    table_close(t);
    unit_folder_remove(&folder);
}

#ifdef EMBD_DEVELOPER
/* Every allocation fails once: an error each time, nothing leaked, nothing half-open. */
static void test_open_survives_failing_allocations(void **state)
{
    static const struct table_file f = {
        .header = HEAD(
            HASH_FIELDS(
                "3", "[2,1]",
                "[{},{`method`:`full`}]") ",'embd.optimizer':'{`name`:`sgd`}','embd.origin':'x'",
            TENSOR("f0.table", "F32", "[1,2]", "0", "8") "," TENSOR(
                "f1.weight", "F32", "[1,2]", "8",
                "16") "," TENSOR("keys", "I64", "[3]", "16", "40") "," TENSOR("default", "F32",
                                                                              "[2]", "40", "48")),
        .zeros = 48,
        .at = 16,
        .patch = "\1\0\0\0\0\0\0\0\2",
        .patch_n = 9};
    struct unit_folder folder;
    const char *path;

    (void)state;
    unit_folder_make(&folder);
    path = unit_path(&folder, "t");
    table_file_write(path, &f);
    for (int memory = REGION_MAP; memory <= REGION_COPY; memory++) {
        const struct table_options options = {.memory = (enum region_mode)memory};

        for (uint64_t n = 1;; n++) {
            struct table *t = NULL;
            struct error e;
            enum status st;

            mem_fail_at(n, false);
            st = table_open(&t, path, &options, &e);
            mem_fail_at(0, false);
            if (st == ST_OK) {
                assert_true(n > 10); /* there were some to fail */
                table_close(t);
                break;
            }
            assert_int_equal(st, ST_EXHAUSTED);
            assert_null(t);
        }
    }
    unit_folder_remove(&folder);
}

/* The same with jansson's own allocations, of whose failures it does not always tell. */
static void test_open_survives_failing_json(void **state)
{
    static const struct table_file f = WITH_MORE(CONFIG("{`note`:[1,2,`three`]}"));
    const struct table_options options = {0};
    struct unit_folder folder;
    const char *path;
    bool failed = true;

    (void)state;
    unit_folder_make(&folder);
    path = unit_path(&folder, "t");
    table_file_write(path, &f);
    json_set_alloc_funcs(mem_alloc, mem_free);
    for (uint64_t n = 1; failed; n++) {
        struct table *t = NULL;
        struct error e;

        mem_fail_at(n, false);
        if (table_open(&t, path, &options, &e) == ST_OK)
            table_close(t);
        failed = mem_failed();
        mem_fail_at(0, false);
    }
    json_set_alloc_funcs(malloc, free);
    unit_folder_remove(&folder);
}
#endif

static int start(void **state)
{
    struct error e;

    (void)state;
    return kernels_init(NULL, &e) == ST_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_compares_checksum),
        cmocka_unit_test(test_open_trusts_what_is_unchanged),
        cmocka_unit_test(test_open_can_be_stopped),
        cmocka_unit_test(test_open_notices_a_change_meanwhile),
        cmocka_unit_test(test_truncated_under_the_mapping),
        cmocka_unit_test(test_overwritten_under_the_mapping),
        cmocka_unit_test(test_renamed_over_keeps_the_mapping),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_open_survives_failing_allocations),
        cmocka_unit_test(test_open_survives_failing_json),
#endif
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
