/* SPDX-License-Identifier: Apache-2.0 */
/* compo's budget over fields: published numbers, choices that are the smallest there are, least
   needs; starts and explanations. */
#include "kernels/kernels.h"
#include "methods/compo.h"
#include "methods/explain.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define FIELDS_MOST 26

/* The fields of a click log (methods.md 10.4). */
static const uint64_t criteo[FIELDS_MOST] = {
    1460, 583,   10131227, 2202608, 305,  24,   12517, 633,     3,  93145, 5683,   8351593, 3194,
    27,   14992, 5461306,  10,      5652, 2173, 4,     7046547, 18, 15,    286181, 105,     142572};

static uint64_t first[FIELDS_MOST + 1];

static struct fields fields_of(const uint64_t *rows, size_t count)
{
    first[0] = 0;
    for (size_t i = 0; i < count; i++)
        first[i + 1] = first[i] + rows[i];
    return (struct fields){first, count};
}

static enum status make(struct layout *l, const uint64_t *rows, size_t count, uint32_t dim,
                        uint64_t budget, const struct value *chosen, struct error *e)
{
    struct fields f = fields_of(rows, count);
    enum status st =
        layout_open(l, method_find("compo", 5), first[count], dim, &f, budget, chosen, e);

    return st == ST_OK ? layout_make(l, e) : st;
}

static uint64_t bytes_of(const struct layout *l)
{
    struct error e;
    uint64_t bytes;

    assert_ok(layout_bytes(l, &bytes, &e), e);
    return bytes;
}

/* methods.md 1.4: 3, 11, 101 and 357 within the budget, and what the authors count for it. */
static void test_published(void **state)
{
    static const struct {
        double ratio;
        int64_t collisions;
    } rows[] = {{0.5, 3}, {0.1, 11}, {0.01, 101}, {0.003, 357}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        double budget = 33762577.0 * 16 * 4 * rows[i].ratio;
        struct layout l;
        struct error e;

        assert_ok(make(&l, criteo, FIELDS_MOST, 16, (uint64_t)budget, NULL, &e), e);
        assert_true((double)bytes_of(&l) <= budget);
        assert_true(layout_author_words(&l) * 4 == (double)bytes_of(&l));
        for (size_t f = 0; f < FIELDS_MOST; f++) {
            uint64_t r = (uint64_t)rows[i].collisions, n = criteo[f];
            bool full = n <= (n + r - 1) / r + r;

            if ((l.part[f].method != l.method) != full)
                fail_msg("ratio %g: field %zu is%s full", rows[i].ratio, f, full ? " not" : "");
            if (!full)
                assert_int_equal(l.part[f].value[COMPO_COLLISIONS].i, r);
        }
        layout_done(&l);
    }
}

/* Below what one R can reach (0.00138 with R = 1557), fields that are best with fewer have fewer.
 */
static void test_own_collisions(void **state)
{
    uint64_t budget = (uint64_t)(33762577.0 * 16 * 4 * 0.00115);
    struct layout l;
    struct error e;
    size_t own = 0;

    (void)state;
    assert_ok(make(&l, criteo, FIELDS_MOST, 16, (uint64_t)(33762577.0 * 64 * 0.001385), NULL, &e),
              e);
    assert_true(l.part[2].value[COMPO_COLLISIONS].i <= 1557);
    assert_int_equal(l.part[2].value[COMPO_COLLISIONS].i, l.part[25].value[COMPO_COLLISIONS].i);
    layout_done(&l);
    assert_ok(make(&l, criteo, FIELDS_MOST, 16, budget, NULL, &e), e);
    assert_true(bytes_of(&l) <= budget);
    for (size_t f = 0; f < FIELDS_MOST; f++)
        if (l.part[f].method == l.method &&
            l.part[f].value[COMPO_COLLISIONS].i != l.part[2].value[COMPO_COLLISIONS].i)
            own++;
    assert_true(own > 0);
    layout_done(&l);
    assert_fails(make(&l, criteo, FIELDS_MOST, 16, 10000, NULL, &e), ST_INVALID, e,
                 "compo needs at least");
    budget = l.need;
    layout_done(&l);
    assert_ok(make(&l, criteo, FIELDS_MOST, 16, budget, NULL, &e), e);
    assert_int_equal(bytes_of(&l), budget);
    layout_done(&l);
    assert_fails(make(&l, criteo, FIELDS_MOST, 16, budget - 1, NULL, &e), ST_INVALID, e,
                 "compo needs at least");
    layout_done(&l);
}

static uint64_t floats_at(const uint64_t *rows, size_t count, uint64_t r, uint64_t wide,
                          uint64_t narrow)
{
    uint64_t total = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t own = (rows[i] + r - 1) / r * wide + r * narrow, full = rows[i] * 3;

        total += own < full ? own : full;
    }
    return total;
}

/* Where one R does, it is the smallest; where none does, the fields' own do, or nothing does. */
static void test_choice_is_exact(void **state)
{
    struct random r = {71};

    (void)state;
    for (int turn = 0; turn < 2000; turn++) {
        uint64_t rows[5], budget, total = 0, smallest = 0, least = 0;
        uint64_t wide = turn % 2 ? 2 : 3, narrow = turn % 2 ? 1 : 3;
        struct value chosen[METHOD_SETTINGS_MAX] = {
            [COMPO_OP] = {.set = true, .i = turn % 2 ? COMPO_CONCAT : COMPO_ADD}};
        struct layout l;
        struct error e;
        enum status st;

        for (size_t i = 0; i < 5; i++) {
            uint64_t best = rows[i] = random_below(&r, turn % 3 ? 400 : 20);

            best *= 3;
            for (uint64_t c = 1; c <= rows[i]; c++) {
                uint64_t own = floats_at(&rows[i], 1, c, wide, narrow);

                best = own < best ? own : best;
            }
            least += best;
            total += rows[i];
        }
        budget = 1 + random_below(&r, total * 12 + 10);
        for (uint64_t c = 1; c <= total && !smallest; c++)
            if (floats_at(rows, 5, c, wide, narrow) * 4 <= budget)
                smallest = c;
        st = make(&l, rows, 5, 3, budget, chosen, &e);
        if (least * 4 > budget) {
            assert_fails(st, ST_INVALID, e, "compo needs at least");
            assert_int_equal(l.need, least * 4);
        } else {
            assert_ok(st, e);
            assert_true(bytes_of(&l) <= budget);
            for (size_t i = 0; smallest && i < 5; i++)
                if (l.part[i].method == l.method)
                    assert_int_equal(l.part[i].value[COMPO_COLLISIONS].i, smallest);
        }
        layout_done(&l);
    }
}

static void test_chosen_collisions(void **state)
{
    const uint64_t rows[] = {1000, 8, 0, 100};
    struct value chosen[METHOD_SETTINGS_MAX] = {[COMPO_COLLISIONS] = {.set = true, .i = 10}};
    struct layout l;
    struct error e;

    (void)state;
    /* 100 + 10, 8 as they are, none, 10 + 10 rows of two */
    assert_ok(make(&l, rows, 4, 2, 138 * 8, chosen, &e), e);
    assert_int_equal(bytes_of(&l), 138 * 8);
    assert_true(l.part[1].method != l.method && l.part[2].method != l.method);
    layout_done(&l);
    assert_fails(make(&l, rows, 4, 2, 138 * 8 - 1, chosen, &e), ST_INVALID, e,
                 "compo needs at least");
    layout_done(&l);
    assert_fails(make(&l, rows, 4, 1, 138 * 8,
                      (struct value[METHOD_SETTINGS_MAX]){[COMPO_OP] = {.set = true, .i = 2}}, &e),
                 ST_INVALID, e, "op=concat needs at least 2 columns");
    layout_done(&l);
}

/* Numbers of ids beyond any table: no long search. */
static void test_huge_fields(void **state)
{
    const uint64_t rows[] = {(uint64_t)1 << 58, (uint64_t)1 << 57, 1000};
    struct layout l;
    struct error e;
    uint64_t need;

    (void)state;
    assert_fails(make(&l, rows, 3, 4, 1 << 20, NULL, &e), ST_INVALID, e, "compo needs at least");
    need = l.need;
    layout_done(&l);
    assert_ok(make(&l, rows, 3, 4, need, NULL, &e), e);
    assert_true(bytes_of(&l) <= need);
    layout_done(&l);
}

static void test_start(void **state)
{
    static const char *const settings[] = {"op=mult collisions=50", "op=add collisions=50",
                                           "op=concat collisions=50"};
    struct init init = {.seed = 3, .deviation = 0.2};

    (void)state;
    for (size_t s = 0; s < COUNT(settings); s++) {
        float row[20];
        struct parameters p;
        struct error e;
        double sum = 0;

        kit_parameters(&p, method_find("compo", 5), 5000, 20, 0, settings[s]);
        assert_ok(init_parameters(&init, &p, &e), e);
        assert_ok(kit_check(&p, &e), e);
        for (uint64_t id = 0; id < 5000; id++) {
            p.method->rows(&p, &id, 1, row);
            for (size_t j = 0; j < 20; j++)
                sum += row[j] * row[j];
        }
        if (!(fabs(sqrt(sum / 100000) - 0.2) < 0.02))
            fail_msg("%s: deviation %g", settings[s], sqrt(sum / 100000));
        init.deviation = 1e-300; /* too small for a float: only a product must not be 0 */
        assert_ok(init_parameters(&init, &p, &e), e);
        for (unsigned k = 0; s == 0 && k < 2; k++)
            for (size_t i = 0; i < p.tensor[k].count; i++)
                assert_true(((float *)p.tensor[k].data)[i] != 0);
        init.deviation = 0.2;
        kit_done(&p);
    }
}

/* The sharers of each id, counted one by one. */
static void expect_sharers(const struct parameters *p)
{
    for (uint64_t id = 0; id < p->rows; id++) {
        struct explanation x = {0};
        uint64_t q, r, other_q, other_r, sharing_q = 0, sharing_r = 0;

        compo_split(p, &id, 1, &q, &r);
        for (uint64_t other = 0; other < p->rows; other++) {
            compo_split(p, &other, 1, &other_q, &other_r);
            sharing_q += other != id && other_q == q;
            sharing_r += other != id && other_r == r;
        }
        parameters_explain(p, id, &x);
        assert_int_equal(x.status, ST_OK);
        assert_int_equal(x.count, 5);
        assert_int_equal(x.fact[1].number, q);
        assert_int_equal(x.fact[2].number, r);
        assert_string_equal(x.fact[3].name, "q.weight");
        assert_int_equal(x.fact[3].sharers, sharing_q);
        assert_int_equal(x.fact[4].sharers, sharing_r);
        explanation_done(&x);
    }
}

static void test_explain(void **state)
{
    static const char *const settings[] = {"collisions=12", "op=add collisions=7 quotient=f32div",
                                           "op=concat collisions=300"};
    struct explanation x = {0};
    struct parameters p;

    (void)state;
    for (size_t s = 0; s < COUNT(settings); s++) {
        kit_parameters(&p, method_find("compo", 5), 200, 4, 0, settings[s]);
        expect_sharers(&p);
        kit_done(&p);
    }
    kit_parameters(&p, method_find("hash", 4), 100, 4, 30 * 16, "");
    parameters_explain(&p, 37, &x);
    assert_int_equal(x.fact[0].number, 7);
    assert_int_equal(x.fact[1].sharers, 3); /* 7, 67, 97 */
    explanation_done(&x);
    parameters_explain(&p, 40, &x);
    assert_int_equal(x.fact[1].sharers, 2); /* 10, 70; 100 is not there */
    explanation_done(&x);
    kit_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),       cmocka_unit_test(test_own_collisions),
        cmocka_unit_test(test_choice_is_exact), cmocka_unit_test(test_chosen_collisions),
        cmocka_unit_test(test_huge_fields),     cmocka_unit_test(test_start),
        cmocka_unit_test(test_explain),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
