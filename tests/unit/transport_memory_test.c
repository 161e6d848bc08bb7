/* SPDX-License-Identifier: Apache-2.0 */
/* The transport when memory runs out: sessions of fuzz/connection.in, once for each allocation that
   they make, which fails. Nothing breaks, nothing is left, and the next session is served. */
#include "unit.h"

#include "base/log.h"
#include "base/memory.h"
#include "tests/system/drive.h"
#include "tests/system/echo_rpcs.h"

static const char *const sessions[] = {
    "session-every-method-0",    "session-every-method-1", "session-streaming-0",
    "session-large-replies-0",   "session-large-body-1",   "session-blocked-replies-0",
    "session-held-requests-0",   "session-deadlines-8",    "session-cancelled-0",
    "frames-strings-by-Huffman",
};

static size_t load(unsigned char *out, size_t room, const char *name)
{
    const char *source = getenv("TOP_SRCDIR");
    char path[PATH_MAX];
    FILE *file;
    size_t n;

    snprintf(path, sizeof path, "%s/fuzz/connection.in/%s", source ? source : ".", name);
    file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s", path);
    n = fread(out, 1, room, file);
    fclose(file);
    assert_true(n > 0 && n < room);
    return n;
}

static void test_each_allocation_of_a_session_fails_once(void **state)
{
    unsigned char *data = malloc(65536), good[65536];
    size_t good_size = load(good, sizeof good, sessions[0]);
    struct drive *d = drive_new();

    (void)state;
    assert_non_null(data);
    assert_non_null(d);
    log_set_level(LOG_ERROR);
    for (size_t i = 0; i < sizeof sessions / sizeof *sessions; i++) {
        size_t n = load(data, 65536, sessions[i]);
        unsigned at = 0;

        do {
            uint64_t before = echo_ended[UNARY][ST_OK];

            mem_fail_at(++at, false);
            drive_session(d, data, n);
            bool failed = mem_failed();

            mem_fail_at(0, false);
            drive_session(d, good, good_size);
            assert_true(echo_ended[UNARY][ST_OK] > before);
            if (!failed)
                break;
        } while (at < 100000);
        print_message("%s: %u allocations\n", sessions[i], at - 1);
        assert_true(at > 5);
    }
    drive_free(d);
    free(data);
}

static void test_a_worker_is_made_whole_or_not_at_all(void **state)
{
    struct drive *d;
    unsigned at = 0;

    (void)state;
    do {
        mem_fail_at(++at, false);
        d = drive_new();
        mem_fail_at(0, false);
    } while (!d && at < 1000);
    assert_non_null(d);
    assert_true(at > 5);
    drive_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_of_a_session_fails_once),
        cmocka_unit_test(test_a_worker_is_made_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
