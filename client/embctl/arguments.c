/* SPDX-License-Identifier: Apache-2.0 */
/* From argv to a command with its options and operands. */
#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/command.h"
#include "client/embctl/globals.h"
#include "client/embctl/print.h"

#define GLOBALS (sizeof globals / sizeof *globals)
#define OPTIONS_MAX 32
#define FIRST_LONG 1000 /* getopt's values for options: above every letter */

struct given_option {
    const struct option_decl *option;
    const char *value;
};

const struct option_decl globals[] = {
    {"server", 's', "ADDR",
     "daemon to ask: host:port or unix:/path (EMBD_SERVER, or 127.0.0.1:3623)"},
    {"json", 'j', NULL, "print one JSON document"},
    {"timeout", 't', "TIME",
     "deadline of a call, such as 500ms or 1m (10s; load, save, restore: none)"},
    {"help", 'h', NULL, "show this"},
    {"version", 'V', NULL, "show the version"},
};
const size_t global_count = GLOBALS;

/* A command's own options come first: one that is named like a global one stands in its place. */
static const struct option_decl *option_at(const struct command *command, size_t i)
{
    size_t own = command ? command->option_count : 0;

    return i < own ? &command->options[i] : &globals[i - own];
}

static size_t option_total(const struct command *command)
{
    return GLOBALS + (command ? command->option_count : 0);
}

static bool is_global(const struct option_decl *o, const char *name)
{
    return o >= globals && o < globals + GLOBALS && !strcmp(o->name, name);
}

const char *option_nth(const struct arguments *a, const char *name, size_t n)
{
    for (size_t i = 0; i < a->given_count; i++)
        if (!strcmp(a->given[i].option->name, name) && n-- == 0)
            return a->given[i].value;
    return NULL;
}

const char *option_value(const struct arguments *a, const char *name)
{
    for (size_t i = a->given_count; i-- > 0;)
        if (!strcmp(a->given[i].option->name, name))
            return a->given[i].value;
    return NULL;
}

int option_choice(const char *value, const char *const *choices)
{
    if (!value)
        return 0;
    for (int i = 0; choices[i]; i++)
        if (!strcmp(value, choices[i]))
            return i;
    return -1;
}

/* Whether the next word belongs to this one, a global option. */
static bool takes_value(const char *word)
{
    for (size_t i = 0; i < GLOBALS; i++)
        if (globals[i].value && word[0] == '-' &&
            ((word[1] == globals[i].letter && !word[2]) ||
             (word[1] == '-' && !strcmp(word + 2, globals[i].name))))
            return true;
    return false;
}

/* The first word that is no option: the command. Options of commands are not known before. */
static const struct command *find_command(struct arguments *a, int argc, char **argv, int *failed)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (takes_value(word)) {
            i++; /* its value is not a command */
        } else if (word[0] != '-') {
            for (const struct command *const *c = commands; *c; c++)
                if (!strcmp((*c)->name, word))
                    return *c;
            *failed =
                usage_error(a, "there is no command %s (embctl --help lists them)", QUOTE(word));
            return NULL;
        }
    }
    return NULL;
}

/* Negative numbers are operands, which getopt() would take for options. */
static bool is_negative(const char *word)
{
    int64_t number;

    return word[0] == '-' && parse_i64(word, strlen(word), &number);
}

static int take_option(struct arguments *a, const struct option_decl *o, const char *value)
{
    uint64_t us;

    if (is_global(o, "help")) {
        usage_print(a->command);
        return EXIT_DONE;
    }
    if (is_global(o, "version")) {
        printf("embctl %s\n", PACKAGE_VERSION);
        return EXIT_DONE;
    }
    if (is_global(o, "timeout")) {
        if (!parse_duration(value, &us) || !us)
            return usage_error(a, "--timeout: %s is no time such as 500ms or 1m", QUOTE(value));
        a->timeout_ms = (int64_t)(us / 1000 + (us % 1000 != 0));
    } else if (is_global(o, "server")) {
        a->server = value;
    } else if (is_global(o, "json")) {
        a->json = true;
    }
    a->given[a->given_count++] = (struct given_option){o, value ? value : ""};
    return -1;
}

/* What getopt() did not like. */
static int refuse(const struct arguments *a, char **argv, int wants_value)
{
    const char *word = argv[optind - 1];

    if (optopt >= FIRST_LONG && !wants_value)
        return usage_error(a, "--%s takes no value",
                           option_at(a->command, (size_t)(optopt - FIRST_LONG))->name);
    if (wants_value)
        return usage_error(a, "%s needs a value", word);
    if (optopt)
        return usage_error(a, "there is no option -%c", optopt);
    return usage_error(a, "there is no option %s", QUOTE(word));
}

static int walk(struct arguments *a, int argc, char **argv)
{
    struct option options[OPTIONS_MAX + 1] = {{0}};
    char letters[2 * OPTIONS_MAX + 3] = "-:", *letter = letters + 2;
    size_t total = option_total(a->command);
    bool command_seen = false;
    int got, done;

    assert(total <= OPTIONS_MAX);
    for (size_t i = 0; i < total; i++) {
        const struct option_decl *o = option_at(a->command, i);

        options[i] = (struct option){o->name, o->value ? required_argument : no_argument, NULL,
                                     (int)(FIRST_LONG + i)};
        if (o->letter)
            *letter++ = o->letter;
        if (o->letter && o->value)
            *letter++ = ':';
    }
    *letter = '\0';
    opterr = 0;
    optind = 0; /* glibc: start over */
    for (;;) {
        const struct option_decl *o = NULL;

        /* Between two words; within a cluster of letters getopt() is not at a word's beginning. */
        if (optind > 0 && optind < argc && is_negative(argv[optind])) {
            a->operand[a->operand_count++] = argv[optind++];
            continue;
        }
        got = getopt_long(argc, argv, letters, options, NULL);
        if (got == -1)
            break;
        if (got == '?' || got == ':')
            return refuse(a, argv, got == ':');
        if (got == 1) {
            if (command_seen)
                a->operand[a->operand_count++] = optarg;
            command_seen = true;
            continue;
        }
        for (size_t i = 0; i < total && !o; i++)
            if (got == (int)(FIRST_LONG + i) || got == option_at(a->command, i)->letter)
                o = option_at(a->command, i);
        done = take_option(a, o, optarg);
        if (done >= 0)
            return done;
    }
    while (optind < argc) { /* behind "--" */
        if (command_seen)
            a->operand[a->operand_count++] = argv[optind];
        command_seen = true;
        optind++;
    }
    return -1;
}

int arguments_parse(struct arguments *a, int argc, char **argv)
{
    int done = -1;

    memset(a, 0, sizeof *a);
    a->operand = need_zero((size_t)argc + 1, sizeof *a->operand);
    a->given = need_zero((size_t)argc + 1, sizeof *a->given);
    a->command = find_command(a, argc, argv, &done);
    if (done < 0)
        done = walk(a, argc, argv);
    if (done >= 0)
        return done;
    if (!a->command)
        return usage_error(a, "which command? (embctl --help lists them)");
    if (a->operand_count < a->command->operands_least)
        return usage_error(a, "it takes %s", a->command->operands);
    if (a->operand_count > a->command->operands_most)
        return usage_error(a, "%s is one too many", QUOTE(a->operand[a->command->operands_most]));
    return -1;
}

void arguments_done(struct arguments *a)
{
    mem_free(a->operand);
    mem_free(a->given);
}

int usage_error(const struct arguments *a, const char *format, ...)
{
    va_list args;

    fputs("embctl: ", stderr);
    if (a->command)
        fprintf(stderr, "%s: ", a->command->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

int fail(const struct error *e)
{
    fflush(stdout); /* what came before the failure stays before it */
    fprintf(stderr, "embctl: %s\n", e->text);
    return EXIT_FAILED;
}
