/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of one served table. No state; any thread. */
#include "daemon/table_options.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "daemon/option.h"

#define TRAINED "trained" /* see table_settings_write() */

const char *const table_option_keys[] = {"admit_after",
                                         "admit_room",
                                         "beta1",
                                         "beta2",
                                         "cache",
                                         "clip_norm",
                                         "count",
                                         "durability",
                                         "epsilon",
                                         "evict_after",
                                         "initial_accumulator",
                                         "learning_rate",
                                         "memory",
                                         "optimizer",
                                         "reset_optimizer",
                                         "scale_lr",
                                         "tensors",
                                         "weight_decay",
                                         "weight_decay_mode"};
const size_t table_option_count = sizeof table_option_keys / sizeof *table_option_keys;

static const char *const memory_names[] = {
    [REGION_MAP] = "map", [REGION_COPY] = "copy", [REGION_LOCK] = "lock"};
static const char *const durability_names[] = {"always", "interval"};
static const char *const count_names[] = {
    [COUNT_NO] = "no", [COUNT_PUSHES] = "pushes", [COUNT_BOTH] = "both"};

const char *table_count_name(enum table_count count)
{
    return count_names[count];
}

void table_settings_init(struct table_settings *s)
{
    *s = (struct table_settings){
        .memory = REGION_MAP,
        .growth = {.admit_after = ADMIT_AFTER_DEFAULT, .admit_room = ADMIT_ROOM_DEFAULT}};
}

/* Put an option of the optimizer into its place of the list, over the one that was there. */
static enum status put_optimizer(struct table_settings *s, const char *key, const char *value,
                                 struct error *e)
{
    size_t key_size = strlen(key) + 1, size = key_size + strlen(value) + 1, old = 0;
    char *at = s->optimizer, *end = s->optimizer + s->optimizer_bytes;

    while (at < end && strcmp(at, key) < 0) {
        at += strlen(at) + 1;
        at += strlen(at) + 1;
    }
    if (at < end && !strcmp(at, key))
        old = key_size + strlen(at + key_size) + 1;
    if (s->optimizer_bytes - old + size > sizeof s->optimizer)
        return error_set(e, ST_INVALID, "%s: the options of the optimizer are longer than %d bytes",
                         key, TABLE_OPTIMIZER_BYTES);
    memmove(at + size, at + old, (size_t)(end - at) - old);
    memcpy(at, key, key_size);
    memcpy(at + key_size, value, size - key_size);
    s->optimizer_bytes += size - old;
    return ST_OK;
}

static enum status set_optimizer(struct table_settings *s, const char *key, const char *value,
                                 struct error *e)
{
    struct optimizer_settings scratch;
    enum status st;

    optimizer_settings_init(&scratch);
    st = optimizer_settings_set(&scratch, key, value, e); /* whether the value is one */
    optimizer_settings_done(&scratch);
    return st == ST_OK ? put_optimizer(s, key, value, e) : st;
}

/* Numbers about growth: their bounds, and what holds when nothing is said. */
static const struct growth_option {
    const char *key;
    size_t at; /* in struct growth_limits */
    uint64_t least, most, usual;
} growth_options[] = {
    {"admit_after", offsetof(struct growth_limits, admit_after), 1, 1000000, ADMIT_AFTER_DEFAULT},
    {"admit_room", offsetof(struct growth_limits, admit_room), 1, (uint64_t)1 << 28,
     ADMIT_ROOM_DEFAULT},
    {"evict_after", offsetof(struct growth_limits, evict_after), 0, (uint64_t)100 * 365 * 86400, 0},
};

static const struct growth_option *growth_option(const char *key)
{
    for (size_t i = 0; i < sizeof growth_options / sizeof *growth_options; i++)
        if (!strcmp(key, growth_options[i].key))
            return &growth_options[i];
    return NULL;
}

static uint64_t *growth_value(const struct table_settings *s, const struct growth_option *o)
{
    return (uint64_t *)((uintptr_t)&s->growth + o->at);
}

static enum status set_growth(struct table_settings *s, const struct growth_option *o,
                              const char *value, struct error *e)
{
    uint64_t n;

    if (!parse_u64(value, strlen(value), &n) || n < o->least || n > o->most)
        return error_set(e, ST_INVALID, "%s: %s is no number from %llu to %llu", o->key,
                         QUOTE(value), (unsigned long long)o->least, (unsigned long long)o->most);
    *growth_value(s, o) = n;
    return ST_OK;
}

enum status table_settings_set(struct table_settings *s, const char *key, const char *value,
                               struct error *e)
{
    const char *nearest;

    if (!strcmp(key, "memory")) {
        for (size_t i = 0; i < sizeof memory_names / sizeof *memory_names; i++)
            if (!strcmp(value, memory_names[i])) {
                s->memory = (enum region_mode)i;
                return ST_OK;
            }
        return error_set(e, ST_INVALID, "memory: %s is none of map, copy, lock", QUOTE(value));
    }
    if (!strcmp(key, "durability")) {
        s->interval = !strcmp(value, durability_names[true]);
        return s->interval || !strcmp(value, durability_names[false])
                   ? ST_OK
                   : error_set(e, ST_INVALID, "durability: %s is neither always nor interval",
                               QUOTE(value));
    }
    if (!strcmp(key, "cache"))
        return cache_size_parse(&s->cache, value)
                   ? ST_OK
                   : error_set(e, ST_INVALID,
                               "cache: %s is neither a share of the rows, such as 5%%, nor a size "
                               "such as 64MiB",
                               QUOTE(value));
    if (growth_option(key))
        return set_growth(s, growth_option(key), value, e);
    if (!strcmp(key, "count")) {
        for (size_t i = 0; i < sizeof count_names / sizeof *count_names; i++)
            if (!strcmp(value, count_names[i])) {
                s->count = (enum table_count)i;
                return ST_OK;
            }
        return error_set(e, ST_INVALID, "count: %s is none of no, pushes, both", QUOTE(value));
    }
    if (!strcmp(key, "reset_optimizer"))
        return parse_bool(value, &s->reset_optimizer)
                   ? ST_OK
                   : error_set(e, ST_INVALID, "reset_optimizer: %s is neither yes nor no",
                               QUOTE(value));
    if (optimizer_option_known(key))
        return set_optimizer(s, key, value, e);
    nearest = nearest_name(key, table_option_keys, table_option_count, sizeof *table_option_keys);
    return nearest ? error_set(e, ST_INVALID, "unknown option %s of a table; the nearest is %s",
                               QUOTE(key), nearest)
                   : error_set(e, ST_INVALID, "unknown option %s of a table", QUOTE(key));
}

size_t table_settings_optimizer(const struct table_settings *s,
                                struct optimizer_option out[TABLE_OPTIMIZER_OPTIONS])
{
    const char *at = s->optimizer, *end = at + s->optimizer_bytes;
    size_t n = 0;

    while (at < end) {
        const char *text = at + strlen(at) + 1;

        out[n++] = (struct optimizer_option){at, text};
        at = text + strlen(text) + 1;
    }
    return n;
}

/* The value of a key as it is written; NULL: as when nothing is said. */
static const char *text_of(const struct table_settings *s, const char *key,
                           const struct optimizer_option *option, size_t count, char number[24])
{
    const struct growth_option *growth = growth_option(key);

    if (growth) {
        uint64_t value = *growth_value(s, growth);

        snprintf(number, 24, "%llu", (unsigned long long)value);
        return value == growth->usual ? NULL : number;
    }
    if (!strcmp(key, "memory"))
        return memory_names[s->memory];
    if (!strcmp(key, "cache"))
        return s->cache.percent > 0 || s->cache.bytes ? cache_size_format(number, &s->cache) : NULL;
    if (!strcmp(key, "count"))
        return s->count ? count_names[s->count] : NULL;
    if (!strcmp(key, "durability"))
        return s->interval ? durability_names[true] : NULL;
    if (!strcmp(key, "reset_optimizer"))
        return s->reset_optimizer ? "yes" : NULL;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(key, option[i].key))
            return option[i].text;
    return NULL;
}

bool table_settings_same(const struct table_settings *a, const struct table_settings *b)
{
    return a->memory == b->memory && a->cache.percent == b->cache.percent &&
           a->cache.bytes == b->cache.bytes && a->interval == b->interval && a->count == b->count &&
           a->growth.admit_after == b->growth.admit_after &&
           a->growth.admit_room == b->growth.admit_room &&
           a->growth.evict_after == b->growth.evict_after &&
           a->reset_optimizer == b->reset_optimizer && a->optimizer_bytes == b->optimizer_bytes &&
           !memcmp(a->optimizer, b->optimizer, a->optimizer_bytes);
}

/* `trained` as JSON under its key; NULL is fine. */
static enum status add_trained(json_t *object, const struct optimizer_settings *trained,
                               struct error *e)
{
    struct optimizer_settings settings;
    enum status st;
    json_t *value;
    char *text;

    if (!trained)
        return ST_OK;
    settings = *trained;
    settings.step = 0; /* is the table's, not a setting */
    st = optimizer_settings_write(&text, &settings, e);
    if (st != ST_OK)
        return st;
    value = json_loads(text, 0, NULL);
    mem_free(text);
    return json_object_set_new(object, TRAINED, value) == 0 ? ST_OK
                                                            : error_memory(e, "table's options");
}

enum status table_settings_write(char **out, const struct table_settings *s,
                                 const struct optimizer_settings *trained, struct error *e)
{
    struct optimizer_option option[TABLE_OPTIMIZER_OPTIONS];
    size_t count = table_settings_optimizer(s, option);
    json_t *object = json_object();
    enum status st = object ? ST_OK : error_memory(e, "table's options");
    char *text = NULL;

    for (size_t i = 0; i < table_option_count && st == ST_OK; i++) {
        char number[24];
        const char *value = text_of(s, table_option_keys[i], option, count, number);

        if (value && json_object_set_new(object, table_option_keys[i], json_string(value)) < 0)
            st = error_memory(e, "table's options");
    }
    if (st == ST_OK)
        st = add_trained(object, trained, e);
    if (st == ST_OK && !(text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS)))
        st = error_memory(e, "table's options");
    if (st == ST_OK && !(*out = mem_text(text, strlen(text))))
        st = error_memory(e, "table's options");
    free(text);
    json_decref(object);
    return st;
}

enum status table_settings_read(struct table_settings *s, const char *json, struct error *e)
{
    struct table_settings read;
    enum status st = ST_OK;
    const char *key;
    json_t *object, *value;

    table_settings_init(&read);
    object = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object))
        st = error_set(e, ST_DATA_LOSS, "the table's options, %s, are no JSON object", QUOTE(json));
    json_object_foreach(object, key, value)
    {
        if (st != ST_OK)
            break;
        if (!strcmp(key, TRAINED))
            continue;
        if (json_is_string(value))
            st = table_settings_set(&read, key, json_string_value(value), e);
        else
            st = error_set(e, ST_INVALID, "option %s of a table is no text", QUOTE(key));
    }
    json_decref(object);
    if (st == ST_OK)
        *s = read;
    return st;
}

enum status table_settings_trained(struct optimizer_settings *out, const char *json,
                                   struct error *e)
{
    json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, NULL),
           *trained = json_object_get(object, TRAINED);
    enum status st;
    char *text;

    if (!trained) {
        json_decref(object);
        return error_set(e, ST_NOT_FOUND, "the table's options do not say how it is trained");
    }
    text = json_dumps(trained, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(object);
    if (!text)
        return error_memory(e, "table's options");
    st = optimizer_settings_read(out, text, 0, e);
    free(text);
    return st;
}
