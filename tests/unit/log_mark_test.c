/* SPDX-License-Identifier: Apache-2.0 */
/* log.mark: it says the last change that was written whole, whatever becomes of the write after it.
 */
#include "storage/log_mark.h"

#include "tests/unit/unit.h"

#define LINE 72

static struct unit_folder folder;

static int setup(void **state)
{
    (void)state;
    unit_folder_make(&folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unit_folder_remove(&folder);
    return 0;
}

/* Set the mark to each of `count` changes, from `from` on. */
static void set(uint64_t from, unsigned count)
{
    struct log_mark m = {.fd = -1, .lsn = from, .checksum = ~from};
    struct error e;

    assert_ok(log_mark_open(&m, folder.path, &e), e);
    for (unsigned i = 1; i < count; i++)
        log_mark_set(&m, from + i, ~(from + i));
    log_mark_close(&m);
}

static void says(uint64_t lsn)
{
    struct log_mark m;
    struct error e;

    assert_ok(log_mark_read(&m, folder.path, &e), e);
    assert_int_equal(m.lsn, lsn);
    assert_int_equal(m.checksum, lsn ? ~lsn : 0);
}

static void spoil(size_t at, size_t bytes)
{
    FILE *file = fopen(unit_path(&folder, "log.mark"), "r+");

    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    while (bytes--)
        fputc('x', file);
    fclose(file);
}

static void test_says_the_last_change(void **state)
{
    (void)state;
    says(0);
    for (unsigned count = 1; count < 6; count++) {
        set(10 * count, count);
        says(11 * count - 1);
    }
}

static void test_half_a_line_leaves_the_one_before(void **state)
{
    (void)state;
    for (unsigned count = 2; count < 6; count++)
        for (size_t at = 0; at < LINE; at += 7) {
            set(10 * count, count);
            spoil(at, LINE - at); /* the last one, or the one before it */
            uint64_t last = 11 * count - 1;
            struct log_mark m;
            struct error e;
            assert_ok(log_mark_read(&m, folder.path, &e), e);
            assert_true(m.lsn == last || m.lsn == last - 1);
            set(last + 1, 1); /* and goes on over the broken one */
            says(last + 1);
            spoil(0, LINE);
            spoil(LINE, LINE);
            assert_fails(log_mark_read(&m, folder.path, &e), ST_DATA_LOSS, e, "is damaged");
            unlink(unit_path(&folder, "log.mark"));
        }
}

static void test_one_line_becomes_two(void **state)
{
    char text[2 * LINE];
    FILE *file;

    (void)state;
    set(7, 1);
    file = fopen(unit_path(&folder, "log.mark"), "r");
    assert_int_equal(fread(text, 1, sizeof text, file), sizeof text);
    fclose(file);
    unit_write(unit_path(&folder, "log.mark"), text, LINE);
    says(7);
    set(8, 1);
    says(8);
    spoil(LINE, LINE);
    says(8); /* both lines said so */
}

static void test_other_lengths_are_damage(void **state)
{
    struct log_mark m;
    struct error e;

    (void)state;
    set(7, 2);
    for (int size = 0; size < 3 * LINE; size++) {
        assert_int_equal(truncate(unit_path(&folder, "log.mark"), size), 0);
        assert_fails(log_mark_read(&m, folder.path, &e), ST_DATA_LOSS, e, "is damaged");
        if (size == LINE - 1 || size == 2 * LINE - 1) {
            unlink(unit_path(&folder, "log.mark"));
            set(7, 2);
            size++;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_says_the_last_change, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_a_line_leaves_the_one_before, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_line_becomes_two, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_lengths_are_damage, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
