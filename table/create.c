/* SPDX-License-Identifier: Apache-2.0 */
/* Making a table file. The tensors lie in the new file's mapping while they are filled, so memory
   holds a table once; the finished file is loaded like any other before it becomes visible. */
#include "table/create.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "methods/cost.h"
#include "table/config.h"
#include "table/header_tensor.h"
#include "table/table.h"

#define EXTRAS 4
#define METADATA_MOST 13
#define NAME_TEXT ((size_t)64)         /* a tensor's name with the field's prefix */
#define SETTING_TEXT ((size_t)64)      /* a setting's value, escaped, and the marks around it */
#define INTEGER_TEXT ((size_t)24)      /* an integer of a list */
#define TEXT_DIGITS "0000000000000000" /* stands for the checksum until it is known */

struct making {
    const struct layout *layout;
    struct table_extras extras;
    struct parameters *part; /* [layout->part_count] */
    struct tensor *tensor;   /* as laid out in the file */
    size_t tensors;
    int (*place)[METHOD_TENSORS_MAX]; /* of each part's tensors among them, -1: not planned */
    char (*name)[NAME_TEXT];          /* of them, where they have a prefix */
    struct safetensors_writer writer;
    struct metadata metadata[METADATA_MOST];
    size_t metadatas;
    char rows[24], dim[16], checksum[17], deviation[32];
    char *config, *fields;
};

static enum status check_arguments(const struct making *m, struct error *e)
{
    if (m->extras.keys && m->extras.hashed_ids)
        return error_set(e, ST_INVALID, "keys and hashed ids exclude each other");
    if (!utf8_valid(m->extras.origin, strlen(m->extras.origin)))
        return error_set(e, ST_INVALID, "the origin %s is not UTF-8", QUOTE(m->extras.origin));
    return ST_OK;
}

static enum status plan_parts(struct making *m, struct error *e)
{
    size_t parts = m->layout->part_count;
    uint64_t most = layout_tensors(m->layout) + EXTRAS;
    enum status st = ST_OK;

    if (most > TENSORS_MOST)
        return error_set(e, ST_INVALID,
                         "a table file has at most %d tensors; these %zu fields need %" PRIu64,
                         TENSORS_MOST, parts, most - EXTRAS);
    m->part = mem_zero(parts, sizeof *m->part);
    m->place = mem_zero(parts, sizeof *m->place);
    m->tensor = mem_zero(most, sizeof *m->tensor);
    m->name = mem_zero(most, sizeof *m->name);
    if (!m->part || !m->place || !m->tensor || !m->name)
        return error_memory(e, "tensors");
    for (size_t i = 0; st == ST_OK && i < parts; i++)
        st = plan_parameters(&m->layout->part[i], &m->part[i], e);
    return st;
}

static void add_extra(struct making *m, const char *name, enum dtype dtype, uint64_t count,
                      const void *present)
{
    if (present)
        m->tensor[m->tensors++] = (struct tensor){
            .name = name,
            .dtype = dtype,
            .rank = 1,
            .shape = {count},
            .count = (size_t)count,
            .bytes = (size_t)count * dtype_size(dtype), /* the array is in memory: it fits */
        };
}

static void list_tensors(struct making *m)
{
    for (size_t i = 0; i < m->layout->part_count; i++)
        for (size_t k = 0; k < METHOD_TENSORS_MAX; k++) {
            struct tensor *t = &m->part[i].tensor[k];

            m->place[i][k] = t->name ? (int)m->tensors : -1;
            if (!t->name)
                continue;
            if (m->layout->per_field) {
                snprintf(m->name[m->tensors], NAME_TEXT, "f%zu.%s", i, t->name);
                t->name = m->name[m->tensors];
            }
            m->tensor[m->tensors++] = *t;
        }
    add_extra(m, "keys", DT_I64, m->layout->rows, m->extras.keys);
    add_extra(m, "touched", DT_I64, m->layout->rows, m->extras.touched);
    add_extra(m, "default", DT_F32, m->layout->dim, m->extras.fallback);
    add_extra(m, "frequency", DT_I64, m->layout->rows, m->extras.frequency);
}

/* embd.fields: [3,4,5] */
static enum status list_fields(struct making *m, struct error *e)
{
    const struct fields *f = &m->layout->fields;
    size_t room = f->count * INTEGER_TEXT + 3, used = 1;

    if (!f->count)
        return ST_OK;
    if (!(m->fields = mem_alloc(room)))
        return error_memory(e, "fields");
    m->fields[0] = '[';
    for (size_t i = 0; i < f->count; i++)
        used += (size_t)snprintf(m->fields + used, room - used, "%s%" PRIu64, i ? "," : "",
                                 f->first[i + 1] - f->first[i]);
    snprintf(m->fields + used, room - used, "]");
    return ST_OK;
}

static void add_metadata(struct making *m, const char *key, const char *value)
{
    m->metadata[m->metadatas++] = (struct metadata){key, value};
}

/* The metadata as far as they are known: settings may still change, the checksum is to come. */
static enum status list_metadata(struct making *m, struct error *e)
{
    const struct layout *l = m->layout;
    enum status st;

    mem_free(m->config);
    m->config = NULL;
    st = config_write(&m->config, m->part, l->part_count, l->per_field, m->extras.seed, e);
    if (st != ST_OK)
        return st;
    m->metadatas = 0;
    snprintf(m->rows, sizeof m->rows, "%" PRIu64, l->rows);
    snprintf(m->dim, sizeof m->dim, "%" PRIu32, l->dim);
    add_metadata(m, "embd.version", "1");
    add_metadata(m, "embd.method", l->method->name);
    add_metadata(m, "embd.rows", m->rows);
    add_metadata(m, "embd.dim", m->dim);
    add_metadata(m, "embd.config", m->config);
    add_metadata(m, "embd.checksum", m->checksum);
    if (m->fields)
        add_metadata(m, "embd.fields", m->fields);
    if (*m->extras.origin)
        add_metadata(m, "embd.origin", m->extras.origin);
    if (m->extras.optimizer)
        add_metadata(m, "embd.optimizer", m->extras.optimizer);
    if (m->extras.touched && m->extras.deviation > 0) {
        snprintf(m->deviation, sizeof m->deviation, "%.17g", m->extras.deviation);
        add_metadata(m, "embd.deviation", m->deviation);
    }
    if (m->extras.keys || m->extras.hashed_ids)
        add_metadata(m, "embd.ids", m->extras.keys ? "keys" : "hash");
    return ST_OK;
}

/* Room for what a fit may still write: settings that are not there yet, and more digits of those
   that are. */
static size_t spare_bytes(const struct making *m)
{
    size_t bytes = 0;

    for (size_t i = 0; i < m->layout->part_count; i++) {
        const struct parameters *p = &m->part[i];

        for (size_t k = 0; k < p->method->settings_count; k++)
            bytes += p->value[k].set ? (1 + p->value[k].n) * INTEGER_TEXT
                                     : strlen(p->method->settings[k].name) + SETTING_TEXT;
    }
    return bytes;
}

static void fill_extra(const struct making *m, const char *name, const void *from)
{
    for (size_t i = 0; from && i < m->tensors; i++)
        if (!strcmp(m->tensor[i].name, name) && m->tensor[i].bytes)
            memcpy(m->tensor[i].data, from, m->tensor[i].bytes);
}

static enum status fill(struct making *m, const struct table_source *source, struct error *e)
{
    for (size_t i = 0; i < m->layout->part_count; i++)
        for (size_t k = 0; k < METHOD_TENSORS_MAX; k++)
            if (m->place[i][k] >= 0)
                m->part[i].tensor[k].data = m->tensor[m->place[i][k]].data;
    fill_extra(m, "keys", m->extras.keys);
    fill_extra(m, "touched", m->extras.touched);
    fill_extra(m, "default", m->extras.fallback);
    fill_extra(m, "frequency", m->extras.frequency);
    return source->fill(source->context, m->part, m->layout->part_count, e);
}

#define LIMITS                                                                                     \
    {                                                                                              \
        .bytes = HEADER_BYTES_MOST, .tokens = HEADER_TOKENS_DEFAULT                                \
    }

/* A header that readers would refuse is found before the parameters are filled, which may take
   long. */
static enum status check_header(const struct making *m, const char *path, struct error *e)
{
    const struct header_limits limits = LIMITS;
    struct header h = {0};
    enum status st = header_read(&h, m->writer.file.fd, m->writer.size, &limits, e);

    header_done(&h);
    return st == ST_OK ? st : error_prefix(e, st, "%s", path);
}

/* Final metadata, then the same check that every reader will make. */
static enum status finish(struct making *m, const char *path, struct error *e)
{
    const struct table_options options = {
        .memory = REGION_MAP,
        .limits = LIMITS,
    };
    struct table *table;
    enum status st;

    snprintf(m->checksum, sizeof m->checksum, "%016" PRIx64, safetensors_checksum(&m->writer));
    st = list_metadata(m, e);
    if (st == ST_OK)
        st = safetensors_metadata(&m->writer, m->metadata, m->metadatas, m->tensor, m->tensors, e);
    if (st != ST_OK)
        return st;
    st = table_open_fd(&table, m->writer.file.fd, path, &options, e);
    if (st == ST_OK)
        table_close(table);
    return st;
}

static enum status make_file(struct making *m, const char *path, const struct table_source *source,
                             struct table_created *created, struct error *e)
{
    enum status st = check_arguments(m, e);

    if (st == ST_OK)
        st = plan_parts(m, e);
    if (st != ST_OK)
        return st;
    list_tensors(m);
    st = list_fields(m, e);
    if (st == ST_OK)
        st = list_metadata(m, e);
    if (st == ST_OK)
        st = safetensors_create(&m->writer, path, m->metadata, m->metadatas, m->tensor, m->tensors,
                                spare_bytes(m), e);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < m->layout->part_count; i++)
        created->bytes += parameters_bytes(&m->part[i]);
    created->file_bytes = m->writer.size;
    st = check_header(m, path, e);
    if (st == ST_OK)
        st = fill(m, source, e);
    if (st == ST_OK)
        st = finish(m, path, e);
    if (st == ST_OK)
        st = safetensors_commit(&m->writer, e);
    if (st != ST_OK)
        safetensors_abort(&m->writer);
    return st;
}

enum status table_create(const char *path, const struct layout *layout,
                         const struct table_source *source, const struct table_extras *extras,
                         struct table_created *created, struct error *e)
{
    struct making m = {.layout = layout};
    struct table_created made = {0};
    enum status st;

    if (extras)
        m.extras = *extras;
    if (!m.extras.origin)
        m.extras.origin = "";
    memcpy(m.checksum, TEXT_DIGITS, sizeof TEXT_DIGITS);
    st = make_file(&m, path, source, &made, e);
    if (st == ST_OK && created)
        *created = made;
    for (size_t i = 0; m.part && i < layout->part_count; i++)
        parameters_done(&m.part[i]);
    mem_free(m.part);
    mem_free(m.place);
    mem_free(m.tensor);
    mem_free(m.name);
    mem_free(m.config);
    mem_free(m.fields);
    return st;
}
