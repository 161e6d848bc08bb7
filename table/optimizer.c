/* SPDX-License-Identifier: Apache-2.0 */
/* `embd.optimizer` of a table file is kept as text; here it is only held against the list of keys,
   so that a bad one is refused with the file and not at the first push. */
#include <string.h>

#include "base/text.h"
#include "table/json.h"
#include "table/load.h"

enum kind { NAME, MODE, FROM_ZERO, BELOW_ONE, COUNT, TENSORS };

static const struct {
    const char *key;
    enum kind kind;
} keys[] = {
    {"name", NAME},
    {"learning_rate", FROM_ZERO},
    {"epsilon", FROM_ZERO},
    {"beta1", BELOW_ONE},
    {"beta2", BELOW_ONE},
    {"weight_decay", FROM_ZERO},
    {"clip_norm", FROM_ZERO},
    {"initial_accumulator", FROM_ZERO},
    {"weight_decay_mode", MODE},
    {"scale_lr", FROM_ZERO},
    {"step", COUNT},
    {"tensors", TENSORS},
};
#define KEYS (sizeof keys / sizeof keys[0])

static bool is_one_of(const json_t *value, const char *const *words)
{
    const char *s = json_string_value(value);

    while (s && *words && strcmp(s, *words))
        words++;
    return s && *words;
}

static bool is_rate(const json_t *value)
{
    return json_is_number(value) && json_number_value(value) >= 0;
}

/* {"<tensor>": {"learning_rate": x}, …} */
static enum status check_tensors(const struct loading *l, const json_t *object, struct error *e)
{
    const char *name;
    json_t *value;

    if (!json_is_object(object))
        return error_set(e, ST_INVALID, "tensors must be an object");
    json_object_foreach((json_t *)object, name, value)
    {
        if (!load_parameter(l, name))
            return error_set(e, ST_INVALID, "tensors: there is no tensor %s", QUOTE(name));
        if (json_object_size(value) != 1 || !is_rate(json_object_get(value, "learning_rate")))
            return error_set(e, ST_INVALID, "tensors: %s must have a learning_rate, and that alone",
                             QUOTE(name));
    }
    return ST_OK;
}

static enum status check_key(const struct loading *l, enum kind kind, const char *key,
                             const json_t *value, struct error *e)
{
    static const char *const names[] = {"sgd", "adagrad", "rowwise_adagrad", "adam", NULL};
    static const char *const modes[] = {"l2", "decoupled", NULL};
    uint64_t count;

    switch (kind) {
    case NAME:
        if (!is_one_of(value, names))
            return error_set(e, ST_INVALID, "%s must be sgd, adagrad, rowwise_adagrad or adam",
                             key);
        return ST_OK;
    case MODE:
        if (!is_one_of(value, modes))
            return error_set(e, ST_INVALID, "%s must be l2 or decoupled", key);
        return ST_OK;
    case FROM_ZERO:
        if (!is_rate(value))
            return error_set(e, ST_INVALID, "%s must be a number from 0 on", key);
        return ST_OK;
    case BELOW_ONE:
        if (!is_rate(value) || json_number_value(value) >= 1)
            return error_set(e, ST_INVALID, "%s must be a number from 0 to below 1", key);
        return ST_OK;
    case COUNT:
        if (!json_natural_read(value, &count))
            return error_set(e, ST_INVALID, "%s must be an integer from 0 on", key);
        return ST_OK;
    case TENSORS:
        return check_tensors(l, value, e);
    }
    return ST_OK;
}

static enum status check(const struct loading *l, const json_t *object, struct error *e)
{
    enum status st;
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return error_set(e, ST_INVALID, "is not a JSON object");
    if (!json_object_get(object, "name"))
        return error_set(e, ST_INVALID, "name is missing");
    json_object_foreach((json_t *)object, key, value)
    {
        size_t i = 0;

        while (i < KEYS && strcmp(key, keys[i].key))
            i++;
        if (i == KEYS)
            return error_set(e, ST_INVALID, "unknown key %s", QUOTE(key));
        st = check_key(l, keys[i].kind, key, value, e);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

enum status load_optimizer(struct loading *l, struct error *e)
{
    json_t *root = NULL;
    enum status st;

    if (!l->t->optimizer)
        return ST_OK;
    st = json_read_text(&root, l->t->optimizer, l->limits.tokens, e);
    if (st == ST_OK)
        st = check(l, root, e);
    json_decref(root);
    return st == ST_OK ? st : error_prefix(e, st, "embd.optimizer");
}
