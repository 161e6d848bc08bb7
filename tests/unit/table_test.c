/* SPDX-License-Identifier: Apache-2.0 */
/* Opening tables: what is refused, what is taken, and what is read from it. */
#include "table_file.h"

#include <sys/stat.h>

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

static void test_open_takes_what_is_allowed(void **state)
{
    static const struct table_file cases[] = {
        WITH_MORE(""),
        WITH_MORE(",'format':'pt','embdx':'1','':'', 'Embd.rows':'9'"),
        WITH_MORE(CONFIG("{}")),
        WITH_MORE(CONFIG("  { `note` : {`any`:[1.5,null,true,`text`]} }  ")),
        WITH_MORE(CONFIG("{`seed`:18}")),
        WITH_MORE(CONFIG("{`seed`:`18446744073709551615`}")),
        WITH_MORE(",'embd.fields':'[2]'"),
        WITH_MORE(",'embd.fields':' [ 1 , `1` , 0 ] '"),
        WITH_MORE(",'embd.ids':'rows'"),
        WITH_MORE(",'embd.ids':'hash'"),
        WITH_MORE(",'embd.origin':'caf\xc3\xa9 `x`'"),
        WITH_MORE(",'embd.optimizer':'{`name`:`adam`,`learning_rate`:1e-3,`beta1`:0.9,`step`:`7`,"
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
        /* -0 is not below 0, and the largest number is finite */
        {.header = HEAD(FULL, WEIGHT "," TENSOR("optimizer.weight.sum", "F32", "[2]", "32", "40")),
         .zeros = 40,
         .at = 28,
         .patch = "\xff\xff\x7f\x7f\x00\x00\x00\x80",
         .patch_n = 8},
    };
    struct unit_folder folder;

    (void)state;
    unit_folder_make(&folder);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int memory = REGION_MAP; memory <= REGION_COPY; memory++)
            table_close(table_file_load(&folder, &cases[i], (enum region_mode)memory));
    unit_folder_remove(&folder);
}

/* Locked memory, as far as the process may have it. */
static void test_open_locks(void **state)
{
    static const struct table_file f = WITH_MORE("");
    const struct table_options options = {.memory = REGION_LOCK};
    struct unit_folder folder;
    const uint64_t row = 1;
    float got[4] = {1};
    struct table *t;
    struct error e;
    enum status st;

    (void)state;
    unit_folder_make(&folder);
    table_file_write(unit_path(&folder, "t"), &f);
    st = table_open(&t, unit_path(&folder, "t"), &options, &e);
    if (st == ST_OK) {
        table_rows(t, &row, 1, got);
        assert_true(got[0] == 0);
        table_close(t);
    } else {
        assert_int_equal(st, ST_EXHAUSTED);
        assert_non_null(strstr(e.text, "RLIMIT_MEMLOCK"));
    }
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

#define TRAIN                                                                                      \
    META("tt", "8", "2") CONFIG("{`n`:[2,2,2],`d`:[1,1,2],`r`:[1,1,1,1],`digit_order`:`big`}")
#define CORES                                                                                      \
    TENSOR("core.0", "F32", "[2,1]", "0", "8")                                                     \
    "," TENSOR("core.1", "F32", "[2,1]", "8", "16") "," TENSOR("core.2", "F32", "[2,2]", "16", "32")

/* What follows from parameters is kept, and counted, where nobody changes them. */
static void test_open_keeps(void **state)
{
    static const struct table_file fixed = {.header = HEAD(TRAIN, CORES), .zeros = 32},
                                   trained = {
                                       .header =
                                           HEAD(TRAIN ",'embd.optimizer':'{`name`:`sgd`}'", CORES),
                                       .zeros = 32};
    uint64_t own[2], mapped, row = 7;
    struct unit_folder folder;
    float out[2] = {1, 1};

    (void)state;
    unit_folder_make(&folder);
    for (int i = 0; i < 2; i++) {
        struct table *t = table_file_load(&folder, i ? &trained : &fixed, REGION_MAP);

        assert_int_equal(t->part->kept != NULL, i == 0);
        assert_true(t->part->kept_bytes <= TABLE_KEPT_MOST);
        table_memory(t, &own[i], &mapped);
        assert_true(own[i] >= t->part->kept_bytes);
        table_rows(t, &row, 1, out);
        assert_true(out[0] == 0 && out[1] == 0);
        table_close(t);
    }
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
    static const struct table_file f = WITH_MORE("");
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

/* Entries of per_field cost memory before their tensors are looked for. */
static void test_open_bounds_fields(void **state)
{
    enum { FIELDS = 10001 };
    char *text = malloc(FIELDS * 8 + 1000), *p = text;
    const struct table_file f = {.header = text};
    const struct table_options options = {0};
    struct unit_folder folder;
    struct table *t = NULL;
    struct error e;

    (void)state;
    unit_folder_make(&folder);
    p += sprintf(p, "{'__metadata__':{" META("hash", "0", "2") ",'embd.fields':'[0");
    for (int i = 1; i < FIELDS; i++)
        p += sprintf(p, ",0");
    p += sprintf(p, "]','embd.config':'{`per_field`:[{}");
    for (int i = 1; i < FIELDS; i++)
        p += sprintf(p, ",{}");
    strcpy(p, "]}'}}");
    table_file_write(unit_path(&folder, "t"), &f);
    assert_fails(table_open(&t, unit_path(&folder, "t"), &options, &e), ST_INVALID, e,
                 "per_field has 10001 entries; at most 10000 are read");
    free(text);
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
        cmocka_unit_test(test_open_refuses_bad_metadata),
        cmocka_unit_test(test_open_refuses_bad_tensors),
        cmocka_unit_test(test_open_takes_what_is_allowed),
        cmocka_unit_test(test_open_locks),
        cmocka_unit_test(test_open_reads_metadata),
        cmocka_unit_test(test_open_keeps),
        cmocka_unit_test(test_open_takes_any_alignment),
        cmocka_unit_test(test_open_refuses_what_is_no_file),
        cmocka_unit_test(test_open_quotes_strange_paths),
        cmocka_unit_test(test_open_obeys_limits),
        cmocka_unit_test(test_open_bounds_fields),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
