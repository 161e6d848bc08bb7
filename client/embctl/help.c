/* SPDX-License-Identifier: Apache-2.0 */
/* --help, from what the commands say of themselves. */
#include <stdio.h>
#include <string.h>

#include "client/embctl/command.h"
#include "client/embctl/globals.h"
#include "client/embctl/print.h"

#define OPTION_WIDTH 24

static void print_option(const struct option_decl *o)
{
    char left[80];
    int n = snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "",
                     o->value ? o->value : "");

    printf("  %c%c%s %s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ', o->letter ? "," : " ",
           left);
    /* A long option gets its help on a line of its own. */
    if (n >= OPTION_WIDTH)
        printf("\n      %*s", OPTION_WIDTH, "");
    else
        printf("%*s", OPTION_WIDTH - n, "");
    printf("%s\n", o->help);
}

static void print_group(const char *title, bool remote)
{
    printf("\n%s%s%s\n", style(STYLE_BOLD), title, style(STYLE_NONE));
    for (const struct command *const *c = commands; *c; c++)
        if ((*c)->remote == remote)
            printf("  %-10s %s\n", (*c)->name, (*c)->help);
}

/* Whether the command has an option of its own under the name of a global one. */
static bool shadowed(const struct command *command, const char *name)
{
    for (size_t i = 0; command && i < command->option_count; i++)
        if (!strcmp(command->options[i].name, name))
            return true;
    return false;
}

static void print_globals(const struct command *command)
{
    printf("\n%s%s%s\n", style(STYLE_BOLD), command ? "Options of all commands" : "Options",
           style(STYLE_NONE));
    for (size_t i = 0; i < global_count; i++) {
        bool asks = !strcmp(globals[i].name, "server") || !strcmp(globals[i].name, "timeout");

        if ((!command || command->remote || !asks) && !shadowed(command, globals[i].name))
            print_option(&globals[i]);
    }
}

void usage_print(const struct command *command)
{
    if (!command) {
        printf("Usage: embctl [OPTIONS] COMMAND …\n\n"
               "Look at, ask and steer an embd daemon; make and check table files.\n");
        print_group("Commands that ask a daemon", true);
        print_group("Commands that work on files", false);
        print_globals(NULL);
        printf("\nembctl COMMAND --help tells more.\n");
        return;
    }
    printf("Usage: embctl %s%s%s%s\n\n%s.\n", command->name,
           command->option_count ? " [OPTIONS]" : "", command->operands[0] ? " " : "",
           command->operands, command->help);
    if (command->more)
        printf("\n%s", command->more);
    if (command->option_count)
        printf("\n%sOptions%s\n", style(STYLE_BOLD), style(STYLE_NONE));
    for (size_t i = 0; i < command->option_count; i++)
        print_option(&command->options[i]);
    print_globals(command);
}
