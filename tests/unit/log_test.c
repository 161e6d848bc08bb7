/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the log as they leave the process, and the clock that stamps them. */
#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "tests/unit/unit.h"

struct fixture {
    struct unit_folder folder;
    int kept;   /* the real standard error */
    char *text; /* what was written to it */
};

static void begin_capture(struct fixture *f)
{
    int fd = open(unit_path(&f->folder, "log"), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

    f->kept = dup(STDERR_FILENO);
    assert_true(fd >= 0 && f->kept >= 0);
    dup2(fd, STDERR_FILENO);
    close(fd);
}

static const char *end_capture(struct fixture *f)
{
    struct error e;
    size_t n;

    dup2(f->kept, STDERR_FILENO);
    close(f->kept);
    mem_free(f->text);
    f->text = NULL;
    assert_ok(file_read(&f->text, &n, unit_path(&f->folder, "log"), 1 << 24, &e), e);
    return f->text;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    unit_folder_make(&f->folder);
    log_set_level(LOG_INFO);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    unit_folder_remove(&f->folder);
    mem_free(f->text);
    free(f);
    return 0;
}

static void test_line_has_time_level_and_sentence(void **state)
{
    struct fixture *f = *state;
    const char *text;
    char rest[64];
    int year;

    begin_capture(f);
    log_warn("update committed table=%s rows=%d", "ads", 512);
    text = end_capture(f);
    assert_int_equal(sscanf(text, "%d-%*d-%*dT%*d:%*d:%*d.%*dZ %60[^\n]", &year, rest), 2);
    assert_true(year >= 2024);
    assert_string_equal(rest, "warn update committed table=ads rows=512");
    assert_string_equal(text + strlen(text) - 4, "512\n");
}

static void test_level_filters(void **state)
{
    struct fixture *f = *state;
    const char *text;

    begin_capture(f);
    log_debug("unseen");
    log_set_level(LOG_DEBUG);
    log_debug("seen");
    log_set_level(LOG_ERROR);
    log_warn("unseen");
    text = end_capture(f);
    assert_null(strstr(text, "unseen"));
    assert_non_null(strstr(text, "debug seen\n"));
    assert_int_equal(log_level_parse("warn"), LOG_WARN);
    assert_int_equal(log_level_parse("loud"), -1);
}

static void test_an_event_is_one_line_whatever_it_holds(void **state)
{
    struct fixture *f = *state;
    char longer[10000];
    const char *text;

    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    begin_capture(f);
    log_info("a\nb\x1b[31m%s", "\r\n");
    log_info("%s", longer);
    text = end_capture(f);
    assert_non_null(strstr(text, "info a?b?[31m??\n"));
    text = strchr(text, '\n') + 1;
    assert_true(strlen(text) > 3000 && strlen(text) <= 4096);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void *log_some(void *arg)
{
    for (int i = 0; i < 500; i++)
        log_info("thread=%s%s%s", (char *)arg, (char *)arg, (char *)arg);
    return NULL;
}

static void test_lines_of_threads_do_not_mix(void **state)
{
    static char names[2][40] = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"};
    struct fixture *f = *state;
    pthread_t threads[2];
    int lines = 0;

    begin_capture(f);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, log_some, names[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (const char *line = end_capture(f); *line; line = strchr(line, '\n') + 1, lines++) {
        const char *name = strstr(line, "thread=") + 7;

        assert_int_equal(strspn(name, (char[]){name[0], '\0'}), 90);
        assert_int_equal(name[90], '\n');
    }
    assert_int_equal(lines, 1000);
}

static void test_limited_lines_are_counted(void **state)
{
    struct fixture *f = *state;
    struct log_limit limit = {0};
    unsigned lines = 0, suppressed = 0;
    const char *text;

    begin_capture(f);
    for (int i = 0; i < 1000; i++)
        log_limited(&limit, 5, LOG_INFO, "event");
    limit.window = 0; /* as if a second had passed */
    log_limited(&limit, 5, LOG_INFO, "event");
    text = end_capture(f);
    for (const char *line = text; *line; line = strchr(line, '\n') + 1, lines++) {
        unsigned n;

        if (sscanf(strstr(line, "event"), "event suppressed=%u", &n) == 1)
            suppressed += n;
    }
    assert_int_equal(lines + suppressed, 1001);
    assert_true(suppressed > 0);
    log_set_level(LOG_ERROR); /* what the level hides is not counted */
    limit = (struct log_limit){0};
    log_limited(&limit, 0, LOG_INFO, "event");
    assert_int_equal(limit.suppressed, 0);
}

static void test_clock_format(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1769862896789999, "2026-01-31T12:34:56.789Z"},
        {951782400000000, "2000-02-29T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-1000000, "1969-12-31T23:59:59.000Z"},
    };
    char out[32];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(clock_format(out, rows[i].us), rows[i].text);
    assert_true(strlen(clock_format(out, INT64_MAX)) < 32);
    assert_true(strlen(clock_format(out, INT64_MIN)) < 32);
}

static void test_clocks_agree(void **state)
{
    uint64_t a = clock_now_us(), b = clock_now_ns(), c = clock_now_us();
    int64_t wall = clock_wall_s();

    (void)state;
    assert_true(a <= b / 1000 && b / 1000 <= c);
    assert_true(wall <= clock_wall_us() / 1000000 && wall > 1700000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_line_has_time_level_and_sentence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_level_filters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_event_is_one_line_whatever_it_holds, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_lines_of_threads_do_not_mix, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limited_lines_are_counted, setup, teardown),
        cmocka_unit_test(test_clock_format),
        cmocka_unit_test(test_clocks_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
