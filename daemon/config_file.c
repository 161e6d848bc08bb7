/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file, by libconfuse. It is handed every option as a string and calls back for
   each value, where our own readers take it; its own numbers, defaults and expansions are not used.
   The main thread's. */
#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/config_scan.h"
#include "daemon/option.h"

#define FILE_MOST ((size_t)16 << 20)
#define OPTIONS_MOST 64

/* The parse at hand: libconfuse's callbacks have no argument of ours. */
struct parse {
    struct config *config;
    const char *path;
    struct error *e;
    enum status status; /* of the first error, the one that is told */
};
static _Thread_local struct parse *parse;

/* The keys of a section that are not options of the table itself. */
static const char *const own_keys[] = {"file", "replace"};
#define OWN_KEYS (sizeof own_keys / sizeof *own_keys)
#define KEYS_MOST 32

static void PRINTF_LIKE(3, 4) refuse(enum status st, int line, const char *format, ...)
{
    char text[sizeof parse->e->text];
    va_list args;

    if (parse->status != ST_OK)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    parse->status = error_set(parse->e, st, "%s:%d: %s", parse->path, line, text);
}

static void unknown(int line, const char *what, const char *word, const char *nearest)
{
    if (nearest)
        refuse(ST_INVALID, line, "unknown %s %s; the nearest is %s", what, word, nearest);
    else
        refuse(ST_INVALID, line, "unknown %s %s", what, word);
}

static const char *nearest_option(const char *word)
{
    const char *names[OPTIONS_MOST + 1] = {"table"};

    for (size_t i = 0; i < option_count; i++)
        names[i + 1] = options[i].name;
    return nearest_name(word, names, option_count + 1, sizeof *names);
}

/* All keys of a section; returns how many. */
static size_t section_keys(const char *keys[KEYS_MOST])
{
    size_t n = 0;

    for (size_t i = 0; i < OWN_KEYS; i++)
        keys[n++] = own_keys[i];
    for (size_t i = 0; i < table_option_count; i++)
        keys[n++] = table_option_keys[i];
    return n;
}

static const char *nearest_key(const char *word)
{
    const char *keys[KEYS_MOST];

    return nearest_name(word, keys, section_keys(keys), sizeof *keys);
}

/* The parser's own sentences. The one about unknown names is said again with the nearest one. */
static void PRINTF_LIKE(2, 0) on_error(cfg_t *cfg, const char *format, va_list args)
{
    static const char no_such[] = "no such option '";
    char text[sizeof parse->e->text], *word = text + sizeof no_such - 1;
    size_t n;

    vsnprintf(text, sizeof text, format, args);
    n = strlen(text);
    if (strncmp(text, no_such, sizeof no_such - 1) || text[n - 1] != '\'') {
        refuse(ST_INVALID, cfg->line, "%s", text);
        return;
    }
    text[n - 1] = '\0';
    if (cfg->title)
        unknown(cfg->line, "key", word, nearest_key(word));
    else
        unknown(cfg->line, "option", word, nearest_option(word));
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    const struct option_info *option = option_find(opt->name);
    struct error e;
    /* nvalues counts this one; a list begins with its first. */
    enum status st = option_set(parse->config, option, value, opt->nvalues <= 1, &e);

    if (st != ST_OK) {
        refuse(st, cfg->line, "%s", e.text);
        return -1;
    }
    *(const char **)result = value;
    return 0;
}

static int on_key(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    struct table_settings settings;
    enum status st = ST_OK;
    struct error e;
    bool replace;

    /* Only checked here: the table is made when its section is whole. */
    if (!strcmp(opt->name, "replace")) {
        if (!parse_bool(value, &replace))
            st = error_set(&e, ST_INVALID, "replace: %s is neither yes nor no", QUOTE(value));
    } else if (!strcmp(opt->name, "file")) {
        if (!*value)
            st = error_set(&e, ST_INVALID, "file: there must be a path");
    } else {
        table_settings_init(&settings);
        st = table_settings_set(&settings, opt->name, value, &e);
    }
    if (st != ST_OK) {
        refuse(st, cfg->line, "%s", e.text);
        return -1;
    }
    *(const char **)result = value;
    return 0;
}

static int on_table(cfg_t *cfg, cfg_opt_t *opt)
{
    cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
    const char *file = cfg_getstr(section, "file"), *replace = cfg_getstr(section, "replace"),
               *name = cfg_title(section), *value;
    struct table_config *table;
    enum status st;
    struct error e;

    if (!file) {
        refuse(ST_INVALID, cfg->line, "table %s has no file", QUOTE(name));
        return -1;
    }
    st = config_table(parse->config, name, file, &table, &e);
    for (size_t i = 0; i < table_option_count && st == ST_OK; i++)
        if ((value = cfg_getstr(section, table_option_keys[i])))
            st = table_settings_set(&table->settings, table_option_keys[i], value, &e);
    if (st != ST_OK) {
        refuse(st, cfg->line, "%s", e.text);
        return -1;
    }
    if (replace && !parse_bool(replace, &table->replace))
        return -1; /* on_key() has read it before */
    return 0;
}

static cfg_t *make_parser(void)
{
    static const cfg_opt_t end = CFG_END();
    cfg_opt_t keys[KEYS_MOST + 1], opts[OPTIONS_MOST + 2];
    const char *names[KEYS_MOST];
    cfg_t *cfg;
    size_t n = section_keys(names);

    keys[n] = end;
    while (n-- > 0)
        keys[n] = (cfg_opt_t)CFG_STR_CB(names[n], NULL, CFGF_NODEFAULT, on_key);
    for (n = 0; n < option_count; n++)
        opts[n] = (cfg_opt_t)CFG_STR_CB(
            options[n].name, NULL,
            CFGF_NODEFAULT | (options[n].type == OPTION_ADDRESSES ? CFGF_LIST : 0), on_value);
    opts[n++] = (cfg_opt_t)CFG_SEC("table", keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    opts[n] = end;
    cfg = cfg_init(opts, CFGF_NONE);
    if (cfg) {
        cfg_set_error_function(cfg, on_error);
        cfg_set_validate_func(cfg, "table", on_table);
    }
    return cfg;
}

enum status config_parse(struct config *config, const char *path, const char *text, size_t n,
                         struct error *e)
{
    struct parse p = {.config = config, .path = path, .e = e};
    char *clean = mem_alloc(n + 1);
    struct error what;
    unsigned line;
    cfg_t *cfg;

    if (!clean)
        return error_memory(e, "configuration");
    if (config_scan(text, n, clean, &line, &what) != ST_OK) {
        mem_free(clean);
        return error_set(e, ST_INVALID, "%s:%u: %s", path, line, what.text);
    }
    parse = &p;
    cfg = make_parser();
    if (!cfg)
        p.status = error_memory(e, "configuration");
    else if (cfg_parse_buf(cfg, clean) != CFG_SUCCESS)
        refuse(ST_INVALID, cfg->line, "the file cannot be parsed");
    cfg_free(cfg);
    parse = NULL;
    mem_free(clean);
    return p.status;
}

enum status config_read(struct config *config, const char *path, struct error *e)
{
    char *text = NULL;
    enum status st;
    size_t n;

    st = file_read(&text, &n, path, FILE_MOST, e);
    if (st != ST_OK)
        return st;
    st = config_parse(config, path, text, n, e);
    mem_free(text);
    return st;
}
