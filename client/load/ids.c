/* SPDX-License-Identifier: Apache-2.0 */
/* Ids are written straight into the message; a few nanoseconds each when uniform. */
#include "client/load/ids.h"

#include <endian.h>
#include <string.h>

#define STREAM_PERMUTATION (UINT64_C(1) << 32) /* above all that ids are drawn from */

static void make_permutation(struct id_source *s, uint64_t seed, unsigned table)
{
    unsigned bits = s->rows > 1 ? 64 - (unsigned)__builtin_clzll(s->rows - 1) : 0;
    struct random r;

    random_init(&r, seed, STREAM_PERMUTATION + table);
    s->mask = bits ? UINT64_MAX >> (64 - bits) : 0;
    s->shift = bits / 2 + 1;
    s->key = random_next(&r);
    s->factor[0] = random_next(&r) | 1; /* odd: can be undone modulo a power of two */
    s->factor[1] = random_next(&r) | 1;
}

void id_source_init(struct id_source *s, uint64_t rows, enum distribution distribution,
                    double exponent, uint64_t seed, unsigned table, unsigned thread)
{
    memset(s, 0, sizeof *s);
    s->rows = rows;
    s->skewed = distribution == IDS_ZIPF;
    random_init(&s->random, seed, (uint64_t)thread << 16 | table);
    if (s->skewed)
        zipf_init(&s->zipf, rows, exponent);
    make_permutation(s, seed, table);
}

void id_source_follow(struct id_source *s, const struct id_trace *trace, size_t first)
{
    s->trace = *trace;
    s->position = first % trace->count;
}

uint64_t id_source_scatter(const struct id_source *s, uint64_t rank)
{
    do {
        rank = (rank + s->key) & s->mask;
        for (int i = 0; i < 2; i++) {
            rank = rank * s->factor[i] & s->mask;
            rank ^= rank >> s->shift;
        }
    } while (rank >= s->rows);
    return rank;
}

static uint64_t next_traced(struct id_source *s)
{
    const unsigned char *at = s->trace.data + s->position * (s->trace.narrow ? 4 : 8);
    uint64_t id;
    uint32_t small;

    if (++s->position == s->trace.count)
        s->position = 0;
    if (s->trace.narrow) {
        memcpy(&small, at, sizeof small);
        return (uint64_t)(int64_t)(int32_t)le32toh(small);
    }
    memcpy(&id, at, sizeof id);
    return le64toh(id);
}

unsigned char *id_source_write(struct id_source *s, unsigned char *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t id;

        if (s->trace.data)
            id = next_traced(s);
        else if (s->skewed)
            id = id_source_scatter(s, zipf_draw(&s->zipf, &s->random) - 1);
        else
            id = random_below(&s->random, s->rows);
        id = htole64(id);
        memcpy(out, &id, sizeof id);
        out += sizeof id;
    }
    return out;
}
