/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: what files say, what is refused and with which sentence. */
#include "malformed_config.h"
#include "unit.h"

#include "base/memory.h"
#include "daemon/address.h"
#include "daemon/config.h"
#include "daemon/config_scan.h"
#include "daemon/option.h"

static struct config *defaults(void)
{
    struct config *config;
    struct error e;

    assert_ok(config_new(&config, &e), e);
    return config;
}

static struct config *parsed(const char *text)
{
    struct config *config = defaults();
    struct error e;

    assert_ok(config_parse(config, "f", text, strlen(text), &e), e);
    return config;
}

static void test_defaults_are_those_of_the_design(void **state)
{
    struct config *c = defaults();
    struct limits limits;

    (void)state;
    assert_int_equal(c->listen.count, 1);
    assert_string_equal(c->listen.text[0], "127.0.0.1:3623");
    assert_int_equal(c->max_request_bytes, 64u << 20);
    assert_int_equal(c->max_reply_bytes, 64u << 20);
    assert_int_equal(c->max_ids, 1048576);
    assert_int_equal(c->max_streams, 256);
    assert_int_equal(c->max_connections, 10000);
    assert_int_equal(c->max_inflight_bytes, 1u << 30);
    assert_int_equal(c->max_tables, 10000);
    assert_int_equal(c->max_header_bytes, 1u << 20);
    assert_int_equal(c->max_header_tokens, 100000);
    assert_int_equal(c->max_wait, 1000000);
    assert_int_equal(c->max_queued_push_bytes, 256u << 20);
    assert_int_equal(c->max_trainers, 10000);
    assert_true(c->max_gradient_norm == 1e6);
    assert_false(c->insecure);
    assert_true(c->reflection);
    assert_true(config_workers(c) >= 1);
    config_limits(c, &limits);
    assert_int_equal(limits.max_wait_us, 1000000);
    assert_int_equal(limits.drain_us, 30000000);
    config_free(c);
}

static void test_bounds_of_every_option_hold_its_default(void **state)
{
    struct config *c = defaults();
    struct error e;

    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        assert_ptr_equal(option_find(options[i].name), &options[i]);
        if (!*options[i].least)
            continue;
        assert_ok(option_set(c, &options[i], options[i].least, true, &e), e);
        assert_ok(option_set(c, &options[i], options[i].most, true, &e), e);
        assert_fails(option_set(c, &options[i], "x", true, &e), ST_INVALID, e, options[i].name);
    }
    config_free(c);
}

static void test_file_sets_options_and_tables(void **state)
{
    struct config *c =
        parsed("# a comment with ${HOME} and a \\ in it\n"
               "data_dir = \"/var/lib/e\" // another\n"
               "listen = {127.0.0.1:0, 'unix:/run/e.sock', [::1]:5}\r\n"
               "/* one\n   more = 3 */ max_ids = 10\n"
               "max_request_bytes = \"16 MiB\" max_wait=250ms\n"
               "insecure = on log_level = debug isa = scalar max_gradient_norm = 2.5e-3\n"
               "http = ''\n"
               "table ads { file = /t/ads.safetensors }\n"
               "table \"b-2.x\" {\n\tfile = '/t/b 2'\n\tmemory = lock replace = yes }");

    (void)state;
    assert_string_equal(c->data_dir, "/var/lib/e");
    assert_int_equal(c->listen.count, 3);
    assert_string_equal(c->listen.text[1], "unix:/run/e.sock");
    assert_string_equal(c->listen.text[2], "[::1]:5");
    assert_int_equal(c->max_ids, 10);
    assert_int_equal(c->max_request_bytes, 16u << 20);
    assert_int_equal(c->max_wait, 250000);
    assert_true(c->max_gradient_norm == 2.5e-3);
    assert_true(c->insecure);
    assert_int_equal(c->log_level, LOG_DEBUG);
    assert_string_equal(c->isa, "scalar");
    assert_string_equal(c->http, "");
    assert_int_equal(c->table_count, 2);
    assert_string_equal(c->tables->name, "ads");
    assert_string_equal(c->tables->file, "/t/ads.safetensors");
    assert_int_equal(c->tables->settings.memory, REGION_MAP);
    assert_false(c->tables->replace);
    assert_string_equal(c->tables->next->name, "b-2.x");
    assert_string_equal(c->tables->next->file, "/t/b 2");
    assert_int_equal(c->tables->next->settings.memory, REGION_LOCK);
    assert_true(c->tables->next->replace);
    assert_ptr_equal(config_table_find(c, "b-2.x"), c->tables->next);
    assert_null(config_table_find(c, "b"));
    config_free(c);
}

static void test_relative_paths_become_absolute(void **state)
{
    struct config *c = parsed("data_dir = d\ntable t { file = t.safetensors }");
    char folder[PATH_MAX], path[PATH_MAX + 32];

    (void)state;
    assert_non_null(getcwd(folder, sizeof folder));
    snprintf(path, sizeof path, "%s/d", folder);
    assert_string_equal(c->data_dir, path);
    snprintf(path, sizeof path, "%s/t.safetensors", folder);
    assert_string_equal(c->tables->file, path);
    assert_string_equal(c->import_dir, "");
    config_free(c);
}

static void test_refused_files_are_answered_by_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct config *c = defaults();
        struct error e;
        enum status st = config_parse(c, "f", refused[i].text, strlen(refused[i].text), &e);

        if (st != ST_INVALID || strcmp(e.text, refused[i].sentence))
            fail_msg("%s: %s \"%s\"\ninstead of \"%s\"", refused[i].name, status_name(st),
                     st == ST_OK ? "" : e.text, refused[i].sentence);
        config_free(c);
    }
}

static void test_nul_bytes_are_refused(void **state)
{
    static const char text[] = "max_ids = 3\nmax\0_ids = 4\n";
    struct config *c = defaults();
    struct error e;

    (void)state;
    assert_fails(config_parse(c, "f", text, sizeof text - 1, &e), ST_INVALID, e,
                 "f:2: a control character, 0x00");
    config_free(c);
}

static void test_long_lines_are_refused(void **state)
{
    size_t n = 1u << 20;
    char *text = mem_alloc(n);
    struct config *c = defaults();
    struct error e;

    (void)state;
    memset(text, ' ', n);
    text[0] = '\n';
    assert_fails(config_parse(c, "f", text, n, &e), ST_INVALID, e,
                 "f:2: the line is longer than 4096 bytes");
    assert_ok(config_parse(c, "f", text, 1 + CONFIG_LINE_MOST, &e), e);
    config_free(c);
    mem_free(text);
}

static void test_many_sections_are_refused(void **state)
{
    static const char section[] = "table a{}\n";
    size_t n = (CONFIG_TABLES_MOST + 1) * (sizeof section - 1);
    char *text = mem_alloc(n), *out = mem_alloc(n + 1);
    unsigned line;
    struct error e;

    (void)state;
    for (size_t i = 0; i < n; i++)
        text[i] = section[i % (sizeof section - 1)];
    assert_fails(config_scan(text, n, out, &line, &e), ST_INVALID, e, "more than 100000 sections");
    mem_free(text);
    mem_free(out);
}

static void test_every_prefix_of_a_file_is_read_or_refused(void **state)
{
    static const char text[] = "listen = {a:1, \"b:2\"} # c\ntable t { /* d */ file = '/x' }\n";
    struct error e;

    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        struct config *c = defaults();
        enum status st = config_parse(c, "f", text, n, &e);

        if (st != ST_OK)
            assert_memory_equal(e.text, "f:", 2);
        config_free(c);
    }
}

static void test_out_of_memory_is_a_status(void **state)
{
    static const char text[] = "data_dir = /x\nlisten = {a:1, b:2}\ntable t { file = /x }\n";
    struct error e;

    (void)state;
#ifdef EMBD_DEVELOPER
    for (uint64_t n = 1;; n++) {
        struct config *c = NULL;
        enum status st;

        mem_fail_at(n, false);
        st = config_new(&c, &e);
        if (st == ST_OK)
            st = config_parse(c, "f", text, sizeof text - 1, &e);
        mem_fail_at(0, false);
        config_free(c);
        if (!mem_failed())
            break;
        assert_int_equal(st, ST_EXHAUSTED);
        assert_true(n < 1000);
    }
#else
    (void)e;
    (void)text;
#endif
}

static void test_files_that_cannot_be_read_are_named(void **state)
{
    struct config *c = defaults();
    struct error e;

    (void)state;
    assert_fails(config_read(c, "/nowhere/embd.conf", &e), ST_NOT_FOUND, e, "/nowhere/embd.conf");
    assert_fails(config_read(c, "/tmp", &e), ST_INVALID, e, "a directory");
    config_free(c);
}

static const struct {
    const char *text;
    bool good, local;
} addresses[] = {
    {"127.0.0.1:3623", true, true},
    {"127.9.9.9:0", true, true},
    {"localhost:1", true, true},
    {"[::1]:80", true, true},
    {"unix:/run/x", true, true},
    {"unix:x", true, true},
    {"unix:///run/x", true, true},
    {"0.0.0.0:1", true, false},
    {"10.1.2.3:1", true, false},
    {"[::]:1", true, false},
    {"host.name:9", true, false},
    {"localhost.evil:1", true, false},
    {"128.0.0.1:1", true, false},
    {"", false, false},
    {":1", false, false},
    {"1", false, false},
    {"a:b", false, false},
    {"a:-1", false, false},
    {"a:01", false, false},
    {"[::1]", false, false},
    {"[::1]80", false, false},
    {"[]:1", false, false},
    {"::1:80", false, false},
    {"a b:1", false, false},
    {"a/b:1", false, false},
    {"[127.0.0.1]:1", false, false},
    {"unix:/a23456789/b23456789/c23456789/d23456789/e23456789/f23456789/g23456789/h23456789/"
     "i23456789/j23456789/k23456789",
     false, false},
};

static void test_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct address a;
        struct error e;
        bool good = address_parse(&a, addresses[i].text, &e) == ST_OK;

        if (good != addresses[i].good)
            fail_msg("%s: %s", addresses[i].text, good ? "taken" : e.text);
        if (good && address_local(&a) != addresses[i].local)
            fail_msg("%s: is %slocal", addresses[i].text, addresses[i].local ? "not " : "");
    }
}

static void test_open_addresses_need_a_word(void **state)
{
    struct config *c = parsed("listen = {127.0.0.1:1, 0.0.0.0:2}");
    struct error e;

    (void)state;
    assert_fails(config_check(c, &e), ST_INVALID, e, "listen: \"0.0.0.0:2\" is neither loopback");
    c->insecure = true;
    assert_ok(config_check(c, &e), e);
    config_free(c);
    c = parsed("http = example.com:80");
    assert_fails(config_check(c, &e), ST_INVALID, e, "http: \"example.com:80\" is neither");
    config_free(c);
    c = parsed("max_tables = 1 table a { file = /a } table b { file = /b }");
    assert_fails(config_check(c, &e), ST_INVALID, e, "2 tables are more than max_tables = 1");
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_those_of_the_design),
        cmocka_unit_test(test_bounds_of_every_option_hold_its_default),
        cmocka_unit_test(test_file_sets_options_and_tables),
        cmocka_unit_test(test_relative_paths_become_absolute),
        cmocka_unit_test(test_refused_files_are_answered_by_line),
        cmocka_unit_test(test_nul_bytes_are_refused),
        cmocka_unit_test(test_long_lines_are_refused),
        cmocka_unit_test(test_many_sections_are_refused),
        cmocka_unit_test(test_every_prefix_of_a_file_is_read_or_refused),
        cmocka_unit_test(test_out_of_memory_is_a_status),
        cmocka_unit_test(test_files_that_cannot_be_read_are_named),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_open_addresses_need_a_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
