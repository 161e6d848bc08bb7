/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas, and the allocator below them with its failures on demand. */
#include "base/arena.h"

#include "base/memory.h"
#include "tests/unit/unit.h"

static void test_allocations_are_aligned_and_apart(void **state)
{
    struct arena a;
    unsigned char *p[500];

    (void)state;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < 500; i++) {
        p[i] = arena_alloc(&a, i % 97, 3);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        memset(p[i], (int)(i & 255), i % 97 * 3);
    }
    for (size_t i = 0; i < 500; i++)
        for (size_t j = 0; j < i % 97 * 3; j++)
            assert_int_equal(p[i][j], i & 255);
    assert_ptr_not_equal(p[0], p[97]); /* of no bytes, each with its address */
    arena_done(&a);
    assert_int_equal(a.used, 0);
    assert_non_null(arena_alloc(&a, 1, 1)); /* usable again */
    arena_done(&a);
}

static void test_cap_holds_and_can_be_reached(void **state)
{
    struct arena a;
    size_t n = 0;

    (void)state;
    arena_init(&a, 100000);
    assert_null(arena_alloc(&a, 100001, 1));
    while (arena_alloc(&a, 10, 100))
        n++;
    assert_true(a.used <= 100000);
    assert_true(n >= 80); /* of 100 at best: headers, and what is left over in each block */
    arena_done(&a);
}

static void test_overflow_is_refused(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, SIZE_MAX);
    assert_null(arena_alloc(&a, SIZE_MAX, 2));
    assert_null(arena_alloc(&a, SIZE_MAX, 1));
    assert_null(arena_alloc(&a, SIZE_MAX - 20, 1));
    assert_null(arena_text(&a, "x", SIZE_MAX));
    assert_int_equal(a.used, 0);
    arena_done(&a);
}

static void test_reset_keeps_a_small_first_block(void **state)
{
    struct arena a;
    void *first;

    (void)state;
    arena_init(&a, 1 << 20);
    first = arena_alloc(&a, 1, 64);
    for (int i = 0; i < 100; i++)
        assert_non_null(arena_alloc(&a, 1, 1000));
    arena_reset(&a);
    assert_true(a.used > 0 && a.used <= 4096);
    assert_ptr_equal(arena_alloc(&a, 1, 64), first);
    arena_done(&a);
    assert_non_null(arena_alloc(&a, 1, 500000));
    arena_reset(&a);
    assert_int_equal(a.used, 0); /* an idle connection holds no half megabyte */
    arena_reset(&a);
    arena_done(&a);
}

static void test_zero_and_text(void **state)
{
    struct arena a;
    unsigned char *z;
    char *t;

    (void)state;
    arena_init(&a, 1 << 20);
    memset(arena_alloc(&a, 1, 3000), 0xff, 3000);
    arena_reset(&a);
    z = arena_zero(&a, 1000, 3);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(z[i], 0);
    t = arena_text(&a, "table", 3);
    assert_string_equal(t, "tab");
    assert_string_equal(arena_text(&a, NULL, 0), "");
    arena_done(&a);
}

static void test_heap_refuses_overflow(void **state)
{
    char *p = mem_text("abcdef", 3);

    (void)state;
    assert_string_equal(p, "abc");
    assert_null(mem_zero(SIZE_MAX / 2, 3));
    assert_null(mem_resize(p, SIZE_MAX / 2, 3)); /* and p is still there */
    assert_string_equal(p, "abc");
    p = mem_resize(p, 2, 100);
    assert_non_null(p);
    assert_string_equal(p, "abc");
    mem_free(p);
    assert_null(mem_text("x", SIZE_MAX));
    mem_free(NULL);
}

static void test_heap_gives_zeros_alignment_and_unique_pointers(void **state)
{
    void *a = mem_alloc(0), *b = mem_alloc(0), *c = mem_zero(0, 8), *d = mem_resize(NULL, 0, 1);
    unsigned char *z = mem_zero(100, 10), *aligned = mem_aligned(4096, 10);

    (void)state;
    assert_true(a && b && c && d && a != b);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(z[i], 0);
    assert_int_equal((uintptr_t)aligned % 4096, 0);
    mem_free(a), mem_free(b), mem_free(c), mem_free(d), mem_free(z), mem_free(aligned);
}

static void test_sizes(void **state)
{
    size_t n = 1;

    (void)state;
    assert_true(size_mul(SIZE_MAX / 2, 2, &n) && n == SIZE_MAX - 1);
    assert_false(size_mul(SIZE_MAX / 2 + 1, 2, &n));
    assert_true(size_add(SIZE_MAX - 1, 1, &n) && n == SIZE_MAX);
    assert_false(size_add(SIZE_MAX, 1, &n));
}

#ifdef EMBD_DEVELOPER
static void test_allocation_fails_on_demand(void **state)
{
    void *p;

    (void)state;
    mem_fail_at(2, false);
    p = mem_alloc(1);
    assert_non_null(p);
    assert_false(mem_failed());
    assert_null(mem_resize(p, 2, 1));
    assert_true(mem_failed());
    mem_free(p);
    p = mem_alloc(1); /* once only */
    assert_non_null(p);
    mem_free(p);
    mem_fail_at(1, true);
    assert_null(mem_zero(1, 1));
    assert_null(mem_text("x", 1));
    assert_null(mem_aligned(64, 1));
    mem_fail_at(0, false);
    p = mem_alloc(1);
    assert_non_null(p);
    mem_free(p);
}

static void test_arena_survives_a_failed_allocation(void **state)
{
    struct arena a;
    unsigned char *p;

    (void)state;
    arena_init(&a, 1 << 20);
    p = arena_alloc(&a, 1, 100);
    memset(p, 7, 100);
    mem_fail_at(1, false);
    assert_null(arena_alloc(&a, 1, 100000));
    mem_fail_at(0, false);
    assert_int_equal(p[99], 7);
    assert_non_null(arena_alloc(&a, 1, 100000));
    arena_done(&a);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations_are_aligned_and_apart),
        cmocka_unit_test(test_cap_holds_and_can_be_reached),
        cmocka_unit_test(test_overflow_is_refused),
        cmocka_unit_test(test_reset_keeps_a_small_first_block),
        cmocka_unit_test(test_zero_and_text),
        cmocka_unit_test(test_heap_refuses_overflow),
        cmocka_unit_test(test_heap_gives_zeros_alignment_and_unique_pointers),
        cmocka_unit_test(test_sizes),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_allocation_fails_on_demand),
        cmocka_unit_test(test_arena_survives_a_failed_allocation),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
