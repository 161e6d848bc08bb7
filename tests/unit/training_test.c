/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes into tables of every method with every optimizer that suits: against float64, twice alike,
   and without a trace before they are written. */
#include "tests/unit/training_reference.h"

#include <math.h>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "lookup_tables.h"
#include "table/image.h"

/* A line for each form of a method that is trained in a way of its own. Small: gradients are
   differences, for which every element of the table is moved for every row of a push. */
static const struct shape {
    const char *method, *settings;
    uint64_t rows;
    uint32_t dim;
    uint64_t budget;
    float gradients; /* their size; 0: GRADIENTS */
} shapes[] = {
    {"full", "", 40, 6, 0, 0},
    {"full", "", 30, 1, 0, 0},
    {"hash", "", 90, 5, 11 * 5 * 4, 0},
    {"compo", "op=mult collisions=7", 50, 6, 0, 0},
    {"compo", "op=add collisions=5", 50, 6, 0, 0},
    {"compo", "op=concat collisions=5", 50, 7, 0, 0},
    {"compo", "op=mult pool=pool_first collisions=7", 50, 6, 0, 0},
    {"compo", "op=add pool=pool_first collisions=7", 50, 6, 0, 0},
    {"fp16", "", 40, 9, 0, 0},
    {"bf16", "", 40, 9, 0, 0},
    {"int8", "qparam=row", 40, 9, 0, 0},
    {"int8", "qparam=row signed=true", 40, 9, 0, 0},
    {"int8", "qparam=table signed=false scale=0.03 middle=-0.25", 40, 9, 0, 0},
    {"int8", "qparam=table signed=true scale=0.03 middle=0.125", 40, 9, 0, 0},
    {"int16", "qparam=row", 40, 9, 0, 0},
    {"int16", "qparam=table signed=true scale=0.0002 middle=0.5", 40, 9, 0, 0},
    {"alpt", "digit=8", 40, 9, 0, 0},
    {"alpt", "digit=8 scale_lr=0.02", 40, 9, 0, 0},
    {"alpt", "digit=16 scale_lr=0.001", 40, 9, 0, 0},
    {"deeplight", "form=csr", 40, 6, 90 * 5 + 8 * 41, 0},
    {"deeplight", "form=coo", 40, 6, 40 * 9, 0}, /* of which some rows have none */
    {"deeplight", "form=csr", 12, 300, 200 * 6 + 8 * 13, 0},
    {"autosrh", "form=csr", 40, 6, 90 * 5 + 8 * 41, 0},
    {"pep", "form=coo", 40, 6, 60 * 9, 0},
    {"adapt", "remap=dense", 40, 6, 20 * 6 * 4, 0},
    {"adapt", "remap=hot_list rare_hash=low_rank", 40, 6, 15 * 6 * 4, 0},
    {"robe", "block=2", 40, 6, 90 * 4, 0},
    {"robe", "variant=uma block=4 val_offset=77", 40, 6, 90 * 4, 0},
    {"mde", "dims=3", 40, 6, 0, 0},
    {"autodim", "dims=4", 40, 6, 0, 0},
    {"optembed", "form=compact", 40, 6, 40 * 6 * 2, 0},
    {"optembed", "form=remap", 40, 6, 40 * 6 * 3, 0},
    {"tt", "digit_order=little n=2,4,5 d=2,1,3 r=1,3,2,1", 40, 6, 0, 0},
    {"tt", "digit_order=big n=3,4,4 d=1,2,3 r=1,2,3,1", 40, 6, 0, 0},
    {"dhe", "k=3 width=4", 12, 3, 0, 1e-3f}, /* six layers run away from larger ones */
    {"dedup", "bx=2 by=3", 40, 6, 20 * 6 * 4, 0},
    {"dpq", "parts=3 k=7", 40, 6, 0, 0},
    {"dpq", "parts=2 k=5 shared=true packing=bits", 40, 6, 0, 0},
    {"mgqe", "parts=3 k_high=7 k_low=3", 40, 6, 0, 0},
    {"mgqe", "parts=2 k_high=6 k_low=5 packing=bits", 40, 6, 0, 0},
};
#define SHAPES (sizeof shapes / sizeof shapes[0])

static const struct {
    const char *settings;
    bool full_only;
} optimizers_of[] = {
    {"{\"name\":\"sgd\",\"learning_rate\":0.05}", false},
    {"{\"name\":\"sgd\",\"weight_decay\":0.1,\"clip_norm\":0.8}", false},
    {"{\"name\":\"adagrad\",\"learning_rate\":0.1,\"initial_accumulator\":0.25,\"weight_decay\":0."
     "1,"
     "\"weight_decay_mode\":\"decoupled\"}",
     true},
    {"{\"name\":\"rowwise_adagrad\",\"learning_rate\":0.1,\"weight_decay\":0.01}", false},
    {"{\"name\":\"rowwise_adagrad\",\"initial_accumulator\":0.5,\"clip_norm\":2}", false},
    {"{\"name\":\"adam\",\"learning_rate\":0.02,\"beta1\":0.5,\"step\":3}", true},
    {"{\"name\":\"adam\",\"clip_norm\":1,\"epsilon\":1e-3,\"weight_decay\":0.2}", true},
};
#define OPTIMIZERS (sizeof optimizers_of / sizeof optimizers_of[0])

#define GRADIENTS 0.5f
enum { PUSHES = 6, IDS = 60 };

static struct table *make_base(const struct shape *s)
{
    return kit_table_file(&folder, "base", s->method, s->rows, s->dim, s->budget, s->settings);
}

static struct table *make(const struct shape *s, const char *optimizer)
{
    struct table *base = make_base(s), *t = kit_trainable(&folder, base, optimizer);

    table_close(base);
    return t;
}

/* Whether what it trains is float32. */
static bool is_full(const struct shape *s)
{
    struct parameters p;
    bool full = true;

    kit_parameters(&p, method_find(s->method, strlen(s->method)), s->rows, s->dim, s->budget,
                   s->settings);
    for (unsigned k = 0; k < p.method->tensors_count; k++)
        full = full && (!tensor_trained(&p, k) || p.tensor[k].dtype == DT_F32);
    kit_done(&p);
    return full;
}

static bool suits(size_t shape, size_t optimizer)
{
    return !optimizers_of[optimizer].full_only || is_full(&shapes[shape]);
}

/* Random pushes against the exact table; the counts as they should be. */
static void train(struct table *t, float gradients, uint64_t seed)
{
    struct random r = {.state = seed};
    struct training_counts c, due = {0};
    struct exact_table x;
    struct training *training;
    struct error e;

    exact_make(&x, t);
    assert_ok(training_new(&training, t, &e), e);
    for (uint64_t i = 1; i <= PUSHES; i++) {
        struct kit_push push;
        float rate = i % 2 ? (float)training_settings(training)->learning_rate : 0.03f;

        kit_push(&push, t, &r, i == 2 ? 0 : IDS, gradients);
        kit_apply(training, &push, rate, i);
        exact_push(&x, &push.update, (double)rate);
        exact_compare(&x);
        due.pushes++;
        due.ids += push.update.ids;
        due.rows += push.update.rows;
        due.skipped += push.update.skipped;
        assert_int_equal(training_settings(training)->step, x.s.step);
        kit_push_done(&push);
    }
    training_counts(training, &c);
    assert_int_equal(c.pushes, due.pushes);
    assert_int_equal(c.ids, due.ids);
    assert_int_equal(c.rows, due.rows);
    assert_int_equal(c.skipped, due.skipped);
    assert_int_equal(c.clipped, x.clipped);
    assert_int_equal(c.kept, 0);
    assert_true(c.changed_bytes > 0);
    training_free(training);
    exact_done(&x);
}

static void test_trains_like_the_exact_one(void **state)
{
    (void)state;
    for (size_t k = 0; k < SHAPES; k++)
        for (size_t o = 0; o < OPTIMIZERS; o++) {
            struct table *t;

            if (!suits(k, o))
                continue;
            t = make(&shapes[k], optimizers_of[o].settings);
            train(t, shapes[k].gradients > 0 ? shapes[k].gradients : GRADIENTS, 1000 * k + o);
            table_close(t);
        }
}

/* Tables with parameters for each field, of which some pool first; and exceptions by name. */
static void test_trains_fields(void **state)
{
    static const char *const settings[] = {
        "{\"name\":\"adam\",\"learning_rate\":0.05,\"tensors\":{\"f0.r.weight\":{\"learning_rate\":"
        "0.001},\"f1.weight\":{\"learning_rate\":0}}}",
        "{\"name\":\"rowwise_adagrad\",\"clip_norm\":0.5}",
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct table *base = open_table(8), *t = kit_trainable(&folder, base, settings[i]);

        train(t, GRADIENTS, i);
        table_close(base);
        table_close(t);
    }
}

static unsigned char *copy_of(const struct table *t)
{
    unsigned char *copy = malloc(t->region->size + 1);

    assert_non_null(copy);
    memcpy(copy, t->region->data, t->region->size);
    return copy;
}

/* Everything but what optimizers keep. */
static void expect_same_tensors(const struct table *t, const unsigned char *before)
{
    for (size_t i = 0; i < t->header.tensor_count; i++) {
        const struct file_tensor *ft = &t->header.tensor[i];
        const unsigned char *at = table_tensor(t, ft);

        if (strncmp(ft->tensor.name, "optimizer.", 10) && ft->tensor.bytes)
            assert_memory_equal(at, before + (at - t->region->data), ft->tensor.bytes);
    }
}

/* Until training_write() nothing moves that lookups read; what changes was marked before, and an
   image that was open has the bytes from before. */
static void test_only_write_writes(void **state)
{
    static const struct shape large = {"full", "", 3000,
                                       40,     0,  0}; /* rows have blocks of their own */

    (void)state;
    for (size_t k = 0; k <= SHAPES; k++) {
        struct table *base = make_base(k < SHAPES ? &shapes[k] : &large);
        struct table *t = kit_counted(&folder, base, optimizers_of[3].settings);
        struct random r = {.state = k};
        struct training *training;
        struct kit_push push;
        unsigned char *before = copy_of(t), block[BLOCK_BYTES];
        struct image *image;
        struct error e;
        uint64_t index;

        table_close(base);
        assert_ok(training_new(&training, t, &e), e);
        kit_push(&push, t, &r, IDS, 1);
        push.update.counted = true;
        assert_ok(image_begin(&image, training_blocks(training), 0, true, &e), e);
        assert_ok(training_reserve(training, &push.update, &e), e);
        training_step(training, &push.update, 0.1f, 1);
        training_mark(training);
        expect_same_tensors(t, before);
        assert_true(blocks_changed(training_blocks(training), 1) > 0);
        training_write(training);
        assert_true(memcmp(t->region->data, before, t->region->size));
        assert_int_equal(training_accesses(training), push.update.ids - push.update.skipped);
        while (image_take(image, &index, block, 1)) {
            size_t at = (size_t)index * BLOCK_BYTES, n = t->region->size - at;

            assert_memory_equal(block, before + at, n < BLOCK_BYTES ? n : BLOCK_BYTES);
        }
        image_end(image, true);
        /* Blocks that changed are in the record of both lineages, so that a file of them and the
           memory from before make the memory of now. */
        for (unsigned lineage = 0; lineage < LINEAGES; lineage++) {
            assert_ok(image_begin(&image, training_blocks(training), lineage, false, &e), e);
            while (image_take(image, &index, block, 1)) {
                size_t at = (size_t)index * BLOCK_BYTES, n = t->region->size - at;

                memcpy(before + at, block, n < BLOCK_BYTES ? n : BLOCK_BYTES);
            }
            image_end(image, true);
            assert_memory_equal(t->region->data, before, t->region->size);
        }
        kit_push_done(&push);
        training_free(training);
        table_close(t);
        free(before);
    }
}

/* The same pushes into the same table give the same bits; another version or seed other ones, where
   rounding is random. */
static void test_runs_are_equal_to_the_bit(void **state)
{
    (void)state;
    for (size_t k = 0; k < SHAPES; k++) {
        bool rounded = !is_full(&shapes[k]);
        unsigned char *first = NULL;

        for (int run = 0; run < 3; run++) {
            struct table *t = make(&shapes[k], optimizers_of[4].settings);
            struct random r = {.state = k};
            struct training *training;
            struct error e;

            assert_ok(training_new(&training, t, &e), e);
            for (uint64_t i = 1; i <= PUSHES; i++) {
                struct kit_push push;

                kit_push(&push, t, &r, IDS, 1);
                kit_apply(training, &push, 0.01f, i + (run == 2));
                kit_push_done(&push);
            }
            if (run == 0)
                first = copy_of(t);
            else if (run == 1 || !rounded)
                assert_memory_equal(t->region->data, first, t->region->size);
            else
                assert_true(memcmp(t->region->data, first, t->region->size));
            training_free(training);
            table_close(t);
        }
        free(first);
    }
}

/* The draws are those of the tensor's name, the table's seed and the push's version. */
static void test_rounds_by_name_seed_and_version(void **state)
{
    static const struct table_file f = {
        .header = HEAD(META("int8", "3", "4") CONFIG("{`digit`:8,`signed`:false,`qparam`:`table`,"
                                                     "`scale`:0.0625,`seed`:77}"),
                       TENSOR("q", "U8", "[3,4]", "0", "12")),
        .zeros = 12,
        .align = 64};
    static const int64_t id[] = {2};
    static const float gradient[] = {-1, -10, -3.5f, -100};
    struct table *base = table_file_load(&folder, &f, REGION_MAP);
    struct table *t = kit_trainable(&folder, base, "{\"name\":\"sgd\"}");
    struct rounding rounding = rounding_of("q", 77, 123);
    struct training *training;
    struct kit_push push;
    struct error e;
    float u[4];

    (void)state;
    assert_int_equal(t->seed, 77);
    assert_ok(training_new(&training, t, &e), e);
    kit_push_rows(&push, t, id, 1, gradient);
    kit_apply(training, &push, 0.02f, 123);
    rounding_draws(&rounding, 8, 4, u);
    for (size_t j = 0; j < 4; j++) {
        float w = -8.0f - 0.02f * gradient[j];

        assert_int_equal(((uint8_t *)t->part[0]
                              .tensor[kit_tensor(&t->part[0], "q") - t->part[0].tensor]
                              .data)[8 + j],
                         (int)(((double)w + 8) / 0.0625 + (double)u[j]));
    }
    kit_push_done(&push);
    training_free(training);
    table_close(base);
    table_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trains_like_the_exact_one),
        cmocka_unit_test(test_trains_fields),
        cmocka_unit_test(test_only_write_writes),
        cmocka_unit_test(test_runs_are_equal_to_the_bit),
        cmocka_unit_test(test_rounds_by_name_seed_and_version),
    };

    return cmocka_run_group_tests(tests, lookup_start, lookup_stop);
}
