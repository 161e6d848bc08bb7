/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's command line. Every option of options.def is one, with '-' for '_'. The main
   thread's. */
#include "daemon/command_line.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/option.h"

#define OPTIONS_MOST 64
#define NAME_MOST 40

/* Values of getopt_long() for what is no option of the file; options have FIRST_OPTION + place. */
enum { ARG_CONFIG = 1, ARG_TABLE, ARG_CHECK, ARG_HELP, ARG_VERSION, FIRST_OPTION };

/* The long names, with '-'; one more at the end for each of ARG_…, and zeros. */
static void make_names(struct option *out, char (*names)[NAME_MOST])
{
    static const struct option others[] = {
        {"config", required_argument, NULL, ARG_CONFIG},
        {"table", required_argument, NULL, ARG_TABLE},
        {"check", no_argument, NULL, ARG_CHECK},
        {"help", no_argument, NULL, ARG_HELP},
        {"version", no_argument, NULL, ARG_VERSION},
        {NULL, 0, NULL, 0},
    };

    for (size_t i = 0; i < option_count; i++) {
        snprintf(names[i], NAME_MOST, "%s", options[i].name);
        for (char *c = names[i]; *c; c++)
            *c = *c == '_' ? '-' : *c;
        out[i] = (struct option){names[i], required_argument, NULL, FIRST_OPTION + (int)i};
    }
    memcpy(out + option_count, others, sizeof others);
}

static enum status bad_argument(const struct option *known, const char *argument, int found,
                                struct error *e)
{
    char word[NAME_MOST + 1];
    const char *nearest;

    if (found == ':')
        return error_set(e, ST_INVALID, "%s needs a value", argument);
    if (strncmp(argument, "--", 2))
        return error_set(e, ST_INVALID, "unknown option %s", QUOTE(argument));
    snprintf(word, sizeof word, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
    for (size_t i = 0; known[i].name; i++)
        if (!strcmp(known[i].name, word))
            return error_set(e, ST_INVALID, "--%s takes no value", word);
    nearest = nearest_name(word, &known->name, option_count + ARG_VERSION, sizeof *known);
    return nearest ? error_set(e, ST_INVALID, "unknown option %s; the nearest is --%s",
                               QUOTE(argument), nearest)
                   : error_set(e, ST_INVALID, "unknown option %s", QUOTE(argument));
}

/* Note one option; only lists and tables may come twice. */
static enum status note(struct command_line *c, const struct option_info *option, const char *value,
                        struct error *e)
{
    for (size_t i = 0; i < c->count && option && option->type != OPTION_ADDRESSES; i++)
        if (c->given[i].option == option)
            return error_set(e, ST_INVALID, "%s is given twice", option->name);
    c->given[c->count++] = (struct given){option, value};
    return ST_OK;
}

static enum status take(struct command_line *c, int found, const char *value, struct error *e)
{
    switch (found) {
    case ARG_CONFIG:
        if (c->file)
            return error_set(e, ST_INVALID, "config is given twice");
        c->file = value;
        return ST_OK;
    case ARG_TABLE:
        return note(c, NULL, value, e);
    case ARG_CHECK:
        c->command = COMMAND_CHECK;
        return ST_OK;
    case ARG_HELP:
        c->command = COMMAND_HELP;
        return ST_OK;
    case ARG_VERSION:
        c->command = COMMAND_VERSION;
        return ST_OK;
    default:
        return note(c, &options[found - FIRST_OPTION], value, e);
    }
}

enum status command_line_parse(struct command_line *c, int argc, char **argv, struct error *e)
{
    struct option known[OPTIONS_MOST + FIRST_OPTION];
    char names[OPTIONS_MOST][NAME_MOST];
    enum status st = ST_OK;
    int found, at;

    *c = (struct command_line){.given = mem_zero((size_t)argc, sizeof *c->given)};
    if (!c->given)
        return error_memory(e, "command line");
    make_names(known, names);
    opterr = 0;
    optind = 0; /* begin anew */
    while (st == ST_OK && c->command < COMMAND_HELP) {
        at = optind ? optind : 1;
        found = getopt_long(argc, argv, "+:", known, NULL);
        if (found < 0)
            break;
        if (found == '?' || found == ':')
            st = bad_argument(known, argv[at], found, e);
        else
            st = take(c, found, optarg, e);
    }
    if (st == ST_OK && c->command < COMMAND_HELP) {
        if (optind < argc)
            st = error_set(e, ST_INVALID, "unexpected argument %s", QUOTE(argv[optind]));
        else if (!c->file && c->count == 0)
            st = error_set(e, ST_INVALID, "there is nothing to do: give --config FILE, or options");
    }
    if (st != ST_OK)
        command_line_done(c);
    return st;
}

void command_line_done(struct command_line *c)
{
    mem_free(c->given);
    *c = (struct command_line){.command = COMMAND_RUN};
}

/* NAME=FILE[,KEY=VALUE]… */
static enum status take_table(struct config *config, const char *text, struct error *e)
{
    char *copy = arena_text(&config->arena, text, strlen(text)), *file, *key, *value;
    struct table_config *table;
    enum status st;

    if (!copy)
        return error_memory(e, "table");
    key = strchr(copy, ',');
    if (key)
        *key++ = '\0';
    file = strchr(copy, '=');
    if (!file || !file[1])
        return error_set(e, ST_INVALID, "table: %s is not NAME=FILE[,KEY=VALUE]...", QUOTE(text));
    *file++ = '\0';
    st = config_table(config, copy, file, &table, e);
    for (char *next; st == ST_OK && key; key = next) {
        next = strchr(key, ',');
        if (next)
            *next++ = '\0';
        value = strchr(key, '=');
        if (!value)
            return error_set(e, ST_INVALID, "table: %s is not KEY=VALUE", QUOTE(key));
        *value++ = '\0';
        if (strcmp(key, "replace"))
            st = table_settings_set(&table->settings, key, value, e);
        else if (!parse_bool(value, &table->replace))
            st = error_set(e, ST_INVALID, "replace: %s is neither yes nor no", QUOTE(value));
    }
    return st == ST_OK ? st : error_prefix(e, st, "table");
}

static bool same_table(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");

    return strcspn(b, "=") == n && !memcmp(a, b, n);
}

static enum status apply(const struct command_line *c, struct config *config, struct error *e)
{
    enum status st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < c->count; i++) {
        const struct given *g = &c->given[i];
        bool first = true;

        for (const struct given *before = c->given; before < g; before++) {
            first &= before->option != g->option;
            if (!g->option && !before->option && same_table(before->value, g->value))
                return error_set(e, ST_INVALID, "table: %s is given twice",
                                 QUOTE_N(g->value, strcspn(g->value, "=")));
        }
        st = g->option ? option_set(config, g->option, g->value, first, e)
                       : take_table(config, g->value, e);
    }
    return st;
}

enum status command_line_config(const struct command_line *c, struct config **out, struct error *e)
{
    struct config *config = NULL;
    enum status st = config_new(&config, e);

    if (st == ST_OK && c->file)
        st = config_read(config, c->file, e);
    if (st == ST_OK)
        st = apply(c, config, e);
    if (st == ST_OK)
        st = config_check(config, e);
    if (st == ST_OK)
        *out = config;
    else
        config_free(config);
    return st;
}

void command_line_help(void)
{
    puts("Usage: embd --config FILE [OPTION]...\n"
         "       embd [OPTION]...\n"
         "Serve compressed embedding tables over gRPC.\n"
         "\n"
         "  --config FILE    read the configuration FILE; other options override it\n"
         "  --table NAME=FILE[,KEY=VALUE]...\n"
         "                   serve FILE under NAME; may be repeated. Keys: memory=map|copy|lock,\n"
         "                   replace=yes|no, cache=SHARE%|SIZE, durability=always|interval,\n"
         "                   optimizer=NAME, the optimizer's settings, reset_optimizer=yes|no\n"
         "  --check          check the configuration and exit\n"
         "  --help           print this text and exit\n"
         "  --version        print the version and exit\n"
         "\n"
         "Options of the configuration file, see embd.conf(5), with their defaults:\n");
    for (size_t i = 0; i < option_count; i++) {
        char name[NAME_MOST];

        snprintf(name, sizeof name, "%s", options[i].name);
        for (char *p = name; *p; p++)
            *p = *p == '_' ? '-' : *p;
        printf("  --%s %s\n      %s\n", name, *options[i].fallback ? options[i].fallback : "\"\"",
               options[i].sentence);
    }
}
