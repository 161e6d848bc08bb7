/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "table/npy.h"

/* A file: version, dictionary (filled up as numpy does, so that the data begin at a multiple of
   64), and some bytes of data that count up. */
struct array_file {
    int version;
    const char *header;
    size_t data;
};

static size_t build(unsigned char *out, const struct array_file *f)
{
    size_t prefix = f->version == 1 ? 10 : 12, n = strlen(f->header);
    size_t whole = (prefix + n + 1 + 63) / 64 * 64, length = whole - prefix;

    memcpy(out, "\x93NUMPY", 6);
    out[6] = (unsigned char)f->version;
    out[7] = 0;
    memcpy(out + 8, &length, prefix - 8); /* little-endian: the low bytes */
    memset(out + prefix, ' ', length);
    memcpy(out + prefix, f->header, n);
    out[whole - 1] = '\n';
    for (size_t i = 0; i < f->data; i++)
        out[whole + i] = (unsigned char)i;
    return whole + f->data;
}

#define DICT(descr, order, shape)                                                                  \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }"
#define F4(shape) DICT("'<f4'", "False", shape)

static void test_reads_what_numpy_writes(void **state)
{
    static const struct {
        struct array_file file;
        enum dtype dtype;
        unsigned rank;
        uint64_t shape[3];
    } cases[] = {
        {{1, F4("(2, 3)"), 24}, DT_F32, 2, {2, 3}},
        {{2, F4("(2, 3)"), 24}, DT_F32, 2, {2, 3}},
        {{3, F4("(2, 3)"), 24}, DT_F32, 2, {2, 3}},
        {{1, F4("(5,)"), 20}, DT_F32, 1, {5}},
        {{1, F4("()"), 4}, DT_F32, 0, {0}},
        {{1, F4("(0, 7)"), 0}, DT_F32, 2, {0, 7}},
        {{1, DICT("'<f2'", "False", "(2,)"), 4}, DT_F16, 1, {2}},
        {{1, DICT("'<f8'", "False", "(2,)"), 16}, DT_F64, 1, {2}},
        {{1, DICT("'|u1'", "False", "(2,)"), 2}, DT_U8, 1, {2}},
        {{1, DICT("'|i1'", "False", "(2,)"), 2}, DT_I8, 1, {2}},
        {{1, DICT("'|b1'", "False", "(2,)"), 2}, DT_BOOL, 1, {2}},
        {{1, DICT("'<u2'", "False", "(2,)"), 4}, DT_U16, 1, {2}},
        {{1, DICT("'<i2'", "False", "(2,)"), 4}, DT_I16, 1, {2}},
        {{1, DICT("'<u4'", "False", "(2,)"), 8}, DT_U32, 1, {2}},
        {{1, DICT("'<i4'", "False", "(2,)"), 8}, DT_I32, 1, {2}},
        {{1, DICT("'<u8'", "False", "(2,)"), 16}, DT_U64, 1, {2}},
        {{1, DICT("'<i8'", "False", "(2,)"), 16}, DT_I64, 1, {2}},
        {{1, DICT("'<f4'", "True", "(5,)"), 20},
         DT_F32,
         1,
         {5}}, /* of one dimension it is the same */
        {{1, DICT("'<f4'", "True", "()"), 4}, DT_F32, 0, {0}},
        {{1, "{\"shape\":(1,2,3),\"descr\":\"<f4\",\"fortran_order\":False}", 24},
         DT_F32,
         3,
         {1, 2, 3}},
        {{1, "  { 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 2 , 3 , ) }  ", 24},
         DT_F32,
         2,
         {2, 3}},
    };
    unsigned char bytes[1000];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = build(bytes, &cases[i].file);
        struct tensor t;
        uint64_t offset;
        struct error e;

        assert_ok(npy_parse(&t, &offset, bytes, n, n, &e), e);
        assert_int_equal(t.dtype, cases[i].dtype);
        assert_int_equal(t.rank, cases[i].rank);
        assert_memory_equal(t.shape, cases[i].shape, t.rank * sizeof t.shape[0]);
        assert_int_equal(t.bytes, cases[i].file.data);
        assert_int_equal(offset, n - t.bytes);
        assert_null(t.data);
    }
}

static void test_refuses_malformed(void **state)
{
    static const struct {
        struct array_file file;
        const char *words;
    } cases[] = {
        {{0, F4("(1,)"), 4}, "version 0.0 is not known"},
        {{4, F4("(1,)"), 4}, "version 4.0 is not known"},
        {{9, F4("(1,)"), 4}, "version 9.0 is not known"},
        {{1, DICT("'|O'", "False", "(1,)"), 8},
         "Python objects (a pickle), which embd never reads"},
        {{1, DICT("'O'", "False", "(1,)"), 8}, "Python objects"},
        {{1, DICT("'|O8'", "False", "(1,)"), 8}, "Python objects"},
        {{1, DICT("[('a', '<f4')]", "False", "(1,)"), 4}, "structured type"},
        {{1, DICT("[('a', '|O')]", "False", "(1,)"), 8}, "structured type"},
        {{1, DICT("'>f4'", "False", "(1,)"), 4}, "the type \">f4\""},
        {{1, DICT("'=f4'", "False", "(1,)"), 4}, "the type \"=f4\""},
        {{1, DICT("'f4'", "False", "(1,)"), 4}, "the type \"f4\""},
        {{1, DICT("'<f16'", "False", "(1,)"), 16}, "the type \"<f16\""},
        {{1, DICT("'<c8'", "False", "(1,)"), 8}, "the type \"<c8\""},
        {{1, DICT("'<U4'", "False", "(1,)"), 16}, "the type \"<U4\""},
        {{1, DICT("'|S4'", "False", "(1,)"), 4}, "the type \"|S4\""},
        {{1, DICT("'<M8[s]'", "False", "(1,)"), 8}, "the type \"<M8[s]\""},
        {{1, DICT("''", "False", "(1,)"), 4}, "the type \"\""},
        {{1, DICT("'<f4", "False", "(1,)"), 4}, "the type"},
        {{1, DICT("'\\x3cf4'", "False", "(1,)"), 4}, "descr is malformed"},
        {{1, DICT("4", "False", "(1,)"), 4}, "descr is malformed"},
        {{1, DICT("'<f4'", "True", "(2, 3)"), 24}, "Fortran order"},
        {{1, DICT("'<f4'", "true", "(1,)"), 4}, "fortran_order is malformed"},
        {{1, DICT("'<f4'", "0", "(1,)"), 4}, "fortran_order is malformed"},
        {{1, DICT("'<f4'", "Falsey", "(1,)"), 4}, "dictionary is malformed"},
        {{1, F4("(1)"), 4}, "shape is malformed"},
        {{1, F4("1"), 4}, "shape is malformed"},
        {{1, F4("[1]"), 4}, "shape is malformed"},
        {{1, F4("(,)"), 4}, "shape is malformed"},
        {{1, F4("(1,,)"), 4}, "shape is malformed"},
        {{1, F4("(1 1)"), 4}, "shape is malformed"},
        {{1, F4("(-1,)"), 4}, "shape is malformed"},
        {{1, F4("(01,)"), 4}, "shape is malformed"},
        {{1, F4("(1L,)"), 4}, "shape is malformed"},
        {{1, F4("(1.0,)"), 4}, "shape is malformed"},
        {{1, F4("(1e0,)"), 4}, "shape is malformed"},
        {{1, F4("('1',)"), 4}, "shape is malformed"},
        {{1, F4("(9223372036854775808,)"), 4}, "shape is malformed"},
        {{1, F4("(1,1,1,1,1,1,1,1,1)"), 4}, "more than 8 dimensions"},
        {{1, F4("(4294967296, 4294967296, 4294967296)"), 4}, "product of the shape is too large"},
        {{1, F4("(4294967296, 1073741824)"), 4}, "product of the shape is too large"},
        {{1, F4("(2,)"), 7}, "has 7 bytes of data; its shape needs 8"},
        {{1, F4("(2,)"), 0}, "has 0 bytes of data; its shape needs 8"},
        {{1, F4("(2,)"), 9}, "has 9 bytes of data; its shape needs 8"},
        {{1, F4("(0,)"), 1}, "has 1 bytes of data; its shape needs 0"},
        {{1, "", 0}, "dictionary is malformed"},
        {{1, "{}", 0}, "lacks descr"},
        {{1, "{'descr': '<f4'}", 4}, "lacks fortran_order"},
        {{1, "{'descr': '<f4', 'fortran_order': False}", 4}, "lacks shape"},
        {{1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4},
         "names descr twice"},
        {{1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'shape': (1,)}", 4},
         "names shape twice"},
        {{1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", 4},
         "unknown key \"x\""},
        {{1, "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}", 4},
         "dictionary is malformed"},
        {{1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", 4},
         "dictionary is malformed"},
        {{1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} 1", 4}, "end is malformed"},
        {{1, "dict(descr='<f4')", 4}, "dictionary is malformed"},
        {{1, "__import__('os')", 4}, "dictionary is malformed"},
    };
    unsigned char bytes[1000];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = build(bytes, &cases[i].file);
        struct tensor t;
        uint64_t offset;
        struct error e;

        assert_fails(npy_parse(&t, &offset, bytes, n, n, &e), ST_INVALID, e, cases[i].words);
    }
}

static void test_refuses_bad_starts(void **state)
{
    static const struct array_file good = {1, F4("(2,)"), 8};
    unsigned char bytes[200], *copy;
    struct tensor t;
    uint64_t offset;
    struct error e;
    size_t n = build(bytes, &good);

    (void)state;
    for (size_t cut = 0; cut < n; cut++) {
        copy = malloc(cut + !cut);
        memcpy(copy, bytes, cut);
        assert_int_equal(npy_parse(&t, &offset, copy, cut, cut, &e), ST_INVALID);
        free(copy);
    }
    bytes[0] = 'x';
    assert_fails(npy_parse(&t, &offset, bytes, n, n, &e), ST_INVALID, e, "not an .npy file");
    bytes[0] = 0x93;
    bytes[7] = 1;
    assert_fails(npy_parse(&t, &offset, bytes, n, n, &e), ST_INVALID, e, "version 1.1");
    /* Header lengths that lie: over the cap, and up to it but beyond the file. */
    memcpy(bytes + 6, "\x01\x00\xff\xff", 4);
    assert_fails(npy_parse(&t, &offset, bytes, n, n, &e), ST_INVALID, e,
                 "has 65535 bytes; at most 10000");
    memcpy(bytes + 6, "\x02\x00\xff\xff\xff\xff", 6);
    assert_fails(npy_parse(&t, &offset, bytes, n, n, &e), ST_INVALID, e, "at most 10000");
    memcpy(bytes + 6, "\x02\x00\x10\x27\x00\x00", 6);
    assert_fails(npy_parse(&t, &offset, bytes, n, n, &e), ST_INVALID, e, "ends within its header");
}

static void test_open_and_write_round_trip(void **state)
{
    float values[6] = {1, -2, 3.5f, 0, -0.0f, 1e30f};
    const struct tensor t = {
        .dtype = DT_F32, .rank = 2, .shape = {2, 3}, .count = 6, .bytes = 24, .data = values};
    struct tensor bf16 = t;
    struct unit_folder folder;
    struct error e;
    const char *path;
    struct npy a;

    (void)state;
    unit_folder_make(&folder);
    path = unit_path(&folder, "a.npy");
    assert_ok(npy_write(path, &t, &e), e);
    assert_ok(npy_open(&a, path, 0, &e), e);
    assert_int_equal(a.array.rank, 2);
    assert_int_equal((uintptr_t)a.array.data % 64, 0);
    assert_memory_equal(a.array.data, values, sizeof values);
    npy_close(&a);
    npy_close(&a);
    bf16.dtype = DT_BF16;
    assert_fails(npy_write(path, &bf16, &e), ST_INVALID, e, "NumPy has no type for BF16");
    assert_fails(npy_write("/nonexistent/a.npy", &t, &e), ST_NOT_FOUND, e, "/nonexistent");
    assert_fails(npy_open(&a, folder.path, 0, &e), ST_INVALID, e, "is a directory");
    assert_fails(npy_open(&a, unit_path(&folder, "none"), 0, &e), ST_NOT_FOUND, e, "none");
    assert_int_equal(truncate(path, 100), 0);
    assert_fails(npy_open(&a, path, 0, &e), ST_INVALID, e,
                 "a.npy\": the file ends within its header");
    unit_folder_remove(&folder);
}

/* A header of any length is read; where the data then lie unaligned, they are moved. */
static void test_open_takes_any_alignment(void **state)
{
    static const char text[] = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}";
    const double values[] = {1.25, -3};
    struct unit_folder folder;
    const char *path;

    (void)state;
    unit_folder_make(&folder);
    path = unit_path(&folder, "a.npy");
    for (size_t spaces = 0; spaces < 9; spaces++) {
        unsigned char bytes[200];
        const uint16_t length = (uint16_t)(sizeof text - 1 + spaces);
        struct error e;
        struct npy a;

        memcpy(bytes, "\x93NUMPY\x01", 8);
        memcpy(bytes + 8, &length, 2);
        memset(bytes + 10, ' ', length);
        memcpy(bytes + 10, text, sizeof text - 1);
        memcpy(bytes + 10 + length, values, sizeof values);
        unit_write(path, bytes, 10 + (size_t)length + sizeof values);
        assert_ok(npy_open(&a, path, 0, &e), e);
        assert_int_equal((uintptr_t)a.array.data % 8, 0);
        assert_memory_equal(a.array.data, values, sizeof values);
        npy_close(&a);
    }
    unit_folder_remove(&folder);
}

static void test_header_of_every_type_parses(void **state)
{
    unsigned char out[256];

    (void)state;
    for (int d = 0; d < DT_COUNT; d++)
        for (unsigned rank = 0; rank <= TENSOR_RANK_MAX; rank++) {
            struct tensor t = {.dtype = (enum dtype)d, .rank = rank}, back;
            uint64_t offset;
            struct error e;
            size_t n;

            if (d == DT_BF16)
                continue;
            /* As long as it gets: the first is zero, so that nothing overflows. */
            for (unsigned i = 1; i < rank; i++)
                t.shape[i] = INT64_MAX;
            n = npy_header(out, &t);
            assert_int_equal(n % 64, 0);
            assert_true(n <= sizeof out);
            if (rank == 0)
                t.bytes = dtype_size(t.dtype);
            assert_ok(npy_parse(&back, &offset, out, n, n + t.bytes, &e), e);
            assert_int_equal(back.dtype, d);
            assert_int_equal(back.rank, rank);
            assert_memory_equal(back.shape, t.shape, rank * sizeof t.shape[0]);
        }
}

/* From and to pipes, with the standard descriptors put aside for the while. */
static void test_pipes(void **state)
{
    static const struct array_file file = {1, DICT("'<i8'", "False", "(2,)"), 16};
    unsigned char bytes[300], got[300];
    int in = dup(0), out = dup(1), ends[2];
    size_t n = build(bytes, &file);
    struct error e;
    struct npy a;
    enum status st;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], bytes, n), n);
    close(ends[1]);
    dup2(ends[0], 0);
    st = npy_open(&a, "-", 1 << 20, &e);
    close(ends[0]);
    assert_ok(st, e);
    assert_memory_equal(a.array.data, bytes + n - 16, 16);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], 1);
    st = npy_write("-", &a.array, &e);
    dup2(out, 1);
    close(ends[1]);
    assert_ok(st, e);
    assert_int_equal(read(ends[0], got, sizeof got), n);
    assert_memory_equal(got + n - 16, bytes + n - 16, 16);
    close(ends[0]);
    npy_close(&a);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], bytes, n), n);
    close(ends[1]);
    dup2(ends[0], 0);
    st = npy_open(&a, "-", 50, &e);
    dup2(in, 0);
    assert_fails(st, ST_EXHAUSTED, e, "standard input");
    close(ends[0]);
    close(in);
    close(out);
}

#ifdef EMBD_DEVELOPER
static void test_open_survives_failing_allocations(void **state)
{
    static const struct array_file file = {1, F4("(2,)"), 8};
    unsigned char bytes[200];
    struct unit_folder folder;
    enum status st = ST_EXHAUSTED;
    const char *path;

    (void)state;
    unit_folder_make(&folder);
    path = unit_path(&folder, "a.npy");
    unit_write(path, bytes, build(bytes, &file));
    for (uint64_t n = 1; st != ST_OK; n++) {
        struct error e;
        struct npy a;

        mem_fail_at(n, false);
        st = npy_open(&a, path, 0, &e);
        mem_fail_at(0, false);
        assert_true(st == ST_OK || st == ST_EXHAUSTED);
        if (st == ST_OK)
            npy_close(&a);
    }
    unit_folder_remove(&folder);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_numpy_writes),
        cmocka_unit_test(test_refuses_malformed),
        cmocka_unit_test(test_refuses_bad_starts),
        cmocka_unit_test(test_open_and_write_round_trip),
        cmocka_unit_test(test_open_takes_any_alignment),
        cmocka_unit_test(test_header_of_every_type_parses),
        cmocka_unit_test(test_pipes),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_open_survives_failing_allocations),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
