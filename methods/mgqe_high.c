/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows are frequent, and random parameters, which need to know it. No state. */
#include <string.h>

#include "base/memory.h"
#include "methods/init.h"
#include "methods/mgqe.h"

#define HALF 65536 /* values of half the bits of a key */

/* Keys that are not negative are ordered as their bits are. */
static uint32_t bits_of(float key)
{
    uint32_t bits;

    key += 0.0f; /* -0 too */
    memcpy(&bits, &key, sizeof bits);
    return bits;
}

/* The largest half key that the wanted number of rows reach, where count[h] rows have the half key
   h; *want becomes how many of those with that very half key are wanted. */
static uint32_t reach(const uint64_t *count, uint64_t *want)
{
    uint32_t h = HALF - 1;

    for (; h > 0 && count[h] < *want; h--)
        *want -= count[h];
    return h;
}

/* Two counts, of the upper and then of the lower halves of the keys, find the key of the last high
   row; no row is moved, and no other memory is needed, whatever the size of the table. */
enum status mgqe_mark_high(const float *key, uint64_t rows, uint64_t high, unsigned char *map,
                           struct error *e)
{
    uint64_t *count, equal = high;
    uint32_t upper, last;

    if (!key) {
        for (uint64_t i = 0; i < high; i++)
            map[i / 8] |= (unsigned char)(1 << i % 8);
        return ST_OK;
    }
    if (!high)
        return ST_OK;
    if (!(count = mem_zero(HALF, sizeof *count)))
        return error_memory(e, "counts of keys");
    for (uint64_t i = 0; i < rows; i++)
        count[bits_of(key[i]) >> 16]++;
    upper = reach(count, &equal);
    memset(count, 0, HALF * sizeof *count);
    for (uint64_t i = 0; i < rows; i++)
        if (bits_of(key[i]) >> 16 == upper)
            count[bits_of(key[i]) & (HALF - 1)]++;
    last = upper << 16 | reach(count, &equal);
    mem_free(count);
    for (uint64_t i = 0; i < rows; i++) {
        uint32_t bits = bits_of(key[i]);

        if (bits > last || (bits == last && equal)) {
            map[i / 8] |= (unsigned char)(1 << i % 8);
            equal -= bits == last;
        }
    }
    return ST_OK;
}

/* Random codes: of an array's rows, or of all rows of a plain one, of which `map` says the high. */
static void draw_codes(const struct init *init, const struct parameters *p, bool high,
                       const unsigned char *map, uint32_t *code)
{
    struct code_array a = mgqe_codes(p, high);
    struct draws d = draws_of(init, a.tensor->name);

    for (uint64_t i = 0; i < a.rows; i++) {
        bool all = map ? map[i / 8] >> i % 8 & 1 : high;
        uint64_t k = (uint64_t)p->value[all ? MGQE_K_HIGH : MGQE_K_LOW].i;

        for (uint64_t j = 0; j < a.parts; j++)
            code[j] = (uint32_t)(draw_bits(&d, i * a.parts + j) % k);
        codes_pack((unsigned char *)a.tensor->data + i * code_bytes(a.parts, a.bits), a.bits, code,
                   a.parts);
    }
}

enum status mgqe_init(const struct init *init, struct parameters *p, struct error *e)
{
    bool packed = p->value[MGQE_PACKING].i == CODES_BITS;
    struct codebook book = mgqe_codebook(p);
    uint32_t *code = mem_zero(book.parts, sizeof *code);
    unsigned char *map = mem_zero(p->rows / 8 + 1, 1);
    enum status st;

    if (!code || !map) {
        st = error_memory(e, "codes");
        goto out;
    }
    init_normal(init, &p->tensor[book.tensor], init_deviation(init));
    if ((st = mgqe_mark_high(init->weight, p->rows, mgqe_high_of(p), map, e)) != ST_OK)
        goto out;
    if (packed) {
        memcpy(p->tensor[MGQE_MAP].data, map, p->tensor[MGQE_MAP].bytes);
        draw_codes(init, p, false, NULL, code);
        draw_codes(init, p, true, NULL, code);
    } else {
        draw_codes(init, p, true, map, code);
    }
out:
    mem_free(map);
    mem_free(code);
    return st;
}
