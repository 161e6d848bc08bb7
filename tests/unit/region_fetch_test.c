/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is a file's at first, and brought in piece by piece while others read it. */
#include "base/region.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "base/memory.h"
#include "tests/unit/unit.h"

#define OFFSET                                                                                     \
    ((size_t)4096 + 192) /* where the data begin: aligned as headers are, not to a page */
#define SIZE (5 * REGION_CHUNK + 100)

struct fixture {
    struct unit_folder folder;
    int fd;
};

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(1 + i % 251);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    unsigned char *bytes = malloc(OFFSET + SIZE);

    unit_folder_make(&f->folder);
    for (size_t i = 0; i < OFFSET + SIZE; i++)
        bytes[i] = byte_at(i);
    unit_write(unit_path(&f->folder, "file"), bytes, OFFSET + SIZE);
    free(bytes);
    f->fd = open(unit_path(&f->folder, "file"), O_RDWR);
    *state = f;
    return f->fd < 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    close(f->fd);
    unit_folder_remove(&f->folder);
    free(f);
    return 0;
}

/* cmocka takes SIGBUS for itself at each test. */
static void take_sigbus(void)
{
    signal(SIGBUS, SIG_DFL);
    region_init();
}

static struct region *borrow(const struct fixture *f)
{
    struct region *r;
    struct error e;

    assert_ok(region_borrow(&r, f->fd, OFFSET, SIZE, &e), e);
    assert_int_equal(r->size, SIZE);
    assert_int_equal(r->mode, REGION_COPY);
    assert_int_equal((uintptr_t)r->data % 64, 0);
    return r;
}

/* All bytes are the file's, save those at multiples of `step` (0: none), which were written. */
static void expect(const struct region *r, size_t step)
{
    for (size_t i = 0; i < r->size; i++)
        if (r->data[i] != (step && i % step == 0 ? 0 : byte_at(OFFSET + i)))
            fail_msg("byte %zu is %u", i, r->data[i]);
}

/* What is written, before and between the pieces, stays; the file is as it was; and when all is
   fetched, no file is needed any more. */
static void test_becomes_memory_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct region *r = borrow(f);
    unsigned pieces = 1;
    unsigned char first;

    expect(r, 0);
    for (size_t i = 0; i < SIZE; i += 5000)
        r->data[i] = 0;
    expect(r, 5000);
    while (region_fetch(r)) {
        pieces++;
        for (size_t i = 0; i < SIZE; i += 5000)
            r->data[i] = 0;
        expect(r, 5000);
    }
    assert_true(pieces > 1);
    assert_false(region_fetch(r));
    assert_int_equal(r->slot, -1);
    assert_int_equal(pread(f->fd, &first, 1, (off_t)OFFSET), 1);
    assert_int_equal(first, byte_at(OFFSET));
    assert_int_equal(ftruncate(f->fd, 0), 0);
    expect(r, 5000);
    assert_int_equal(region_resident(r), SIZE);
    assert_false(region_damaged(r));
    region_free(r);
}

static void test_freed_halfway(void **state)
{
    struct region *r = borrow(*state);

    assert_true(region_fetch(r));
    expect(r, 0);
    region_free(r);
    r = borrow(*state);
    region_free(r);
}

/* The file is cut while some of it is still needed: damaged, and nothing that is written to such
   memory ends the process. */
static void test_cut_halfway(void **state)
{
    struct fixture *f = *state;
    struct region *r = borrow(f);

    take_sigbus();
    assert_true(region_fetch(r));
    assert_int_equal(ftruncate(f->fd, 4096), 0);
    assert_int_equal(r->data[0], byte_at(OFFSET)); /* is memory already */
    assert_false(region_damaged(r));
    while (region_fetch(r))
        ;
    assert_true(region_damaged(r));
    r->data[SIZE - 1] = 7;
    assert_int_equal(r->data[SIZE - 1], 7);
    assert_false(region_fetch(r));
    region_free(r);
}

static void test_mapping(void **state)
{
    struct fixture *f = *state;
    struct region *r;
    struct error e;
    unsigned pieces = 1;

    take_sigbus();
    assert_ok(region_map(&r, f->fd, OFFSET + SIZE, &e), e);
    while (region_fetch(r))
        pieces++;
    assert_true(pieces > 1);
    assert_int_equal(region_resident(r), OFFSET + SIZE);
    assert_int_equal(r->data[SIZE], byte_at(SIZE));
    region_free(r);
    assert_ok(region_map(&r, f->fd, OFFSET + SIZE, &e), e);
    assert_int_equal(ftruncate(f->fd, (off_t)REGION_CHUNK), 0);
    while (region_fetch(r))
        ;
    assert_true(region_damaged(r));
    region_free(r);
}

static void test_nothing_to_fetch(void **state)
{
    struct fixture *f = *state;
    struct region *r;
    struct error e;

    assert_ok(region_private(&r, SIZE, REGION_COPY, &e), e);
    assert_false(region_fetch(r));
    region_free(r);
    assert_ok(region_borrow(&r, f->fd, OFFSET, 0, &e), e);
    assert_false(region_fetch(r));
    region_free(r);
}

static void *read_until_told(void *arg)
{
    struct region *r = arg;

    for (unsigned round = 0; round < 20 && !region_damaged(r); round++)
        for (size_t i = 0; i < r->size; i += 512)
            if (((volatile unsigned char *)r->data)[i] != byte_at(OFFSET + i))
                return arg;
    return NULL;
}

static void test_under_readers(void **state)
{
    struct region *r = borrow(*state);
    pthread_t threads[3];
    void *wrong;

    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_until_told, r), 0);
    while (region_fetch(r))
        ;
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    region_free(r);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_becomes_memory_of_its_own),
        CASE(test_freed_halfway),
        CASE(test_cut_halfway),
        CASE(test_mapping),
        CASE(test_nothing_to_fetch),
        CASE(test_under_readers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
