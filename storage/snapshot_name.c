/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "storage/snapshot_parts.h"

#define DIGITS 20
#define TEMPORARY_DIGITS 16 /* ".0123456789abcdef.tmp", see file_writer.c */

void snapshot_name_format(char out[SNAPSHOT_NAME_MOST], const struct snapshot_name *name)
{
    snprintf(out, SNAPSHOT_NAME_MOST, "%020" PRIu64 "-%020" PRIu64 "-%c.%s", name->generation,
             name->version, name->lineage ? 'b' : 'a', name->whole ? "safetensors" : "blocks");
}

/* Twenty digits of a number below 2^63, as metadata have them. */
static bool read_number(uint64_t *out, const char **text)
{
    uint64_t value = 0;

    for (int i = 0; i < DIGITS; i++) {
        char c = (*text)[i];

        if (c < '0' || c > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(c - '0'), &value))
            return false;
    }
    *text += DIGITS;
    *out = value;
    return value <= INT64_MAX;
}

/* The name at the start of `text`; what follows is left at *rest. */
static bool read_name(struct snapshot_name *out, const char *text, const char **rest)
{
    struct snapshot_name name;

    if (!read_number(&name.generation, &text) || *text++ != '-' ||
        !read_number(&name.version, &text) || *text++ != '-' || (*text != 'a' && *text != 'b'))
        return false;
    name.lineage = *text++ == 'b';
    name.whole = !strncmp(text, ".safetensors", 12);
    if (!name.whole && strncmp(text, ".blocks", 7))
        return false;
    *rest = text + (name.whole ? 12 : 7);
    *out = name;
    return true;
}

bool snapshot_name_parse(struct snapshot_name *out, const char *text)
{
    struct snapshot_name name;
    const char *rest;

    if (!read_name(&name, text, &rest) || *rest)
        return false;
    *out = name;
    return true;
}

bool snapshot_name_temporary(const char *text)
{
    struct snapshot_name name;
    const char *rest;

    return read_name(&name, text, &rest) && *rest++ == '.' &&
           strspn(rest, "0123456789abcdef") == TEMPORARY_DIGITS &&
           !strcmp(rest + TEMPORARY_DIGITS, ".tmp");
}

enum status snapshot_path(struct snapshot *s, const char *folder, const char *name, struct error *e)
{
    if ((size_t)snprintf(s->path, sizeof s->path, "%s/%s", folder, name) < sizeof s->path)
        return ST_OK;
    return error_set(e, ST_INVALID, "the path of the snapshot %s is longer than %zu bytes",
                     QUOTE(name), sizeof s->path - 1);
}
