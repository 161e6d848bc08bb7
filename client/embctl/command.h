/* SPDX-License-Identifier: Apache-2.0 */
/* What a command of embctl is: one const struct in one file, and one line in commands.c. Its
   options are data, from which parsing, --help and the usage lines follow. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

#define OPERANDS_ANY SIZE_MAX

struct option_decl {
    const char *name;  /* "ids", as in --ids */
    char letter;       /* 'o', as in -o; 0: none */
    const char *value; /* what it takes, for people: "FILE"; NULL: nothing */
    const char *help;  /* one line */
};

struct arguments;

struct command {
    const char *name;
    const char *operands; /* "TABLE [ID…]", for the usage line */
    const char *help;     /* one line, an imperative */
    const char *more;     /* further lines of --help; may be NULL */
    bool remote;          /* asks a daemon */
    size_t operands_least, operands_most;
    const struct option_decl *options;
    size_t option_count;
    /* Returns the exit status; has printed its sentence if that is not EXIT_DONE. */
    int (*run)(const struct arguments *a);
};

/* All commands in the order of --help; NULL at the end. */
extern const struct command *const commands[];

/* A command line, taken apart. Texts belong to argv. */
struct arguments {
    const struct command *command;
    const char *server; /* NULL: the library's default */
    bool json;
    int64_t timeout_ms; /* 0: the library's default */
    const char **operand;
    size_t operand_count;
    struct given_option *given;
    size_t given_count;
};

/* Take a command line apart. Returns -1 to go on with a->command, or the exit status: --help,
   --version and usage errors are dealt with. Release with arguments_done() in any case. */
int arguments_parse(struct arguments *a, int argc, char **argv);
void arguments_done(struct arguments *a);

/* The value of an option that the command declares, the last one if it was given several times;
   NULL if it was not given. A flag that was given has the value "". */
const char *option_value(const struct arguments *a, const char *name);
/* The n-th value of an option that may be repeated, or NULL. */
const char *option_nth(const struct arguments *a, const char *name, size_t n);

/* The place of a word among the choices of an option, 0 for NULL (not given); -1 if it is none. */
int option_choice(const char *value, const char *const *choices);

/* --help of one command, or of embctl as a whole for NULL, to standard output. */
void usage_print(const struct command *command);

/* Print "embctl: sentence" and return EXIT_USAGE. */
int usage_error(const struct arguments *a, const char *format, ...) PRINTF_LIKE(2, 3);
/* Print "embctl: sentence" and return EXIT_FAILED. */
int fail(const struct error *e);
