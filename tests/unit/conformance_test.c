/* SPDX-License-Identifier: Apache-2.0 */
/* What every method owes its users, from the list of methods: lookups equal to the formula at every
   level, refusals, plans within budget, fits within the stated error, failures survived. */
#include "tests/unit/method_case.h"

#include "base/memory.h"
#include "kernels/kernels.h"
#include "tests/unit/unit.h"

#ifdef __SANITIZE_THREAD__ /* see SLOW() */
#pragma GCC diagnostic ignored "-Wunused-function"
#endif

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define GUARD 32

/* Bit for bit, or near relative to the largest element. */
static bool same_row(const void *have, const float *want, uint32_t dim, double tolerance)
{
    double largest = 0;

    if (tolerance == 0)
        return memcmp(have, want, dim * sizeof *want) == 0;
    for (uint32_t j = 0; j < dim; j++)
        largest = fmax(largest, fabs((double)want[j]));
    for (uint32_t j = 0; j < dim; j++) {
        float x;

        memcpy(&x, (const unsigned char *)have + j * sizeof x, sizeof x);
        if (!(fabs((double)x - (double)want[j]) <= tolerance * largest))
            return false;
    }
    return true;
}

static double tolerance_of(const struct method_case *c)
{
    bool fused = kernels != kernels_levels[0];

    return fused && c->tolerance_fused > c->tolerance ? c->tolerance_fused : c->tolerance;
}

/* Look `n` rows up at an address off by `offset`, and hold each against its formula, and against
   what it is alone: its neighbours do not show in a bit. */
static void lookup(const struct parameters *p, const struct variant *v, const uint64_t *row,
                   size_t n, size_t offset)
{
    size_t bytes = n * p->dim * sizeof(float);
    unsigned char *room = malloc(bytes + 2 * GUARD), *out = room + GUARD / 2 + offset;
    float *want = malloc((p->dim + 1) * sizeof *want), *alone = malloc((p->dim + 1) * sizeof *want);
    const struct method_case *c = case_find(p->method->name);

    memset(room, 0x5a, bytes + 2 * GUARD);
    p->method->rows(p, row, n, out);
    for (size_t i = 0; i < n; i++) {
        c->row(p, row[i], want);
        if (!same_row(out + i * p->dim * sizeof(float), want, p->dim, tolerance_of(c)))
            fail_msg("%s %s, %s: row %llu, place %zu of %zu", p->method->name, v->settings,
                     kernels->isa, (unsigned long long)row[i], i, n);
        p->method->rows(p, row + i, 1, alone);
        if (!same_row(out + i * p->dim * sizeof(float), alone, p->dim, 0))
            fail_msg("%s %s, %s: row %llu is another alone than at place %zu of %zu",
                     p->method->name, v->settings, kernels->isa, (unsigned long long)row[i], i, n);
    }
    for (unsigned char *at = room; at < room + bytes + 2 * GUARD; at++)
        if ((at < out || at >= out + bytes) && *at != 0x5a)
            fail_msg("%s wrote %zd bytes from its place", p->method->name, (ssize_t)(at - out));
    free(alone);
    free(want);
    free(room);
}

static void test_rows(void **state)
{
    static const size_t batches[] = {0, 1, 2, 13, 129, 300};
    struct random r = {7};
    unsigned count = 0;
    struct error e;

    FOR_VARIANTS(v, *state)
    {
        struct parameters p;

        case_parameters(&p, *state, v, &r);
        for (const struct kernels *const *k = kernels_levels; *k; k++) {
            if (!kernels_supported(*k))
                continue;
            assert_ok(kernels_init((*k)->isa, &e), e);
            for (size_t b = 0; b < COUNT(batches); b++) {
                uint64_t row[300];

                for (size_t i = 0; i < batches[b] && v->rows; i++)
                    row[i] = random_below(&r, v->rows);
                lookup(&p, v, row, v->rows ? batches[b] : 0, b % 4);
            }
            for (uint64_t id = 0; id < v->rows; id++)
                lookup(&p, v, &id, 1, 3);
        }
        kit_done(&p);
        count++;
    }
    assert_true(count > 0); /* each method has its variants */
    assert_ok(kernels_init(NULL, &e), e);
}

/* Whether the size of one dimension follows from the settings. */
static bool known(const struct parameters *p, const char *word)
{
    struct tensor_decl d = {.name = "", .shape = word};
    struct symbols s;
    struct tensor t = {0};

    symbols_init(&s, p->method, p->rows, p->dim, p->value);
    return shape_evaluate(&d, &s, &t, NULL) == ST_OK;
}

static void refuse_shapes(struct parameters *p, size_t i)
{
    const struct tensor_decl *d = &p->method->tensors[i];
    char shape[100], *rest = shape, *word;
    struct tensor *t = &p->tensor[i];
    struct error e;

    strcpy(shape, d->shape);
    for (unsigned at = 0; (word = strtok_r(rest, " ", &rest)); at++) {
        if (!known(p, word))
            continue;
        t->shape[at]++;
        assert_fails(kit_check(p, &e), ST_INVALID, e, d->name);
        t->shape[at]--;
    }
    t->shape[t->rank++] = 1;
    assert_fails(kit_check(p, &e), ST_INVALID, e, d->name);
    t->rank -= 2;
    assert_fails(kit_check(p, &e), ST_INVALID, e, d->name);
    t->rank++;
}

static void test_check(void **state)
{
    struct random r = {8};
    struct error e;

    FOR_VARIANTS(v, *state)
    {
        struct parameters p;

        case_parameters(&p, *state, v, &r);
        for (size_t i = 0; i < p.method->tensors_count; i++) {
            const struct tensor_decl *d = &p.method->tensors[i];
            struct tensor *t = &p.tensor[i], kept = *t;
            char byte;

            if (!t->data) {
                if (d->flags & TENSOR_OPTIONAL)
                    continue;
                t->data = &byte; /* a tensor that these settings rule out */
                assert_fails(kit_check(&p, &e), ST_INVALID, e, d->when);
                t->data = NULL;
                continue;
            }
            t->data = NULL;
            if (!(d->flags & TENSOR_OPTIONAL))
                assert_fails(kit_check(&p, &e), ST_INVALID, e, "is missing");
            t->data = kept.data;
            for (int type = 0; type < DT_COUNT; type++) {
                t->dtype = (enum dtype)type;
                if (!(d->dtypes & 1u << type))
                    assert_fails(kit_check(&p, &e), ST_INVALID, e, dtype_name(kept.dtype));
            }
            t->dtype = kept.dtype;
            refuse_shapes(&p, i);
            assert_ok(kit_check(&p, &e), e);
        }
        kit_done(&p);
    }
}

static void test_plan(void **state)
{
    FOR_VARIANTS(v, *state)
    {
        bool fits = false;

        for (uint64_t budget = 1; budget < (uint64_t)1 << 40; budget += budget / 16 + 1) {
            struct parameters p;
            uint64_t bytes = 0;
            struct plan plan;
            struct error e;

            case_plan(&plan, *state, v, budget);
            if (plan_make(&plan, &e) != ST_OK) {
                assert_false(fits); /* more never makes it worse */
                assert_non_null(strstr(e.text, "; the budget is "));
                assert_true(strncmp(e.text, *state, strlen(*state)) == 0);
            } else {
                fits = true;
                assert_ok(plan_bytes(&plan, &bytes, &e), e);
                if (bytes > budget)
                    fail_msg("%s %s takes %llu of %llu bytes", (char *)*state, v->settings,
                             (unsigned long long)bytes, (unsigned long long)budget);
                assert_ok(plan_parameters(&plan, &p, &e), e);
                assert_int_equal(parameters_bytes(&p), bytes);
                parameters_done(&p);
            }
            plan_done(&plan);
        }
        assert_true(fits);
    }
}

static void test_fit(void **state)
{
    struct random r = {9};
    struct error e;

    FOR_VARIANTS(v, *state)
    {
        for (int weights = 0; weights < 2; weights++) {
            struct fit_error error;
            struct parameters p[2];
            struct kit_table t;

            kit_table_init(&t, v->rows, v->dim);
            kit_table_random(&t, &r, weights);
            for (int turn = 0; turn < 2; turn++) { /* the same bytes at the plainest and the best */
                case_allocated(&p[turn], *state, v);
                assert_ok(kernels_init(turn ? NULL : "scalar", &e), e);
                kit_fit(&t, &p[turn], &error);
                if (!(error.relative <= v->relative))
                    fail_msg("%s %s: error %g, not %g", (char *)*state, v->settings, error.relative,
                             v->relative);
            }
            for (size_t i = 0; i < p[0].method->tensors_count; i++)
                assert_memory_equal(p[0].tensor[i].data, p[1].tensor[i].data, p[0].tensor[i].bytes);
            kit_done(&p[0]);
            kit_done(&p[1]);
            kit_table_done(&t);
        }
    }
}

static enum status fit_whole(struct kit_table *t, struct parameters *p, struct error *e)
{
    return fitter_find(p->method)->fit(&t->fit, p, e);
}

static void test_fit_refuses(void **state)
{
    struct random r = {10};
    struct error e;

    FOR_VARIANTS(v, *state)
    {
        struct parameters p;
        struct kit_table t;
        enum status st;

        if (v->rows < 6)
            continue;
        case_allocated(&p, *state, v);
        kit_table_init(&t, v->rows, v->dim);
        kit_table_random(&t, &r, true);

        t.data[5 * v->dim] = NAN;
        assert_fails(fit_whole(&t, &p, &e), ST_INVALID, e, "row 5 is not finite");
        t.data[5 * v->dim] = -INFINITY;
        t.done = 0;
        assert_fails(fit_whole(&t, &p, &e), ST_INVALID, e, "column 0 is -inf");
        t.data[5 * v->dim] = 0;
        t.weight[3] = -1;
        t.done = 0;
        assert_fails(fit_whole(&t, &p, &e), ST_INVALID, e, "the weight of row 3 is -1");
        t.weight[3] = 1;
        t.fail_at = 4;
        t.done = 0;
        assert_fails(fit_whole(&t, &p, &e), ST_DATA_LOSS, e, "row 4 is gone");
        t.fail_at = UINT64_MAX;
        for (t.stop_after = 1;; t.stop_after++) { /* stopped at every place where it can be */
            t.progress = 0;
            t.done = 0;
            st = fit_whole(&t, &p, &e);
            if (st == ST_OK)
                break;
            assert_int_equal(st, ST_CANCELLED);
        }
        assert_true(t.stop_after > 1);
        kit_done(&p);
        kit_table_done(&t);
    }
}

#ifdef EMBD_DEVELOPER
/* From plan to measure, with the n-th allocation failing. */
static enum status whole(struct kit_table *t, struct plan *plan, struct parameters *p,
                         struct error *e)
{
    struct fit_error error;
    enum status st;

    t->done = 0;
    if ((st = plan_make(plan, e)) != ST_OK || (st = plan_parameters(plan, p, e)) != ST_OK ||
        (st = kit_allocate(p, e)) != ST_OK ||
        (st = fitter_find(plan->method)->fit(&t->fit, p, e)) != ST_OK ||
        (st = parameters_check(p, e)) != ST_OK)
        return st;
    t->done = 0;
    return fit_measure(&t->fit, p, 1, &error, e);
}

static void test_memory(void **state)
{
    struct random r = {11};

    FOR_VARIANTS(v, *state)
    {
        struct kit_table t;

        kit_table_init(&t, v->rows, v->dim);
        kit_table_random(&t, &r, true);
        for (uint64_t n = 1;; n++) {
            struct parameters p = {.method = method_find(*state, strlen(*state))};
            struct plan plan;
            struct error e;
            enum status st;
            bool failed;

            case_plan(&plan, *state, v, v->budget);
            mem_fail_at(n, n % 2);
            st = whole(&t, &plan, &p, &e);
            failed = mem_failed();
            mem_fail_at(0, false);
            plan_done(&plan);
            kit_done(&p);
            if (!failed) {
                assert_int_equal(st, ST_OK);
                assert_true(n > 1);
                break;
            }
            if (st != ST_OK) /* some memory can be done without */
                assert_int_equal(st, ST_EXHAUSTED);
        }
        kit_table_done(&t);
    }
}
#endif

/* One thread: under ThreadSanitizer, which makes it ten times slower, the lookups are enough. */
#ifdef __SANITIZE_THREAD__
#define SLOW(case)
#else
#define SLOW(case) case
#endif
#define CASE(what, name) {#what "/" name, test_##what, NULL, NULL, (void *)name},
#ifdef EMBD_DEVELOPER
#define MEMORY(name) CASE(memory, name)
#else
#define MEMORY(name)
#endif
#define METHOD(name)                                                                               \
    CASE(rows, #name)                                                                              \
    CASE(check, #name)                                                                             \
    SLOW(CASE(plan, #name))                                                                        \
    SLOW(CASE(fit, #name))                                                                         \
    SLOW(CASE(fit_refuses, #name))                                                                 \
    SLOW(MEMORY(#name))

int main(void)
{
    const struct CMUnitTest tests[] = {
#include "methods/methods.def"
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
