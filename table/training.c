/* SPDX-License-Identifier: Apache-2.0 */
/* A training is put on an open table: it finds the optimizer's states in the table's memory, and
   makes room for pushes. */
#include "table/training.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "table/training_state.h"

/* Whether the bytes lie where snapshots see them. */
static bool in_region(const struct table *t, const void *at, size_t bytes)
{
    uintptr_t start = (uintptr_t)t->region->data, place = (uintptr_t)at;

    return place >= start && place - start <= t->region->size &&
           bytes <= t->region->size - (place - start);
}

enum status training_place(const struct table *t, const struct tensor *tensor, const void *data,
                           struct error *e)
{
    /* An empty tensor lies nowhere: it may be the copy that addresses are loaded into. */
    if (!tensor->bytes)
        return ST_OK;
    if (in_region(t, data, tensor->bytes) && (uintptr_t)data % dtype_size(tensor->dtype) == 0)
        return ST_OK;
    return error_set(e, ST_INVALID,
                     "tensor %s is not aligned to its elements; a table to be trained must be",
                     QUOTE(tensor->name));
}

static enum status find_state(struct training *t, const struct parameters *p,
                              struct training_part *part, unsigned k, unsigned i, struct error *e)
{
    const struct optimizer *o = t->settings.optimizer;
    const struct tensor *owner = &p->tensor[k];
    uint64_t count = optimizer_state_count(o, i, p, k);
    const struct file_tensor *ft;
    char name[320]; /* names of the file are no longer than 255 */
    enum status st;

    if (!o->state[i] || !owner->count)
        return ST_OK;
    snprintf(name, sizeof name, "optimizer.%s.%s", owner->name, o->state[i]);
    ft = header_tensor(&t->table->header, name);
    if (!ft)
        return error_set(e, ST_INVALID, "tensor %s is missing, the state of %s", QUOTE(name),
                         o->name);
    if (ft->tensor.dtype != DT_F32 || ft->tensor.count != count)
        return error_set(e, ST_INVALID, "tensor %s holds %zu %s; %s needs %llu F32", QUOTE(name),
                         ft->tensor.count, dtype_name(ft->tensor.dtype), o->name,
                         (unsigned long long)count);
    st = training_place(t->table, &ft->tensor, table_tensor(t->table, ft), e);
    if (st == ST_OK)
        part->state[k][i] = (float *)table_tensor(t->table, ft);
    return st;
}

static enum status find_tensors(struct training *t, const struct parameters *p,
                                struct training_part *part, struct error *e)
{
    enum status st = optimizer_suits(&t->settings, p, e);

    for (unsigned k = 0; st == ST_OK && k < p->method->tensors_count; k++) {
        if (!p->tensor[k].data ||
            !(p->method->tensors[k].flags & (TENSOR_TRAINED | TENSOR_FOLLOWS)))
            continue;
        st = training_place(t->table, &p->tensor[k], p->tensor[k].data, e);
        for (unsigned i = 0; st == ST_OK && tensor_trained(p, k) && i < OPTIMIZER_STATES; i++)
            st = find_state(t, p, part, k, i, e);
    }
    return st;
}

static enum status read_settings(struct training *t, struct error *e)
{
    enum status st;

    if (!t->table->optimizer)
        return error_set(e, ST_INVALID, "embd.optimizer is missing");
    st = optimizer_settings_read(&t->settings, t->table->optimizer, 0, e);
    return st == ST_OK ? st : error_prefix(e, st, "embd.optimizer");
}

static enum status make_room(struct training *t, struct error *e)
{
    size_t widest = 0, dim = t->table->dim;

    for (size_t i = 0; i < t->table->part_count; i++) {
        const struct parameters *p = &t->table->part[i];

        for (unsigned k = 0; k < p->method->tensors_count; k++)
            if (tensor_trained(p, k) && unit_most(p, k) > widest)
                widest = unit_most(p, k);
    }
    t->room_floats = 2 * widest + 3 * dim; /* of tensors that are in memory: no overflow */
    t->room = mem_zero(t->room_floats, sizeof *t->room);
    if (!t->room)
        return error_memory(e, "training");
    t->before = t->room;
    t->after = t->before + widest;
    t->bag = t->after + widest;
    t->scratch = t->bag + dim;
    return ST_OK;
}

static enum status make(struct training *t, struct error *e)
{
    struct table *table = t->table;
    enum status st = ST_OK;

    if (table->memory == REGION_MAP)
        return error_set(e, ST_INVALID, "a table whose file is mapped cannot be trained");
    if (!table->method->gradient)
        return error_set(e, ST_PRECONDITION, "a table of the method %s cannot be trained",
                         table->method->name);
    st = read_settings(t, e);
    if (st != ST_OK)
        return st;
    t->part = mem_zero(table->part_count, sizeof *t->part);
    if (!t->part)
        return error_memory(e, "training");
    for (size_t i = 0; st == ST_OK && i < table->part_count; i++)
        st = find_tensors(t, &table->part[i], &t->part[i], e);
    if (st == ST_OK)
        st = frequency_find(t, e);
    if (st == ST_OK)
        st = make_room(t, e);
    if (st == ST_OK && table->grows)
        st = growth_new(&t->growth, table, e);
    if (st == ST_OK)
        st = blocks_new(&t->blocks, table->region->data, table->region->size, e);
    return st;
}

enum status training_new(struct training **out, struct table *table, struct error *e)
{
    struct training *t = mem_zero(1, sizeof *t);
    enum status st;

    if (!t)
        return error_memory(e, "training");
    t->table = table;
    st = make(t, e);
    if (st == ST_OK)
        *out = t;
    else
        training_free(t);
    return st;
}

void training_free(struct training *t)
{
    if (!t)
        return;
    for (size_t i = 0; t->part && i < t->table->part_count; i++)
        gradients_done(&t->part[i].gradients);
    optimizer_settings_done(&t->settings);
    patch_done(&t->patch);
    growth_free(t->growth);
    blocks_free(t->blocks);
    mem_free(t->part);
    mem_free(t->room);
    mem_free(t->clipped);
    mem_free(t);
}

const struct optimizer_settings *training_settings(const struct training *t)
{
    return &t->settings;
}

static bool has_tensor(const struct table *t, const char *name)
{
    for (size_t i = 0; i < t->part_count; i++)
        for (unsigned k = 0; k < t->part[i].method->tensors_count; k++)
            if (t->part[i].tensor[k].data && !strcmp(t->part[i].tensor[k].name, name))
                return true;
    return false;
}

enum status training_set(struct training *t, const struct optimizer_settings *settings,
                         struct error *e)
{
    struct optimizer_settings s;
    enum status st = ST_OK;

    if (settings->optimizer != t->settings.optimizer)
        return error_set(e, ST_INVALID,
                         "the optimizer is %s; it cannot be changed while it has "
                         "a state",
                         t->settings.optimizer->name);
    for (size_t i = 0; i < settings->rates; i++)
        if (!has_tensor(t->table, settings->rate[i].name))
            return error_set(e, ST_INVALID, "tensors: there is no tensor %s",
                             QUOTE(settings->rate[i].name));
    for (size_t i = 0; st == ST_OK && i < t->table->part_count; i++)
        st = optimizer_suits(settings, &t->table->part[i], e);
    if (st == ST_OK)
        st = optimizer_settings_copy(&s, settings, e);
    if (st != ST_OK)
        return st;
    s.step = t->settings.step;
    optimizer_settings_done(&t->settings);
    t->settings = s;
    return ST_OK;
}

size_t update_part_rows(const struct update_part *part)
{
    size_t rows = part->rows;

    for (size_t i = 0; i < part->bags; i++)
        rows += part->bag[i].n;
    return rows;
}

bool state_is_scalar(const struct training *t, const struct parameters *p, unsigned tensor)
{
    return t->settings.optimizer->scalar && !tensor_element_wise(p, tensor);
}

/* Add what a tensor may put into the patch for so many units. */
static bool add_room(const struct parameters *p, unsigned tensor, size_t units, size_t *pieces,
                     size_t *bytes)
{
    size_t each = unit_most(p, tensor) * dtype_size(p->tensor[tensor].dtype), all;

    return size_add(*pieces, units, pieces) && size_mul(units, each, &all) &&
           size_add(*bytes, all, bytes);
}

enum status training_reserve(struct training *t, const struct update *u, struct error *e)
{
    size_t pieces = 0, bytes = 0, times;
    enum status st;

    for (size_t i = 0; i < u->parts; i++) {
        const struct parameters *p = &t->table->part[u->part[i].part];
        size_t rows = update_part_rows(&u->part[i]);

        st = gradients_reserve(&t->part[u->part[i].part].gradients, p, rows, e);
        if (st != ST_OK)
            return st;
        if (t->settings.clip_norm > 0 &&
            !(t->clipped = mem_room(t->clipped, &t->clipped_room, u->part[i].rows,
                                    t->table->dim * sizeof *t->clipped)))
            return error_memory(e, "push");
        for (unsigned k = 0; k < p->method->tensors_count; k++)
            if (!add_room(p, k, parameters_touched(p, k, rows), &pieces, &bytes))
                return error_memory(e, "push");
    }
    /* When each row was named. */
    if (t->growth &&
        (!size_add(pieces, u->rows, &pieces) || !size_mul(u->rows, sizeof(int64_t), &times) ||
         !size_add(bytes, times, &bytes)))
        return error_memory(e, "push");
    return patch_reserve(&t->patch, pieces, bytes, e);
}

void training_counts(const struct training *t, struct training_counts *out)
{
    *out = t->counts;
}

uint64_t training_bytes(const struct training *t)
{
    uint64_t bytes =
        sizeof *t + t->table->part_count * sizeof *t->part + t->room_floats * sizeof *t->room +
        t->clipped_room * t->table->dim * sizeof *t->clipped + blocks_bytes(t->blocks) +
        t->patch.room + t->patch.capacity * sizeof *t->patch.piece;

    for (size_t i = 0; i < t->table->part_count; i++)
        for (unsigned k = 0; k < METHOD_TENSORS_MAX; k++) {
            const struct gradient *g = &t->part[i].gradients.tensor[k];

            bytes += g->unit_room * sizeof *g->unit + g->value_room * sizeof *g->value +
                     g->bucket_room * sizeof *g->bucket;
        }
    return bytes + (t->growth ? growth_bytes(t->growth) : 0);
}

struct growth *training_growth(const struct training *t)
{
    return t->growth;
}

struct blocks *training_blocks(struct training *t)
{
    return t->blocks;
}
