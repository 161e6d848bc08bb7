/* SPDX-License-Identifier: Apache-2.0 */
/* Regions, above all what is left of one when its file shrinks. */
#include "base/region.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "tests/unit/unit.h"

#define FILE_SIZE (5 * REGION_CHUNK / 2 + 100)

struct fixture {
    struct unit_folder folder;
    int fd;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    unsigned char *bytes = malloc(FILE_SIZE);

    unit_folder_make(&f->folder);
    for (size_t i = 0; i < FILE_SIZE; i++)
        bytes[i] = (unsigned char)(1 + i % 251);
    unit_write(unit_path(&f->folder, "file"), bytes, FILE_SIZE);
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

static void test_map_shows_the_file(void **state)
{
    struct fixture *f = *state;
    struct region *r;
    struct error e;

    assert_ok(region_map(&r, f->fd, FILE_SIZE, &e), e);
    assert_int_equal(r->size, FILE_SIZE);
    assert_int_equal(r->mode, REGION_MAP);
    for (size_t i = 0; i < FILE_SIZE; i += 4097)
        assert_int_equal(r->data[i], 1 + i % 251);
    region_touch(r);
    assert_false(region_damaged(r));
    assert_int_equal(region_resident(r), FILE_SIZE);
    region_free(r);
    region_free(NULL);
}

static void test_map_refuses_a_short_file(void **state)
{
    struct fixture *f = *state;
    struct region *r;
    struct error e;

    assert_fails(region_map(&r, f->fd, FILE_SIZE + 1, &e), ST_DATA_LOSS, e, "bytes");
    assert_fails(region_map(&r, -1, 10, &e), ST_UNAVAILABLE, e, "descriptor");
}

static void test_chunks(void **state)
{
    static const struct {
        size_t size, chunks, last;
    } rows[] = {
        {1, 1, 1},
        {REGION_CHUNK, 1, REGION_CHUNK},
        {REGION_CHUNK + 1, 2, 1},
        {3 * REGION_CHUNK - 1, 3, REGION_CHUNK - 1},
    };
    struct region *r;
    struct error e;
    size_t offset, n;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_ok(region_private(&r, rows[i].size, REGION_COPY, &e), e);
        assert_int_equal(region_chunks(r), rows[i].chunks);
        region_chunk(r, rows[i].chunks - 1, &offset, &n);
        assert_int_equal(offset, (rows[i].chunks - 1) * REGION_CHUNK);
        assert_int_equal(n, rows[i].last);
        region_free(r);
    }
}

static void test_private_is_zeroed_aligned_and_writable(void **state)
{
    struct region *r;
    struct error e;

    (void)state;
    assert_ok(region_private(&r, 2 * REGION_CHUNK + 5, REGION_COPY, &e), e);
    assert_int_equal((uintptr_t)r->data % REGION_CHUNK, 0);
    assert_int_equal(region_resident(r), 0);
    for (size_t i = 0; i < r->size; i += 1000)
        assert_int_equal(r->data[i], 0);
    memset(r->data, 7, r->size);
    region_touch(r);
    assert_int_equal(region_resident(r), r->size);
    assert_int_equal(r->data[r->size - 1], 7);
    region_free(r);
}

static void test_small_private_region_takes_no_huge_page(void **state)
{
    struct region *r;
    struct error e;

    (void)state;
    assert_ok(region_private(&r, 100, REGION_COPY, &e), e);
    assert_int_equal((uintptr_t)r->data % REGION_CHUNK, 0);
    assert_true(r->base_size <= 65536);
    region_free(r);
}

static void test_empty_regions(void **state)
{
    struct fixture *f = *state;
    struct region *r;
    struct error e;

    assert_ok(region_map(&r, f->fd, 0, &e), e);
    assert_non_null(r->data);
    assert_int_equal(region_chunks(r), 0);
    assert_int_equal(region_resident(r), 0);
    region_touch(r);
    region_free(r);
    assert_ok(region_private(&r, 0, REGION_LOCK, &e), e);
    region_free(r);
}

static void test_huge_sizes_are_refused(void **state)
{
    struct region *r;
    struct error e;

    (void)state;
    assert_fails(region_private(&r, SIZE_MAX, REGION_COPY, &e), ST_EXHAUSTED, e, "memory");
    assert_fails(region_private(&r, SIZE_MAX / 2, REGION_COPY, &e), ST_EXHAUSTED, e, "memory");
}

/* Give SIGBUS its default and then our handler: cmocka takes the signal for itself at each test. */
static void take_sigbus(void)
{
    signal(SIGBUS, SIG_DFL);
    region_init();
}

/* Run `body` in a child and return its wait status: what it does to limits and signals stays there.
 */
static int run_child(void (*body)(int fd), int fd)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        body(fd);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void lock_over_the_limit(int fd)
{
    struct rlimit none = {0, 0};
    struct region *r;
    struct error e;

    (void)fd;
    if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 || (geteuid() == 0 && seteuid(65534) < 0))
        _exit(77);
    if (region_private(&r, REGION_CHUNK, REGION_LOCK, &e) == ST_OK)
        _exit(1);
    if (!strstr(e.text, "RLIMIT_MEMLOCK is 0 B"))
        _exit(2);
}

static void test_lock_names_its_limit(void **state)
{
    struct fixture *f = *state;
    int status;

#if SANITIZED
    skip(); /* sanitizers make mlock() do nothing */
#endif
    status = run_child(lock_over_the_limit, f->fd);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_truncated_file_reads_as_zeros(void **state)
{
    struct fixture *f = *state;
    struct region *r, *other;
    struct error e;

    take_sigbus();
    assert_ok(region_map(&r, f->fd, FILE_SIZE, &e), e);
    assert_ok(region_map(&other, f->fd, REGION_CHUNK, &e), e);
    region_touch(r);
    assert_int_equal(ftruncate(f->fd, (off_t)REGION_CHUNK), 0);
    assert_false(region_damaged(r));
    assert_int_equal(r->data[REGION_CHUNK - 1], 1 + (REGION_CHUNK - 1) % 251);
    assert_false(region_damaged(r));
    assert_int_equal(r->data[REGION_CHUNK + 5000], 0);
    assert_true(region_damaged(r));
    assert_int_equal(r->data[REGION_CHUNK], 0); /* before the first hole: one more */
    assert_int_equal(r->data[FILE_SIZE - 1], 0);
    region_touch(other);
    assert_false(region_damaged(other)); /* what lies in the file is not touched by it */
    region_touch(r);
    region_free(r);
    region_free(other);
}

struct reader {
    struct region *region;
    atomic_uint reading; /* threads that have read it all once */
};

/* A lookup's loop: sums without holding anything, and asks afterwards. */
static void *read_until_damaged(void *arg)
{
    struct reader *r = arg;
    uint64_t sum = 0;

    for (unsigned round = 0; !region_damaged(r->region); round++) {
        for (size_t i = 0; i < r->region->size; i += 512)
            sum += ((const volatile unsigned char *)r->region->data)[i];
        if (round == 0)
            atomic_fetch_add(&r->reading, 1);
    }
    return (void *)(uintptr_t)(sum != 0);
}

static void test_file_truncated_under_readers(void **state)
{
    struct fixture *f = *state;
    struct reader reader = {0};
    pthread_t threads[3];
    struct error e;

    take_sigbus();
    assert_ok(region_map(&reader.region, f->fd, FILE_SIZE, &e), e);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_until_damaged, &reader), 0);
    while (atomic_load(&reader.reading) < 3)
        sched_yield();
    assert_int_equal(ftruncate(f->fd, 0), 0);
    for (int i = 0; i < 3; i++) { /* all end by themselves, having seen the damage */
        void *read_something;

        pthread_join(threads[i], &read_something);
        assert_non_null(read_something);
    }
    assert_int_equal(reader.region->data[0], 0);
    region_free(reader.region);
}

static void test_damage_does_not_stick_to_the_next_region(void **state)
{
    struct fixture *f = *state;
    struct region *r;
    struct error e;
    int slot;

    take_sigbus();
    assert_ok(region_map(&r, f->fd, FILE_SIZE, &e), e);
    slot = r->slot;
    region_mark_damaged(r);
    assert_true(region_damaged(r));
    region_free(r);
    assert_ok(region_map(&r, f->fd, FILE_SIZE, &e), e);
    assert_int_equal(r->slot, slot);
    assert_false(region_damaged(r));
    assert_int_equal(ftruncate(f->fd, 0), 0);
    assert_int_equal(r->data[0], 0);
    assert_true(region_damaged(r));
    region_free(r);
}

static void test_places_in_the_list_come_back(void **state)
{
    struct fixture *f = *state;
    struct region *r;
    struct error e;

    for (int i = 0; i < 70000; i++) {
        assert_ok(region_map(&r, f->fd, 1, &e), e);
        region_free(r);
    }
}

static void fault_elsewhere(int fd)
{
    volatile unsigned char *p = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);

    if (ftruncate(fd, 0) < 0)
        _exit(0);
    (void)p[0];
}

static void signal_from_outside(int fd)
{
    (void)fd;
    kill(getpid(), SIGBUS);
}

static void test_other_faults_end_the_process(void **state)
{
    struct fixture *f = *state;
    int status;

    take_sigbus();
    status = run_child(fault_elsewhere, f->fd);

    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    status = run_child(signal_from_outside, f->fd);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

#ifdef EMBD_DEVELOPER
static void test_out_of_memory(void **state)
{
    struct fixture *f = *state;
    struct region *r;
    struct error e;

    mem_fail_at(1, false);
    assert_fails(region_map(&r, f->fd, 1, &e), ST_EXHAUSTED, e, "out of memory");
    mem_fail_at(1, false);
    assert_fails(region_private(&r, 1, REGION_COPY, &e), ST_EXHAUSTED, e, "out of memory");
}
#endif

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_map_shows_the_file),
        CASE(test_map_refuses_a_short_file),
        CASE(test_chunks),
        CASE(test_private_is_zeroed_aligned_and_writable),
        CASE(test_small_private_region_takes_no_huge_page),
        CASE(test_empty_regions),
        CASE(test_huge_sizes_are_refused),
        CASE(test_lock_names_its_limit),
        CASE(test_truncated_file_reads_as_zeros),
        CASE(test_file_truncated_under_readers),
        CASE(test_damage_does_not_stick_to_the_next_region),
        CASE(test_places_in_the_list_come_back),
        CASE(test_other_faults_end_the_process),
#ifdef EMBD_DEVELOPER
        CASE(test_out_of_memory),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
