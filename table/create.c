/* SPDX-License-Identifier: Apache-2.0 */
/* Making a table file. The tensors lie in the new file's mapping while the fit fills them, so
   memory holds a table once; the finished file is loaded like any other before it becomes visible.
 */
#include "table/create.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "table/config.h"
#include "table/table.h"

#define EXTRAS 3
#define METADATA_MOST 8
#define SETTING_TEXT ((size_t)64)      /* a setting's value, escaped, and the marks around it */
#define INTEGER_TEXT ((size_t)24)      /* an integer of a list */
#define TEXT_DIGITS "0000000000000000" /* stands for the checksum until it is known */

struct making {
    const struct plan *plan;
    const struct fit *fit;
    const struct table_extras *extras;
    struct parameters p;
    struct tensor tensor[METHOD_TENSORS_MAX + EXTRAS]; /* as laid out in the file */
    size_t tensors;
    int place[METHOD_TENSORS_MAX]; /* of each method's tensor among them, -1: not planned */
    struct safetensors_writer writer;
    struct metadata metadata[METADATA_MOST];
    size_t metadatas;
    char rows[24], dim[16], checksum[17];
    char *config;
};

static enum status check_arguments(const struct making *m, struct error *e)
{
    if (m->fit->rows != m->plan->rows || m->fit->dim != m->plan->dim)
        return error_set(e, ST_INVALID,
                         "the table to fit has %" PRIu64 " rows of %" PRIu32
                         "; the plan is for %" PRIu64 " of %" PRIu32,
                         m->fit->rows, m->fit->dim, m->plan->rows, m->plan->dim);
    if (m->extras->keys && m->extras->hashed_ids)
        return error_set(e, ST_INVALID, "keys and hashed ids exclude each other");
    if (!utf8_valid(m->extras->origin, strlen(m->extras->origin)))
        return error_set(e, ST_INVALID, "the origin %s is not UTF-8", QUOTE(m->extras->origin));
    return ST_OK;
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
    for (size_t i = 0; i < m->p.method->tensors_count; i++) {
        m->place[i] = m->p.tensor[i].name ? (int)m->tensors : -1;
        if (m->p.tensor[i].name)
            m->tensor[m->tensors++] = m->p.tensor[i];
    }
    add_extra(m, "keys", DT_I64, m->plan->rows, m->extras->keys);
    add_extra(m, "default", DT_F32, m->plan->dim, m->extras->fallback);
    add_extra(m, "frequency", DT_I64, m->plan->rows, m->extras->frequency);
}

static void add_metadata(struct making *m, const char *key, const char *value)
{
    m->metadata[m->metadatas++] = (struct metadata){key, value};
}

/* The metadata as far as they are known: settings may still change, the checksum is to come. */
static enum status list_metadata(struct making *m, struct error *e)
{
    enum status st;

    mem_free(m->config);
    m->config = NULL;
    st = config_write(&m->config, &m->p, m->fit->seed, e);
    if (st != ST_OK)
        return st;
    m->metadatas = 0;
    snprintf(m->rows, sizeof m->rows, "%" PRIu64, m->plan->rows);
    snprintf(m->dim, sizeof m->dim, "%" PRIu32, m->plan->dim);
    add_metadata(m, "embd.version", "1");
    add_metadata(m, "embd.method", m->p.method->name);
    add_metadata(m, "embd.rows", m->rows);
    add_metadata(m, "embd.dim", m->dim);
    add_metadata(m, "embd.config", m->config);
    add_metadata(m, "embd.checksum", m->checksum);
    if (*m->extras->origin)
        add_metadata(m, "embd.origin", m->extras->origin);
    if (m->extras->keys || m->extras->hashed_ids)
        add_metadata(m, "embd.ids", m->extras->keys ? "keys" : "hash");
    return ST_OK;
}

/* Room for every setting that a fit may still choose. */
static size_t spare_bytes(const struct parameters *p)
{
    size_t bytes = 0;

    for (size_t i = 0; i < p->method->settings_count; i++)
        bytes += strlen(p->method->settings[i].name) + SETTING_TEXT + p->value[i].n * INTEGER_TEXT;
    return bytes;
}

static void fill_extra(const struct making *m, const char *name, const void *from)
{
    for (size_t i = 0; from && i < m->tensors; i++)
        if (!strcmp(m->tensor[i].name, name) && m->tensor[i].bytes)
            memcpy(m->tensor[i].data, from, m->tensor[i].bytes);
}

static enum status fill(struct making *m, struct fit_error *error, struct error *e)
{
    enum status st;

    for (size_t i = 0; i < m->p.method->tensors_count; i++)
        if (m->place[i] >= 0)
            m->p.tensor[i].data = m->tensor[m->place[i]].data;
    fill_extra(m, "keys", m->extras->keys);
    fill_extra(m, "default", m->extras->fallback);
    fill_extra(m, "frequency", m->extras->frequency);
    st = m->p.method->fit(m->fit, &m->p, e);
    if (st == ST_OK)
        st = parameters_check(&m->p, e);
    if (st == ST_OK)
        st = fit_measure(m->fit, &m->p, error, e);
    return st;
}

/* Final metadata, then the same check that every reader will make. */
static enum status finish(struct making *m, const char *path, struct error *e)
{
    const struct table_options options = {
        .memory = REGION_MAP,
        .limits = {.bytes = HEADER_BYTES_MOST, .tokens = HEADER_TOKENS_DEFAULT},
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

enum status table_create(const char *path, const struct plan *plan, const struct fit *fit,
                         const struct table_extras *extras, struct table_created *created,
                         struct error *e)
{
    static const struct table_extras none = {.origin = ""};
    struct making m = {.plan = plan, .fit = fit, .extras = extras ? extras : &none};
    struct table_extras named = *m.extras;
    struct table_created made = {0};
    enum status st;

    if (!named.origin)
        named.origin = "";
    m.extras = &named;
    memcpy(m.checksum, TEXT_DIGITS, sizeof TEXT_DIGITS);
    st = check_arguments(&m, e);
    if (st == ST_OK)
        st = plan_parameters(plan, &m.p, e);
    if (st != ST_OK)
        return st;
    list_tensors(&m);
    st = list_metadata(&m, e);
    if (st == ST_OK)
        st = safetensors_create(&m.writer, path, m.metadata, m.metadatas, m.tensor, m.tensors,
                                spare_bytes(&m.p), e);
    if (st != ST_OK)
        goto out;
    made.bytes = parameters_bytes(&m.p);
    made.file_bytes = m.writer.size;
    st = fill(&m, &made.error, e);
    if (st == ST_OK)
        st = finish(&m, path, e);
    if (st == ST_OK)
        st = safetensors_commit(&m.writer, e);
    if (st == ST_OK && created)
        *created = made;
    if (st != ST_OK)
        safetensors_abort(&m.writer);
out:
    parameters_done(&m.p);
    mem_free(m.config);
    return st;
}
