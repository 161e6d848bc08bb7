/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a push in the log. The reader trusts nothing: every length is held against what is
   left before it is used. */
#include "storage/push_body.h"

#include <endian.h>
#include <string.h>

#include "base/text.h"

#define FORM 1
#define FIXED 40 /* form to bytes */
#define ENTRY 24 /* of each table */

static void put_u32(unsigned char *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof value);
}

static void put_u64(unsigned char *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof value);
}

static uint32_t get_u32(const unsigned char *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof value);
    return le32toh(value);
}

static uint64_t get_u64(const unsigned char *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof value);
    return le64toh(value);
}

bool trainer_valid(const char *name, size_t n)
{
    static const char more[] = "_.:-";

    if (n < 1 || n > TRAINER_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];

        if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
            !memchr(more, c, sizeof more - 1))
            return false;
    }
    return true;
}

/* Of the names with their commas and NUL; one byte if there is no table. */
static size_t names_size(const struct push_row *row)
{
    size_t n = row->tables ? 0 : 1;

    for (size_t i = 0; i < row->tables; i++)
        n += strlen(row->table[i].name) + 1;
    return n;
}

bool push_body_size(const struct push_row *row, size_t *out)
{
    size_t n = names_size(row) + FIXED + row->tables * ENTRY + strlen(row->trainer);

    return !__builtin_add_overflow(n, row->bytes, out);
}

static unsigned char *write_names(unsigned char *p, const struct push_row *row)
{
    for (size_t i = 0; i < row->tables; i++) {
        size_t n = strlen(row->table[i].name);

        memcpy(p, row->table[i].name, n);
        p += n;
        *p++ = i + 1 < row->tables ? ',' : '\0';
    }
    if (!row->tables)
        *p++ = '\0';
    return p;
}

void push_body_write(void *out, const struct push_row *row)
{
    unsigned char *p = write_names(out, row);
    size_t trainer = strlen(row->trainer);

    p[0] = FORM;
    p[1] = (unsigned char)trainer;
    p[2] = p[3] = 0;
    put_u32(p + 4, (uint32_t)row->tables);
    put_u64(p + 8, row->sequence);
    put_u64(p + 16, row->content[0]);
    put_u64(p + 24, row->content[1]);
    put_u64(p + 32, row->bytes);
    p += FIXED;
    for (size_t i = 0; i < row->tables; i++, p += ENTRY) {
        uint32_t rate;

        memcpy(&rate, &row->table[i].learning_rate, sizeof rate);
        put_u64(p, row->table[i].generation);
        put_u64(p + 8, row->table[i].version);
        put_u32(p + 16, rate);
        put_u32(p + 20, row->table[i].flags);
    }
    memcpy(p, row->trainer, trainer);
    if (row->bytes)
        memcpy(p + trainer, row->message, row->bytes);
}

/* Whether the text up to the NUL is `count` names of tables. */
static bool names_valid(const char *names, size_t count)
{
    if (!count)
        return !*names;
    for (; count; count--) {
        size_t n = strcspn(names, ",");

        if (!table_name_valid(names, n) || names[n] != (count > 1 ? ',' : '\0'))
            return false;
        names += n + 1;
    }
    return true;
}

bool push_body_read(struct push_body *body, const void *data, size_t n)
{
    const unsigned char *p = data, *end = n ? memchr(data, '\0', n) : NULL;
    size_t left, trainer;
    uint64_t tables;

    if (!end || (left = n - (size_t)(end + 1 - p)) < FIXED)
        return false;
    p = end + 1;
    trainer = p[1];
    tables = get_u32(p + 4);
    if (p[0] != FORM || p[2] || p[3] || !names_valid(data, tables))
        return false;
    memset(&body->row, 0, sizeof body->row);
    body->row.tables = tables;
    body->row.sequence = get_u64(p + 8);
    body->row.content[0] = get_u64(p + 16);
    body->row.content[1] = get_u64(p + 24);
    body->row.bytes = get_u64(p + 32);
    p += FIXED;
    left -= FIXED;
    if (left / ENTRY < tables || left - tables * ENTRY < trainer ||
        left - tables * ENTRY - trainer != body->row.bytes)
        return false;
    body->name = data;
    body->entry = p;
    body->left = tables;
    p += tables * ENTRY;
    if (trainer ? !trainer_valid((const char *)p, trainer) || !body->row.sequence ||
                      body->row.sequence > INT64_MAX
                : body->row.sequence != 0)
        return false;
    memcpy(body->trainer, p, trainer);
    body->trainer[trainer] = '\0';
    body->row.trainer = body->trainer;
    body->row.message = p + trainer;
    return true;
}

bool push_body_table(struct push_body *body, struct push_table *table)
{
    uint32_t rate;
    size_t n;

    if (!body->left)
        return false;
    body->left--;
    n = strcspn(body->name, ",");
    memcpy(table->name, body->name, n);
    table->name[n] = '\0';
    table->generation = get_u64(body->entry);
    table->version = get_u64(body->entry + 8);
    rate = get_u32(body->entry + 16);
    memcpy(&table->learning_rate, &rate, sizeof rate);
    table->flags = get_u32(body->entry + 20);
    body->name += n + 1;
    body->entry += ENTRY;
    return true;
}
