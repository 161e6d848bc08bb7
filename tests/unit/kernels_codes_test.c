/* SPDX-License-Identifier: Apache-2.0 */
/* The loops of codebooks at every level against plain formulas, a bit and a number at a time. */
#include "kernels/kernels.h"

#include <math.h>
#include <stdbool.h>

#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define ROWS 60

#define FOR_LEVELS(k)                                                                              \
    for (const struct kernels *const *k = kernels_levels; *k; k++)                                 \
        if (kernels_supported(*k))

static void test_unpack(void **state)
{
    struct random r = {41};

    (void)state;
    FOR_LEVELS(k)
    for (unsigned bits = 0; bits <= 16; bits++)
        for (size_t n = 0; n < 70; n++) {
            size_t bytes = (n * bits + 7) / 8;
            unsigned char *codes = malloc(bytes + 1); /* ends there, so that ASan sees more */
            uint32_t out[70];

            random_bytes(&r, codes + 1, bytes);
            (*k)->codes_unpack(out, &(struct code_row){codes + 1, bits}, 1, n, 1000);
            for (size_t i = 0; i < n; i++) {
                uint32_t code = 0;

                for (size_t b = i * bits; b < (i + 1) * bits; b++)
                    code |= (uint32_t)(codes[1 + b / 8] >> b % 8 & 1) << (b - i * bits);
                assert_int_equal(out[i], i * 1000 + code);
            }
            free(codes);
        }
}

static void test_unpack_worked(void **state)
{
    static const unsigned char codes[] = {0xd1, 0x58, 0x1f};
    uint32_t out[4];

    (void)state;
    FOR_LEVELS(k)
    {
        /* 11110'10110'00110'10001, from the right */
        (*k)->codes_unpack(out, &(struct code_row){codes, 5}, 1, 4, 0);
        assert_true(out[0] == 17 && out[1] == 6 && out[2] == 22 && out[3] == 30);
        (*k)->codes_unpack(out, &(struct code_row){codes, 16}, 1, 1, 7);
        assert_true(out[0] == 0x58d1);
        (*k)->codes_unpack(out, &(struct code_row){codes, 0}, 1, 3, 7);
        assert_true(out[0] == 0 && out[1] == 7 && out[2] == 14);
    }
}

/* Rows of codes of different bits, and the vectors that they name. */
static void check_rows(const struct kernels *k, struct random *r, size_t width, unsigned most,
                       size_t parts)
{
    uint32_t step = random_below(r, 4) ? (uint32_t)1 << most : 0; /* 0: a shared codebook */
    size_t vectors = parts * step + ((size_t)1 << most), n = random_below(r, ROWS + 1);
    float *book = malloc(vectors * width * sizeof *book);
    float *due = malloc(n * parts * width * sizeof *due + 1);
    unsigned char *out = malloc(n * parts * width * sizeof *due + 1), *codes[ROWS];
    uint32_t *place = malloc(parts * sizeof *place);
    struct code_row row[ROWS] = {{0}};

    for (size_t i = 0; i < vectors * width; i++)
        book[i] = random_normal(r);
    for (size_t i = 0; i < n; i++) {
        unsigned bits = most - (unsigned)random_below(r, most / 2 + 1);
        size_t bytes = (parts * bits + 7) / 8;

        codes[i] = malloc(bytes + 1); /* ends there, so that ASan sees more */
        random_bytes(r, codes[i] + 1, bytes);
        row[i] = (struct code_row){codes[i] + 1, bits};
        k->codes_unpack(place, &row[i], 1, parts, step);
        for (size_t t = 0; t < parts; t++)
            memcpy(due + (i * parts + t) * width, book + place[t] * width, width * sizeof *due);
    }
    k->codes_rows(out + 1, book, width, row, n, parts, step);
    assert_memory_equal(out + 1, due, n * parts * width * sizeof *due);
    for (size_t i = 0; i < n; i++)
        free(codes[i]);
    free(place);
    free(out);
    free(due);
    free(book);
}

static void test_rows(void **state)
{
    struct random r = {42};

    (void)state;
    FOR_LEVELS(k)
    {
        for (size_t width = 1; width <= 70; width += SANITIZED ? 1 + width / 4 : 1)
            for (unsigned bits = 0; bits <= 9; bits += 3)
                check_rows(*k, &r, width, bits, 1 + random_below(&r, 20));
        for (size_t parts = 250; parts < 800; parts += 50) /* more than are unpacked at a time */
            check_rows(*k, &r, 1 + parts % 4, 5, parts);
    }
}

static void fill_tiles(float *tiles, const float *vectors, size_t width, size_t count,
                       size_t tile_count)
{
    for (size_t k = 0; k < tile_count * NEAREST_TILE; k++)
        for (size_t j = 0; j < width; j++)
            tiles[(k / NEAREST_TILE * width + j) * NEAREST_TILE + k % NEAREST_TILE] =
                k < count ? vectors[k * width + j] : INFINITY;
}

/* Vectors of few small integers meet and tie often. */
static void test_nearest(void **state)
{
    static const size_t counts[] = {1, 2, 15, 16, 17, 40, 300};
    struct random r = {43};

    (void)state;
    FOR_LEVELS(k)
    for (size_t width = 1; width <= 9; width++)
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            size_t count = counts[c], tile_count = (count + NEAREST_TILE - 1) / NEAREST_TILE;
            float vectors[300 * 9], tiles[304 * 9], x[13 * 9], distance[13];
            uint32_t number[13];
            bool whole = c % 2;

            for (size_t i = 0; i < count * width; i++)
                vectors[i] = whole ? (float)random_below(&r, 3) : random_normal(&r);
            for (size_t i = 0; i < 13 * width; i++)
                x[i] = whole ? (float)random_below(&r, 3) : random_normal(&r);
            fill_tiles(tiles, vectors, width, count, tile_count);
            (*k)->f32_nearest(number, distance, x, 13, tiles, width, tile_count);
            for (size_t i = 0; i < 13; i++) {
                float best = INFINITY;
                uint32_t at = 0;

                for (uint32_t v = 0; v < count; v++) {
                    float sum = 0;

                    for (size_t j = 0; j < width; j++) {
                        float d = x[i * width + j] - vectors[v * width + j], square = d * d;

                        sum = sum + square;
                    }
                    if (sum < best) {
                        best = sum;
                        at = v;
                    }
                }
                assert_int_equal(number[i], at);
                assert_true(distance[i] == best);
            }
        }
}

static void test_nearest_out_of_reach(void **state)
{
    float x[] = {3e38f, -3e38f}, vectors[] = {-3e38f, 3e38f, 3e38f, 3e38f}, tiles[32], distance;
    uint32_t number;

    (void)state;
    fill_tiles(tiles, vectors, 2, 1, 1);
    FOR_LEVELS(k)
    {
        (*k)->f32_nearest(&number, &distance, x, 1, tiles, 2, 1);
        assert_true(number == 0 && distance == INFINITY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unpack),
        cmocka_unit_test(test_unpack_worked),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_nearest_out_of_reach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
