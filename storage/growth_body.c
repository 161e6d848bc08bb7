/* SPDX-License-Identifier: Apache-2.0 */
/* See growth_body.h. The reader trusts nothing. */
#include "storage/growth_body.h"

#include <endian.h>
#include <string.h>

#include "base/text.h"

#define FORM 1
#define FIXED 32 /* form to count */
#define EACH 16  /* key and row */

static void put(unsigned char *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof value);
}

static uint64_t get(const unsigned char *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof value);
    return le64toh(value);
}

size_t growth_body_size(const struct growth_row *row)
{
    return strlen(row->name) + 1 + FIXED + row->count * EACH;
}

void growth_body_write(void *out, const struct growth_row *row)
{
    size_t name = strlen(row->name) + 1, half = row->count * (EACH / 2);
    unsigned char *p = out;

    memcpy(p, row->name, name);
    p += name;
    put(p, FORM); /* one byte, and seven of 0 */
    put(p + 8, row->generation);
    put(p + 16, row->version);
    put(p + 24, row->count);
    if (!half)
        return;
    memcpy(p + FIXED, row->keys, half);
    memcpy(p + FIXED + half, row->rows, half);
}

bool growth_body_read(struct growth_row *row, const void *data, size_t n)
{
    const unsigned char *p = data, *end = n ? memchr(data, '\0', n) : NULL;
    size_t name, left;

    if (!end || !table_name_valid(data, name = (size_t)(end - p)))
        return false;
    left = n - name - 1;
    p = end + 1;
    if (left < FIXED || get(p) != FORM || (left - FIXED) % EACH ||
        get(p + 24) != (left - FIXED) / EACH)
        return false;
    *row = (struct growth_row){.generation = get(p + 8),
                               .version = get(p + 16),
                               .count = (left - FIXED) / EACH,
                               .keys = p + FIXED,
                               .rows = p + FIXED + (left - FIXED) / 2};
    memcpy(row->name, data, name + 1);
    return true;
}
