/* SPDX-License-Identifier: Apache-2.0 */
/* The `embd.` keys of a table file. Foreign keys are no business of ours; a key that begins with
   "embd." and is not known is refused, because a misspelt one must not be silent. */
#include "table/metadata.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "table/json.h"
#include "table/load.h"

#define DIM_MOST 65536
#define CHECKSUM_DIGITS 16

/* Keys that are read elsewhere or need no function have none. */
struct key {
    const char *name;
    bool required;
    enum status (*read)(struct loading *l, const char *value, struct error *e);
};

enum status metadata_number(const char *key, const char *value, uint64_t *out, struct error *e)
{
    if (parse_u64(value, strlen(value), out) && *out <= INT64_MAX)
        return ST_OK;
    return error_set(e, ST_INVALID,
                     "%s is %s; it must be a number from 0 to 2^63 - 1 in plain digits", key,
                     QUOTE(value));
}

enum status metadata_checksum(const char *key, const char *value, uint64_t *out, struct error *e)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t sum = 0;

    if (strlen(value) != CHECKSUM_DIGITS || strspn(value, digits) != CHECKSUM_DIGITS)
        return error_set(e, ST_INVALID, "%s is %s; it must be %d digits 0-9a-f", key, QUOTE(value),
                         CHECKSUM_DIGITS);
    for (; *value; value++)
        sum = sum << 4 | (uint64_t)(strchr(digits, *value) - digits);
    *out = sum;
    return ST_OK;
}

enum status metadata_seal(const struct header *h, const char *value, struct error *e)
{
    if (h->sealed)
        return ST_OK;
    return error_set(e, ST_DATA_LOSS,
                     "the header was changed after its checksum, embd.header = %s, was made",
                     QUOTE(value));
}

enum status moment_read(struct moment *out, const struct header *h, struct error *e)
{
    struct moment m = {.optimizer = header_metadata(h, "embd.optimizer")};
    const struct {
        const char *key;
        enum status (*read)(const char *key, const char *value, uint64_t *out, struct error *e);
        uint64_t *out;
    } keys[] = {
        {"embd.applied", metadata_number, &m.applied},
        {"embd.lsn", metadata_number, &m.lsn},
        {"embd.generation", metadata_number, &m.generation},
        {"embd.checksum", metadata_checksum, &m.checksum},
    };
    const char *seal = header_metadata(h, "embd.header");
    enum status st = seal ? metadata_seal(h, seal, e)
                          : error_set(e, ST_INVALID, "metadata: \"embd.header\" is missing");

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *value = header_metadata(h, keys[i].key);

        st = value ? keys[i].read(keys[i].key, value, keys[i].out, e)
                   : error_set(e, ST_INVALID, "metadata: \"%s\" is missing", keys[i].key);

        if (st != ST_OK)
            return st;
    }
    if (!m.optimizer)
        return error_set(e, ST_INVALID, "metadata: \"embd.optimizer\" is missing");
    *out = m;
    return ST_OK;
}

static enum status read_version(struct loading *l, const char *value, struct error *e)
{
    (void)l;
    if (!strcmp(value, "1"))
        return ST_OK;
    return error_set(e, ST_INVALID, "embd.version is %s; this embd reads \"1\"", QUOTE(value));
}

static enum status read_method(struct loading *l, const char *value, struct error *e)
{
    l->t->method = method_find(value, strlen(value));
    if (l->t->method)
        return ST_OK;
    return error_set(e, ST_INVALID, "embd.method is %s, which this embd does not have",
                     QUOTE(value));
}

static enum status read_rows(struct loading *l, const char *value, struct error *e)
{
    return metadata_number("embd.rows", value, &l->t->rows, e);
}

static enum status read_dim(struct loading *l, const char *value, struct error *e)
{
    uint64_t dim;
    enum status st = metadata_number("embd.dim", value, &dim, e);

    if (st != ST_OK)
        return st;
    if (dim < 1 || dim > DIM_MOST)
        return error_set(e, ST_INVALID, "embd.dim is %llu; it must be from 1 to %d",
                         (unsigned long long)dim, DIM_MOST);
    l->t->dim = (uint32_t)dim;
    return ST_OK;
}

/* A JSON list of rows per field whose sum is N; embd.rows is read before. */
static enum status read_fields(struct loading *l, const char *value, struct error *e)
{
    struct table *t = l->t;
    uint64_t sum = 0;
    json_t *list;
    enum status st = json_read_text(&list, value, l->limits.tokens, e);

    if (st != ST_OK)
        return error_prefix(e, st, "embd.fields");
    if (!json_is_array(list)) {
        st = error_set(e, ST_INVALID, "embd.fields is not a JSON list");
        goto out;
    }
    t->field_count = json_array_size(list);
    t->field_rows = mem_zero(t->field_count, sizeof *t->field_rows);
    if (!t->field_rows) {
        st = error_memory(e, "fields");
        goto out;
    }
    for (size_t i = 0; i < t->field_count; i++) {
        int64_t rows;

        if (!json_integer_read(json_array_get(list, i), &rows) || rows < 0) {
            st = error_set(e, ST_INVALID, "embd.fields[%zu] is not a number of rows", i);
            goto out;
        }
        t->field_rows[i] = (uint64_t)rows;
        sum += (uint64_t)rows; /* cannot pass 2^64: it stays below 2^63 + 2^63 */
        if (sum > t->rows)
            break;
    }
    if (sum != t->rows)
        st = error_set(e, ST_INVALID, "embd.fields has a sum %s embd.rows, which is %llu",
                       sum > t->rows ? "above" : "below", (unsigned long long)t->rows);
out:
    json_decref(list);
    return st;
}

static enum status read_ids(struct loading *l, const char *value, struct error *e)
{
    static const char *const names[] = {"rows", "keys", "hash"};

    for (int i = 0; i < 3; i++)
        if (!strcmp(value, names[i])) {
            l->t->ids = (enum id_mode)i;
            l->ids_given = true;
            return ST_OK;
        }
    return error_set(e, ST_INVALID, "embd.ids is %s; it must be rows, keys or hash", QUOTE(value));
}

static enum status keep_text(char **out, const char *value, struct error *e)
{
    *out = mem_text(value, strlen(value));
    return *out ? ST_OK : error_memory(e, "metadata");
}

static enum status read_config(struct loading *l, const char *value, struct error *e)
{
    return keep_text(&l->t->config, value, e);
}

static enum status read_optimizer(struct loading *l, const char *value, struct error *e)
{
    return keep_text(&l->t->optimizer, value, e);
}

static enum status read_origin(struct loading *l, const char *value, struct error *e)
{
    return keep_text(&l->t->origin, value, e);
}

static enum status read_applied(struct loading *l, const char *value, struct error *e)
{
    return metadata_number("embd.applied", value, &l->t->applied, e);
}

static enum status read_lsn(struct loading *l, const char *value, struct error *e)
{
    return metadata_number("embd.lsn", value, &l->t->lsn, e);
}

static enum status read_generation(struct loading *l, const char *value, struct error *e)
{
    return metadata_number("embd.generation", value, &l->t->generation, e);
}

static enum status read_checksum(struct loading *l, const char *value, struct error *e)
{
    l->has_checksum = true;
    return metadata_checksum("embd.checksum", value, &l->checksum, e);
}

static enum status read_deviation(struct loading *l, const char *value, struct error *e)
{
    double x;

    if (!parse_double(value, &x) || !(x > 0 && x < 1e30))
        return error_set(e, ST_INVALID,
                         "embd.deviation is %s; it must be a number above 0 and below 1e30",
                         QUOTE(value));
    l->t->deviation = x;
    return ST_OK;
}

static enum status read_seal(struct loading *l, const char *value, struct error *e)
{
    return metadata_seal(&l->t->header, value, e);
}

/* In the order of reading: later ones look at what earlier ones have set. */
static const struct key keys[] = {
    {"embd.header", false, read_seal},
    {"embd.version", true, read_version},
    {"embd.method", true, read_method},
    {"embd.rows", true, read_rows},
    {"embd.dim", true, read_dim},
    {"embd.fields", false, read_fields},
    {"embd.config", false, read_config},
    {"embd.ids", false, read_ids},
    {"embd.applied", false, read_applied},
    {"embd.lsn", false, read_lsn},
    {"embd.generation", false, read_generation},
    {"embd.checksum", false, read_checksum},
    {"embd.optimizer", false, read_optimizer},
    {"embd.origin", false, read_origin},
    {"embd.deviation", false, read_deviation},
};
#define KEYS (sizeof keys / sizeof keys[0])

static enum status check_names(const struct header *h, struct error *e)
{
    for (size_t i = 0; i < h->metadata_count; i++) {
        size_t k = 0;

        if (strncmp(h->metadata[i].key, "embd.", 5))
            continue;
        while (k < KEYS && strcmp(h->metadata[i].key, keys[k].name))
            k++;
        if (k == KEYS)
            return error_set(e, ST_INVALID, "metadata: unknown key %s", QUOTE(h->metadata[i].key));
    }
    return ST_OK;
}

enum status load_metadata(struct loading *l, struct error *e)
{
    struct table *t = l->t;
    enum status st;

    for (size_t k = 0; k < KEYS; k++) {
        const char *value = header_metadata(&t->header, keys[k].name);

        if (value)
            st = keys[k].read(l, value, e);
        else if (keys[k].required)
            st = error_set(e, ST_INVALID, "metadata: \"%s\" is missing", keys[k].name);
        else
            st = ST_OK;
        if (st != ST_OK)
            return st;
    }
    st = check_names(&t->header, e);
    if (st == ST_OK && !t->config)
        st = keep_text(&t->config, "{}", e);
    if (st == ST_OK && !t->origin)
        st = keep_text(&t->origin, "", e);
    return st;
}
