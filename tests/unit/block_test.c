/* SPDX-License-Identifier: Apache-2.0 */
/* Shared blocks and growing buffers. */
#include "base/block.h"

#include <pthread.h>

#include "base/memory.h"
#include "tests/unit/unit.h"

static void test_new_block(void **state)
{
    struct block *b = block_new(1000);

    (void)state;
    assert_int_equal(b->size, 0);
    assert_true(b->capacity >= 1000);
    assert_int_equal((uintptr_t)b->data % 64, 0);
    memset(b->data, 1, 1000);
    assert_ptr_equal(block_ref(b), b);
    block_unref(b);
    assert_int_equal(b->data[999], 1); /* one reference is left */
    block_unref(b);
    block_unref(NULL);
    assert_null(block_new(SIZE_MAX));
}

static void *use_block(void *arg)
{
    struct block *b = arg;
    unsigned sum = 0;

    for (int i = 0; i < 1000; i++) {
        block_ref(b);
        sum += b->data[i];
        block_unref(b);
    }
    block_unref(b);
    return (void *)(uintptr_t)sum;
}

static void test_last_thread_frees(void **state)
{
    struct block *b = block_new(1000);
    pthread_t threads[4];

    (void)state;
    memset(b->data, 3, 1000);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_block, block_ref(b)), 0);
    block_unref(b); /* the sanitizers see a second free, a leak or a race */
    for (int i = 0; i < 4; i++) {
        void *sum;

        pthread_join(threads[i], &sum);
        assert_int_equal((uintptr_t)sum, 3000);
    }
}

static void test_buffer_grows_and_keeps_its_bytes(void **state)
{
    struct buffer b;

    (void)state;
    buffer_init(&b, 1 << 20);
    assert_null(buffer_data(&b));
    assert_int_equal(buffer_size(&b), 0);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(buffer_add(&b, &(unsigned char){i % 251}, 1), 0);
    assert_int_equal(buffer_size(&b), 10000);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(buffer_data(&b)[i], i % 251);
    buffer_done(&b);
    assert_int_equal(buffer_size(&b), 0);
}

static void test_buffer_drops_from_the_front(void **state)
{
    struct buffer b;

    (void)state;
    buffer_init(&b, 10);
    buffer_drop(&b, 0);
    assert_int_equal(buffer_add(&b, "abcdefghij", 10), 0);
    buffer_drop(&b, 3);
    assert_int_equal(buffer_size(&b), 7);
    assert_memory_equal(buffer_data(&b), "defghij", 7);
    assert_int_equal(buffer_add(&b, "klm", 3), 0); /* the room is there again */
    assert_int_equal(buffer_add(&b, "n", 1), -1);
    assert_memory_equal(buffer_data(&b), "defghijklm", 10);
    buffer_drop(&b, 10);
    assert_int_equal(buffer_size(&b), 0);
    buffer_done(&b);
}

static void test_buffer_limit_is_exact(void **state)
{
    unsigned char bytes[1000] = {0};
    struct buffer b;

    (void)state;
    buffer_init(&b, 1000);
    assert_int_equal(buffer_add(&b, bytes, 600), 0);
    assert_int_equal(buffer_add(&b, bytes, 401), -1);
    assert_null(buffer_room(&b, SIZE_MAX));
    assert_int_equal(buffer_size(&b), 600);
    assert_int_equal(buffer_add(&b, bytes, 400), 0);
    assert_int_equal(buffer_add(&b, bytes, 1), -1);
    assert_int_equal(buffer_add(&b, NULL, 0), 0);
    assert_int_equal(buffer_size(&b), 1000);
    buffer_done(&b);
}

static void test_room_leaves_the_size(void **state)
{
    struct buffer b;
    unsigned char *p;

    (void)state;
    buffer_init(&b, 5000);
    assert_int_equal(buffer_add(&b, "ab", 2), 0);
    p = buffer_room(&b, 4000);
    assert_non_null(p);
    memset(p, 'c', 4000);
    assert_int_equal(buffer_size(&b), 2);
    assert_ptr_equal(p, buffer_data(&b) + 2);
    assert_memory_equal(buffer_data(&b), "abc", 3);
    buffer_done(&b);
}

static void test_take_leaves_the_buffer_empty(void **state)
{
    struct buffer b;
    struct block *taken;

    (void)state;
    buffer_init(&b, 100);
    assert_null(buffer_take(&b));
    assert_int_equal(buffer_add(&b, "ab", 2), 0);
    taken = buffer_take(&b);
    assert_int_equal(taken->size, 2);
    assert_int_equal(buffer_size(&b), 0);
    assert_int_equal(buffer_add(&b, "cd", 2), 0); /* into a block of its own */
    assert_memory_equal(taken->data, "ab", 2);
    block_unref(taken);
    buffer_done(&b);
}

#ifdef EMBD_DEVELOPER
static void test_buffer_stays_when_memory_is_out(void **state)
{
    unsigned char bytes[1000] = {0};
    struct buffer b;

    (void)state;
    buffer_init(&b, 5000);
    assert_int_equal(buffer_add(&b, "ab", 2), 0);
    mem_fail_at(1, false);
    assert_int_equal(buffer_add(&b, bytes, sizeof bytes), -1);
    assert_int_equal(buffer_size(&b), 2);
    assert_memory_equal(buffer_data(&b), "ab", 2);
    assert_int_equal(buffer_add(&b, bytes, sizeof bytes), 0);
    buffer_done(&b);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_block),
        cmocka_unit_test(test_last_thread_frees),
        cmocka_unit_test(test_buffer_grows_and_keeps_its_bytes),
        cmocka_unit_test(test_buffer_drops_from_the_front),
        cmocka_unit_test(test_buffer_limit_is_exact),
        cmocka_unit_test(test_room_leaves_the_size),
        cmocka_unit_test(test_take_leaves_the_buffer_empty),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_buffer_stays_when_memory_is_out),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
