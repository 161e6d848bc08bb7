/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes against values that other implementations of xxHash give: they are part of file formats.
 */
#include "base/hash.h"

#include "base/memory.h"
#include "tests/unit/unit.h"

static const struct {
    size_t n;
    uint64_t value;
} runs[] = {
    {0, 0x2d06800538d394c2},    {1, 0x13e608bc156defed},    {3, 0xa9088dda485b481c},
    {4, 0x6d9253b16c8b1ed3},    {8, 0x60539db630471163},    {9, 0xfeff668361d723a8},
    {16, 0xb8c859b0f030b585},   {17, 0x714a04408e79b80f},   {128, 0x4634ae6a253a60e4},
    {129, 0xc095b9b1b087722d},  {240, 0x887af00281f75d38},  {241, 0x82b1de299f6e411e},
    {1024, 0xf75e768c7cdd54b2}, {1025, 0x667a5eabe344e5df}, {100000, 0xd449c3d3e190d6d6},
};

static const struct {
    size_t n;
    uint64_t low, high;
} long_runs[] = {
    {0, 0x6001c324468d497f, 0x99aa06d3014798d8},
    {1, 0x13e608bc156defed, 0x22bbb76b211a39ba},
    {3, 0xa9088dda485b481c, 0xce31763cbf8245a5},
    {4, 0x788a609154b0fe20, 0x47197970590746b1},
    {8, 0x3cd024e3d63a1588, 0xe3bc8a5f46171555},
    {9, 0xeafab1c7f123109f, 0xc72c88247a9a56d7},
    {16, 0x60d75c5e47d40a24, 0xce0b9647ab24f884},
    {17, 0xeeed7654312a26d7, 0xbfd327edcc2fbd12},
    {128, 0xef7e4d57ed67de26, 0xa04233e3c9599748},
    {129, 0xa28da26446fd5ab0, 0x6e83694c09641bb7},
    {240, 0x2288b3c22f48dea4, 0x9a8457fec9cfea5e},
    {241, 0x82b1de299f6e411e, 0x07870750a9743956},
    {1024, 0xf75e768c7cdd54b2, 0xf96a1bbdb2fef572},
    {1025, 0x667a5eabe344e5df, 0x2b5651dd466531ba},
    {100000, 0xd449c3d3e190d6d6, 0xc0f903c0bf0d5d15},
};

static unsigned char bytes[100000];

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)((i * 7 + 3) % 251);
    return 0;
}

static void test_key(void **state)
{
    static const struct {
        int64_t key;
        uint64_t seed, value;
    } rows[] = {
        {0, 0, 0x34c96acdcadb1bbb},
        {1, 0, 0x9f29cb17a2a49995},
        {-1, 0, 0x85d136adb773c6c9},
        {1, 1, 0x8afb45d6a8b39709},
        {INT64_MIN, 7, 0xb73343d45531edb1},
        {INT64_MAX, UINT64_MAX, 0x4f33f2058914eaa9},
        {42, 0x9e3779b97f4a7c15, 0xf92a4389bd62ee57},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_true(hash_key(rows[i].key, rows[i].seed) == rows[i].value);
}

static void test_bytes(void **state)
{
    (void)state;
    assert_true(hash_bytes("abc", 3) == 0x78af5f94892f3950);
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        assert_true(hash_bytes(bytes, runs[i].n) == runs[i].value);
}

static void test_bytes_in_128_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof long_runs / sizeof long_runs[0]; i++) {
        uint64_t hash[2];

        hash_bytes128(hash, bytes, long_runs[i].n);
        assert_true(hash[0] == long_runs[i].low && hash[1] == long_runs[i].high);
    }
}

static void test_seeded(void **state)
{
    (void)state;
    assert_true(hash_seeded("", 0, 0) == 0xef46db3751d8e999);
    assert_true(hash_seeded("a", 1, 0) == 0xd24ec4f1a98c6e5b);
    assert_true(hash_seeded("abc", 3, 0) == 0x44bc2cf5ad770999);
    assert_true(hash_seeded("xxhash", 6, 20141025) == 0xb559b98d844e0635);
}

/* Numbers with large common factors, as a peer would choose them, fill all places alike. */
static void test_number(void **state)
{
    struct hash_secret s = hash_secret(), again = hash_secret();

    (void)state;
    assert_memory_equal(&s, &again, sizeof s);
    assert_true(s.multiply & 1);
    for (unsigned shift = 0; shift < 54; shift++) {
        unsigned low[64] = {0}, high[64] = {0};

        for (uint64_t i = 0; i < 64 * 64; i++) {
            uint64_t h = hash_number(&s, i << shift);

            low[h % 64]++;
            high[h >> 58]++;
        }
        for (size_t i = 0; i < 64; i++) /* 64 each, give or take eight */
            assert_true(low[i] < 64 + 72 && high[i] < 64 + 72);
    }
}

static void test_pieces_give_the_hash_of_the_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
        for (size_t piece = 1; piece < 3000; piece = piece * 3 + 1) {
            struct hasher *h = hasher_new();

            for (size_t at = 0; at < runs[i].n; at += piece)
                hasher_add(h, bytes + at, runs[i].n - at < piece ? runs[i].n - at : piece);
            assert_true(hasher_value(h) == runs[i].value);
            assert_true(hasher_value(h) == runs[i].value); /* asking changes nothing */
            hasher_free(h);
        }
    hasher_free(NULL);
}

#ifdef EMBD_DEVELOPER
static void test_hasher_without_memory(void **state)
{
    (void)state;
    mem_fail_at(1, false);
    assert_null(hasher_new());
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_bytes_in_128_bits),
        cmocka_unit_test(test_seeded),
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_pieces_give_the_hash_of_the_whole),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_hasher_without_memory),
#endif
    };

    return cmocka_run_group_tests(tests, fill, NULL);
}
