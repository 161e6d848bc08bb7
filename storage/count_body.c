/* SPDX-License-Identifier: Apache-2.0 */
/* The body of counts in the log. The reader trusts nothing. */
#include "storage/count_body.h"

#include <string.h>

#include "base/text.h"

#define FORM 1
#define NUMBER_MOST 10 /* bytes of 64 bits, seven a byte */

static unsigned char *put(unsigned char *p, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *p++ = (unsigned char)(value | 0x80);
    *p++ = (unsigned char)value;
    return p;
}

static bool get(struct count_body *body, uint64_t *out)
{
    uint64_t value = 0;

    for (unsigned shift = 0; body->at < body->end && shift < 64; shift += 7) {
        unsigned char byte = *body->at++;
        uint64_t bits = byte & 0x7f;

        if (shift == 63 && bits > 1)
            return false;
        value |= bits << shift;
        if (byte & 0x80)
            continue;
        *out = value;
        return byte || !shift; /* no more bytes than it takes */
    }
    return false;
}

size_t count_body_most(const struct count_row *row)
{
    return strlen(row->name) + 2 + (3 + 2 * row->count) * NUMBER_MOST;
}

size_t count_body_write(void *out, const struct count_row *row)
{
    size_t n = strlen(row->name) + 1;
    unsigned char *p = out;
    uint64_t next = 0;

    memcpy(p, row->name, n);
    p += n;
    *p++ = FORM;
    p = put(p, row->generation);
    p = put(p, row->version);
    p = put(p, row->count);
    for (size_t i = 0; i < row->count; i++) {
        p = put(p, row->counted[i].row - next);
        p = put(p, row->counted[i].times);
        next = row->counted[i].row + 1;
    }
    return (size_t)(p - (unsigned char *)out);
}

bool count_body_next(struct count_body *body, struct counted *out)
{
    uint64_t step, times;

    if (!body->left || !get(body, &step) || !get(body, &times) || !times ||
        step >= UINT64_MAX - body->next)
        return false;
    body->left--;
    *out = (struct counted){body->next + step, times};
    body->next = out->row + 1;
    return true;
}

static bool read_head(struct count_body *body, const unsigned char *data, size_t n)
{
    const unsigned char *end = n ? memchr(data, '\0', n) : NULL;
    size_t name = end ? (size_t)(end - data) : 0;
    uint64_t count;

    if (!table_name_valid((const char *)data, name) || n - name < 2 || data[name + 1] != FORM)
        return false;
    *body = (struct count_body){.at = data + name + 2, .end = data + n};
    memcpy(body->row.name, data, name);
    if (!get(body, &body->row.generation) || !get(body, &body->row.version) || !get(body, &count) ||
        count > (size_t)(body->end - body->at) / 2)
        return false;
    body->left = body->row.count = (size_t)count;
    return true;
}

bool count_body_read(struct count_body *body, const void *data, size_t n)
{
    struct count_body walk;
    struct counted counted;

    if (!read_head(body, data, n))
        return false;
    walk = *body;
    while (count_body_next(&walk, &counted))
        ;
    return !walk.left && walk.at == walk.end;
}
