/* SPDX-License-Identifier: Apache-2.0 */
/* OptEmbed by hand: lookups of both forms, what is refused, units that optimizers step,
   explanations. */
#include "methods/optembed.h"

#include "kernels/kernels.h"
#include "methods/explain.h"
#include "methods/gradient.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct method *find(void)
{
    return method_find("optembed", 8);
}

static void put(struct parameters *p, unsigned tensor, enum dtype dtype, uint64_t a, uint64_t b,
                const void *data)
{
    struct tensor *t = &p->tensor[tensor];

    *t = (struct tensor){.name = p->method->tensors[tensor].name,
                         .dtype = dtype,
                         .rank = b ? 2 : 1,
                         .shape = {a, b},
                         .count = b ? a * b : a,
                         .data = (void *)(uintptr_t)data};
    t->bytes = t->count * dtype_size(dtype);
}

/* Three fields of 3, 0 and 4 ids; row 1 of emb is shared by ids of two of them. */
static const uint64_t first[] = {0, 3, 3, 7};
static const float emb[] = {1, 2, 3, 4, 10, 20, 30, 40, 100, 200, 300, 400};
static const int32_t remap[] = {1, -1, 0, 2, 1, -1, 2}, candidate[] = {1, 0, 2};

static struct parameters by_number(void)
{
    struct parameters p = {.method = find(), .rows = 7, .dim = 4, .fields = {first, 3}};

    p.value[OPTEMBED_FORM] = (struct value){.set = true, .i = OPTEMBED_REMAP_FORM};
    put(&p, OPTEMBED_EMB, DT_F32, 3, 4, emb);
    put(&p, OPTEMBED_REMAP, DT_I32, 7, 0, remap);
    put(&p, OPTEMBED_CANDIDATE, DT_I32, 3, 0, candidate);
    return p;
}

static const unsigned char kept[] = {0x86, 0x02}; /* ids 1, 2, 7, 9 of 11 */

static struct parameters compact(void)
{
    struct parameters p = {.method = find(), .rows = 11, .dim = 4};

    p.value[OPTEMBED_FORM] = (struct value){.set = true, .i = OPTEMBED_COMPACT_FORM};
    put(&p, OPTEMBED_EMB, DT_F32, 4, 3, emb);
    put(&p, OPTEMBED_KEPT, DT_U8, 2, 0, kept);
    return p;
}

static void test_lookup_by_hand(void **state)
{
    static const float
        number_rows[7][4] = {{10, 20, 0, 0},  {0}, {1, 2, 0, 0},      {100, 200, 300, 0},
                             {10, 20, 30, 0}, {0}, {100, 200, 300, 0}},
        compact_rows[11][4] = {
            [1] = {1, 2, 3}, [2] = {4, 10, 20}, [7] = {30, 40, 100}, [9] = {200, 300, 400}};
    const uint64_t row[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    struct parameters p = by_number();
    float out[44];
    struct error e;

    (void)state;
    assert_ok(parameters_check(&p, &e), e);
    p.method->rows(&p, row, 7, out);
    assert_memory_equal(out, number_rows, sizeof number_rows);
    parameters_done(&p);
    p = compact();
    assert_ok(parameters_check(&p, &e), e);
    p.method->rows(&p, row, 11, out);
    assert_memory_equal(out, compact_rows, sizeof compact_rows);
    assert_int_equal(optembed_place(&p, 9), 3);
    assert_int_equal(optembed_place(&p, 10), OPTEMBED_PRUNED);
    assert_int_equal(parameters_work(&p), 0);
    parameters_done(&p);
}

/* Units are as wide as their widest user; what lies beyond never gets a gradient. */
static void test_units(void **state)
{
    static const size_t width[] = {2, 3, 3};
    const uint64_t row[] = {0, 4, 1, 2};
    const float grad[] = {1, 2, 3, 4, 10, 20, 30, 40, 9, 9, 9, 9, 5, 6, 7, 8};
    struct parameters p = by_number();
    struct gradients g = {0};
    uint64_t at;
    size_t n;
    struct error e;

    (void)state;
    assert_ok(parameters_check(&p, &e), e);
    assert_int_equal(unit_most(&p, OPTEMBED_EMB), 3);
    assert_int_equal(unit_count(&p, OPTEMBED_EMB), 3);
    for (uint64_t u = 0; u < 3; u++) {
        unit_place(&p, OPTEMBED_EMB, u, &at, &n);
        assert_int_equal(at, u * 4);
        assert_int_equal(n, width[u]);
    }
    assert_ok(gradients_reserve(&g, &p, 4, &e), e);
    p.method->gradient(&p, row, 4, grad, &g);
    assert_int_equal(g.tensor[OPTEMBED_EMB].count, 2); /* id 1 is pruned */
    assert_int_equal(g.tensor[OPTEMBED_EMB].unit[0], 1);
    {
        const float want[] = {11, 22, 30}, *have = g.tensor[OPTEMBED_EMB].value;

        assert_memory_equal(have, want, sizeof want);
        assert_true(have[3] == 5 && have[4] == 6 && have[5] == 0);
    }
    gradients_done(&g);
    parameters_done(&p);

    p = compact();
    assert_ok(parameters_check(&p, &e), e);
    unit_place(&p, OPTEMBED_EMB, 2, &at, &n);
    assert_int_equal(at, 6);
    assert_int_equal(n, 3);
    assert_int_equal(unit_most(&p, OPTEMBED_EMB), 3);
    parameters_done(&p);
}

/* One field: all rows have one width, kept without a list. */
static void test_one_field(void **state)
{
    static const int32_t one[] = {2};
    struct parameters p = by_number();
    uint64_t at;
    size_t n;
    struct error e;

    (void)state;
    p.fields = (struct fields){NULL, 0};
    put(&p, OPTEMBED_CANDIDATE, DT_I32, 1, 0, one);
    assert_ok(parameters_check(&p, &e), e);
    assert_int_equal(optembed_width(&p, 6), 3);
    assert_int_equal(unit_most(&p, OPTEMBED_EMB), 3);
    unit_place(&p, OPTEMBED_EMB, 2, &at, &n);
    assert_int_equal(at, 8);
    assert_int_equal(n, 3);
    parameters_done(&p);
}

static void refused(struct parameters p, const char *words)
{
    struct error e;

    if (parameters_check(&p, &e) == ST_OK)
        fail_msg("not refused: %s", words);
    if (!strstr(e.text, words))
        fail_msg("\"%s\" does not say \"%s\"", e.text, words);
    assert_null(p.state);
}

static void test_refusals_by_number(void **state)
{
    static const struct {
        int32_t remap[7], candidate[3];
        const char *words;
    } rows[] = {
        {{1, -2}, {0}, "tensor \"remap\": id 1 has row -2; it must be -1 or below 3"},
        {{0, 0, 0, 0, 0, 0, 3}, {0}, "tensor \"remap\": id 6 has row 3"},
        {{0, 0, 0, 0, 0, INT32_MIN}, {0}, "id 5 has row -2147483648"},
        {{0, 0, 0, 0, INT32_MAX}, {0}, "id 4 has row 2147483647"},
        {{0}, {0, 0, 4}, "tensor \"candidate\": field 2 has 4; it must be from 0 to D - 1 = 3"},
        {{0}, {0, -1, 0}, "field 1 has -1"},
        {{0}, {INT32_MIN, 0, 0}, "field 0 has -2147483648"},
    };
    struct parameters p;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        p = by_number();
        put(&p, OPTEMBED_REMAP, DT_I32, 7, 0, rows[i].remap);
        put(&p, OPTEMBED_CANDIDATE, DT_I32, 3, 0, rows[i].candidate);
        refused(p, rows[i].words);
    }
    p = by_number();
    put(&p, OPTEMBED_CANDIDATE, DT_I32, 2, 0, candidate);
    refused(p, "tensor \"candidate\" has the shape [2]; it must be [fields = 3]");
    p = by_number();
    p.fields = (struct fields){NULL, 0};
    refused(p, "tensor \"candidate\" has the shape [3]; it must be [fields = 1]");
    p = by_number();
    put(&p, OPTEMBED_EMB, DT_F32, 4, 3, emb);
    refused(p, "tensor \"emb\" has 3 columns; with form=remap it must have 4");
    p = by_number();
    p.of_field = true;
    refused(p, "form=remap is for a whole table");
    p = by_number();
    put(&p, OPTEMBED_EMB, DT_F32, 0, 4, emb);
    refused(p, "tensor \"remap\": id 0 has row 1; it must be -1 or below 0");
    p = by_number();
    put(&p, OPTEMBED_KEPT, DT_U8, 1, 0, kept);
    refused(p, "tensor \"kept\" goes with form=compact only");
}

static void test_refusals_compact(void **state)
{
    static const unsigned char padding[] = {0x06, 0x0a}, more[] = {0x87, 0x02}, none[2] = {0};
    struct parameters p;

    (void)state;
    p = compact();
    put(&p, OPTEMBED_KEPT, DT_U8, 2, 0, padding);
    refused(p, "tensor \"kept\" has bits set beyond the last id");
    p = compact();
    put(&p, OPTEMBED_KEPT, DT_U8, 2, 0, more);
    refused(p, "tensor \"kept\" has 5 bits set, and \"emb\" 4 rows; they must be as many");
    p = compact();
    put(&p, OPTEMBED_KEPT, DT_U8, 2, 0, none);
    refused(p, "tensor \"kept\" has 0 bits set");
    p = compact();
    put(&p, OPTEMBED_KEPT, DT_U8, 1, 0, kept);
    refused(p, "tensor \"kept\" has the shape [1]; it must be [N / 8, rounded up = 2]");
    p = compact();
    put(&p, OPTEMBED_KEPT, DT_U8, 0, 0, kept);
    refused(p, "tensor \"kept\" has the shape [0]");
    p = compact();
    put(&p, OPTEMBED_EMB, DT_F32, 4, 5, emb);
    refused(p, "tensor \"emb\" has 5 columns; it must have from 1 to D = 4");
    p = compact();
    p.tensor[OPTEMBED_EMB].shape[1] = 0;
    refused(p, "tensor \"emb\" has 0 columns");
    p = compact();
    put(&p, OPTEMBED_REMAP, DT_I32, 7, 0, remap);
    refused(p, "tensor \"remap\" goes with form=remap only");
}

/* Ranks over many blocks, at every id, against counting. */
static void test_ranks(void **state)
{
    static const uint64_t rows[] = {1, 7, 8, 511, 512, 513, 1024, 4000, 4097};
    struct random r = {81};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (uint64_t share = 0; share < 4; share++) {
            struct parameters p = {.method = find(), .rows = rows[i], .dim = 1};
            uint64_t bytes = optembed_bitmap(rows[i]), count = 0;
            unsigned char *bits = calloc(bytes, 1); /* exact, so that ASan sees a read beyond */
            float *values;
            struct error e;

            for (uint64_t id = 0; id < rows[i]; id++)
                if (random_below(&r, 3) < share) {
                    bits[id / 8] |= (unsigned char)(1 << id % 8);
                    count++;
                }
            values = calloc(count + 1, sizeof *values);
            p.value[OPTEMBED_FORM] = (struct value){.set = true, .i = OPTEMBED_COMPACT_FORM};
            put(&p, OPTEMBED_EMB, DT_F32, count, 1, values);
            put(&p, OPTEMBED_KEPT, DT_U8, bytes, 0, bits);
            assert_ok(parameters_check(&p, &e), e);
            count = 0;
            for (uint64_t id = 0; id < rows[i]; id++) {
                bool is_kept = bits[id / 8] >> id % 8 & 1;

                assert_int_equal(optembed_place(&p, id), is_kept ? count++ : OPTEMBED_PRUNED);
            }
            parameters_done(&p);
            free(values);
            free(bits);
        }
}

static void test_explanation(void **state)
{
    struct explanation x = {0};
    struct parameters p = by_number();
    struct error e;

    (void)state;
    assert_ok(parameters_check(&p, &e), e);
    parameters_explain(&p, 4, &x);
    assert_int_equal(x.count, 2);
    assert_string_equal(x.fact[0].name, "width");
    assert_int_equal(x.fact[0].number, 3);
    assert_string_equal(x.fact[1].name, "emb");
    assert_int_equal(x.fact[1].number, 1);
    assert_int_equal(x.fact[1].n, 3);
    assert_int_equal(x.fact[1].sharers, 1); /* id 0 */
    explanation_done(&x);
    x.scan_most = 3;
    parameters_explain(&p, 4, &x);
    assert_true(x.fact[1].sharers == SHARERS_UNKNOWN);
    explanation_done(&x);
    parameters_explain(&p, 1, &x);
    assert_string_equal(x.fact[1].text, "pruned: a zero row");
    explanation_done(&x);
    parameters_done(&p);
    p = compact();
    assert_ok(parameters_check(&p, &e), e);
    parameters_explain(&p, 7, &x);
    assert_int_equal(x.fact[1].number, 2);
    assert_int_equal(x.fact[1].sharers, 0);
    explanation_done(&x);
    parameters_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup_by_hand),   cmocka_unit_test(test_units),
        cmocka_unit_test(test_one_field),        cmocka_unit_test(test_refusals_by_number),
        cmocka_unit_test(test_refusals_compact), cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_explanation),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
