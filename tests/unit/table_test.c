/* SPDX-License-Identifier: Apache-2.0 */
/* Opening tables: what is refused, what is taken, and what is read from it. */
#include "table_file.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "kernels/kernels.h"
#include "malformed.h"

static void test_open_refuses_bad_metadata(void **state)
{
    static const struct malformed cases[] = {
#include "malformed_table.h"
    };

    (void)state;
    malformed_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_open_refuses_bad_tensors(void **state)
{
    static const struct malformed cases[] = {
#include "malformed_tensor.h"
    };

    (void)state;
    malformed_check(cases, sizeof cases / sizeof cases[0]);
}

#define MORE(more)                                                                                 \
    {                                                                                              \
        .header = HEAD(FULL more, WEIGHT), .zeros = 32                                             \
    }
#define HASH_FIELDS(rows, fields, per_field)                                                       \
    META("hash", rows, "2") ",'embd.fields':'" fields "'" CONFIG("{`per_field`:" per_field "}")

static void test_open_takes_what_is_allowed(void **state)
{
    static const struct table_file cases[] = {
        MORE(""),
        MORE(",'format':'pt','embdx':'1','':'', 'Embd.rows':'9'"),
        MORE(CONFIG("{}")),
        MORE(CONFIG("  { `note` : {`any`:[1.5,null,true,`text`]} }  ")),
        MORE(CONFIG("{`seed`:18}")),
        MORE(CONFIG("{`seed`:`18446744073709551615`}")),
        MORE(",'embd.fields':'[2]'"),
        MORE(",'embd.fields':' [ 1 , `1` , 0 ] '"),
        MORE(",'embd.ids':'rows'"),
        MORE(",'embd.ids':'hash'"),
        MORE(",'embd.origin':'caf\xc3\xa9 `x`'"),
        MORE(",'embd.optimizer':'{`name`:`adam`,`learning_rate`:1e-3,`beta1`:0.9,`step`:`7`,"
             "`tensors`:{`weight`:{`learning_rate`:0}}}'"),
        {.header = HEAD(META("full", "0", "4"), TENSOR("weight", "F32", "[0,4]", "0", "0"))},
        {.header = HEAD(META("full", "0", "65536") ",'embd.ids':'hash'",
                        TENSOR("weight", "F32", "[0,65536]", "0", "0"))},
        {.header =
             HEAD(META("full", "1", "65536"), TENSOR("weight", "F32", "[1,65536]", "0", "262144")),
         .zeros = 262144},
        {.header = HEAD(META("hash", "9223372036854775807", "1"),
                        TENSOR("table", "F32", "[1,1]", "0", "4")),
         .zeros = 4},
        {.header = HEAD(META("int8", "2", "4")
                            CONFIG("{`digit`:`8`,`signed`:false,`qparam`:`table`,`scale`:1}"),
                        TENSOR("q", "U8", "[2,4]", "0", "8")),
         .zeros = 8},
        {.header = HEAD(META("compo", "4", "2")
                            CONFIG("{`collisions`:`2`,`op`:`mult`,`quotient`:`f32div`}"),
                        TENSOR("q.weight", "F32", "[2,2]", "0",
                               "16") "," TENSOR("r.weight", "F32", "[2,2]", "16", "32")),
         .zeros = 32},
        {.header = HEAD(HASH_FIELDS("0", "[]", "[]"), TENSOR("default", "F32", "[2]", "0", "8")),
         .zeros = 8},
        {.header = HEAD(HASH_FIELDS("2", "[0,2,0]", "[{`method`:`full`,`note`:1},{`note`:2},{}]"),
                        TENSOR("f0.weight", "F32", "[0,2]", "0", "0") "," TENSOR(
                            "f1.table", "F32", "[1,2]", "0", "8") "," TENSOR("f2.table", "F32",
                                                                             "[0,2]", "8", "8")),
         .zeros = 8},
        {.header = HEAD(HASH_FIELDS("2", "[2]", "[{}]"),
                        TENSOR("f0.table", "F32", "[1,2]", "0",
                               "8") "," TENSOR("optimizer.f0.table.sum", "F32", "[1]", "8", "12")),
         .zeros = 12},
        {.header = HEAD(FULL, WEIGHT
                        "," TENSOR("optimizer.weight.m", "F32", "[2,4]", "32", "64") "," TENSOR(
                            "optimizer.weight.v", "F32", "[2,4]", "64",
                            "96") "," TENSOR("frequency", "I64", "[2]", "96", "112")),
         .zeros = 112},
    };
    struct unit_folder folder;

    (void)state;
    unit_folder_make(&folder);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int memory = REGION_MAP; memory <= REGION_COPY; memory++)
            table_close(table_file_load(&folder, &cases[i], (enum region_mode)memory));
    unit_folder_remove(&folder);
}

/* Everything that a file says of itself. */
static void test_open_reads_metadata(void **state)
{
    static const struct table_file f = {
        .header = HEAD(
            FULL ",'embd.fields':'[1,1]','embd.applied':'7','embd.lsn':'9','embd.generation':'3',"
                 "'embd.origin':'train','embd.optimizer':'{`name`:`sgd`}'" CONFIG("{`seed`:5}"),
            TENSOR("weight", "F32", "[2,4]", "0",
                   "32") "," TENSOR("frequency", "I64", "[2]", "32",
                                    "48") "," TENSOR("keys", "I64", "[2]", "48",
                                                     "64") "," TENSOR("optimizer.weight.sum", "F32",
                                                                      "[2]", "64", "72")),
        .zeros = 72,
        .at = 48,
        .patch = "\x05",
        .patch_n = 1};
    struct unit_folder folder;
    uint64_t own, mapped;
    struct table *t;

    (void)state;
    unit_folder_make(&folder);
    t = table_file_load(&folder, &f, REGION_MAP);
    assert_int_equal(t->rows, 2);
    assert_int_equal(t->dim, 4);
    assert_string_equal(t->method->name, "full");
    assert_int_equal(t->ids, IDS_KEYS);
    assert_int_equal(t->seed, 5);
    assert_int_equal(t->field_count, 2);
    assert_int_equal(t->field_rows[1], 1);
    assert_int_equal(t->part_count, 1);
    assert_int_equal(t->applied, 7);
    assert_int_equal(t->lsn, 9);
    assert_int_equal(t->generation, 3);
    assert_string_equal(t->origin, "train");
    assert_string_equal(t->config, "{\"seed\":5}");
    assert_string_equal(t->optimizer, "{\"name\":\"sgd\"}");
    assert_int_equal(t->bytes, 32);
    assert_int_equal(t->extra_bytes, 40);
    assert_int_equal(t->frequency[1], 0);
    assert_true(table_ratio(t) == 1.0);
    table_memory(t, &own, &mapped);
    assert_int_equal(mapped, t->identity.size);
    assert_true(own >= 2 * 16); /* the index of two keys */
    table_touch(t);
    table_close(t);
    unit_folder_remove(&folder);
}

/* Rows, whatever the alignment of the data area and the kind of memory. */
static void test_open_takes_any_alignment(void **state)
{
    static const char spaces[] = "                ";
    const float want[2] = {1.5f, -2.0f};
    struct unit_folder folder;

    (void)state;
    unit_folder_make(&folder);
    for (size_t shift = 0; shift < 16; shift++)
        for (int memory = REGION_MAP; memory <= REGION_COPY; memory++) {
            /* The keys lie behind three bytes: unaligned in every file. */
            char header[1000], data[3 + 8 + 8 + 8];
            const struct table_file f = {
                .header = header, .zeros = sizeof data, .patch = data, .patch_n = sizeof data};
            const int64_t key = -7, count = 12;
            const float *got;
            float row[2];
            uint64_t number;
            struct table *t;

            snprintf(
                header, sizeof header,
                HEAD(META("int8", "1", "3") CONFIG("{`signed`:true,`qparam`:`row`}") "%s",
                     TENSOR("q", "I8", "[1,3]", "0", "3") "," TENSOR(
                         "keys", "I64", "[1]", "3",
                         "11") "," TENSOR("qparams", "F32", "[1,2]", "11",
                                          "19") "," TENSOR("frequency", "I64", "[1]", "19", "27")),
                spaces + 16 - shift);
            memcpy(data, "\x01\x00\xff", 3);
            memcpy(data + 3, &key, 8);
            memcpy(data + 11, want, 8);
            memcpy(data + 19, &count, 8);
            t = table_file_load(&folder, &f, (enum region_mode)memory);
            assert_int_equal(t->frequency[0], 12);
            assert_int_equal(table_resolve(t, &key, 1, &number), 0);
            assert_int_equal(number, 0);
            {
                float all[3];

                table_rows(t, &number, 1, all);
                assert_true(all[0] == 1 * 1.5f - 2 && all[1] == -2 && all[2] == -1 * 1.5f - 2);
            }
            got = t->part[0].tensor[2].data;
            assert_int_equal((uintptr_t)got % sizeof(float), 0);
            memcpy(row, got, sizeof row);
            assert_memory_equal(row, want, sizeof row);
            table_close(t);
        }
    unit_folder_remove(&folder);
}

static void test_resolve_rows(void **state)
{
    static const struct table_file f = MORE("");
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

static void test_open_refuses_what_is_no_file(void **state)
{
    const struct table_options options = {0};
    struct unit_folder folder;
    struct table *t = NULL;
    struct error e;

    (void)state;
    unit_folder_make(&folder);
    assert_fails(table_open(&t, folder.path, &options, &e), ST_INVALID, e, "is a directory");
    assert_int_equal(mkfifo(unit_path(&folder, "fifo"), 0600), 0);
    assert_fails(table_open(&t, unit_path(&folder, "fifo"), &options, &e), ST_INVALID, e,
                 "is a FIFO");
    assert_fails(table_open(&t, "/dev/zero", &options, &e), ST_INVALID, e, "character device");
    assert_fails(table_open(&t, unit_path(&folder, "none"), &options, &e), ST_NOT_FOUND, e, "none");
    unit_write(unit_path(&folder, "empty"), "", 0);
    assert_fails(table_open(&t, unit_path(&folder, "empty"), &options, &e), ST_INVALID, e,
                 "the file has 0 bytes");
    unit_write(unit_path(&folder, "seven"), "\2\0\0\0\0\0\0", 7);
    assert_fails(table_open(&t, unit_path(&folder, "seven"), &options, &e), ST_INVALID, e,
                 "the file has 7 bytes");
    unit_write(unit_path(&folder, "eight"), "\0\0\0\0\0\0\0\0", 8);
    assert_fails(table_open(&t, unit_path(&folder, "eight"), &options, &e), ST_INVALID, e,
                 "header: is empty");
    /* A file of 5 GiB without content: refused by its first bytes. */
    unit_write(unit_path(&folder, "sparse"), "", 0);
    assert_int_equal(truncate(unit_path(&folder, "sparse"), (off_t)5 << 30), 0);
    assert_fails(table_open(&t, unit_path(&folder, "sparse"), &options, &e), ST_INVALID, e,
                 "header: is empty");
    assert_int_equal(chmod(unit_path(&folder, "eight"), 0), 0);
    if (geteuid() != 0)
        assert_fails(table_open(&t, unit_path(&folder, "eight"), &options, &e), ST_PERMISSION, e,
                     "eight");
    unit_folder_remove(&folder);
}

static void test_open_quotes_strange_paths(void **state)
{
    const struct table_options options = {0};
    struct unit_folder folder;
    struct table *t;
    struct error e;

    (void)state;
    unit_folder_make(&folder);
    unit_write(unit_path(&folder, "a\nb"), "", 0);
    assert_fails(table_open(&t, unit_path(&folder, "a\nb"), &options, &e), ST_INVALID, e,
                 "a\\nb\": the file");
    unit_folder_remove(&folder);
}

/* The limits of the options hold in place of the defaults. */
static void test_open_obeys_limits(void **state)
{
    static const struct table_file f = MORE("");
    struct table_options options = {.limits = {.bytes = 100}};
    struct unit_folder folder;
    struct table *t;
    struct error e;
    const char *path;

    (void)state;
    unit_folder_make(&folder);
    path = unit_path(&folder, "t");
    table_file_write(path, &f);
    assert_fails(table_open(&t, path, &options, &e), ST_INVALID, e, "at most 100 are read");
    options.limits = (struct header_limits){.tokens = 10};
    assert_fails(table_open(&t, path, &options, &e), ST_INVALID, e, "more than 10 JSON tokens");
    unit_folder_remove(&folder);
}

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
    static const struct table_file f = MORE("");
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
    static const struct table_file f = MORE("");
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
    static const struct table_file f = MORE("");
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
    static const struct table_file f = MORE(CONFIG("{`note`:[1,2,`three`]}"));
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
        cmocka_unit_test(test_open_refuses_bad_metadata),
        cmocka_unit_test(test_open_refuses_bad_tensors),
        cmocka_unit_test(test_open_takes_what_is_allowed),
        cmocka_unit_test(test_open_reads_metadata),
        cmocka_unit_test(test_open_takes_any_alignment),
        cmocka_unit_test(test_resolve_rows),
        cmocka_unit_test(test_resolve_hashed),
        cmocka_unit_test(test_rows_of_fields),
        cmocka_unit_test(test_open_refuses_what_is_no_file),
        cmocka_unit_test(test_open_quotes_strange_paths),
        cmocka_unit_test(test_open_obeys_limits),
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
