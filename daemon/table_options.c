/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of one served table. No state; any thread. */
#include "daemon/table_options.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "daemon/option.h"

static const char *const keys[] = {"memory"};
static const char *const memory_names[] = {
    [REGION_MAP] = "map", [REGION_COPY] = "copy", [REGION_LOCK] = "lock"};

void table_settings_init(struct table_settings *s)
{
    *s = (struct table_settings){.memory = REGION_MAP};
}

enum status table_settings_set(struct table_settings *s, const char *key, const char *value,
                               struct error *e)
{
    const char *nearest;

    if (strcmp(key, "memory")) {
        nearest = nearest_name(key, keys, sizeof keys / sizeof *keys, sizeof *keys);
        return nearest ? error_set(e, ST_INVALID, "unknown option %s of a table; the nearest is %s",
                                   QUOTE(key), nearest)
                       : error_set(e, ST_INVALID, "unknown option %s of a table", QUOTE(key));
    }
    for (size_t i = 0; i < sizeof memory_names / sizeof *memory_names; i++)
        if (!strcmp(value, memory_names[i])) {
            s->memory = (enum region_mode)i;
            return ST_OK;
        }
    return error_set(e, ST_INVALID, "memory: %s is none of map, copy, lock", QUOTE(value));
}

const char *table_settings_write(const struct table_settings *s, char out[TABLE_SETTINGS_JSON])
{
    snprintf(out, TABLE_SETTINGS_JSON, "{\"memory\":\"%s\"}", memory_names[s->memory]);
    return out;
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
