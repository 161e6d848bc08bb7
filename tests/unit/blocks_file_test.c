/* SPDX-License-Identifier: Apache-2.0 */
/* Files of changed blocks: what is refused and with which words, and where the blocks go. */
#include "table_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "table/blocks_file.h"

#define KEY(key, value) ",'" key "':'" value "'"
#define MOMENT                                                                                     \
    KEY("embd.applied", "12")                                                                      \
    KEY("embd.lsn", "40") KEY("embd.generation", "2") KEY("embd.optimizer", "{`name`:`sgd`}")
#define SUMS KEY("embd.base", "0123456789abcdef") KEY("embd.checksum", "fedcba9876543210")
#define HEADER KEY("embd.header", "0000000000000000")
#define ALL "'embd.version':'1'" KEY("embd.blocks", "10") MOMENT SUMS HEADER
#define INDEX TENSOR("index", "U64", "[3]", "0", "24")
#define DATA TENSOR("data", "U8", "[3,512]", "24", "1560")
#define BYTES 1560

/* Write a file as text tells, sealed, and open it. */
static int make(struct unit_folder *folder, const struct table_file *f, bool seal)
{
    size_t n, header;
    unsigned char *bytes = table_file_build(f, &n);
    const char *path = unit_path(folder, "x.blocks");
    int fd;

    header = n - f->zeros;
    if (seal)
        assert_true(header_seal(bytes, header));
    unit_write(path, bytes, n);
    free(bytes);
    fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    return fd;
}

static enum status read_header(struct blocks_file *f, int fd, struct error *e)
{
    static const struct header_limits limits = {HEADER_BYTES_DEFAULT, HEADER_TOKENS_DEFAULT};
    struct stat file;

    assert_int_equal(fstat(fd, &file), 0);
    return blocks_file_header(f, fd, (uint64_t)file.st_size, &limits, e);
}

static void test_header_is_checked(void **state)
{
#define META_CASE(metadata, words)                                                                 \
    {                                                                                              \
        metadata, INDEX "," DATA, BYTES, words                                                     \
    }
#define TENSOR_CASE(tensors, bytes, words)                                                         \
    {                                                                                              \
        ALL, tensors, bytes, words                                                                 \
    }
    static const struct {
        const char *metadata, *tensors;
        size_t bytes;
        const char *words; /* NULL: fine */
    } cases[] = {
        META_CASE(ALL, NULL),
        META_CASE(ALL KEY("foreign", "x"), NULL),
        META_CASE("'embd.version':'1'" MOMENT SUMS HEADER, "\"embd.blocks\" is missing"),
        META_CASE("'embd.version':'1'" KEY("embd.blocks", "10")
                      MOMENT KEY("embd.checksum", "fedcba9876543210") HEADER,
                  "\"embd.base\" is missing"),
        META_CASE("'embd.version':'1'" KEY("embd.blocks", "10")
                      MOMENT KEY("embd.base", "fedcba9876543210") HEADER,
                  "\"embd.checksum\" is missing"),
        META_CASE("'embd.version':'1'" KEY("embd.blocks", "10") KEY("embd.lsn", "40")
                      KEY("embd.generation", "2") SUMS HEADER,
                  "\"embd.applied\" is missing"),
        META_CASE("'embd.version':'1'" KEY("embd.blocks", "10") KEY("embd.applied", "12")
                      KEY("embd.lsn", "40") KEY("embd.generation", "2") SUMS HEADER,
                  "\"embd.optimizer\" is missing"),
        META_CASE("'embd.version':'2'" KEY("embd.blocks", "10") MOMENT SUMS HEADER,
                  "embd.version is \"2\""),
        META_CASE("'embd.blocks':'10'" MOMENT SUMS HEADER, "embd.version is missing"),
        META_CASE("'embd.version':'1'" KEY("embd.blocks", "12") MOMENT SUMS HEADER,
                  "embd.blocks is 12; it must be below embd.applied"),
        META_CASE("'embd.version':'1'" KEY("embd.blocks", "010") MOMENT SUMS HEADER,
                  "embd.blocks is \"010\""),
        META_CASE("'embd.version':'1'" KEY("embd.blocks", "10") MOMENT KEY("embd.base", "12")
                      KEY("embd.checksum", "fedcba9876543210") HEADER,
                  "embd.base is \"12\""),
        META_CASE(ALL KEY("embd.rows", "3"), "unknown key \"embd.rows\""),
        TENSOR_CASE(TENSOR("data", "U8", "[3,512]", "0", "1536"), 1536, "\"index\" must be there"),
        TENSOR_CASE(INDEX, 24, "tensor \"data\" must be there"),
        TENSOR_CASE(TENSOR("index", "I64", "[3]", "0", "24") "," DATA, BYTES, "\"index\""),
        TENSOR_CASE(TENSOR("index", "U64", "[3,1]", "0", "24") "," DATA, BYTES, "\"index\""),
        TENSOR_CASE(INDEX "," TENSOR("data", "I8", "[3,512]", "24", "1560"), BYTES, "\"data\""),
        TENSOR_CASE(INDEX "," TENSOR("data", "U8", "[512,3]", "24", "1560"), BYTES, "\"data\""),
        TENSOR_CASE(INDEX "," TENSOR("data", "U8", "[2,512]", "24", "1048"), 1048, "n = 3"),
        TENSOR_CASE(INDEX "," DATA "," TENSOR("x", "U8", "[1]", "1560", "1561"), 1561, "beside"),
        TENSOR_CASE(TENSOR("data", "U8", "[3,512]", "0", "1536") "," TENSOR("index", "U64", "[3]",
                                                                            "1536", "1560"),
                    BYTES, "behind"),
        TENSOR_CASE(
            TENSOR("index", "U64", "[0]", "0", "0") "," TENSOR("data", "U8", "[0,512]", "0", "0"),
            0, NULL),
        TENSOR_CASE(TENSOR("index", "U64", "[576460752303423488]", "0", "24") "," DATA, BYTES,
                    "index"),
    };
    struct unit_folder folder;
    struct blocks_file f;
    char header[2000];
    struct error e;

    (void)state;
    unit_folder_make(&folder);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct table_file file = {.header = header, .zeros = cases[i].bytes};
        int fd;

        snprintf(header, sizeof header, HEAD("%s", "%s"), cases[i].metadata, cases[i].tensors);
        fd = make(&folder, &file, true);
        if (cases[i].words) {
            assert_fails(read_header(&f, fd, &e), ST_INVALID, e, cases[i].words);
        } else {
            assert_ok(read_header(&f, fd, &e), e);
            assert_true(f.base_version == 10 && f.base_checksum == 0x0123456789abcdef);
            assert_true(f.moment.applied == 12 && f.moment.lsn == 40 && f.moment.generation == 2);
            assert_true(f.moment.checksum == 0xfedcba9876543210);
            assert_string_equal(f.moment.optimizer, "{\"name\":\"sgd\"}");
            blocks_file_done(&f);
        }
        close(fd);
    }
    unit_folder_remove(&folder);
}

static void test_header_is_sealed(void **state)
{
    static const struct table_file good = {.header = HEAD(ALL, INDEX "," DATA), .zeros = BYTES};
    static const struct table_file bare = {
        .header = HEAD("'embd.version':'1'" KEY("embd.blocks", "10") MOMENT SUMS, INDEX "," DATA),
        .zeros = BYTES};
    struct unit_folder folder;
    struct blocks_file f;
    struct error e;
    int fd;

    (void)state;
    unit_folder_make(&folder);
    fd = make(&folder, &good, false);
    assert_fails(read_header(&f, fd, &e), ST_DATA_LOSS, e, "embd.header = \"0000000000000000\"");
    close(fd);
    fd = make(&folder, &bare, false);
    assert_fails(read_header(&f, fd, &e), ST_INVALID, e, "\"embd.header\" is missing");
    close(fd);
    unit_folder_remove(&folder);
}

/* A file of three blocks with these numbers and the right checksum, block i all bytes i + 1. */
static int make_blocks(struct unit_folder *folder, const uint64_t index[3])
{
    unsigned char data[BYTES];
    struct table_file file = {.zeros = BYTES, .patch = (const char *)data, .patch_n = BYTES};
    char header[2000];

    memcpy(data, index, 24);
    for (int i = 0; i < 3; i++)
        memset(data + 24 + (size_t)i * BLOCK_BYTES, i + 1, BLOCK_BYTES);
    snprintf(header, sizeof header,
             HEAD("'embd.version':'1'" KEY("embd.blocks", "10") MOMENT KEY(
                      "embd.base", "0123456789abcdef") KEY("embd.checksum", "%016llx") HEADER,
                  INDEX "," DATA),
             (unsigned long long)hash_bytes(data, BYTES));
    file.header = header;
    return make(folder, &file, true);
}

static bool count_calls(void *context, double done)
{
    assert_true(done > 0 && done <= 1);
    return --*(int *)context >= 0;
}

static void test_blocks_go_where_the_index_says(void **state)
{
    static const uint64_t orders[][3] = {{0, 1, 4}, {4, 0, 1}, {1, 4, 0}};
    unsigned char data[4 * BLOCK_BYTES + 100 + 1];
    struct blocks_target target = {.data = data, .size = sizeof data - 1};
    struct unit_folder folder;
    struct blocks_file f;
    struct error e;
    int fd, calls;

    (void)state;
    unit_folder_make(&folder);
    for (int k = 0; k < 3; k++) {
        fd = make_blocks(&folder, orders[k]);
        memset(data, 77, sizeof data);
        assert_ok(read_header(&f, fd, &e), e);
        assert_ok(blocks_file_read(&f, fd, &target, &e), e);
        for (size_t at = 0; at < sizeof data; at++) {
            unsigned char expected = 77;

            for (int i = 0; i < 3; i++)
                if (at / BLOCK_BYTES == orders[k][i] && at < target.size)
                    expected = (unsigned char)(i + 1);
            assert_int_equal(data[at], expected);
        }
        calls = 0;
        target.progress = count_calls;
        target.context = &calls;
        assert_fails(blocks_file_read(&f, fd, &target, &e), ST_CANCELLED, e, "stopped");
        target.progress = NULL;
        blocks_file_done(&f);
        close(fd);
    }
    unit_folder_remove(&folder);
}

static void test_bad_blocks_are_refused(void **state)
{
    static const struct {
        uint64_t index[3];
        size_t size;
        const char *words; /* NULL: fine */
    } cases[] = {
        {{0, 1, 2}, 3 * BLOCK_BYTES, NULL},
        {{0, 1, 2}, 2 * BLOCK_BYTES + 1, NULL},
        {{0, 1, 2}, 2 * BLOCK_BYTES, "element [2] is 2; the table has 2 blocks"},
        {{2, 1, 0}, 2 * BLOCK_BYTES, "element [0] is 2"},
        {{0, 0, 1}, 3 * BLOCK_BYTES, "names block 0 twice"},
        {{1, 0, 1}, 3 * BLOCK_BYTES, "names block 1 twice"},
        {{2, 0, 2}, SIZE_MAX, "names block 2 twice"},
        {{0, 1, UINT64_MAX}, SIZE_MAX, "element [2] is 18446744073709551615"},
        {{0, 1, 2}, 0, "the table has 0 blocks"},
        {{0, 5, 1000000}, SIZE_MAX, NULL},
    };
    struct blocks_target target = {0};
    struct unit_folder folder;
    struct blocks_file f;
    struct error e;
    int fd;

    (void)state;
    unit_folder_make(&folder);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fd = make_blocks(&folder, cases[i].index);
        target.size = cases[i].size;
        assert_ok(read_header(&f, fd, &e), e);
        if (cases[i].words)
            assert_fails(blocks_file_read(&f, fd, &target, &e), ST_INVALID, e, cases[i].words);
        else
            assert_ok(blocks_file_read(&f, fd, &target, &e), e);
        f.moment.checksum ^= 1;
        if (!cases[i].words)
            assert_fails(blocks_file_read(&f, fd, &target, &e), ST_DATA_LOSS, e, "checksum");
        blocks_file_done(&f);
        close(fd);
    }
    unit_folder_remove(&folder);
}

/* More than is read at once, out of order from the middle on. */
static void test_many_blocks(void **state)
{
    enum { N = 1300 };
    const size_t head = N * 8, bytes = head + N * BLOCK_BYTES;
    unsigned char *file = calloc(1, bytes), *data = calloc(N, BLOCK_BYTES);
    const struct blocks_target target = {.data = data, .size = N * BLOCK_BYTES};
    struct unit_folder folder;
    struct blocks_file f;
    char header[2000];
    struct error e;
    int fd;

    (void)state;
    unit_folder_make(&folder);
    for (uint64_t i = 0; i < N; i++) {
        uint64_t index = i < N / 2 ? i : N - 1 - (i - N / 2);

        memcpy(file + 8 * i, &index, 8);
        memset(file + head + i * BLOCK_BYTES, (int)(index % 251), BLOCK_BYTES);
    }
    snprintf(header, sizeof header,
             HEAD("'embd.version':'1'" KEY("embd.blocks", "10") MOMENT KEY(
                      "embd.base", "0123456789abcdef") KEY("embd.checksum", "%016llx") HEADER,
                  TENSOR("index", "U64", "[%d]", "0", "%zu") "," TENSOR("data", "U8", "[%d,512]",
                                                                        "%zu", "%zu")),
             (unsigned long long)hash_bytes(file, bytes), N, head, N, head, bytes);
    fd = make(&folder,
              &(struct table_file){
                  .header = header, .zeros = bytes, .patch = (char *)file, .patch_n = bytes},
              true);
    assert_ok(read_header(&f, fd, &e), e);
    assert_ok(blocks_file_read(&f, fd, &target, &e), e);
    for (size_t i = 0; i < N * BLOCK_BYTES; i++)
        assert_int_equal(data[i], i / BLOCK_BYTES % 251);
    blocks_file_done(&f);
    close(fd);
    free(file);
    free(data);
    unit_folder_remove(&folder);
}

#ifdef EMBD_DEVELOPER
static void test_failing_allocations(void **state)
{
    static const uint64_t index[3] = {4, 0, 1};
    unsigned char data[5 * BLOCK_BYTES];
    const struct blocks_target target = {.data = data, .size = sizeof data};
    struct unit_folder folder;
    uint64_t n = 0;
    int fd;

    (void)state;
    unit_folder_make(&folder);
    fd = make_blocks(&folder, index);
    for (bool failed = true; failed;) {
        struct blocks_file f;
        enum status st;
        struct error e;

        mem_fail_at(++n, false);
        st = read_header(&f, fd, &e);
        if (st == ST_OK) {
            st = blocks_file_read(&f, fd, &target, &e);
            blocks_file_done(&f);
        }
        failed = mem_failed();
        mem_fail_at(0, false);
        if (failed)
            assert_fails(st, ST_EXHAUSTED, e, "out of memory");
        else
            assert_ok(st, e);
    }
    assert_true(n > 5);
    close(fd);
    unit_folder_remove(&folder);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_is_checked),
        cmocka_unit_test(test_header_is_sealed),
        cmocka_unit_test(test_blocks_go_where_the_index_says),
        cmocka_unit_test(test_bad_blocks_are_refused),
        cmocka_unit_test(test_many_blocks),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_failing_allocations),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
