/* SPDX-License-Identifier: Apache-2.0 */
#include "table_file.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>

#include "base/hash.h"
#include "base/memory.h"
#include "malformed.h"

static const struct header_limits limits = {HEADER_BYTES_DEFAULT, HEADER_TOKENS_DEFAULT};

static enum status parse(struct header *h, const struct table_file *f, struct error *e)
{
    size_t n;
    unsigned char *bytes = table_file_build(f, &n);
    enum status st = header_parse(h, bytes, n, n, &limits, e);

    free(bytes);
    return st;
}

static void test_header_refuses_malformed(void **state)
{
    static const struct malformed cases[] = {
#include "malformed_header.h"
    };

    (void)state;
    malformed_check(cases, sizeof cases / sizeof cases[0]);
}

static void test_header_refuses_every_cut(void **state)
{
    const struct table_file f = {.header = HEAD(FULL, WEIGHT), .zeros = 32};
    struct header h;
    struct error e;
    size_t n;
    unsigned char *bytes = table_file_build(&f, &n);

    (void)state;
    for (size_t cut = 0; cut < n; cut++) {
        /* A copy of its exact size, so that a read behind it is seen. */
        unsigned char *copy = malloc(cut + !cut);

        memcpy(copy, bytes, cut);
        assert_int_equal(header_parse(&h, copy, cut, cut, &limits, &e), ST_INVALID);
        free(copy);
    }
    assert_ok(header_parse(&h, bytes, n, n, &limits, &e), e);
    header_done(&h);
    free(bytes);
}

static void test_header_takes_spaces_around(void **state)
{
    const struct table_file f = {.header = "   " HEAD(FULL, WEIGHT) "     ", .zeros = 32};
    struct header h;
    struct error e;

    (void)state;
    assert_ok(parse(&h, &f, &e), e);
    assert_int_equal(h.tensor_count, 1);
    assert_int_equal(h.data_bytes, 32);
    assert_string_equal(header_metadata(&h, "embd.method"), "full");
    assert_null(header_metadata(&h, "embd.nothing"));
    header_done(&h);
}

static void test_header_lists_tensors_in_order_of_data(void **state)
{
    const struct table_file f = {
        .header = "{" TENSOR("c", "U8", "[3]", "12", "15") "," TENSOR(
            "b", "F32", "[]", "8", "12") "," TENSOR("a", "I64", "[1,1]", "0",
                                                    "8") "," TENSOR("empty", "F64", "[0,7]", "8",
                                                                    "8") "}",
        .zeros = 15};
    static const char *const order[] = {"a", "empty", "b", "c"};
    struct header h;
    struct error e;

    (void)state;
    assert_ok(parse(&h, &f, &e), e);
    assert_int_equal(h.tensor_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(h.tensor[i].tensor.name, order[i]);
        assert_ptr_equal(header_tensor(&h, order[i]), &h.tensor[i]);
    }
    assert_null(header_tensor(&h, "d"));
    assert_int_equal(header_tensor(&h, "c")->offset, h.data_offset + 12);
    assert_int_equal(header_tensor(&h, "b")->tensor.rank, 0);
    assert_int_equal(header_tensor(&h, "b")->tensor.count, 1);
    header_done(&h);
}

static void test_header_takes_escaped_names(void **state)
{
    const struct table_file f = {.header = "{" TENSOR("\\u0077\\u00e9", "U8", "[1]", "0", "1") "}",
                                 .zeros = 1};
    struct header h;
    struct error e;

    (void)state;
    assert_ok(parse(&h, &f, &e), e);
    assert_non_null(header_tensor(&h, "w\xc3\xa9"));
    header_done(&h);
}

/* Tokens are counted before anything is allocated for them. */
static void test_header_bounds_tokens(void **state)
{
    const size_t pairs = 60000, n = 8 + 1 + pairs * 3 + 1;
    unsigned char *bytes = malloc(n);
    const uint64_t length = n - 8;
    struct header h;
    struct error e;

    (void)state;
    memcpy(bytes, &length, 8);
    bytes[8] = '[';
    for (size_t i = 0; i < pairs; i++)
        memcpy(bytes + 9 + i * 3, "{},", 3);
    bytes[n - 1] = ']';
    assert_fails(header_parse(&h, bytes, n, n, &limits, &e), ST_INVALID, e,
                 "header: has more than 100000 JSON tokens");
    free(bytes);
}

static void test_header_bounds_tensors(void **state)
{
    const struct header_limits wide = {HEADER_BYTES_MOST, 1000000};
    char *text = malloc(10001 * 80), *p = text;
    struct table_file f = {.header = text};
    unsigned char *bytes;
    struct header h;
    struct error e;
    size_t n;

    (void)state;
    for (int i = 0; i < 10001; i++)
        p += sprintf(p, "%c" TENSOR("t%d", "U8", "[0]", "0", "0"), i ? ',' : '{', i);
    strcpy(p, "}");
    bytes = table_file_build(&f, &n);
    assert_fails(header_parse(&h, bytes, n, n, &wide, &e), ST_INVALID, e, "has 10001 tensors");
    free(bytes);
    free(text);
}

/* ---- Writer ---- */

static struct tensor tensor_of(const char *name, enum dtype dtype, uint64_t a, uint64_t b)
{
    return (struct tensor){.name = name,
                           .dtype = dtype,
                           .rank = 2,
                           .shape = {a, b},
                           .count = a * b,
                           .bytes = a * b * dtype_size(dtype)};
}

static struct header read_back(const char *path)
{
    struct header h;
    struct stat st;
    struct error e;
    int fd;

    assert_ok(file_open(&fd, path, &st, &e), e);
    assert_ok(header_read(&h, fd, (uint64_t)st.st_size, &limits, &e), e);
    close(fd);
    return h;
}

static void test_writer_aligns_and_round_trips(void **state)
{
    struct tensor t[] = {tensor_of("bytes", DT_U8, 3, 1), tensor_of("floats", DT_F32, 5, 1),
                         tensor_of("keys", DT_I64, 3, 1), tensor_of("halves", DT_F16, 3, 1),
                         tensor_of("nothing", DT_F64, 0, 4)};
    const struct metadata metadata[] = {{"a", "quote \" and \\ and \n"}, {"b", "\xc3\xa9"}};
    struct safetensors_writer w;
    struct unit_folder folder;
    struct header h;
    struct error e;
    const char *path;

    (void)state;
    unit_folder_make(&folder);
    path = unit_path(&folder, "w.safetensors");
    assert_ok(safetensors_create(&w, path, metadata, 2, t, 5, 0, &e), e);
    assert_int_equal(access(path, F_OK), -1); /* not visible before the commit */
    for (int i = 0; i < 5; i++) {
        assert_int_equal((uintptr_t)t[i].data % dtype_size(t[i].dtype), 0);
        for (size_t j = 0; j < t[i].bytes; j++)
            assert_int_equal(((unsigned char *)t[i].data)[j], 0);
        memset(t[i].data, i + 1, t[i].bytes);
    }
    assert_ok(safetensors_commit(&w, &e), e);
    h = read_back(path);
    assert_int_equal(h.data_offset % 64, 0);
    assert_int_equal(h.tensor_count, 5);
    assert_string_equal(header_metadata(&h, "a"), metadata[0].value);
    assert_string_equal(header_metadata(&h, "b"), metadata[1].value);
    for (int i = 0; i < 5; i++) {
        const struct file_tensor *ft = header_tensor(&h, t[i].name);
        unsigned char byte;
        int fd = open(path, O_RDONLY);

        assert_int_equal(ft->offset % dtype_size(t[i].dtype), 0);
        assert_int_equal(ft->tensor.dtype, t[i].dtype);
        assert_memory_equal(ft->tensor.shape, t[i].shape, 2 * sizeof t[i].shape[0]);
        if (t[i].bytes) {
            assert_int_equal(pread(fd, &byte, 1, (off_t)(ft->offset + t[i].bytes - 1)), 1);
            assert_int_equal(byte, i + 1);
        }
        close(fd);
    }
    header_done(&h);
    unit_folder_remove(&folder);
}

static void test_writer_takes_metadata_at_the_end(void **state)
{
    const struct metadata first[] = {{"k", "short"}},
                          last[] = {{"k", "a longer value than before"}};
    struct tensor t = tensor_of("x", DT_F32, 2, 2);
    struct safetensors_writer w;
    struct unit_folder folder;
    char huge[2000];
    const struct metadata too_long[] = {{"k", huge}};
    struct header h;
    struct error e;
    const char *path;

    (void)state;
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    unit_folder_make(&folder);
    path = unit_path(&folder, "w.safetensors");
    assert_ok(safetensors_create(&w, path, first, 1, &t, 1, 64, &e), e);
    memset(t.data, 1, t.bytes);
    assert_fails(safetensors_metadata(&w, too_long, 1, &t, 1, &e), ST_INVALID, e, "are reserved");
    assert_ok(safetensors_metadata(&w, last, 1, &t, 1, &e), e);
    assert_true(safetensors_checksum(&w) == hash_bytes(t.data, t.bytes));
    assert_ok(safetensors_commit(&w, &e), e);
    h = read_back(path);
    assert_string_equal(header_metadata(&h, "k"), last[0].value);
    header_done(&h);
    unit_folder_remove(&folder);
}

static void test_writer_abort_leaves_nothing(void **state)
{
    struct tensor t = tensor_of("x", DT_F32, 2, 2);
    struct safetensors_writer w;
    struct unit_folder folder;
    struct error e;

    (void)state;
    unit_folder_make(&folder);
    assert_ok(safetensors_create(&w, unit_path(&folder, "w"), NULL, 0, &t, 1, 0, &e), e);
    safetensors_abort(&w);
    safetensors_abort(&w);                   /* twice is fine */
    assert_int_equal(rmdir(folder.path), 0); /* empty */
    assert_fails(safetensors_create(&w, "/nonexistent/w", NULL, 0, &t, 1, 0, &e), ST_NOT_FOUND, e,
                 "/nonexistent/w");
}

#ifdef EMBD_DEVELOPER
/* A header that is written is whole, also where jansson finds no memory in the midst of it. */
static void test_writer_survives_failing_json(void **state)
{
    const struct metadata metadata[] = {{"a", "one"}, {"b", "two"}};
    struct tensor t[] = {tensor_of("x", DT_F32, 2, 2), tensor_of("y", DT_U8, 3, 1)};
    struct unit_folder folder;
    const char *path;
    bool failed = true;

    (void)state;
    unit_folder_make(&folder);
    path = unit_path(&folder, "w");
    json_set_alloc_funcs(mem_alloc, mem_free);
    for (uint64_t n = 1; failed; n++) {
        const size_t place[] = {0, 16};
        struct safetensors_writer w;
        struct header h;
        struct error e;
        unsigned char *bytes;
        size_t size;
        bool made;

        mem_fail_at(n, false);
        made = safetensors_create(&w, path, metadata, 2, t, 2, 64, &e) == ST_OK;
        if (made && (safetensors_metadata(&w, metadata, 1, t, 2, &e) != ST_OK ||
                     safetensors_commit(&w, &e) != ST_OK))
            safetensors_abort(&w);
        if (header_build(&bytes, &size, metadata, 2, t, place, 2, &e) == ST_OK) {
            mem_fail_at(0, false);
            assert_ok(header_parse(&h, bytes, size, size + 19, &limits, &e), e);
            header_done(&h);
            mem_free(bytes);
        }
        failed = mem_failed();
        mem_fail_at(0, false);
        if (access(path, F_OK) == 0) {
            h = read_back(path);
            header_done(&h);
            unlink(path);
        }
    }
    json_set_alloc_funcs(malloc, free);
    unit_folder_remove(&folder);
}
#endif

static void test_writer_refuses_what_no_file_holds(void **state)
{
    struct tensor t = {
        .name = "x", .dtype = DT_U8, .rank = 1, .shape = {INT64_MAX}, .bytes = INT64_MAX};
    const struct metadata bad[] = {{"k", "\xff"}};
    struct tensor small = tensor_of("x", DT_U8, 1, 1);
    struct safetensors_writer w;
    struct unit_folder folder;
    struct error e;

    (void)state;
    unit_folder_make(&folder);
    assert_fails(safetensors_create(&w, unit_path(&folder, "w"), NULL, 0, &t, 1, 0, &e),
                 ST_EXHAUSTED, e, "larger than any file");
    assert_fails(safetensors_create(&w, unit_path(&folder, "w"), bad, 1, &small, 1, 0, &e),
                 ST_INVALID, e, "not UTF-8");
    assert_int_equal(rmdir(folder.path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_refuses_malformed),
        cmocka_unit_test(test_header_refuses_every_cut),
        cmocka_unit_test(test_header_takes_spaces_around),
        cmocka_unit_test(test_header_lists_tensors_in_order_of_data),
        cmocka_unit_test(test_header_takes_escaped_names),
        cmocka_unit_test(test_header_bounds_tokens),
        cmocka_unit_test(test_header_bounds_tensors),
        cmocka_unit_test(test_writer_aligns_and_round_trips),
        cmocka_unit_test(test_writer_takes_metadata_at_the_end),
        cmocka_unit_test(test_writer_abort_leaves_nothing),
        cmocka_unit_test(test_writer_refuses_what_no_file_holds),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_writer_survives_failing_json),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
