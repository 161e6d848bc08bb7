/* SPDX-License-Identifier: Apache-2.0 */
/* Every level gives the scalar level's bits; the scalar level agrees with plain formulas; the
   choice of a level. */
#include "kernels/kernels.h"

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
    float *matrix;           /* TABLE_ROWS * dim */
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

#define SCALED_CASE(name, type)                                                                    \
    static size_t run_##name##_rows_scaled(const struct kernels *k, const struct input *i,         \
                                           void *out)                                              \
    {                                                                                              \
        k->name##_rows_scaled(out, (const type *)i->table, i->dim, i->row, i->n, i->qparams,       \
                              i->bias);                                                            \
        return i->n * i->dim * 4;                                                                  \
    }

ROWS_CASE(f32_rows, float)
ROWS_CASE(f16_rows, uint16_t)
ROWS_CASE(bf16_rows, uint16_t)
INTEGER_CASES(u8, uint8_t)
INTEGER_CASES(i8, int8_t)
INTEGER_CASES(u16, uint16_t)
INTEGER_CASES(i16, int16_t)
SCALED_CASE(i8, int8_t)
SCALED_CASE(i16, int16_t)

static void opposite_rows(const struct input *i, uint64_t *row)
{
    for (size_t k = 0; k < i->n; k++)
        row[k] = i->row[i->n - 1 - k];
}

static size_t run_f32_rows_times(const struct kernels *k, const struct input *i, void *out)
{
    uint64_t row[ROWS_MAX];

    opposite_rows(i, row);
    k->f32_rows_times(out, i->table, i->row, i->matrix, row, i->dim, i->n);
    return i->n * i->dim * 4;
}

static size_t run_f32_rows_plus(const struct kernels *k, const struct input *i, void *out)
{
    uint64_t row[ROWS_MAX];

    opposite_rows(i, row);
    k->f32_rows_plus(out, i->table, i->row, i->matrix, row, i->dim, i->n);
    return i->n * i->dim * 4;
}

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

/* Term, step and modulus from what the other loops use: any, within the rules. */
static size_t run_f32_signs(const struct kernels *k, const struct input *i, void *out)
{
    uint32_t modulus = 2 + (uint32_t)i->row[0] * (i->dim % 2 ? 40000000 : 1);
    uint32_t multiple[SIGNS_TURN + 1];

    for (size_t j = 0; j <= SIGNS_TURN; j++)
        multiple[j] = (uint32_t)(j * (i->n * 987654321 % modulus) % modulus);
    k->f32_signs(out, i->n * i->dim, (uint32_t)(i->dim * 31337 % modulus), multiple, modulus);
    return i->n * i->dim * 4;
}

static size_t run_f32_energy(const struct kernels *k, const struct input *i, void *out)
{
    for (size_t r = 0; r < i->n; r++) {
        float energy = k->f32_energy(i->matrix + i->row[r] * i->dim, i->dim);

        memcpy((unsigned char *)out + r * sizeof energy, &energy, sizeof energy);
    }
    return i->n * sizeof(float);
}

static size_t run_f32_finite(const struct kernels *k, const struct input *i, void *out)
{
    unsigned char *finite = out;

    for (size_t r = 0; r < i->n; r++)
        finite[r] = k->f32_finite(i->in + r * i->dim * 4, i->dim) != 0;
    return i->n;
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

static size_t run_codes_unpack(const struct kernels *k, const struct input *i, void *out)
{
    uint32_t place[ROWS_MAX];

    struct code_row row[ROWS_MAX / 4];
    size_t rows = i->n / 4;

    for (size_t r = 0; r < rows; r++) /* each with bits of its own */
        row[r] = (struct code_row){(const unsigned char *)i->table + i->row[r], (i->dim + r) % 17};
    k->codes_unpack(place, row, rows, 4, (uint32_t)i->dim);
    memcpy(out, place, rows * 4 * sizeof *place);
    return rows * 4 * sizeof *place;
}

static size_t run_codes_rows(const struct kernels *k, const struct input *i, void *out)
{
    struct code_row row[ROWS_MAX / 3];
    size_t rows = i->n / 3;

    for (size_t r = 0; r < rows; r++)
        row[r] = (struct code_row){i->in + r, 4 + (unsigned)i->row[r] % 2};
    k->codes_rows(out, i->table, i->dim, row, rows, 3, 7); /* at most vector 2 * 7 + 31 */
    return rows * 3 * i->dim * 4;
}

static size_t run_f32_nearest(const struct kernels *k, const struct input *i, void *out)
{
    float x[ROWS_MAX * DIM_MAX], distance[ROWS_MAX];
    uint32_t number[ROWS_MAX];

    memcpy(x, i->in, i->n * i->dim * 4);
    k->f32_nearest(number, distance, x, i->n, i->table, i->dim, TABLE_ROWS / NEAREST_TILE);
    memcpy(out, number, i->n * 4);
    memcpy((unsigned char *)out + i->n * 4, distance, i->n * 4);
    return i->n * 8;
}

static const struct {
    const char *name;
    run *run;
    bool arithmetic; /* which NaN comes out of two is the processor's business */
} cases[] = {
    {"f32_rows", run_f32_rows, false},
    {"f16_rows", run_f16_rows, false},
    {"bf16_rows", run_bf16_rows, false},
    {"f32_rows_times", run_f32_rows_times, true},
    {"f32_rows_plus", run_f32_rows_plus, true},
    {"u8_rows", run_u8_rows, true},
    {"i8_rows", run_i8_rows, true},
    {"u16_rows", run_u16_rows, true},
    {"i16_rows", run_i16_rows, true},
    {"u8_rows_each", run_u8_rows_each, true},
    {"i8_rows_each", run_i8_rows_each, true},
    {"u16_rows_each", run_u16_rows_each, true},
    {"i16_rows_each", run_i16_rows_each, true},
    {"i8_rows_scaled", run_i8_rows_scaled, true},
    {"i16_rows_scaled", run_i16_rows_scaled, true},
    {"f32_add", run_f32_add, true},
    {"f32_add_scaled", run_f32_add_scaled, true},
    {"f32_mul", run_f32_mul, true},
    {"f32_div", run_f32_div, true},
    {"f32_signs", run_f32_signs, false},
    {"f32_to_f16", run_f32_to_f16, false},
    {"f32_to_bf16", run_f32_to_bf16, false},
    {"f32_to_fused8", run_f32_to_fused8, false},
    {"f32_energy", run_f32_energy, true},
    {"f32_finite", run_f32_finite, false},
    {"codes_unpack", run_codes_unpack, false},
    {"codes_rows", run_codes_rows, false},
    {"f32_nearest", run_f32_nearest, false},
};

static void input_make(struct input *i, struct random *r, size_t dim, size_t n, bool special)
{
    size_t floats = n * dim;

    *i = (struct input){.dim = dim, .n = n};
    i->table = malloc(TABLE_ROWS * dim * 4);
    i->qparams = malloc(TABLE_ROWS * 2 * sizeof(float));
    i->matrix = malloc(TABLE_ROWS * dim * sizeof(float));
    i->in = malloc(floats * 4 + 1); /* exact, so that ASan sees a read beyond */
    i->acc = malloc(floats * 4 + 1);
    random_bytes(r, i->table, TABLE_ROWS * dim * 4);
    for (size_t j = 0; j < TABLE_ROWS * 2; j++)
        i->qparams[j] = special ? random_any_float(r) : random_normal(r);
    for (size_t j = 0; j < TABLE_ROWS * dim; j++)
        i->matrix[j] = special ? random_any_float(r) : random_normal(r);
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
    free(i->matrix);
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
        cmocka_unit_test(test_levels_agree),
        cmocka_unit_test(test_choice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
