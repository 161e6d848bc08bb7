/* SPDX-License-Identifier: Apache-2.0 */
/* Images of memory that goes on changing: each must be the copy that was made at its instant. */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "random.h"
#include "table/image.h"

/* Memory with a record of its changes, and what a saver has taken of it. */
struct scene {
    unsigned char *data, *instant, *taken;
    unsigned char *seen; /* [count] how often a block was taken */
    size_t size;
    uint64_t count;
    struct blocks *b;
    struct random r;
};

static void scene_make(struct scene *s, size_t size)
{
    struct error e;

    *s = (struct scene){.size = size, .r = {.state = size}};
    s->count = (size + BLOCK_BYTES - 1) / BLOCK_BYTES;
    s->data = malloc(size + 1);
    s->instant = malloc(size + 1);
    s->taken = malloc(s->count * BLOCK_BYTES + 1);
    s->seen = calloc(s->count + 1, 1);
    assert_true(s->data && s->instant && s->taken && s->seen);
    random_bytes(&s->r, s->data, size);
    assert_ok(blocks_new(&s->b, s->data, size, &e), e);
}

static void scene_done(struct scene *s)
{
    blocks_free(s->b);
    free(s->data);
    free(s->instant);
    free(s->taken);
    free(s->seen);
}

static void change(struct scene *s, size_t at, size_t n)
{
    blocks_keep(s->b, s->data + at, n);
    random_bytes(&s->r, s->data + at, n);
}

/* Somewhere, across several blocks now and then. */
static void change_some(struct scene *s)
{
    size_t at = (size_t)random_below(&s->r, s->size), n = (size_t)random_below(&s->r, 3000);

    change(s, at, n < s->size - at ? n : s->size - at);
}

static struct image *begin(struct scene *s, unsigned lineage, bool whole)
{
    struct image *i;
    struct error e;

    memcpy(s->instant, s->data, s->size);
    memset(s->seen, 0, s->count);
    assert_ok(image_begin(&i, s->b, lineage, whole, &e), e);
    return i;
}

/* Take at most `most` blocks; how many came. */
static size_t take(struct scene *s, struct image *i, size_t most)
{
    uint64_t index[200];
    unsigned char data[200 * BLOCK_BYTES];
    size_t n;

    assert_true(most <= 200);
    n = image_take(i, index, data, most);
    assert_true(n <= most);
    for (size_t k = 0; k < n; k++) {
        assert_true(index[k] < s->count);
        s->seen[index[k]]++;
        memcpy(s->taken + index[k] * BLOCK_BYTES, data + k * BLOCK_BYTES, BLOCK_BYTES);
    }
    return n;
}

/* What was taken is the instant's, each block once; returns how many blocks. */
static uint64_t check(const struct scene *s)
{
    uint64_t found = 0;

    for (uint64_t i = 0; i < s->count; i++) {
        size_t at = (size_t)i * BLOCK_BYTES, n = s->size - at;

        n = n < BLOCK_BYTES ? n : BLOCK_BYTES;
        assert_true(s->seen[i] <= 1);
        if (!s->seen[i])
            continue;
        found++;
        assert_memory_equal(s->taken + at, s->instant + at, n);
        for (size_t k = n; k < BLOCK_BYTES; k++)
            assert_int_equal(s->taken[at + k], 0);
    }
    return found;
}

static const size_t sizes[] = {1, 511, 512, 513, 32768, 40000, 512 * 512, 3000001};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void test_whole_is_the_instant(void **state)
{
    (void)state;
    for (size_t k = 0; k < SIZES; k++) {
        struct scene s;
        struct image *i;

        scene_make(&s, sizes[k]);
        i = begin(&s, 0, true);
        assert_int_equal(image_blocks(i), s.count);
        for (size_t most = 1; take(&s, i, most); most = 1 + (size_t)random_below(&s.r, 200))
            for (uint64_t n = random_below(&s.r, 10); n; n--)
                change_some(&s);
        assert_int_equal(check(&s), s.count);
        assert_int_equal(take(&s, i, 200), 0);
        assert_false(image_broken(i));
        image_end(i, true);
        scene_done(&s);
    }
}

/* An image of a lineage has the blocks that changed since its last one, and no others. */
static void test_changes_are_counted_by_lineage(void **state)
{
    struct scene s;
    struct image *i;

    (void)state;
    scene_make(&s, 100 * BLOCK_BYTES + 7);
    assert_int_equal(blocks_changed(s.b, 0), 0);
    change(&s, 3 * BLOCK_BYTES, 1);
    change(&s, 3 * BLOCK_BYTES + 5, 10);
    change(&s, 10 * BLOCK_BYTES - 1, 2); /* two blocks */
    change(&s, 20 * BLOCK_BYTES, BLOCK_BYTES);
    change(&s, 50 * BLOCK_BYTES, 0);
    change(&s, 100 * BLOCK_BYTES, 7); /* the short one */
    assert_int_equal(blocks_changed(s.b, 0), 5);
    assert_int_equal(blocks_changed(s.b, 1), 5);
    i = begin(&s, 0, false);
    assert_int_equal(image_blocks(i), 5);
    assert_int_equal(blocks_changed(s.b, 0), 0);
    change(&s, 9 * BLOCK_BYTES, 1);  /* of the image */
    change(&s, 30 * BLOCK_BYTES, 1); /* not of the image */
    while (take(&s, i, 1))
        ;
    assert_int_equal(check(&s), 5);
    assert_true(s.seen[3] && s.seen[9] && s.seen[10] && s.seen[20] && s.seen[100]);
    image_end(i, true);
    assert_int_equal(blocks_changed(s.b, 0), 2);
    assert_int_equal(blocks_changed(s.b, 1), 6);
    i = begin(&s, 1, false);
    assert_int_equal(image_blocks(i), 6);
    while (take(&s, i, 200))
        ;
    assert_int_equal(check(&s), 6);
    image_end(i, true);
    assert_int_equal(blocks_changed(s.b, 0), 2);
    assert_int_equal(blocks_changed(s.b, 1), 0);
    i = begin(&s, 1, false);
    assert_int_equal(take(&s, i, 200), 0);
    image_end(i, true);
    scene_done(&s);
}

static void test_what_was_not_kept_counts_again(void **state)
{
    for (int whole = 0; whole < 2; whole++) {
        struct scene s;
        struct image *i;

        (void)state;
        scene_make(&s, 100 * BLOCK_BYTES);
        change(&s, 3 * BLOCK_BYTES, 1);
        change(&s, 4 * BLOCK_BYTES, 1);
        i = begin(&s, 1, whole);
        change(&s, 4 * BLOCK_BYTES, 1);
        change(&s, 70 * BLOCK_BYTES, 1);
        take(&s, i, 1); /* and no more */
        image_end(i, false);
        assert_int_equal(blocks_changed(s.b, 1), 3);
        i = begin(&s, 1, false);
        while (take(&s, i, 200))
            ;
        assert_int_equal(check(&s), 3);
        assert_true(s.seen[3] && s.seen[4] && s.seen[70]);
        image_end(i, true);
        assert_int_equal(blocks_changed(s.b, 1), 0);
        assert_int_equal(blocks_changed(s.b, 0), 3);
        scene_done(&s);
    }
}

static void test_reset(void **state)
{
    for (size_t k = 0; k < SIZES; k++) {
        struct scene s;
        struct image *i;

        (void)state;
        scene_make(&s, sizes[k]);
        blocks_reset(s.b, 1, true);
        assert_int_equal(blocks_changed(s.b, 0), 0);
        assert_int_equal(blocks_changed(s.b, 1), s.count);
        change(&s, 0, 1);
        assert_int_equal(blocks_changed(s.b, 1), s.count);
        i = begin(&s, 1, false);
        assert_int_equal(image_blocks(i), s.count);
        while (take(&s, i, 200))
            ;
        assert_int_equal(check(&s), s.count);
        image_end(i, true);
        blocks_reset(s.b, 0, false);
        assert_int_equal(blocks_changed(s.b, 0), 0);
        scene_done(&s);
    }
}

static void test_tells_its_memory(void **state)
{
    struct scene s;
    struct image *i;
    uint64_t before;

    (void)state;
    scene_make(&s, 1 << 20);
    before = blocks_bytes(s.b);
    assert_true(before >= 4 * (1 << 20) / 512 / 8);
    i = begin(&s, 0, true);
    change(&s, 0, 100 * BLOCK_BYTES);
    assert_true(blocks_bytes(s.b) >= before + 100 * BLOCK_BYTES);
    while (take(&s, i, 200))
        ;
    assert_int_equal(blocks_bytes(s.b), before);
    change(&s, 0, 100 * BLOCK_BYTES); /* nobody wants these */
    assert_int_equal(blocks_bytes(s.b), before);
    image_end(i, true);
    i = begin(&s, 0, true);
    change(&s, 0, 100 * BLOCK_BYTES);
    image_end(i, false);
    assert_int_equal(blocks_bytes(s.b), before);
    scene_done(&s);
}

/* ---- With a saver on a thread of its own ---- */

struct saver {
    struct scene *s;
    struct image *i;
    atomic_bool over;
};

static void *save(void *context)
{
    struct saver *saver = context;
    size_t most = 1;

    while (take(saver->s, saver->i, most)) {
        most = most * 7 % 199 + 1;
        sched_yield();
    }
    atomic_store(&saver->over, true);
    return NULL;
}

static void test_writer_goes_on_meanwhile(void **state)
{
    struct scene s;

    (void)state;
    scene_make(&s, 2000000);
    for (unsigned round = 0; round < 12; round++) {
        struct saver saver = {.s = &s};
        unsigned lineage = round % LINEAGES;
        bool whole = round % 4 < 2;
        uint64_t due = whole ? s.count : blocks_changed(s.b, lineage);
        pthread_t thread;

        saver.i = begin(&s, lineage, whole);
        assert_int_equal(pthread_create(&thread, NULL, save, &saver), 0);
        do
            change_some(&s);
        while (!atomic_load(&saver.over));
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(check(&s), due);
        image_end(saver.i, true);
        change_some(&s);
    }
    scene_done(&s);
}

#ifdef EMBD_DEVELOPER
static void test_broken_without_memory(void **state)
{
    struct scene s;
    struct image *i;

    (void)state;
    scene_make(&s, 100000);
    change(&s, 0, 5000);
    i = begin(&s, 0, false);
    mem_fail_at(3, false);
    change(&s, 0, 5000);
    mem_fail_at(0, false);
    assert_true(image_broken(i));
    assert_int_equal(take(&s, i, 200), 0);
    change(&s, 0, 100000); /* goes on as ever */
    image_end(i, false);
    i = begin(&s, 0, false); /* and the next image has everything */
    assert_int_equal(image_blocks(i), s.count);
    while (take(&s, i, 200))
        ;
    assert_int_equal(check(&s), s.count);
    assert_false(image_broken(i));
    image_end(i, true);
    scene_done(&s);
}

static void test_survives_failing_allocations(void **state)
{
    enum status st = ST_EXHAUSTED;
    unsigned char data[1000] = {0};

    (void)state;
    for (uint64_t n = 1; st != ST_OK; n++) {
        struct blocks *b = NULL;
        struct image *i = NULL;
        struct error e;

        mem_fail_at(n, false);
        st = blocks_new(&b, data, sizeof data, &e);
        if (st == ST_OK)
            st = image_begin(&i, b, 0, true, &e);
        mem_fail_at(0, false);
        assert_true(st == ST_OK ? n == 7 : st == ST_EXHAUSTED && !i);
        if (i)
            image_end(i, true);
        blocks_free(b);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_is_the_instant),
        cmocka_unit_test(test_changes_are_counted_by_lineage),
        cmocka_unit_test(test_what_was_not_kept_counts_again),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_tells_its_memory),
        cmocka_unit_test(test_writer_goes_on_meanwhile),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_broken_without_memory),
        cmocka_unit_test(test_survives_failing_allocations),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
