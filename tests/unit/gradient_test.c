/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of every method, from the list of methods: equal to finite differences of its formula
   in float64, sparse, the same bits at every level and however the batch is cut. */
#include "methods/gradient.h"

#include <math.h>

#include "kernels/kernels.h"
#include "methods/optimizer.h"
#include "tests/unit/method_case.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define ITEMS_MAX 48 /* rows or bags of a push */
#define BAG_MAX 300  /* rows of a bag: more than methods take at a time */
#define FLOATS 2000  /* rows of a push have about so many, or there are few rows */
#define UNITS_MAX (SANITIZED ? 12 : 40) /* of a tensor: each takes two losses an element */
#define ELEMENTS_MAX 24
#define PRECISION 1e-4 /* of a gradient, relative to the largest of its unit */

/* A push whose loss is quadratic: sum over items and columns of c * e + (e - t)^2 / 2. */
struct scene {
    struct parameters p;
    const struct method_case *exact;
    double *value[METHOD_TENSORS_MAX];
    size_t items;
    uint64_t row[ITEMS_MAX]; /* all different; with bags, the lengths */
    uint64_t (*bag)[BAG_MAX];
    float (*weight)[BAG_MAX];
    double *linear, *target, *out[2];
    float *grad; /* dL/drow or dL/dbag */
};

static size_t bag_size(const struct scene *s, size_t i)
{
    return (size_t)s->row[i];
}

/* Sums, weighted sums and means take turns. */
static const float *bag_weight(const struct scene *s, size_t i)
{
    return i % 3 == 1 ? s->weight[i] : NULL;
}

static float bag_divisor(const struct scene *s, size_t i)
{
    return i % 3 == 2 ? (float)bag_size(s, i) : 1;
}

static void item(const struct scene *s, size_t i, double *out)
{
    if (s->p.pool_first)
        s->exact->exact_bag(&s->p, s->value, s->bag[i], bag_weight(s, i), bag_size(s, i),
                            bag_divisor(s, i), out);
    else
        s->exact->exact_row(&s->p, s->value, s->row[i], out);
}

/* Random bits of a half may be 1e38; everything else is in reach already. */
static void tame(struct parameters *p, struct random *r)
{
    for (size_t i = 0; i < p->method->tensors_count; i++)
        for (size_t j = 0; p->tensor[i].data && j < p->tensor[i].count; j++)
            if (p->tensor[i].dtype == DT_F16)
                ((uint16_t *)p->tensor[i].data)[j] = f16_from_f32(random_normal(r));
            else if (p->tensor[i].dtype == DT_BF16)
                ((uint16_t *)p->tensor[i].data)[j] = bf16_from_f32(random_normal(r));
}

static void read_values(struct scene *s)
{
    for (unsigned t = 0; t < s->p.method->tensors_count; t++) {
        const struct tensor *tensor = &s->p.tensor[t];
        size_t most = tensor->count ? unit_most(&s->p, t) : 0;
        float *unit = calloc(most + 1, sizeof *unit);

        if (tensor_trained(&s->p, t)) {
            s->value[t] = calloc(tensor->count + 1, sizeof *s->value[t]);
            for (size_t u = 0; most && u < unit_count(&s->p, t); u++) {
                uint64_t first;
                size_t n;

                unit_place(&s->p, t, u, &first, &n);
                unit_load(&s->p, t, u, unit);
                for (size_t j = 0; j < n; j++)
                    s->value[t][first + j] = (double)unit[j];
            }
        }
        free(unit);
    }
}

static void choose_rows(struct scene *s, struct random *r)
{
    uint64_t rows = s->p.rows, start;

    s->items = 2 + FLOATS / s->p.dim < ITEMS_MAX ? 2 + FLOATS / s->p.dim : ITEMS_MAX;
    s->items = rows < s->items ? rows : s->items;
    if (!s->p.pool_first) { /* steps of a number that leaves no row out, or few */
        start = random_below(r, rows + 1);
        for (size_t i = 0; i < s->items; i++)
            s->row[i] = (start + i * (rows / s->items)) % rows;
        return;
    }
    s->items = rows ? 9 : 0;
    for (size_t i = 0; i < s->items; i++) {
        s->row[i] = i >= 6 ? BAG_MAX : 1 + random_below(r, 9);
        for (size_t k = 0; k < BAG_MAX; k++) {
            s->bag[i][k] = random_below(r, rows);
            s->weight[i][k] = random_normal(r);
        }
    }
}

static void scene_init(struct scene *s, const char *method, const struct variant *v,
                       struct random *r)
{
    const struct method_case *c = case_find(method);
    size_t floats = ITEMS_MAX * v->dim;
    struct error e;

    *s = (struct scene){.exact = c};
    case_allocated(&s->p, method, v);
    kit_fill(&s->p, r);
    tame(&s->p, r);
    if (c->adjust)
        c->adjust(&s->p, r);
    assert_ok(parameters_check(&s->p, &e), e);
    read_values(s);
    s->bag = calloc(ITEMS_MAX, sizeof *s->bag);
    s->weight = calloc(ITEMS_MAX, sizeof *s->weight);
    s->linear = calloc(floats, sizeof *s->linear);
    s->target = calloc(floats, sizeof *s->target);
    s->grad = calloc(floats, sizeof *s->grad);
    s->out[0] = calloc(v->dim, sizeof *s->out[0]);
    s->out[1] = calloc(v->dim, sizeof *s->out[1]);
    choose_rows(s, r);
    for (size_t i = 0; i < s->items; i++) {
        item(s, i, s->out[0]);
        for (uint32_t j = 0; j < v->dim; j++) {
            size_t at = i * v->dim + j;

            s->linear[at] = (double)random_normal(r);
            s->target[at] = (double)random_normal(r);
            s->grad[at] = (float)(s->linear[at] + s->out[0][j] - s->target[at]);
        }
    }
}

static void scene_done(struct scene *s)
{
    for (unsigned t = 0; t < METHOD_TENSORS_MAX; t++)
        free(s->value[t]);
    free(s->bag);
    free(s->weight);
    free(s->linear);
    free(s->target);
    free(s->grad);
    free(s->out[0]);
    free(s->out[1]);
    kit_done(&s->p);
}

/* How much the loss changes when an element goes from `low` to `high`, term by term. */
static double loss_difference(struct scene *s, double *element, double low, double high)
{
    double kept = *element, sum = 0;

    for (size_t i = 0; i < s->items; i++) {
        *element = low;
        item(s, i, s->out[0]);
        *element = high;
        item(s, i, s->out[1]);
        for (uint32_t j = 0; j < s->p.dim; j++) {
            size_t at = i * s->p.dim + j;
            double a = s->out[0][j], b = s->out[1][j];

            sum += (b - a) * (s->linear[at] + (a + b) / 2 - s->target[at]);
        }
    }
    *element = kept;
    return sum;
}

static size_t push_rows(const struct scene *s)
{
    size_t rows = 0;

    for (size_t i = 0; i < s->items; i++)
        rows += s->p.pool_first ? bag_size(s, i) : 1;
    return rows;
}

/* The gradients of items [from, to). */
static void collect(const struct scene *s, size_t from, size_t to, struct gradients *g)
{
    const struct method *m = s->p.method;

    if (!s->p.pool_first) {
        m->gradient(&s->p, s->row + from, to - from, s->grad + from * s->p.dim, g);
        return;
    }
    for (size_t i = from; i < to; i++) {
        unsigned char *weights = malloc(sizeof s->weight[i] + 1); /* of any alignment */
        float *scratch = malloc(2 * s->p.dim * sizeof *scratch);

        memcpy(weights + 1, s->weight[i], sizeof s->weight[i]);
        m->pool_gradient(&s->p, s->bag[i], bag_weight(s, i) ? weights + 1 : NULL, bag_size(s, i),
                         bag_divisor(s, i), s->grad + i * s->p.dim, g, scratch);
        free(scratch);
        free(weights);
    }
}

static const float *find_unit(const struct gradient *g, uint64_t unit)
{
    for (size_t i = 0; i < g->count; i++)
        if (gradient_units(g)[i] == unit)
            return gradient_values(g) + i * g->width;
    return NULL;
}

/* Each element of a narrow unit, some of a wide one, from a place that moves with the unit. */
static void compare_unit(struct scene *s, const struct variant *v, unsigned t, uint64_t unit,
                         const float *have)
{
    double *want, largest = 0;
    size_t width, step, from;
    uint64_t first;

    unit_place(&s->p, t, unit, &first, &width);
    step = width / ELEMENTS_MAX + 1;
    from = (size_t)(unit % step);
    want = calloc(width + 1, sizeof *want);
    for (size_t j = from; j < width; j += step) {
        double *element = s->value[t] + first + j, h = 1e-3 * fmax(1, fabs(*element));

        want[j] = loss_difference(s, element, *element - h, *element + h) / (2 * h);
        largest = fmax(largest, fabs(want[j]));
    }
    if ((largest > 0 && !have) || (largest == 0 && have && step == 1))
        fail_msg("%s %s: unit %llu of %s has %s gradient", s->p.method->name, v->settings,
                 (unsigned long long)unit, s->p.tensor[t].name, have ? "a" : "no");
    for (size_t j = 0; have && step > 1 && j < width; j++)
        largest = fmax(largest, fabs((double)have[j]));
    for (size_t j = from; have && j < width; j += step)
        if (!(fabs((double)have[j] - want[j]) <= PRECISION * largest))
            fail_msg("%s %s: element %zu of unit %llu of %s: %g, not %g", s->p.method->name,
                     v->settings, j, (unsigned long long)unit, s->p.tensor[t].name, (double)have[j],
                     want[j]);
    free(want);
}

static void test_differences(void **state)
{
    struct random r = {21};
    size_t units = 0, step;
    struct error e;

    FOR_VARIANTS(v, *state)
    {
        struct gradients g = {0};
        struct scene s;

        scene_init(&s, *state, v, &r);
        assert_ok(gradients_reserve(&g, &s.p, push_rows(&s), &e), e);
        collect(&s, 0, s.items, &g);
        for (unsigned t = 0; t < METHOD_TENSORS_MAX; t++) {
            const struct gradient *one = &g.tensor[t];

            assert_true(one->count <= one->capacity);
            if (!s.value[t]) {
                assert_true(one->capacity == 0);
                continue;
            }
            assert_true(one->count <= parameters_touched(&s.p, t, push_rows(&s)));
            /* All units of a small tensor; of a large one some that have a gradient, and others. */
            step = (size_t)unit_count(&s.p, t) / UNITS_MAX + 1;
            for (uint64_t u = random_below(&r, step); u < unit_count(&s.p, t); u += step)
                compare_unit(&s, v, t, u, find_unit(one, u));
            for (size_t i = 0; step > 1 && i < one->count; i += one->count / UNITS_MAX + 1)
                compare_unit(&s, v, t, gradient_units(one)[i],
                             gradient_values(one) + i * one->width);
            units += one->count;
        }
        gradients_done(&g);
        scene_done(&s);
    }
    assert_true(units > 0);
}

static void expect_same(const struct gradients *a, const struct gradients *b)
{
    for (unsigned t = 0; t < METHOD_TENSORS_MAX; t++) {
        const struct gradient *x = &a->tensor[t], *y = &b->tensor[t];

        assert_int_equal(x->count, y->count);
        if (!x->count)
            continue;
        assert_memory_equal(gradient_units(x), gradient_units(y), x->count * sizeof *x->unit);
        assert_memory_equal(gradient_values(x), gradient_values(y),
                            x->count * x->width * sizeof *x->value);
    }
}

/* The same at every level, unless the method may fuse products with sums; wherever a push is cut.
   One set of gradients is used for all, so that each finds what the one before has left. */
static void test_bits(void **state)
{
    struct gradients first = {0}, again = {0};
    struct random r = {22};
    struct error e;

    FOR_VARIANTS(v, *state)
    {
        struct scene s;

        scene_init(&s, *state, v, &r);
        assert_ok(kernels_init("scalar", &e), e);
        assert_ok(gradients_reserve(&first, &s.p, push_rows(&s), &e), e);
        collect(&s, 0, s.items, &first);
        for (const struct kernels *const *k = kernels_levels; *k; k++) {
            if (!kernels_supported(*k))
                continue;
            assert_ok(kernels_init((*k)->isa, &e), e);
            if (case_find(*state)->tolerance_fused > 0) {
                assert_ok(gradients_reserve(&first, &s.p, push_rows(&s), &e), e);
                collect(&s, 0, s.items, &first);
            }
            for (size_t cut = 0; cut <= s.items; cut += 1 + s.items / 3) {
                assert_ok(gradients_reserve(&again, &s.p, push_rows(&s), &e), e);
                collect(&s, 0, cut, &again);
                collect(&s, cut, s.items, &again);
                expect_same(&first, &again);
            }
        }
        scene_done(&s);
    }
    gradients_done(&first);
    gradients_done(&again);
    assert_ok(kernels_init(NULL, &e), e);
}

#define METHOD(name)                                                                               \
    {"differences/" #name, test_differences, NULL, NULL, (void *)#name},                           \
        {"bits/" #name, test_bits, NULL, NULL, (void *)#name},

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
