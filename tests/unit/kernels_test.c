/* SPDX-License-Identifier: Apache-2.0 */
/* Every level gives the scalar level's bits; the scalar level agrees with plain formulas; the
   choice of a level. */
#include "kernels/kernels.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define TABLE_ROWS 50
#define ROWS_MAX 40
#define DIM_MAX 67
#define GUARD 16 /* bytes around an output that must stay as they are */

struct input {
    size_t dim, n;
    uint64_t row[ROWS_MAX];
    void *table;             /* random bits, TABLE_ROWS * dim * 4 bytes */
    float *qparams;          /* TABLE_ROWS pairs */
    unsigned char *in, *acc; /* n * dim floats each, at an odd address */
    float w, bias;
};

/* One loop over an input; returns the bytes that it writes. `out` holds acc beforehand. */
typedef size_t run(const struct kernels *k, const struct input *i, void *out);

#define ROWS_CASE(name, type)                                                                      \
    static size_t run_##name(const struct kernels *k, const struct input *i, void *out)            \
    {                                                                                              \
        k->name(out, (const type *)i->table, i->dim, i->row, i->n);                                \
        return i->n * i->dim * 4;                                                                  \
    }
#define INTEGER_CASES(name, type)                                                                  \
    static size_t run_##name##_rows(const struct kernels *k, const struct input *i, void *out)     \
    {                                                                                              \
        k->name##_rows(out, (const type *)i->table, i->dim, i->row, i->n, i->w, i->bias);          \
        return i->n * i->dim * 4;                                                                  \
    }                                                                                              \
    static size_t run_##name##_rows_each(const struct kernels *k, const struct input *i,           \
                                         void *out)                                                \
    {                                                                                              \
        k->name##_rows_each(out, (const type *)i->table, i->dim, i->row, i->n, i->qparams);        \
        return i->n * i->dim * 4;                                                                  \
    }

ROWS_CASE(f32_rows, float)
ROWS_CASE(f16_rows, uint16_t)
ROWS_CASE(bf16_rows, uint16_t)
INTEGER_CASES(u8, uint8_t)
INTEGER_CASES(i8, int8_t)
INTEGER_CASES(u16, uint16_t)
INTEGER_CASES(i16, int16_t)

static size_t run_f32_add(const struct kernels *k, const struct input *i, void *out)
{
    k->f32_add(out, i->in, i->n * i->dim);
    return i->n * i->dim * 4;
}

static size_t run_f32_add_scaled(const struct kernels *k, const struct input *i, void *out)
{
    k->f32_add_scaled(out, i->in, i->w, i->n * i->dim);
    return i->n * i->dim * 4;
}

static size_t run_f32_mul(const struct kernels *k, const struct input *i, void *out)
{
    k->f32_mul(out, i->in, i->n * i->dim);
    return i->n * i->dim * 4;
}

static size_t run_f32_div(const struct kernels *k, const struct input *i, void *out)
{
    k->f32_div(out, i->w, i->n * i->dim);
    return i->n * i->dim * 4;
}

static size_t run_f32_to_f16(const struct kernels *k, const struct input *i, void *out)
{
    k->f32_to_f16(out, i->in, i->n * i->dim);
    return i->n * i->dim * 2;
}

static size_t run_f32_to_bf16(const struct kernels *k, const struct input *i, void *out)
{
    k->f32_to_bf16(out, i->in, i->n * i->dim);
    return i->n * i->dim * 2;
}

static size_t run_f32_to_fused8(const struct kernels *k, const struct input *i, void *out)
{
    unsigned char *to = out;

    for (size_t r = 0; r < i->n; r++)
        k->f32_to_fused8(to + r * FUSED8_BYTES(i->dim), i->in + r * i->dim * 4, i->dim);
    return i->n * FUSED8_BYTES(i->dim);
}

static const struct {
    const char *name;
    run *run;
    bool arithmetic; /* which NaN comes out of two is the processor's business */
} cases[] = {
    {"f32_rows", run_f32_rows, false},
    {"f16_rows", run_f16_rows, false},
    {"bf16_rows", run_bf16_rows, false},
    {"u8_rows", run_u8_rows, true},
    {"i8_rows", run_i8_rows, true},
    {"u16_rows", run_u16_rows, true},
    {"i16_rows", run_i16_rows, true},
    {"u8_rows_each", run_u8_rows_each, true},
    {"i8_rows_each", run_i8_rows_each, true},
    {"u16_rows_each", run_u16_rows_each, true},
    {"i16_rows_each", run_i16_rows_each, true},
    {"f32_add", run_f32_add, true},
    {"f32_add_scaled", run_f32_add_scaled, true},
    {"f32_mul", run_f32_mul, true},
    {"f32_div", run_f32_div, true},
    {"f32_to_f16", run_f32_to_f16, false},
    {"f32_to_bf16", run_f32_to_bf16, false},
    {"f32_to_fused8", run_f32_to_fused8, false},
};

static void input_make(struct input *i, struct random *r, size_t dim, size_t n, bool special)
{
    size_t floats = n * dim;

    *i = (struct input){.dim = dim, .n = n};
    i->table = malloc(TABLE_ROWS * dim * 4);
    i->qparams = malloc(TABLE_ROWS * 2 * sizeof(float));
    i->in = malloc(floats * 4 + 1); /* exact, so that ASan sees a read beyond */
    i->acc = malloc(floats * 4 + 1);
    random_bytes(r, i->table, TABLE_ROWS * dim * 4);
    for (size_t j = 0; j < TABLE_ROWS * 2; j++)
        i->qparams[j] = special ? random_any_float(r) : random_normal(r);
    for (size_t j = 0; j < n; j++)
        i->row[j] = random_below(r, TABLE_ROWS);
    for (size_t j = 0; j < floats; j++) {
        float x = special ? random_any_float(r) : random_normal(r);
        float y = special ? random_any_float(r) : random_normal(r);

        memcpy(i->in + 1 + 4 * j, &x, 4);
        memcpy(i->acc + 1 + 4 * j, &y, 4);
    }
    i->in++;
    i->acc++;
    i->w = special ? random_any_float(r) : random_normal(r);
    i->bias = random_normal(r);
}

static void input_free(struct input *i)
{
    free(i->table);
    free(i->qparams);
    free(i->in - 1);
    free(i->acc - 1);
}

static bool same_float(const unsigned char *a, const unsigned char *b)
{
    float x, y;

    if (memcmp(a, b, 4) == 0)
        return true;
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    return isnan(x) && isnan(y);
}

static void compare(size_t c, const struct kernels *k, const struct input *in, size_t offset)
{
    size_t room = in->n * FUSED8_BYTES(in->dim) * 4 + 2 * GUARD + 64;
    unsigned char *want = malloc(room), *got = malloc(room);
    size_t bytes, other;

    memset(want, 0xa5, room);
    memset(got, 0xa5, room);
    memcpy(want + GUARD + offset, in->acc, in->n * in->dim * 4);
    memcpy(got + GUARD + offset, in->acc, in->n * in->dim * 4);
    bytes = cases[c].run(kernels_levels[0], in, want + GUARD + offset);
    other = cases[c].run(k, in, got + GUARD + offset);
    assert_int_equal(bytes, other);
    for (size_t at = 0; at < room; at++) {
        size_t inside = at - GUARD - offset;

        if (got[at] == want[at])
            continue;
        if (cases[c].arithmetic && inside < bytes &&
            same_float(got + at - inside % 4, want + at - inside % 4))
            continue;
        fail_msg("%s at %s: byte %zd of %zu differs, dim %zu, n %zu, offset %zu", cases[c].name,
                 k->isa, (ssize_t)inside, bytes, in->dim, in->n, offset);
    }
    free(want);
    free(got);
}

static void test_levels_agree(void **state)
{
    static const size_t ns[] = {0, 1, 13, ROWS_MAX};
    struct random r = {1};

    (void)state;
    for (const struct kernels *const *k = kernels_levels + 1; *k; k++) {
        if (!kernels_supported(*k)) {
            print_message("this processor has no %s\n", (*k)->isa);
            continue;
        }
        for (size_t dim = 1; dim <= DIM_MAX; dim++)
            for (size_t n = 0; n < COUNT(ns); n++)
                for (int special = 0; special < 2; special++) {
                    struct input in;

                    input_make(&in, &r, dim, ns[n], special);
                    for (size_t c = 0; c < COUNT(cases); c++)
                        compare(c, *k, &in, (dim + n) % 4);
                    input_free(&in);
                }
    }
}

/* Nearest half of a float by way of doubles: scale so that a half's last place is 1, round, scale
   back. */
static uint16_t plain_half(float x)
{
    double a = fabs((double)x), unit, rounded;
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    int exponent;

    frexp(a, &exponent);
    unit = ldexp(1, exponent - 11 > -24 ? exponent - 11 : -24);
    rounded = nearbyint(a / unit) * unit;
    if (rounded >= 65536)
        return sign | 0x7c00;
    if (rounded < 0x1p-14)
        return sign | (uint16_t)(rounded * 0x1p24);
    frexp(rounded, &exponent);
    return sign | (uint16_t)(((exponent + 14) << 10) + (ldexp(rounded, 11 - exponent) - 1024));
}

static void test_half(void **state)
{
    struct random r = {2};

    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float x = f32_from_f16((uint16_t)h);

        if ((h & 0x7fff) > 0x7c00) {
            assert_true(isnan(x));
            assert_int_equal(f16_from_f32(x), h | 0x200); /* a quiet one comes back as it was */
            continue;
        }
        assert_int_equal(f16_from_f32(x), h);
        if (isinf(x))
            continue;
        assert_int_equal(plain_half(x), h);
        for (int step = 0; step < 2; step++) { /* around the middle to the next half */
            float next = f32_from_f16((uint16_t)(h + 1)), middle = (x + next) / 2;

            if (isinf(next))
                middle = signbit(x) ? -65520 : 65520;
            if (isnan(next))
                break;
            middle = nextafterf(middle, step ? INFINITY : -INFINITY);
            assert_int_equal(f16_from_f32(middle), plain_half(middle));
        }
    }
    assert_int_equal(f16_from_f32(65520), 0x7c00);
    assert_int_equal(f16_from_f32(nextafterf(65520, 0)), 0x7bff);
    assert_int_equal(f16_from_f32(0x1p-25f), 0);
    assert_int_equal(f16_from_f32(nextafterf(0x1p-25f, 1)), 1);
    for (int i = 0; i < 200000; i++) {
        float x = random_any_float(&r);

        if (isfinite(x))
            assert_int_equal(f16_from_f32(x), plain_half(x));
    }
}

static void test_brain(void **state)
{
    static const struct {
        float in;
        uint16_t out;
    } rows[] = {
        {1.0f, 0x3f80},        {1.00390625f, 0x3f80}, /* 1 + 2^-8: a tie, down to even */
        {1.01171875f, 0x3f82},                        /* 1 + 3 * 2^-8: a tie, up to even */
        {1.00390637f, 0x3f81}, {-0.0f, 0x8000},       {FLT_MAX, 0x7f80},
        {INFINITY, 0x7f80},    {-INFINITY, 0xff80},   {0x1p-149f, 0x0000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(bf16_from_f32(rows[i].in), rows[i].out);
    assert_true(isnan(f32_from_bf16(bf16_from_f32(NAN))));
    for (uint32_t h = 0; h < 0x10000; h++)
        if ((h & 0x7fff) <= 0x7f80)
            assert_int_equal(bf16_from_f32(f32_from_bf16((uint16_t)h)), h);
}

static void fused8(const float *in, size_t dim, uint8_t *code, float *scale, float *bias)
{
    unsigned char out[FUSED8_BYTES(DIM_MAX)];

    kernels_levels[0]->f32_to_fused8(out, in, dim);
    memcpy(code, out, dim);
    memcpy(scale, out + dim, 4);
    memcpy(bias, out + dim + 4, 4);
}

static void test_fused8_formula(void **state)
{
    struct random r = {3};
    float in[DIM_MAX], scale, bias;
    uint8_t code[DIM_MAX];

    (void)state;
    for (size_t dim = 1; dim <= DIM_MAX; dim++)
        for (int turn = 0; turn < 50; turn++) {
            float size = ldexpf(1, (int)random_below(&r, 60) - 40), min = INFINITY;
            float max = -INFINITY;

            for (size_t j = 0; j < dim; j++) {
                in[j] = random_normal(&r) * size;
                min = fminf(min, in[j]);
                max = fmaxf(max, in[j]);
            }
            fused8(in, dim, code, &scale, &bias);
            assert_true(scale == (max - min) / 255);
            assert_true(bias == min);
            for (size_t j = 0; j < dim; j++)
                assert_int_equal(code[j], lrintf((in[j] - min) * 255 / (max - min + 1e-8f)));
        }
}

static void test_fused8_edges(void **state)
{
    static const struct {
        const char *name;
        float in[3];
        uint8_t code[3];
        float scale, bias;
    } rows[] = {
        {"constant", {7, 7, 7}, {0, 0, 0}, 0, 7},
        {"zeros", {-0.0f, 0, -0.0f}, {0, 0, 0}, 0, 0},
        {"whole steps", {0, 255, 128}, {0, 255, 128}, 1, 0},
        {"ties to even", {0, 510, 3}, {0, 255, 2}, 2, 0},
        {"overflow", {-FLT_MAX, FLT_MAX, -FLT_MAX}, {0, 255, 0}, FLT_MAX / 255, -FLT_MAX},
        {"infinite", {0, INFINITY, 5}, {0, 255, 0}, FLT_MAX / 255, 0},
        {"NaN among numbers", {NAN, 0, 255}, {0, 0, 255}, 1, 0},
        {"nothing but NaN", {NAN, NAN, NAN}, {0, 0, 0}, 0, 0},
    };
    uint8_t code[3];
    float scale, bias;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        fused8(rows[i].in, 3, code, &scale, &bias);
        if (memcmp(code, rows[i].code, 3) != 0 || memcmp(&scale, &rows[i].scale, 4) != 0 ||
            memcmp(&bias, &rows[i].bias, 4) != 0)
            fail_msg("%s: codes %d %d %d, scale %g, bias %g", rows[i].name, code[0], code[1],
                     code[2], (double)scale, (double)bias);
    }
}

static void test_choice(void **state)
{
    const struct kernels *best = NULL;
    struct error e;

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k; k++) {
        if (kernels_supported(*k)) {
            assert_ok(kernels_init((*k)->isa, &e), e);
            assert_ptr_equal(kernels, *k);
            best = *k;
        } else {
            assert_fails(kernels_init((*k)->isa, &e), ST_INVALID, e, (*k)->isa);
        }
    }
    assert_ok(kernels_init("scalar", &e), e);
    assert_fails(kernels_init("sse9", &e), ST_INVALID, e, "unknown instruction set \"sse9\"");
    assert_ptr_equal(kernels, kernels_levels[0]);

    assert_int_equal(unsetenv("EMBD_ISA"), 0);
    assert_ok(kernels_init(NULL, &e), e);
    assert_ptr_equal(kernels, best);
    assert_int_equal(setenv("EMBD_ISA", "scalar", 1), 0);
    assert_ok(kernels_init(NULL, &e), e);
    assert_ptr_equal(kernels, kernels_levels[0]);
    assert_int_equal(setenv("EMBD_ISA", "", 1), 0);
    assert_ok(kernels_init(NULL, &e), e);
    assert_ptr_equal(kernels, best);
    assert_int_equal(setenv("EMBD_ISA", "mmx", 1), 0);
    assert_fails(kernels_init(NULL, &e), ST_INVALID, e, "\"mmx\"");
    assert_ptr_equal(kernels, best);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_agree), cmocka_unit_test(test_half),
        cmocka_unit_test(test_brain),        cmocka_unit_test(test_fused8_formula),
        cmocka_unit_test(test_fused8_edges), cmocka_unit_test(test_choice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
