/* SPDX-License-Identifier: Apache-2.0 */
/* Equal names, found one by one where there are few and by a table where there are many: a message
   may name thousands of tables a million times. */
#include "daemon/names.h"

#include <stdbool.h>
#include <string.h>

#include "base/hash.h"

#define FEW 8

struct names {
    const unsigned char *base;
    size_t stride;
};

static const struct bytes *name_at(const struct names *names, size_t i)
{
    return (const struct bytes *)(names->base + i * names->stride);
}

static bool same(const struct names *names, size_t i, size_t j)
{
    const struct bytes *a = name_at(names, i), *b = name_at(names, j);

    return a->size == b->size && (!a->size || memcmp(a->data, b->data, a->size) == 0);
}

static void compare_few(uint32_t *first, const struct names *names, size_t n)
{
    for (uint32_t i = 0, j; i < n; i++) {
        for (j = 0; j < i && !same(names, i, j); j++)
            ;
        first[i] = j;
    }
}

enum status names_compare(uint32_t *first, const struct bytes *name, size_t stride, size_t n,
                          struct arena *arena, struct error *e)
{
    const struct names names = {(const unsigned char *)name, stride};
    size_t buckets = 4 * FEW;
    uint64_t secret = hash_secret().add;
    uint32_t *bucket; /* place + 1 of the first of a name, 0: empty */

    if (n <= FEW) {
        compare_few(first, &names, n);
        return ST_OK;
    }
    while (buckets < 2 * n)
        buckets *= 2;
    bucket = arena_zero(arena, buckets, sizeof *bucket);
    if (!bucket)
        return error_memory(e, "the names of the call's tables");
    for (uint32_t i = 0; i < n; i++) {
        const struct bytes *b = name_at(&names, i);
        size_t at = (size_t)hash_seeded(b->data, b->size, secret) & (buckets - 1);

        while (bucket[at] && !same(&names, i, bucket[at] - 1))
            at = (at + 1) & (buckets - 1);
        if (!bucket[at])
            bucket[at] = i + 1;
        first[i] = bucket[at] - 1;
    }
    return ST_OK;
}
