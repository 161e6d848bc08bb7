/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of the daemon: what it sets, what is refused and with which sentence. */
#include "unit.h"

#include "base/memory.h"
#include "daemon/command_line.h"
#include "daemon/config.h"
#include "daemon/option.h"

/* A command line, and what is refused about it (NULL: nothing). */
static const struct {
    const char *argument[6], *sentence;
} command_lines[] = {
    {{"--data-dir", "/d"}, NULL},
    {{"--listen=a:1", "--listen", "unix:/b"}, NULL},
    {{"--table", "t=/x", "--table", "u=/y,memory=copy,replace=yes"}, NULL},
    {{"--check", "--max-ids", "5"}, NULL},
    {{"--help", "nonsense"}, NULL},
    {{NULL}, "there is nothing to do: give --config FILE, or options"},
    {{"--check"}, "there is nothing to do: give --config FILE, or options"},
    {{"serve"}, "unexpected argument \"serve\""},
    {{"--max-ids", "5", "more"}, "unexpected argument \"more\""},
    {{"--lisen", "x"}, "unknown option \"--lisen\"; the nearest is --listen"},
    {{"--xyzzyxyzzy"}, "unknown option \"--xyzzyxyzzy\""},
    {{"-l", "x"}, "unknown option \"-l\""},
    {{"--config"}, "--config needs a value"},
    {{"--check=yes"}, "--check takes no value"},
    {{"--config", "a", "--config", "b"}, "config is given twice"},
    {{"--max-ids", "5", "--max-ids", "6"}, "max_ids is given twice"},
};

static int count_arguments(const char *const *argument, char **argv)
{
    int argc = 1;

    argv[0] = (char *)"embd";
    for (; argc <= 6 && argument[argc - 1]; argc++)
        argv[argc] = (char *)argument[argc - 1];
    argv[argc] = NULL;
    return argc;
}

static void test_command_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof command_lines / sizeof *command_lines; i++) {
        struct command_line c;
        struct error e = {""};
        char *argv[8];
        int argc = count_arguments(command_lines[i].argument, argv);
        enum status st = command_line_parse(&c, argc, argv, &e);

        if ((st == ST_OK) != !command_lines[i].sentence ||
            (st != ST_OK && strcmp(e.text, command_lines[i].sentence)))
            fail_msg("case %zu: %s \"%s\"", i, status_name(st), e.text);
        if (st == ST_OK)
            command_line_done(&c);
    }
}

static enum status configure(const char *const *argument, struct config **config, struct error *e)
{
    struct command_line c;
    char *argv[8];
    int argc = count_arguments(argument, argv);
    enum status st;

    assert_ok(command_line_parse(&c, argc, argv, e), *e);
    st = command_line_config(&c, config, e);
    command_line_done(&c);
    return st;
}

static void test_command_line_wins_over_the_file(void **state)
{
    static const char text[] = "listen = {127.0.0.1:1, 127.0.0.1:2}\nmax_ids = 7\nmax_streams = 8\n"
                               "table t { file = /t memory = copy }\ntable u { file = /u }\n";
    struct unit_folder folder;
    struct config *c;
    struct error e;

    (void)state;
    unit_folder_make(&folder);
    unit_write(unit_path(&folder, "f"), text, sizeof text - 1);
    assert_ok(configure((const char *[]){"--max-ids=9", "--config", unit_path(&folder, "f"),
                                         "--listen=127.0.0.1:3", "--table=t=/v", NULL},
                        &c, &e),
              e);
    assert_int_equal(c->max_ids, 9);
    assert_int_equal(c->max_streams, 8);
    assert_int_equal(c->listen.count, 1);
    assert_string_equal(c->listen.text[0], "127.0.0.1:3");
    assert_int_equal(c->table_count, 2);
    assert_string_equal(c->tables->file, "/v");
    assert_int_equal(c->tables->settings.memory, REGION_MAP);
    config_free(c);
    unit_folder_remove(&folder);
}

static const struct {
    const char *argument, *sentence;
} bad_values[] = {
    {"--max-ids=x", "max_ids: \"x\" is not a whole number from 1 to 268435456"},
    {"--listen=x", "listen: \"x\" is no address: write host:port or unix:path"},
    {"--listen=1.2.3.4:5",
     "listen: \"1.2.3.4:5\" is neither loopback nor a Unix socket, which needs "
     "insecure = yes, since nothing is encrypted"},
    {"--data-dir=", "data_dir: there must be a data folder"},
    {"--table=t", "table: \"t\" is not NAME=FILE[,KEY=VALUE]..."},
    {"--table=t=", "table: \"t=\" is not NAME=FILE[,KEY=VALUE]..."},
    {"--table=a/b=/x",
     "table: \"a/b\" is no name for a table: 1 to 128 of A-Z a-z 0-9 _ . - are, and "
     "no dot comes first"},
    {"--table=t=/x,memory", "table: \"memory\" is not KEY=VALUE"},
    {"--table=t=/x,memory=all", "table: memory: \"all\" is none of map, copy, lock"},
    {"--table=t=/x,memoryy=map",
     "table: unknown option \"memoryy\" of a table; the nearest is memory"},
    {"--table=t=/x,replace=x", "table: replace: \"x\" is neither yes nor no"},
};

static void test_bad_values_on_the_command_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_values / sizeof *bad_values; i++) {
        struct config *c;
        struct error e = {""};
        enum status st = configure((const char *[]){bad_values[i].argument, NULL}, &c, &e);

        if (st != ST_INVALID || strcmp(e.text, bad_values[i].sentence))
            fail_msg("%s: %s \"%s\"", bad_values[i].argument, status_name(st), e.text);
    }
}

static void test_a_table_comes_once_on_the_command_line(void **state)
{
    struct config *c;
    struct error e;

    (void)state;
    assert_fails(configure((const char *[]){"--table=t=/x", "--table=t=/y", NULL}, &c, &e),
                 ST_INVALID, e, "table: \"t\" is given twice");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command_lines),
        cmocka_unit_test(test_command_line_wins_over_the_file),
        cmocka_unit_test(test_bad_values_on_the_command_line),
        cmocka_unit_test(test_a_table_comes_once_on_the_command_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
