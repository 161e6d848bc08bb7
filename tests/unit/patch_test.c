/* SPDX-License-Identifier: Apache-2.0 */
/* Collections of gradients and patches: order, sums, what is kept from push to push, how much a
   push touches, and memory that fails. */
#include "methods/gradient.h"

#include "base/memory.h"
#include "kernels/kernels.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define MODEL_MAX 600

/* The same, by searching. */
struct model {
    uint64_t unit[MODEL_MAX];
    float sum[MODEL_MAX][3];
    size_t count;
};

static void model_add(struct model *m, uint64_t unit, const float *grad)
{
    size_t i = 0;

    while (i < m->count && m->unit[i] != unit)
        i++;
    if (i == m->count) {
        memset(m->sum[i], 0, sizeof m->sum[i]);
        m->unit[m->count++] = unit;
    }
    for (size_t j = 0; j < 3; j++)
        m->sum[i][j] += grad[j];
}

/* As if the tensor had more units than memory could hold: gradients are of numbers, wherever their
   units may lie. */
static void huge(struct parameters *p)
{
    p->tensor[0].shape[0] = (uint64_t)1 << 60;
    p->tensor[0].count = (size_t)3 << 60;
}

/* Pushes of all sizes one after the other, with units that a weak hash would put together. */
static void test_collect(void **state)
{
    static const uint64_t strides[] = {1, 64, 4096, (uint64_t)1 << 32, (uint64_t)1 << 48};
    struct parameters p;
    struct gradients g = {0};
    struct random r = {51};
    struct error e;

    (void)state;
    kit_parameters(&p, method_find("full", 4), 10, 3, 0, "");
    huge(&p);
    for (unsigned turn = 0; turn < 60; turn++) {
        size_t rows = random_below(&r, turn % 7 ? 40 : MODEL_MAX) + 1;
        uint64_t stride = strides[turn % COUNT(strides)], unit[MODEL_MAX];
        static float grad[MODEL_MAX * 2][3];
        struct model m = {.count = 0};

        assert_int_equal(parameters_touched(&p, 0, rows), rows);
        assert_ok(gradients_reserve(&g, &p, rows, &e), e);
        assert_int_equal(g.tensor[0].count, 0);
        assert_int_equal(g.tensor[0].width, 3);
        for (size_t i = 0; i < 2 * rows; i++) {
            unit[i % rows] = random_below(&r, rows) * stride;
            for (size_t j = 0; j < 3; j++)
                grad[i][j] = random_normal(&r);
            model_add(&m, unit[i % rows], grad[i]);
            if (i % rows == rows - 1)
                gradient_add(&g, 0, unit, rows, grad[i + 1 - rows]);
        }
        assert_int_equal(g.tensor[0].count, m.count);
        assert_memory_equal(g.tensor[0].unit, m.unit, m.count * sizeof *m.unit);
        assert_memory_equal(g.tensor[0].value, m.sum, m.count * sizeof *m.sum);
        for (size_t i = 0; i < m.count; i++)
            assert_memory_equal(gradient_at(&g, 0, m.unit[i]), m.sum[i], sizeof *m.sum);
        assert_int_equal(g.tensor[0].count, m.count);
    }
    gradients_done(&g);
    gradients_done(&g);
    kit_done(&p);
}

static size_t touch_five(const struct parameters *p, unsigned tensor, size_t rows)
{
    (void)p;
    return tensor ? 5 : rows * 5;
}

static void test_touched(void **state)
{
    struct method five = *method_find("compo", 5);
    struct parameters p, *all = &p;
    struct gradients g = {0};
    struct error e;

    (void)state;
    kit_parameters(&p, method_find("hash", 4), 100, 2, 7 * 2 * 4, "");
    assert_int_equal(parameters_touched(all, 0, 4), 4);
    assert_int_equal(parameters_touched(all, 0, 50), 7); /* slots, not rows */
    assert_int_equal(parameters_touched(all, 0, 0), 0);
    assert_int_equal(parameters_touched(all, 1, 4), 0);
    assert_int_equal(parameters_touched(all, METHOD_TENSORS_MAX - 1, 4), 0);
    kit_done(&p);

    kit_parameters(&p, method_find("int8", 4), 100, 2, 0, "qparam=row signed=true");
    assert_int_equal(parameters_touched(all, 0, 4), 0); /* the other q */
    assert_int_equal(parameters_touched(all, 1, 4), 4);
    assert_int_equal(parameters_touched(all, 2, 4), 4); /* qparams follow */
    assert_ok(gradients_reserve(&g, &p, 4, &e), e);
    assert_true(!g.tensor[0].capacity && g.tensor[1].capacity == 4 && !g.tensor[2].capacity);
    kit_done(&p);

    kit_parameters(&p, method_find("int8", 4), 100, 2, 0, "qparam=table signed=true");
    assert_int_equal(parameters_touched(all, 2, 4), 0);
    kit_done(&p);

    kit_parameters(&p, method_find("compo", 5), 100, 2, 0, "op=mult collisions=10");
    assert_int_equal(parameters_touched(all, 0, 3), 3);
    assert_int_equal(parameters_touched(all, 0, 99), 10);
    five.touched = touch_five;
    p.method = &five;
    assert_int_equal(parameters_touched(all, 0, 1), 5);
    assert_int_equal(parameters_touched(all, 0, 3), 10);
    assert_int_equal(parameters_touched(all, 1, 1), 5);
    assert_ok(gradients_reserve(&g, &p, 1, &e), e); /* after other parameters */
    assert_true(g.tensor[0].capacity == 5 && g.tensor[1].capacity == 5 && !g.tensor[2].capacity);
    kit_done(&p);
    gradients_done(&g);

    kit_parameters(&p, method_find("full", 4), 0, 5, 0, "");
    assert_int_equal(parameters_touched(all, 0, 9), 0); /* no row, no unit */
    assert_int_equal(unit_width(&p.tensor[0]), 0);
    kit_done(&p);
}

/* More than there can be. */
static void test_too_many(void **state)
{
    struct gradients g = {0};
    struct patch patch = {0};
    struct parameters p;
    struct error e;

    (void)state;
    kit_parameters(&p, method_find("full", 4), 10, 3, 0, "");
    huge(&p);
    assert_fails(gradients_reserve(&g, &p, UINT32_MAX, &e), ST_EXHAUSTED, e, "(gradients)");
    assert_fails(gradients_reserve(&g, &p, SIZE_MAX, &e), ST_EXHAUSTED, e, "(gradients)");
    assert_ok(gradients_reserve(&g, &p, 2, &e), e);
    gradients_done(&g);
    kit_done(&p);
    assert_fails(patch_reserve(&patch, SIZE_MAX / 8, 1, &e), ST_EXHAUSTED, e, "(a patch)");
    assert_fails(patch_reserve(&patch, SIZE_MAX, 1, &e), ST_EXHAUSTED, e, "(a patch)");
    assert_fails(patch_reserve(&patch, 1, SIZE_MAX - 3, &e), ST_EXHAUSTED, e, "(a patch)");
    assert_ok(patch_reserve(&patch, 1, 1, &e), e);
    patch_done(&patch);
}

/* Pieces of all lengths: each aligned, none in another's way, none written early. */
static void test_patch(void **state)
{
    unsigned char memory[400], before[400], want[400], *to;
    struct patch patch = {0};
    struct random r = {52};
    struct error e;

    (void)state;
    for (unsigned turn = 0; turn < 200; turn++) {
        size_t pieces = 1 + random_below(&r, 12), sizes[12], sum = 0, at = 0;

        random_bytes(&r, memory, sizeof memory);
        memcpy(before, memory, sizeof before);
        memcpy(want, memory, sizeof want);
        for (size_t i = 0; i < pieces; i++)
            sum += sizes[i] = random_below(&r, 33);
        assert_ok(patch_reserve(&patch, pieces, sum, &e), e);
        assert_true(patch.count == 0 && patch.used == 0 && !patch.kept && !patch.saturated);
        for (size_t i = 0; i < pieces; i++) {
            to = patch_add(&patch, memory + at, sizes[i]);
            assert_true((uintptr_t)to % 8 == 0);
            random_bytes(&r, to, sizes[i]);
            memcpy(want + at, to, sizes[i]);
            at += sizes[i];
        }
        assert_memory_equal(memory, before, sizeof before);
        patch_write(&patch);
        assert_memory_equal(memory, want, sizeof want);
        patch.kept = patch.saturated = 3;
    }
    patch_done(&patch);
    patch_done(&patch);
}

#ifdef EMBD_DEVELOPER
/* Every allocation fails in turn: the call says so, and the next one finds everything in order. */
static void test_memory(void **state)
{
    struct parameters p;
    struct error e;

    (void)state;
    kit_parameters(&p, method_find("compo", 5), 1000, 4, 0, "op=mult collisions=10");
    for (uint64_t n = 1;; n++) {
        struct gradients g = {0};
        struct patch patch = {0};
        enum status st;
        bool failed;

        assert_ok(gradients_reserve(&g, &p, 1, &e), e); /* small, so that all have to grow */
        *gradient_at(&g, 0, 3) = 1;
        assert_ok(patch_reserve(&patch, 1, 1, &e), e);
        mem_fail_at(n, n % 2);
        st = gradients_reserve(&g, &p, 100, &e);
        if (st == ST_OK)
            st = patch_reserve(&patch, 100, 1000, &e);
        failed = mem_failed();
        mem_fail_at(0, false);
        assert_int_equal(st, failed ? ST_EXHAUSTED : ST_OK);
        assert_ok(gradients_reserve(&g, &p, 100, &e), e);
        assert_ok(patch_reserve(&patch, 100, 1000, &e), e);
        for (uint64_t unit = 0; unit < 100; unit++)
            *gradient_at(&g, 0, unit) += (float)unit;
        for (uint64_t unit = 0; unit < 100; unit++)
            assert_true(*gradient_at(&g, 0, unit) == (float)unit);
        gradients_done(&g);
        patch_done(&patch);
        if (!failed) {
            assert_true(n == 9); /* three for each factor, two for the patch */
            break;
        }
    }
    kit_done(&p);
}

/* What fits into what there is asks for nothing. */
static void test_kept(void **state)
{
    struct gradients g = {0};
    struct patch patch = {0};
    struct parameters p;
    struct error e;

    (void)state;
    kit_parameters(&p, method_find("compo", 5), 1000, 4, 0, "op=mult collisions=10");
    assert_ok(gradients_reserve(&g, &p, 100, &e), e);
    assert_ok(patch_reserve(&patch, 100, 1000, &e), e);
    mem_fail_at(1, true);
    for (size_t n = 0; n <= 100; n++) {
        assert_int_equal(gradients_reserve(&g, &p, n, &e), ST_OK);
        assert_int_equal(patch_reserve(&patch, n, 10 * n, &e), ST_OK);
    }
    assert_false(mem_failed());
    mem_fail_at(0, false);
    gradients_done(&g);
    patch_done(&patch);
    kit_done(&p);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collect),  cmocka_unit_test(test_touched),
        cmocka_unit_test(test_too_many), cmocka_unit_test(test_patch),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_memory),   cmocka_unit_test(test_kept),
#endif
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
