/* SPDX-License-Identifier: Apache-2.0 */
/* Tables in words. No state. */
#include "client/embctl/info.h"

#include <string.h>

#include "base/text.h"

static const char *pick(const char *const *names, size_t n, int value)
{
    return value >= 0 && (size_t)value < n ? names[value] : "?"; /* a newer daemon's */
}

const char *state_name(int state)
{
    static const char *const names[] = {"serving", "damaged"};

    return pick(names, 2, state);
}

const char *memory_name(int memory)
{
    static const char *const names[] = {"map", "copy", "lock"};

    return pick(names, 3, memory);
}

const char *ids_name(int ids)
{
    static const char *const names[] = {"rows", "keys", "hash"};

    return pick(names, 3, ids);
}

void json_table_info(struct json *j, const Embd__V1__TableInfo *t)
{
    json_text(j, "table", t->name);
    json_text(j, "method", t->method);
    json_u64(j, "rows", t->rows);
    json_u64(j, "dim", t->dim);
    json_text(j, "ids", ids_name((int)t->ids));
    json_u64(j, "version", t->version);
    json_u64(j, "generation", t->generation);
    json_text(j, "state", state_name((int)t->state));
    json_text(j, "trouble", t->trouble[0] ? t->trouble : NULL);
    json_text(j, "memory", memory_name((int)t->memory));
    json_u64(j, "parameter_bytes", t->parameter_bytes);
    json_real(j, "ratio", t->ratio);
    json_u64(j, "private_bytes", t->private_bytes);
    json_u64(j, "mapped_bytes", t->mapped_bytes);
    json_text(j, "file", t->file);
}

const char *shape_format(char *out, size_t room, const uint64_t *shape, size_t rank)
{
    size_t used = 0;
    char count[32];

    out[0] = '\0';
    for (size_t i = 0; i < rank && used < room; i++) {
        int n = snprintf(out + used, room - used, "%s%s", i ? " × " : "",
                         format_count(count, shape[i]));

        used += n > 0 ? (size_t)n : 0;
    }
    return out;
}
