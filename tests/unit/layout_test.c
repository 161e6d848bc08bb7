/* SPDX-License-Identifier: Apache-2.0 */
/* A budget for a whole table with fields: shared, kept, refused with the least that would do. Each
   method of the list is tried, and a made-up one for what none of them is sure to do. */
#include "methods/plan.h"

#include "base/memory.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define FIELDS_MOST 12
#define DIM 6

static uint64_t first[FIELDS_MOST + 1];

static struct fields fields_of(const uint64_t *rows, size_t count)
{
    first[0] = 0;
    for (size_t i = 0; i < count; i++)
        first[i + 1] = first[i] + rows[i];
    return (struct fields){first, count};
}

/* Rows that share a list of `width` numbers; the wider the better, never more than `most`. */
enum { MADE_FORM, MADE_LIST };
static const struct setting made_settings[] = {
    {.name = "form", .type = SETTING_CHOICE, .choices = "apart whole", .fallback = "apart"},
    {.name = "list", .type = SETTING_INTS, .optional = true, .help = "numbers"},
};
static const struct tensor_decl made_tensors[] = {{"w", DT(F32), "W", .flags = TENSOR_TRAINED},
                                                  {"b", DT(U8), "N", .flags = TENSOR_OPTIONAL}};

static enum status made_plan(struct plan *plan, struct error *e)
{
    uint64_t width = plan->budget ? plan->budget / 4 : 100;

    if (plan->value[MADE_LIST].n == 3)
        return error_set(e, ST_INVALID, "list has three numbers");
    if (!plan->value[MADE_LIST].set) {
        plan->value[MADE_LIST] = (struct value){.set = true, .n = 1};
        plan->value[MADE_LIST].list = mem_zero(1, sizeof(int64_t));
        if (!plan->value[MADE_LIST].list)
            return error_memory(e, "list");
    }
    if (width < 5)
        return plan_refuse(plan, 20, e);
    return plan_size(plan, "W", width < 100 ? width : 100, e);
}

static enum status made_share(struct layout *l, struct error *e)
{
    if (l->budget < 1000)
        return layout_refuse(l, 1000, e);
    for (size_t i = 0; i < l->part_count; i++)
        l->part[i].budget = 40 * (i + 1);
    layout_full(l, 0);
    return ST_OK;
}

static double made_words(const struct plan *plan)
{
    return (double)plan->rows / 2;
}

static const struct method made = {
    .name = "made",
    .per_field = true,
    .per_field_unless = "form=whole",
    .settings = made_settings,
    .settings_count = COUNT(made_settings),
    .tensors = made_tensors,
    .tensors_count = COUNT(made_tensors),
    .plan = made_plan,
};

/* Make a layout of the fields; with ST_INVALID, `need` is what it says is due. */
static enum status make(struct layout *l, const struct method *m, const struct fields *f,
                        uint64_t budget, const struct value *chosen, struct error *e)
{
    enum status st = layout_open(l, m, f->first[f->count], DIM, f, budget, chosen, e);

    return st == ST_OK ? layout_make(l, e) : st;
}

static uint64_t bytes_of(const struct layout *l)
{
    uint64_t bytes;
    struct error e;

    assert_ok(layout_bytes(l, &bytes, &e), e);
    return bytes;
}

/* Any fields, any budget, any method: it is kept, or refused with a need that then does. */
static void test_every_method_keeps_every_budget(void **state)
{
    struct random r = {77};

    (void)state;
    for (size_t i = 0; methods[i]; i++)
        for (int turn = 0; turn < 60; turn++) {
            uint64_t rows[FIELDS_MOST], total = 0, promised, budget, need;
            size_t count = 1 + random_below(&r, FIELDS_MOST);
            struct fields fields;
            struct layout l;
            struct error e;
            enum status st;

            for (size_t k = 0; k < count; k++) {
                rows[k] = random_below(&r, 4) ? random_below(&r, 60) : random_below(&r, 3000);
                total += rows[k];
            }
            fields = fields_of(rows, count);
            budget = 1 + random_below(&r, 4 * total * DIM + 100);
            st = make(&l, methods[i], &fields, budget, NULL, &e);
            if (st == ST_OK) {
                assert_true(bytes_of(&l) <= budget);
                assert_int_equal(l.need, 0);
                promised = 0;
                for (size_t k = 0; k < l.part_count; k++) {
                    assert_int_equal(l.part[k].rows, l.per_field ? rows[k] : total);
                    promised += l.part[k].budget > 1 ? l.part[k].budget : 0;
                }
                assert_true(promised <= budget);
            } else {
                assert_int_equal(st, ST_INVALID);
                assert_non_null(strstr(e.text, "needs"));
                if (l.need <= budget)
                    fail_msg("%s refuses %llu and needs %llu: %s", methods[i]->name,
                             (unsigned long long)budget, (unsigned long long)l.need, e.text);
                need = l.need;
                layout_done(&l);
                assert_ok(make(&l, methods[i], &fields, need, NULL, &e), e);
                assert_true(bytes_of(&l) <= need);
            }
            layout_done(&l);
        }
}

/* Hash shows it, whose bytes follow the budget to a row. */
static void test_one_ratio_for_all(void **state)
{
    const uint64_t rows[] = {1000, 0, 1, 200, 3};
    const struct fields fields = fields_of(rows, COUNT(rows));
    const struct method *hash = method_find("hash", 4);
    const uint64_t total = 1204 * DIM * 4;
    struct layout l;
    struct error e;

    (void)state;
    assert_ok(make(&l, hash, &fields, total / 2, NULL, &e), e);
    assert_true(l.per_field && l.part_count == 5);
    for (size_t i = 0; i < 5; i++) {
        uint64_t bytes;

        assert_ok(plan_bytes(&l.part[i], &bytes, &e), e);
        if (rows[i] > 100)
            assert_true(bytes <= rows[i] * DIM * 2 && bytes + DIM * 4 >= rows[i] * DIM * 2 - 12);
    }
    assert_string_equal(l.part[1].method->name, "full"); /* no rows: nothing to share */
    assert_string_equal(l.part[2].method->name, "full"); /* one row cannot be less */
    assert_true(bytes_of(&l) <= total / 2 && bytes_of(&l) + 2 * DIM * 4 >= total / 2);
    layout_done(&l);

    /* All of it, and more than that: nothing is compressed. */
    for (int more = 0; more < 2; more++) {
        assert_ok(make(&l, hash, &fields, total << more, NULL, &e), e);
        for (size_t i = 0; i < 5; i++)
            assert_string_equal(l.part[i].method->name, "full");
        assert_int_equal(bytes_of(&l), total);
        layout_done(&l);
    }

    /* One row for each field that has any. */
    assert_fails(make(&l, hash, &fields, 4 * DIM * 4 - 1, NULL, &e), ST_INVALID, e,
                 "needs at least 96 B for 1,204 x 6 in 5 fields; the budget is 95 B");
    assert_int_equal(l.need, 4 * DIM * 4);
    layout_done(&l);
    assert_ok(make(&l, hash, &fields, 4 * DIM * 4, NULL, &e), e);
    assert_int_equal(bytes_of(&l), 4 * DIM * 4);
    layout_done(&l);
}

static void test_without_budget(void **state)
{
    const uint64_t rows[] = {10000, 2, 0};
    const struct fields fields = fields_of(rows, COUNT(rows)), none = {first, 0};
    const struct method *compo = method_find("compo", 5);
    struct layout l;
    struct error e;

    (void)state;
    assert_ok(make(&l, compo, &fields, 0, NULL, &e), e);
    assert_ptr_equal(l.part[0].method, compo);
    assert_string_equal(l.part[1].method->name, "full");
    assert_string_equal(l.part[2].method->name, "full");
    assert_int_equal(bytes_of(&l), (100 + 100 + 2) * DIM * 4);
    layout_done(&l);

    assert_ok(layout_open(&l, compo, 10002, DIM, &none, 0, NULL, &e), e);
    assert_true(!l.per_field && l.part_count == 1 && !l.part[0].of_field);
    layout_done(&l);
    assert_ok(layout_open(&l, compo, 10002, DIM, NULL, 0, NULL, &e), e);
    assert_ok(layout_make(&l, &e), e);
    layout_done(&l);
}

static struct value *choose(struct value *chosen, int64_t form, size_t numbers)
{
    memset(chosen, 0, METHOD_SETTINGS_MAX * sizeof *chosen);
    chosen[MADE_FORM] = (struct value){.set = true, .i = form};
    chosen[MADE_LIST] = (struct value){.set = true, .n = numbers};
    chosen[MADE_LIST].list = mem_zero(numbers, sizeof(int64_t));
    assert_non_null(chosen[MADE_LIST].list);
    return chosen;
}

/* What the user set is in every part, lists as copies; a setting may keep the fields together; a
   bad one is an error and not a reason to leave fields full. */
static void test_settings(void **state)
{
    const uint64_t rows[] = {1000, 2000, 3000};
    const struct fields fields = fields_of(rows, COUNT(rows));
    struct value chosen[METHOD_SETTINGS_MAX];
    struct layout l;
    struct error e;

    (void)state;
    assert_ok(make(&l, &made, &fields, 500, choose(chosen, 0, 2), &e), e);
    assert_int_equal(l.part_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(l.part[i].value[MADE_LIST].n, 2);
        assert_ptr_not_equal(l.part[i].value[MADE_LIST].list, chosen[MADE_LIST].list);
        assert_true(l.part[i].of_field && !l.part[i].fields.count);
    }
    assert_true(bytes_of(&l) <= 500);
    layout_done(&l);
    mem_free(chosen[MADE_LIST].list);

    assert_ok(make(&l, &made, &fields, 500, choose(chosen, 1, 2), &e), e);
    assert_true(l.part_count == 1 && !l.part[0].of_field && l.part[0].fields.count == 3);
    assert_int_equal(bytes_of(&l), 400);
    layout_done(&l);
    mem_free(chosen[MADE_LIST].list);

    for (uint64_t budget = 0; budget < 1000; budget += 500) {
        assert_fails(make(&l, &made, &fields, budget, choose(chosen, 0, 3), &e), ST_INVALID, e,
                     "field 0: list has three numbers");
        assert_int_equal(l.need, 0);
        layout_done(&l);
        mem_free(chosen[MADE_LIST].list);
    }
}

/* A method's own way of sharing, and fields that stay what they are. */
static void test_share(void **state)
{
    const uint64_t rows[] = {10, 2, 3000};
    const struct fields fields = fields_of(rows, COUNT(rows));
    struct method own = made, keeps = made;
    struct layout l;
    struct error e;

    (void)state;
    own.share = made_share;
    assert_ok(make(&l, &own, &fields, 1000, NULL, &e), e);
    assert_string_equal(l.part[0].method->name, "full");
    assert_string_equal(l.part[1].method->name, "full"); /* 80 bytes are not less than 48 */
    assert_ptr_equal(l.part[2].method, &own);
    assert_int_equal(bytes_of(&l), 240 + 48 + 120);
    layout_done(&l);
    assert_fails(make(&l, &own, &fields, 999, NULL, &e), ST_INVALID, e, "needs at least 1000 B");
    assert_int_equal(l.need, 1000);
    layout_done(&l);

    keeps.keeps_fields = true;
    assert_ok(make(&l, &keeps, &fields, 60, NULL, &e), e);
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(l.part[i].method, &keeps);
    assert_int_equal(bytes_of(&l), 60);
    layout_done(&l);
    assert_fails(make(&l, &keeps, &fields, 59, NULL, &e), ST_INVALID, e, "needs at least 60 B");
    layout_done(&l);

    /* Not smaller is full, also at the least: 20 bytes a field, and one row of 24 and one of 0. */
    const uint64_t few[] = {1, 0, 3000};
    const struct fields small = fields_of(few, COUNT(few));

    assert_fails(make(&l, &made, &small, 39, NULL, &e), ST_INVALID, e, "needs at least 40 B");
    layout_done(&l);
    assert_ok(make(&l, &made, &small, 40, NULL, &e), e);
    assert_string_equal(l.part[1].method->name, "full");
    layout_done(&l);
}

static void test_edges(void **state)
{
    const uint64_t nothing[] = {0, 0};
    const struct fields fields = fields_of(nothing, COUNT(nothing));
    struct layout l;
    struct error e;

    (void)state;
    for (size_t i = 0; methods[i]; i++)
        for (int budget = 0; budget < 2; budget++) {
            if (!methods[i]->per_field || methods[i]->keeps_fields)
                continue;
            assert_ok(make(&l, methods[i], &fields, (uint64_t)budget, NULL, &e), e);
            assert_int_equal(bytes_of(&l), 0);
            layout_done(&l);
        }
    assert_fails(layout_open(&l, methods[0], 10, 0, NULL, 0, NULL, &e), ST_INVALID, e, "dimension");
    layout_done(&l);
    assert_fails(layout_open(&l, methods[0], 10, 65537, NULL, 0, NULL, &e), ST_INVALID, e, "65537");
    layout_done(&l);
    assert_fails(layout_open(&l, methods[0], UINT64_MAX, 1, NULL, 0, NULL, &e), ST_INVALID, e,
                 "larger than any memory");
    layout_done(&l);
    layout_done(&l);
}

static void test_words(void **state)
{
    const uint64_t rows[] = {1000, 2};
    const struct fields fields = fields_of(rows, COUNT(rows));
    struct method counted = made;
    struct layout l;
    struct error e;

    (void)state;
    assert_ok(make(&l, &made, &fields, 0, NULL, &e), e);
    assert_true(layout_author_words(&l) < 0);
    layout_done(&l);
    counted.author_words = made_words;
    assert_ok(make(&l, &counted, &fields, 0, NULL, &e), e);
    assert_true(layout_author_words(&l) == 500 + 2 * DIM); /* the second field stayed full */
    layout_done(&l);
}

#ifdef EMBD_DEVELOPER
static void test_survives_want_of_memory(void **state)
{
    const uint64_t rows[] = {1000, 2000, 0};
    const struct fields fields = fields_of(rows, COUNT(rows));
    struct value chosen[METHOD_SETTINGS_MAX];
    struct error e;

    (void)state;
    choose(chosen, 0, 2);
    for (int turn = 0; turn < 2; turn++)
        for (uint64_t n = 1;; n++) {
            struct layout l;
            enum status st;
            bool failed;

            mem_fail_at(n, false);
            st = make(&l, &made, &fields, 500, turn ? chosen : NULL, &e);
            failed = mem_failed();
            mem_fail_at(0, false);
            layout_done(&l);
            assert_int_equal(st, failed ? ST_EXHAUSTED : ST_OK);
            if (!failed)
                break;
        }
    mem_free(chosen[MADE_LIST].list);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_method_keeps_every_budget),
        cmocka_unit_test(test_one_ratio_for_all),
        cmocka_unit_test(test_without_budget),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_words),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_survives_want_of_memory),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
