/* SPDX-License-Identifier: Apache-2.0 */
/* One list of keys serves the file's object and the options: an option's text becomes the JSON
   value that the file would hold. */
#include "table/optimizer_settings.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "table/json.h"
#include "table/safetensors.h"

enum kind { NAME, MODE, FROM_ZERO, BELOW_ONE, COUNT, TENSORS };

#define AT(member) offsetof(struct optimizer_settings, member)
static const struct key {
    const char *name;
    enum kind kind;
    size_t at; /* of the double */
} keys[] = {
    {"beta1", BELOW_ONE, AT(beta1)},
    {"beta2", BELOW_ONE, AT(beta2)},
    {"clip_norm", FROM_ZERO, AT(clip_norm)},
    {"epsilon", FROM_ZERO, AT(epsilon)},
    {"initial_accumulator", FROM_ZERO, AT(initial_accumulator)},
    {"learning_rate", FROM_ZERO, AT(learning_rate)},
    {"name", NAME, 0},
    {"scale_lr", FROM_ZERO, AT(scale_lr)},
    {"step", COUNT, 0},
    {"tensors", TENSORS, 0},
    {"weight_decay", FROM_ZERO, AT(weight_decay)},
    {"weight_decay_mode", MODE, 0},
};
#define KEYS (sizeof keys / sizeof keys[0])

static double *number_of(struct optimizer_settings *s, const struct key *key)
{
    return (double *)((char *)s + key->at);
}

static const struct key *key_find(const char *name)
{
    for (size_t i = 0; i < KEYS; i++)
        if (!strcmp(keys[i].name, name))
            return &keys[i];
    return NULL;
}

void optimizer_settings_done(struct optimizer_settings *s)
{
    mem_free(s->rate);
    s->rate = NULL;
    s->rates = 0;
}

enum status optimizer_settings_copy(struct optimizer_settings *out,
                                    const struct optimizer_settings *s, struct error *e)
{
    struct tensor_rate *rate = NULL;

    if (s->rates) {
        rate = mem_zero(s->rates, sizeof *rate);
        if (!rate)
            return error_memory(e, "optimizer");
        memcpy(rate, s->rate, s->rates * sizeof *rate);
    }
    *out = *s;
    out->rate = rate;
    return ST_OK;
}

bool optimizer_settings_equal(const struct optimizer_settings *a,
                              const struct optimizer_settings *b)
{
    for (size_t i = 0; i < KEYS; i++)
        if ((keys[i].kind == FROM_ZERO || keys[i].kind == BELOW_ONE) &&
            *(const double *)((const char *)a + keys[i].at) !=
                *(const double *)((const char *)b + keys[i].at))
            return false;
    if (a->optimizer != b->optimizer || a->decoupled != b->decoupled || a->rates != b->rates)
        return false;
    for (size_t i = 0; i < a->rates; i++)
        if (strcmp(a->rate[i].name, b->rate[i].name) ||
            a->rate[i].learning_rate != b->rate[i].learning_rate)
            return false;
    return true;
}

/* "sgd, adagrad, rowwise_adagrad or adam" */
static enum status refuse_name(const char *key, struct error *e)
{
    char list[256] = "";
    size_t n = 0;

    for (size_t i = 0; optimizers[i] && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s",
                              i == 0              ? ""
                              : optimizers[i + 1] ? ", "
                                                  : " or ",
                              optimizers[i]->name);
    return error_set(e, ST_INVALID, "%s must be %s", key, list);
}

static enum status read_name(struct optimizer_settings *s, const char *key, const json_t *value,
                             struct error *e)
{
    const char *word = json_string_value(value);
    const struct optimizer *found = word ? optimizer_find(word, strlen(word)) : NULL;

    if (!found)
        return refuse_name(key, e);
    s->optimizer = found;
    return ST_OK;
}

static enum status read_mode(struct optimizer_settings *s, const char *key, const json_t *value,
                             struct error *e)
{
    const char *word = json_string_value(value);

    if (!word || (strcmp(word, "l2") && strcmp(word, "decoupled")))
        return error_set(e, ST_INVALID, "%s must be l2 or decoupled", key);
    s->decoupled = !strcmp(word, "decoupled");
    return ST_OK;
}

/* A number from 0 on that is finite as a float32; never -0, so that equal is equal to the bit. */
static bool read_rate(double *out, const json_t *value)
{
    double x = json_number_value(value);

    if (!json_is_number(value) || !(x >= 0 && x <= FLT_MAX))
        return false;
    *out = x + 0.0;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor_rate *)a)->name, ((const struct tensor_rate *)b)->name);
}

/* {"<tensor>": {"learning_rate": x}, …} */
static enum status read_tensors(struct optimizer_settings *s, const char *key, const json_t *object,
                                struct error *e)
{
    size_t count = json_object_size(object), i = 0;
    struct tensor_rate *rate = NULL;
    const char *name;
    json_t *value;

    if (!json_is_object(object))
        return error_set(e, ST_INVALID, "%s must be an object", key);
    if (count && !(rate = mem_zero(count, sizeof *rate)))
        return error_memory(e, "optimizer");
    json_object_foreach((json_t *)object, name, value)
    {
        size_t n = strlen(name);

        if (n >= sizeof rate->name || !table_name_valid(name, n)) {
            mem_free(rate);
            return error_set(e, ST_INVALID, "%s: %s is not a tensor's name", key, QUOTE(name));
        }
        if (json_object_size(value) != 1 ||
            !read_rate(&rate[i].learning_rate, json_object_get(value, "learning_rate"))) {
            mem_free(rate);
            return error_set(e, ST_INVALID,
                             "%s: %s must have a learning_rate from 0 on, and that "
                             "alone",
                             key, QUOTE(name));
        }
        memcpy(rate[i++].name, name, n + 1);
    }
    if (count)
        qsort(rate, count, sizeof *rate, by_name);
    mem_free(s->rate);
    s->rate = rate;
    s->rates = count;
    return ST_OK;
}

/* Set what `key` stands for; `name` is how the sentence calls it. */
static enum status read_key(struct optimizer_settings *s, const struct key *key, const char *name,
                            const json_t *value, struct error *e)
{
    double x;

    switch (key->kind) {
    case NAME:
        return read_name(s, name, value, e);
    case MODE:
        return read_mode(s, name, value, e);
    case FROM_ZERO:
        if (!read_rate(&x, value))
            return error_set(e, ST_INVALID, "%s must be a number from 0 on that float32 can hold",
                             name);
        *number_of(s, key) = x;
        return ST_OK;
    case BELOW_ONE: /* also once it is rounded: 1 - beta must not vanish */
        if (!read_rate(&x, value) || (float)x >= 1)
            return error_set(e, ST_INVALID, "%s must be a number from 0 to below 1", name);
        *number_of(s, key) = x;
        return ST_OK;
    case COUNT:
        if (!json_natural_read(value, &s->step))
            return error_set(e, ST_INVALID, "%s must be an integer from 0 on", name);
        return ST_OK;
    case TENSORS:
        return read_tensors(s, name, value, e);
    }
    return ST_OK;
}

static enum status read_object(struct optimizer_settings *s, const json_t *object, struct error *e)
{
    enum status st;
    const char *name;
    json_t *value;

    if (!json_is_object(object))
        return error_set(e, ST_INVALID, "is not a JSON object");
    if (!json_object_get(object, "name"))
        return error_set(e, ST_INVALID, "name is missing");
    json_object_foreach((json_t *)object, name, value)
    {
        const struct key *key = key_find(name);

        if (!key)
            return error_set(e, ST_INVALID, "unknown key %s", QUOTE(name));
        st = read_key(s, key, name, value, e);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

enum status optimizer_settings_read(struct optimizer_settings *out, const char *json,
                                    uint64_t tokens, struct error *e)
{
    struct optimizer_settings s;
    json_t *root = NULL;
    enum status st = json_read_text(&root, json, tokens ? tokens : HEADER_TOKENS_DEFAULT, e);

    if (st != ST_OK)
        return st;
    optimizer_settings_init(&s);
    st = read_object(&s, root, e);
    json_decref(root);
    if (st == ST_OK)
        *out = s;
    else
        optimizer_settings_done(&s);
    return st;
}

static const struct key *option_find(const char *name)
{
    const struct key *key = key_find(strcmp(name, "optimizer") ? name : "name");

    return !key || !strcmp(name, "name") || key->kind == COUNT ? NULL : key;
}

bool optimizer_option_known(const char *key)
{
    return option_find(key) != NULL;
}

/* The text of an option as the file would hold it. A text that is no number stays a text, which
   read_key() then refuses with its sentence. */
static enum status option_value(json_t **out, const struct key *key, const char *text,
                                struct error *e)
{
    double x;

    if (key->kind == TENSORS)
        return json_read_text(out, text, HEADER_TOKENS_DEFAULT, e);
    if ((key->kind == FROM_ZERO || key->kind == BELOW_ONE) && parse_double(text, &x))
        *out = json_real(x);
    else
        *out = json_string_nocheck(text);
    return *out ? ST_OK : error_memory(e, "optimizer");
}

enum status optimizer_settings_set(struct optimizer_settings *s, const char *name, const char *text,
                                   struct error *e)
{
    const struct key *key = option_find(name);
    json_t *value = NULL;
    enum status st;

    if (!key)
        return error_set(e, ST_INVALID, "unknown optimizer setting %s", QUOTE(name));
    st = option_value(&value, key, text, e);
    if (st == ST_INVALID)
        return error_prefix(e, st, "%s", name);
    if (st == ST_OK)
        st = read_key(s, key, name, value, e);
    json_decref(value);
    return st;
}

static enum status merge(struct optimizer_settings *s, const struct optimizer *before,
                         const struct optimizer_option *option, size_t count, bool reset,
                         struct error *e)
{
    enum status st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < count; i++)
        st = optimizer_settings_set(s, option[i].key, option[i].text, e);
    if (st != ST_OK)
        return st;
    if (count && !s->optimizer)
        return error_set(e, ST_INVALID,
                         "%s is given, but neither the options nor the file name an optimizer",
                         option[0].key);
    if (before && s->optimizer != before && !reset)
        return error_set(e, ST_INVALID,
                         "the optimizer is %s, but the file has the state of %s; reset_optimizer "
                         "starts it anew",
                         s->optimizer->name, before->name);
    if (reset)
        s->step = 0;
    return ST_OK;
}

enum status optimizer_settings_merge(struct optimizer_settings *out,
                                     const struct optimizer_settings *file,
                                     const struct optimizer_option *option, size_t count,
                                     bool reset, struct error *e)
{
    struct optimizer_settings s;
    enum status st = ST_OK;

    if (file && file->optimizer)
        st = optimizer_settings_copy(&s, file, e);
    else
        optimizer_settings_init(&s);
    if (st != ST_OK)
        return st;
    st = merge(&s, s.optimizer, option, count, reset, e);
    if (st == ST_OK)
        *out = s;
    else
        optimizer_settings_done(&s);
    return st;
}
