/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.json: a JSON object whose first member seals the text, so that a number that was
   changed is seen like a file that was. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/checkpoint_parts.h"
#include "table/json.h"

/* The text begins so, with the XXH3-64 of all of it, these digits taken as zeros. */
#define SEAL_KEY "{\n \"seal\": \""
#define SEAL_DIGITS 16
#define NO_SEAL "0000000000000000"
#define FORMAT 1

static const struct json_limits limits = {.tokens = 16000000, .depth = JSON_DEPTH};

/* ---- Writing ---- */

static json_t *hex(uint64_t number)
{
    char text[SEAL_DIGITS + 1];

    snprintf(text, sizeof text, "%016" PRIx64, number);
    return json_string(text);
}

static json_t *natural(uint64_t number)
{
    return json_integer((json_int_t)number);
}

static json_t *table_json(const struct checkpoint_table *t)
{
    json_t *o = json_object();

    if (json_object_set_new(o, "name", json_string(t->name)) ||
        json_object_set_new(o, "generation", natural(t->generation)) ||
        json_object_set_new(o, "version", natural(t->version)) ||
        json_object_set_new(o, "lsn", natural(t->lsn)) ||
        json_object_set_new(o, "method", json_string(t->method)) ||
        json_object_set_new(o, "rows", natural(t->rows)) ||
        json_object_set_new(o, "dim", natural(t->dim)) ||
        json_object_set_new(o, "bytes", natural(t->bytes)) ||
        json_object_set_new(o, "file", json_string(t->file)) ||
        json_object_set_new(o, "checksum", hex(t->checksum)) ||
        json_object_set_new(o, "options", json_string(t->options))) {
        json_decref(o);
        return NULL;
    }
    return o;
}

static json_t *position_json(const struct checkpoint_position *p)
{
    json_t *o = json_object();

    if (json_object_set_new(o, "trainer", json_string(p->trainer)) ||
        json_object_set_new(o, "sequence", natural(p->sequence))) {
        json_decref(o);
        return NULL;
    }
    return o;
}

/* With place for the seal in front. */
static json_t *checkpoint_json(const struct checkpoint *c)
{
    json_t *o = json_object(), *tables = json_array(), *positions = json_array();
    bool bad = !o || !tables || !positions;

    for (size_t i = 0; !bad && i < c->tables; i++)
        bad = json_array_append_new(tables, table_json(&c->table[i]));
    for (size_t i = 0; !bad && i < c->positions; i++)
        bad = json_array_append_new(positions, position_json(&c->position[i]));
    bad = bad || json_object_set_new(o, "seal", json_string(NO_SEAL)) ||
          json_object_set_new(o, "format", natural(FORMAT)) ||
          json_object_set_new(o, "label", json_string(c->label)) ||
          json_object_set_new(o, "lsn", natural(c->lsn)) ||
          json_object_set_new(o, "time_us", json_integer(c->time_us)) ||
          json_object_set(o, "tables", tables) || json_object_set(o, "positions", positions);
    json_decref(tables);
    json_decref(positions);
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

enum status checkpoint_text_write(char **out, size_t *n, const struct checkpoint *c,
                                  struct error *e)
{
    const size_t at = strlen(SEAL_KEY);
    char seal[SEAL_DIGITS + 1], *text;
    json_t *o = checkpoint_json(c);
    size_t size = o ? json_dumpb(o, NULL, 0, JSON_INDENT(1)) : 0;

    text = size ? mem_alloc(size + 1) : NULL;
    if (text && json_dumpb(o, text, size, JSON_INDENT(1)) != size) {
        mem_free(text);
        text = NULL;
    }
    json_decref(o);
    if (!text)
        return error_memory(e, "checkpoint");
    text[size++] = '\n';
    if (strncmp(text, SEAL_KEY NO_SEAL, at + SEAL_DIGITS)) {
        mem_free(text);
        return error_set(e, ST_INTERNAL, "the text of a checkpoint does not begin with its seal");
    }
    snprintf(seal, sizeof seal, "%016" PRIx64, hash_bytes(text, size));
    memcpy(text + at, seal, SEAL_DIGITS);
    *out = text;
    *n = size;
    return ST_OK;
}

/* ---- Reading ---- */

static bool read_hex(uint64_t *out, const char *text, size_t n)
{
    uint64_t value = 0;

    if (n != SEAL_DIGITS)
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *digit = strchr("0123456789abcdef", text[i]);

        if (!text[i] || !digit)
            return false;
        value = value << 4 | (uint64_t)(digit - "0123456789abcdef");
    }
    *out = value;
    return true;
}

static enum status bad(struct error *e, const char *key)
{
    return error_set(e, ST_INVALID, "has no good %s", key);
}

static enum status read_natural(uint64_t *out, const json_t *o, const char *key, struct error *e)
{
    const json_t *value = json_object_get(o, key);

    return json_natural_read(value, out) && *out <= INT64_MAX ? ST_OK : bad(e, key);
}

/* A text of at most `room` - 1 bytes. */
static enum status read_text(char *out, size_t room, const json_t *o, const char *key,
                             struct error *e)
{
    const json_t *value = json_object_get(o, key);
    size_t n = json_string_length(value);

    if (!json_is_string(value) || n >= room)
        return bad(e, key);
    memcpy(out, json_string_value(value), n + 1);
    return ST_OK;
}

static enum status read_table(struct checkpoint_table *t, const json_t *o, struct error *e)
{
    const json_t *options = json_object_get(o, "options"), *sum = json_object_get(o, "checksum");
    uint64_t dim = 0;
    enum status st;

    if ((st = read_text(t->name, sizeof t->name, o, "name", e)) != ST_OK ||
        (st = read_natural(&t->generation, o, "generation", e)) != ST_OK ||
        (st = read_natural(&t->version, o, "version", e)) != ST_OK ||
        (st = read_natural(&t->lsn, o, "lsn", e)) != ST_OK ||
        (st = read_text(t->method, sizeof t->method, o, "method", e)) != ST_OK ||
        (st = read_natural(&t->rows, o, "rows", e)) != ST_OK ||
        (st = read_natural(&dim, o, "dim", e)) != ST_OK ||
        (st = read_natural(&t->bytes, o, "bytes", e)) != ST_OK ||
        (st = read_text(t->file, sizeof t->file, o, "file", e)) != ST_OK)
        return st;
    if (!table_name_valid(t->name, strlen(t->name)))
        return bad(e, "name");
    if (dim > UINT32_MAX)
        return bad(e, "dim");
    if (!json_is_string(sum) ||
        !read_hex(&t->checksum, json_string_value(sum), json_string_length(sum)))
        return bad(e, "checksum");
    if (!json_is_string(options))
        return bad(e, "options");
    t->dim = (uint32_t)dim;
    t->options = mem_text(json_string_value(options), json_string_length(options));
    return t->options ? ST_OK : error_memory(e, "checkpoint");
}

static enum status read_tables(struct checkpoint *c, const json_t *list, struct error *e)
{
    size_t n = json_array_size(list);
    enum status st = ST_OK;

    if (!json_is_array(list) || !n)
        return bad(e, "tables");
    c->table = mem_zero(n, sizeof *c->table);
    if (!c->table)
        return error_memory(e, "checkpoint");
    for (c->tables = 0; c->tables < n && st == ST_OK; c->tables++) {
        st = read_table(&c->table[c->tables], json_array_get(list, c->tables), e);
        if (st == ST_OK && c->tables && /* by name, so that each is there once */
            strcmp(c->table[c->tables - 1].name, c->table[c->tables].name) >= 0)
            st = bad(e, "order of tables");
    }
    return st;
}

static enum status read_positions(struct checkpoint *c, const json_t *list, struct error *e)
{
    size_t n = json_array_size(list);
    enum status st = ST_OK;

    if (!json_is_array(list) || n > CHECKPOINT_POSITIONS_MOST)
        return bad(e, "positions");
    c->position = mem_zero(n, sizeof *c->position);
    if (!c->position)
        return error_memory(e, "checkpoint");
    for (; c->positions < n && st == ST_OK; c->positions++) {
        struct checkpoint_position *p = &c->position[c->positions];
        const json_t *o = json_array_get(list, c->positions);

        st = read_text(p->trainer, sizeof p->trainer, o, "trainer", e);
        if (st == ST_OK)
            st = read_natural(&p->sequence, o, "sequence", e);
    }
    return st;
}

static enum status read_all(struct checkpoint *c, const json_t *o, struct error *e)
{
    uint64_t format = 0, time_us = 0;
    enum status st;

    if ((st = read_natural(&format, o, "format", e)) != ST_OK)
        return st;
    if (format != FORMAT)
        return error_set(e, ST_PRECONDITION, "is of format %" PRIu64 ", which is not known",
                         format);
    if ((st = read_natural(&c->lsn, o, "lsn", e)) != ST_OK ||
        (st = read_natural(&time_us, o, "time_us", e)) != ST_OK ||
        (st = read_tables(c, json_object_get(o, "tables"), e)) != ST_OK)
        return st;
    c->time_us = (int64_t)time_us;
    return read_positions(c, json_object_get(o, "positions"), e);
}

enum status checkpoint_text_read(struct checkpoint *out, char *text, size_t n, struct error *e)
{
    const size_t at = strlen(SEAL_KEY);
    struct checkpoint c = {.label = ""};
    uint64_t seal = 0;
    enum status st;
    json_t *o;

    if (n < at + SEAL_DIGITS || strncmp(text, SEAL_KEY, at) ||
        !read_hex(&seal, text + at, SEAL_DIGITS))
        return error_set(e, ST_INVALID, "does not begin with its seal");
    memset(text + at, '0', SEAL_DIGITS);
    if (hash_bytes(text, n) != seal)
        return error_set(e, ST_INVALID, "does not fit its seal");
    st = json_read(&o, text, n - (text[n - 1] == '\n'), &limits, e);
    if (st != ST_OK)
        return st;
    st = read_all(&c, o, e);
    json_decref(o);
    if (st != ST_OK) {
        checkpoint_done(&c);
        return st;
    }
    memcpy(c.label, out->label, sizeof c.label);
    c.trouble = out->trouble;
    *out = c;
    return ST_OK;
}
