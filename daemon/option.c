/* SPDX-License-Identifier: Apache-2.0 */
/* Options as data, and the reading of their values. No state; any thread. */
#include "daemon/option.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/address.h"
#include "daemon/config.h"

#define PATH_MOST 4096
#define ADDRESSES_MOST 64 /* of one list */

const struct option_info options[] = {
#define OPTION(name, type, fallback, least, most, sentence)                                        \
    {#name, OPTION_##type, fallback, least, most, sentence, offsetof(struct config, name)},
#include "daemon/options.def"
#undef OPTION
};
const size_t option_count = sizeof options / sizeof options[0];

const struct option_info *option_find(const char *name)
{
    for (size_t i = 0; i < option_count; i++)
        if (!strcmp(options[i].name, name))
            return &options[i];
    return NULL;
}

static bool parse_count(const char *s, uint64_t *out)
{
    return parse_u64(s, strlen(s), out);
}

static enum status set_number(uint64_t *out, const struct option_info *option, const char *value,
                              bool (*parse)(const char *s, uint64_t *out), const char *what,
                              struct error *e)
{
    uint64_t number, least = 0, most = UINT64_MAX;

    /* The bounds come from options.def: a unit test parses them all. */
    if (!parse(option->least, &least) || !parse(option->most, &most) || !parse(value, &number) ||
        number < least || number > most)
        return error_set(e, ST_INVALID, "%s: %s is not a %s from %s to %s", option->name,
                         QUOTE(value), what, option->least, option->most);
    *out = number;
    return ST_OK;
}

static enum status set_real(double *out, const struct option_info *option, const char *value,
                            struct error *e)
{
    double number, least = 0, most = 0;

    if (!parse_double(option->least, &least) || !parse_double(option->most, &most) ||
        !parse_double(value, &number) || number < least || number > most)
        return error_set(e, ST_INVALID, "%s: %s is not a number from %s to %s", option->name,
                         QUOTE(value), option->least, option->most);
    *out = number;
    return ST_OK;
}

static enum status set_bool(bool *out, const struct option_info *option, const char *value,
                            struct error *e)
{
    if (parse_bool(value, out))
        return ST_OK;
    return error_set(e, ST_INVALID, "%s: %s is neither yes nor no", option->name, QUOTE(value));
}

static enum status set_level(enum log_level *out, const struct option_info *option,
                             const char *value, struct error *e)
{
    int level = log_level_parse(value);

    if (level < 0)
        return error_set(e, ST_INVALID, "%s: %s is none of error, warn, info, debug", option->name,
                         QUOTE(value));
    *out = (enum log_level)level;
    return ST_OK;
}

static enum status set_isa(const char **out, const struct option_info *option, const char *value,
                           struct error *e)
{
    static const char *const levels[] = {"auto", "scalar", "avx2", "avx512"};

    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (!strcmp(value, levels[i])) {
            *out = levels[i];
            return ST_OK;
        }
    return error_set(e, ST_INVALID, "%s: %s is none of auto, scalar, avx2, avx512", option->name,
                     QUOTE(value));
}

static enum status set_address(struct config *config, const char **out,
                               const struct option_info *option, const char *value, struct error *e)
{
    struct address a;
    enum status st;

    if (*value) {
        st = address_parse(&a, value, e);
        if (st != ST_OK)
            return error_prefix(e, st, "%s", option->name);
    }
    *out = arena_text(&config->arena, value, strlen(value));
    return *out ? ST_OK : error_memory(e, option->name);
}

static enum status set_addresses(struct config *config, struct text_list *list,
                                 const struct option_info *option, const char *value, bool first,
                                 struct error *e)
{
    size_t count = first ? 0 : list->count;
    const char **text = arena_alloc(&config->arena, count + 1, sizeof *text);
    enum status st;

    if (!text)
        return error_memory(e, option->name);
    if (count == ADDRESSES_MOST)
        return error_set(e, ST_INVALID, "%s: more than %d addresses", option->name, ADDRESSES_MOST);
    if (!*value)
        return error_set(e, ST_INVALID, "%s: an empty text is no address", option->name);
    if (count)
        memcpy(text, list->text, count * sizeof *text);
    st = set_address(config, &text[count], option, value, e);
    if (st == ST_OK)
        *list = (struct text_list){text, count + 1};
    return st;
}

enum status config_path(struct config *config, const char **out, const char *path, struct error *e)
{
    char folder[PATH_MOST];
    size_t n = 0, m = strlen(path);
    char *whole;

    if (*path && *path != '/') {
        if (!getcwd(folder, sizeof folder))
            return error_errno(e, errno, "cannot tell the current folder");
        n = strlen(folder);
        folder[n++] = '/';
    }
    if (n + m >= PATH_MOST)
        return error_set(e, ST_INVALID, "a path of %zu bytes is too long", n + m);
    whole = arena_alloc(&config->arena, n + m + 1, 1);
    if (!whole)
        return error_memory(e, "path");
    memcpy(whole, folder, n);
    memcpy(whole + n, path, m + 1);
    *out = whole;
    return ST_OK;
}

enum status option_set(struct config *config, const struct option_info *option, const char *value,
                       bool first, struct error *e)
{
    void *field = (char *)config + option->offset;
    enum status st;

    switch (option->type) {
    case OPTION_PATH:
        st = config_path(config, field, value, e);
        return st == ST_OK ? st : error_prefix(e, st, "%s", option->name);
    case OPTION_ADDRESS:
        return set_address(config, field, option, value, e);
    case OPTION_ADDRESSES:
        return set_addresses(config, field, option, value, first, e);
    case OPTION_BOOL:
        return set_bool(field, option, value, e);
    case OPTION_COUNT:
        return set_number(field, option, value, parse_count, "whole number", e);
    case OPTION_REAL:
        return set_real(field, option, value, e);
    case OPTION_BYTES:
        return set_number(field, option, value, parse_bytes, "size such as 64MiB,", e);
    case OPTION_DURATION:
        return set_number(field, option, value, parse_duration, "duration such as 5s or 250ms,", e);
    case OPTION_LEVEL:
        return set_level(field, option, value, e);
    case OPTION_ISA:
        return set_isa(field, option, value, e);
    }
    return error_set(e, ST_INTERNAL, "%s has no type", option->name);
}

static bool same_list(const struct text_list *a, const struct text_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->text[i], b->text[i]))
            return false;
    return true;
}

bool option_same(const struct config *a, const struct config *b, const struct option_info *option)
{
    const void *x = (const char *)a + option->offset, *y = (const char *)b + option->offset;

    switch (option->type) {
    case OPTION_PATH:
    case OPTION_ADDRESS:
    case OPTION_ISA:
        return !strcmp(*(const char *const *)x, *(const char *const *)y);
    case OPTION_ADDRESSES:
        return same_list(x, y);
    case OPTION_BOOL:
        return *(const bool *)x == *(const bool *)y;
    case OPTION_COUNT:
    case OPTION_BYTES:
    case OPTION_DURATION:
        return *(const uint64_t *)x == *(const uint64_t *)y;
    case OPTION_REAL:
        return memcmp(x, y, sizeof(double)) == 0;
    case OPTION_LEVEL:
        return *(const enum log_level *)x == *(const enum log_level *)y;
    }
    return true;
}
