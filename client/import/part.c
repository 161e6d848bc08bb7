/* SPDX-License-Identifier: Apache-2.0 */
/* A part's arrays and settings. */
#include "client/import/part.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/import/import.h"

#define SETTINGS_TEXT 128

/* Steps over a rate: "(0.1)", "0.1", "1e-05", or nothing. */
static const char *skip_rate(const char *s)
{
    const char *close;

    if (*s == '(')
        return (close = strchr(s, ')')) ? close + 1 : s;
    if (*s < '0' || *s > '9')
        return s;
    return s + strspn(s, "0123456789.e-");
}

static bool is_joint(char c)
{
    return c == '_' || c == '.';
}

bool piece_matches(const struct piece *piece, const char *name, long *field)
{
    size_t stem = strlen(piece->stem), suffix = strlen(piece->suffix), rest;
    uint64_t number;

    if (strncmp(name, piece->stem, stem))
        return false;
    name = skip_rate(name + stem);
    rest = strlen(name);
    if (rest < suffix)
        return false;
    rest -= suffix;
    if (suffix && (!is_joint(name[rest]) || strcmp(name + rest + 1, piece->suffix + 1)))
        return false;
    *field = -1;
    if (!rest)
        return true;
    if (!is_joint(*name) || !parse_u64(name + 1, rest - 1, &number) || number > INT32_MAX)
        return false;
    *field = (long)number;
    return true;
}

struct part_source *part_find(struct part *p, const char *tensor)
{
    for (size_t i = 0; i < p->sources; i++)
        if (p->source[i].array && !strcmp(p->source[i].name, tensor))
            return &p->source[i];
    return NULL;
}

static int setting_at(const struct part *p, const char *key)
{
    return method_setting(p->method, key, strlen(key));
}

void part_integer(struct part *p, const char *key, uint64_t value)
{
    int i = setting_at(p, key);

    if (i >= 0 && !p->value[i].set)
        p->value[i] = (struct value){.set = true, .i = (int64_t)value};
}

enum status part_integers(struct part *p, const char *key, const uint64_t *value, size_t n,
                          struct error *e)
{
    int i = setting_at(p, key);
    struct value *v = &p->value[i < 0 ? 0 : i];

    if (i < 0 || v->set)
        return ST_OK;
    v->list = mem_zero(n, sizeof *v->list);
    if (!v->list)
        return error_memory(e, "settings");
    for (size_t k = 0; k < n; k++)
        v->list[k] = (int64_t)value[k];
    v->n = n;
    v->set = true;
    return ST_OK;
}

enum status part_text(struct part *p, const char *key, const char *text, struct error *e)
{
    int i = setting_at(p, key);

    if (i < 0 || p->value[i].set)
        return ST_OK;
    return setting_parse(&p->method->settings[i], text, &p->value[i], e);
}

bool part_given(const struct part *p, const char *key, uint64_t *value)
{
    int i = setting_at(p, key);

    if (i < 0 || !p->value[i].set || p->value[i].i < 0)
        return false;
    *value = (uint64_t)p->value[i].i;
    return true;
}

bool part_given_list(const struct part *p, const char *key, uint64_t value[3])
{
    int i = setting_at(p, key);

    if (i < 0 || p->value[i].n != 3)
        return false;
    for (size_t k = 0; k < 3; k++) {
        if (p->value[i].list[k] < 1)
            return false;
        value[k] = (uint64_t)p->value[i].list[k];
    }
    return true;
}

void part_narrow(struct part *p, const char *tensor, uint64_t bound)
{
    struct part_source *s = part_find(p, tensor);

    if (!s)
        return;
    s->wanted.dtype = bound <= 256 ? DT_U8 : bound <= 65536 ? DT_U16 : DT_I32;
    s->typed = true;
}

enum status part_own(struct part *p, const char *tensor, enum dtype dtype, uint64_t count,
                     void **data, struct error *e)
{
    struct part_source *s = part_find(p, tensor);
    struct array *own = &p->own[p->owned];

    if (count > SIZE_MAX || !(*data = mem_zero((size_t)count, dtype_size(dtype))))
        return error_memory(e, tensor);
    own->tensor = (struct tensor){.name = tensor,
                                  .dtype = dtype,
                                  .rank = 1,
                                  .shape = {count},
                                  .count = (size_t)count,
                                  .bytes = (size_t)count * dtype_size(dtype),
                                  .data = *data};
    p->owned++;
    if (!s)
        s = &p->source[p->sources++];
    *s = (struct part_source){.array = own, .name = tensor, .wanted = own->tensor};
    return ST_OK;
}

/* ---- Opening ---- */

static enum status wrong_rank(const struct array *array, const char *must, struct error *e)
{
    return error_set(e, ST_INVALID, "array %s has %u dimensions; it must have %s",
                     QUOTE(array->name), array->tensor.rank, must);
}

/* The shape after the change, where it depends on the array alone. */
static enum status change_shape(struct part_source *s, bool out_in, struct error *e)
{
    const struct tensor *from = &s->array->tensor;
    struct tensor *to = &s->wanted;
    uint64_t rows;

    *to = *from;
    to->name = NULL;
    to->data = NULL;
    if (s->change == LINEAR)
        s->change = out_in ? TURNED : AS_IS;
    switch (s->change) {
    case TURNED:
        if (from->rank != 2)
            return wrong_rank(s->array, "two", e);
        to->shape[0] = from->shape[1];
        to->shape[1] = from->shape[0];
        break;
    case FLAT:
        to->rank = 1;
        to->shape[0] = from->count;
        break;
    case MATRIX:
        if (from->rank < 2)
            return wrong_rank(s->array, "two or more", e);
        to->rank = 2;
        to->shape[1] = from->shape[0] ? from->count / from->shape[0] : 0;
        break;
    case TABLE:
        if (from->rank != 2 && from->rank != 3)
            return wrong_rank(s->array, "three (tables, rows, columns)", e);
        rows = from->rank == 3 ? from->shape[0] : 1;
        if (s->place >= rows)
            return error_set(e, ST_INVALID,
                             "array %s holds %" PRIu64 " tables; --table %" PRIu64
                             " is not one of them",
                             QUOTE(s->array->name), rows, s->place);
        to->rank = 2;
        to->shape[0] = from->shape[from->rank - 2];
        to->shape[1] = from->shape[from->rank - 1];
        break;
    default:
        break;
    }
    return ST_OK;
}

/* "TTEmb_3_1", the name that was looked for. */
static const char *looked_for(char out[128], const struct piece *piece, long field)
{
    if (field < 0)
        snprintf(out, 128, "%s%s", piece->stem, piece->suffix);
    else
        snprintf(out, 128, "%s%c%ld%s", piece->stem, *piece->suffix == '.' ? '.' : '_', field,
                 piece->suffix);
    return out;
}

static enum status take_piece(struct part *p, const struct piece *piece, struct arrays *a,
                              struct error *e)
{
    struct part_source *s = &p->source[p->sources++];
    char name[128];
    long field;

    *s = (struct part_source){.name = piece->tensor, .change = piece->change};
    s->place = p->wish->place;
    for (size_t i = 0; i < a->count; i++)
        if (piece_matches(piece, a->one[i].name, &field) && field == p->field) {
            if (s->array)
                return error_set(e, ST_INVALID, "%s and %s would be the same array of the table",
                                 QUOTE(s->array->name), QUOTE(a->one[i].name));
            s->array = &a->one[i];
        }
    if (s->array) {
        s->array->used = true;
        return change_shape(s, p->wish->linear_out_in, e);
    }
    if (piece->flags & PIECE_OPTIONAL)
        return ST_OK;
    if (strstr(piece->suffix, "_running_"))
        return error_set(e, ST_INVALID,
                         "array %s is missing: the running statistics of the normalisations are "
                         "not in such checkpoints; run the trained ids through the network once "
                         "more and save the mean and variance before each of them",
                         looked_for(name, piece, p->field));
    return error_set(e, ST_INVALID, "array %s is missing (%s of %s)",
                     looked_for(name, piece, p->field), piece->tensor, p->recipe->title);
}

/* "op=mult quotient=int": settings that the user has not set. */
static enum status set_texts(struct part *p, const char *texts, struct error *e)
{
    char buffer[SETTINGS_TEXT], *rest = buffer, *word;

    snprintf(buffer, sizeof buffer, "%s", texts ? texts : "");
    while ((word = strtok_r(rest, " ", &rest))) {
        char *equals = strchr(word, '=');
        enum status st;

        *equals = '\0';
        if ((st = part_text(p, word, equals + 1, e)) != ST_OK)
            return st;
    }
    return ST_OK;
}

enum status part_open(struct part *p, struct arrays *a, struct error *e)
{
    const struct recipe *r = p->recipe;
    const struct tensor *t;
    enum status st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < r->pieces; i++)
        st = take_piece(p, &r->piece[i], a, e);
    if (st == ST_OK)
        st = set_texts(p, r->set, e);
    if (st != ST_OK)
        return st;
    p->rows = ROWS_UNKNOWN;
    if (r->rows_of && (t = part_shape(p, r->rows_of)))
        p->rows = t->rank ? t->shape[0] : 0;
    if (r->dim_of && (t = part_shape(p, r->dim_of)) && part_last(t) <= METHOD_DIM_MAX)
        p->dim = (uint32_t)part_last(t);
    return r->measure ? r->measure(p, e) : ST_OK;
}

void part_close(struct part *p)
{
    for (size_t i = 0; i < METHOD_SETTINGS_MAX; i++)
        mem_free(p->value[i].list);
    for (size_t i = 0; i < p->owned; i++)
        mem_free(p->own[i].tensor.data);
}
