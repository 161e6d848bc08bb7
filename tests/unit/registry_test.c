/* SPDX-License-Identifier: Apache-2.0 */
/* The registry as its owner sees it: changes, lives of a name, known files, and what is there again
   after it was closed. */
#include <endian.h>

#include "base/hash.h"
#include "tests/unit/storage_unit.h"

static int setup(void **state)
{
    struct unit_folder *f = calloc(1, sizeof *f);

    unit_folder_make(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    unit_folder_remove(*state);
    free(*state);
    return 0;
}

static void check_table(const struct registry *r, const char *name, uint64_t generation,
                        uint64_t lsn, bool served, const char *file, const char *options)
{
    const struct registered *t = registry_find(r, name);

    assert_non_null(t);
    assert_string_equal(t->name, name);
    assert_int_equal(t->generation, generation);
    assert_int_equal(t->lsn, lsn);
    assert_int_equal(t->served, served);
    assert_string_equal(t->file, file);
    assert_string_equal(t->options, options);
}

/* The names in the list, joined by spaces. */
static const char *listed(const struct registry *r)
{
    static char text[1024];
    const struct registered *const *list;
    size_t n = registry_list(r, &list);

    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        strcat(text, i ? " " : "");
        strcat(text, list[i]->name);
    }
    return text;
}

static void test_new_log_is_private_and_empty(void **state)
{
    struct registry *r = open_ok(((struct unit_folder *)*state)->path);
    const struct registered *const *list;
    struct error e;
    struct stat st;

    assert_int_equal(registry_lsn(r), 0);
    assert_int_equal(registry_list(r, &list), 0);
    assert_null(registry_find(r, "ads"));
    assert_ok(registry_trouble(r, &e), e);
    assert_int_equal(stat(unit_path(*state, "log.db"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(unit_path(*state, "log.db-wal"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    registry_close(r);
}

static void test_change_is_there_after_reopening(void **state)
{
    const char *folder = ((struct unit_folder *)*state)->path;
    struct registered ads = sample("ads", "/srv/ads", "{\"memory\": \"copy\"}");
    struct registry *r = open_ok(folder);
    const struct registered *t;
    struct error e;

    assert_ok(registry_change(r, CHANGE_LOAD, &ads, &e), e);
    assert_int_equal(ads.lsn, 1);
    assert_int_equal(ads.generation, 1);
    assert_true(ads.served);
    assert_true(ads.time_us > 1600000000000000);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(registry_lsn(r), 1);
        check_table(r, "ads", 1, 1, true, "/srv/ads", "{\"memory\": \"copy\"}");
        t = registry_find(r, "ads");
        assert_int_equal(t->version, 7);
        assert_int_equal(t->time_us, ads.time_us);
        assert_int_equal(t->by, BY_CALL);
        assert_int_equal(t->checksum, 0xfedcba9876543210);
        assert_memory_equal(&t->identity, &ads.identity, sizeof ads.identity);
        registry_close(r);
        r = open_ok(folder);
    }
    registry_close(r);
}

static void test_numbers_use_all_64_bits(void **state)
{
    const char *folder = ((struct unit_folder *)*state)->path;
    struct registered t = sample("t", "/t", "{}");
    struct registry *r = open_ok(folder);
    struct error e;

    t.version = t.checksum = UINT64_MAX;
    t.identity = (struct file_identity){UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2, INT64_MIN, -1};
    assert_ok(registry_change(r, CHANGE_LOAD, &t, &e), e);
    registry_close(r);
    r = open_ok(folder);
    assert_int_equal(registry_find(r, "t")->version, UINT64_MAX);
    assert_int_equal(registry_find(r, "t")->checksum, UINT64_MAX);
    assert_memory_equal(&registry_find(r, "t")->identity, &t.identity, sizeof t.identity);
    registry_close(r);
}

static void test_each_kind_changes_what_it_says(void **state)
{
    const char *folder = ((struct unit_folder *)*state)->path;
    struct registered first = sample("ads", "/srv/1", "{\"a\":1}");
    struct registered second = sample("ads", "/srv/2", "{\"a\":2}");
    struct registered third = sample("ads", "/srv/3", "{\"a\":3}");
    struct registry *r = open_ok(folder);
    struct error e;

    assert_ok(registry_change(r, CHANGE_LOAD, &first, &e), e);
    assert_ok(registry_change(r, CHANGE_REPLACE, &second, &e), e);
    assert_int_equal(second.generation, 1);
    check_table(r, "ads", 1, 2, true, "/srv/2", "{\"a\":2}");
    third.by = BY_CONFIGURATION;
    assert_ok(registry_change(r, CHANGE_OPTIONS, &third, &e), e);
    check_table(r, "ads", 1, 3, true, "/srv/2", "{\"a\":3}");
    assert_int_equal(registry_find(r, "ads")->by, BY_CONFIGURATION);
    assert_ok(registry_change(r, CHANGE_UNLOAD, &first, &e), e);
    assert_false(first.served);
    check_table(r, "ads", 1, 4, false, "/srv/2", "{\"a\":3}");
    registry_close(r);
    r = open_ok(folder);
    check_table(r, "ads", 1, 4, false, "/srv/2", "{\"a\":3}");
    assert_ok(registry_change(r, CHANGE_FORGET, &first, &e), e);
    assert_null(registry_find(r, "ads"));
    assert_string_equal(listed(r), "");
    assert_int_equal(registry_lsn(r), 5);
    registry_close(r);
    r = open_ok(folder);
    assert_null(registry_find(r, "ads"));
    assert_string_equal(listed(r), "");
    assert_int_equal(registry_lsn(r), 5);
    registry_close(r);
}

static void test_generation_grows_over_the_lives_of_a_name(void **state)
{
    const char *folder = ((struct unit_folder *)*state)->path;
    struct registry *r = open_ok(folder);
    static const enum change_kind ends[] = {CHANGE_UNLOAD, CHANGE_FORGET, CHANGE_FORGET,
                                            CHANGE_UNLOAD};
    struct registered t;
    struct error e;

    change_ok(r, CHANGE_LOAD, "other");
    for (uint64_t life = 1; life <= 4; life++) {
        t = sample("ads", "/f", "{}");
        assert_ok(registry_change(r, CHANGE_LOAD, &t, &e), e);
        assert_int_equal(t.generation, life);
        change_ok(r, CHANGE_REPLACE, "ads");
        assert_int_equal(registry_find(r, "ads")->generation, life);
        change_ok(r, ends[life - 1], "ads");
        registry_close(r);
        r = open_ok(folder);
    }
    assert_int_equal(registry_find(r, "ads")->generation, 4);
    assert_int_equal(registry_find(r, "other")->generation, 1);
    registry_close(r);
}

static void test_list_is_sorted_and_leaves_out_the_forgotten(void **state)
{
    static const char *const names[] = {"m", "Z", "a", "z", "a.b", "0", "aa", "_", "a-b"};
    const char *folder = ((struct unit_folder *)*state)->path;
    struct registry *r = open_ok(folder);
    char name[32];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        change_ok(r, CHANGE_LOAD, names[i]);
    for (int i = 0; i < 40; i++) { /* more than the first room in memory */
        snprintf(name, sizeof name, "t%02d", i);
        change_ok(r, CHANGE_LOAD, name);
        change_ok(r, CHANGE_FORGET, name);
    }
    change_ok(r, CHANGE_UNLOAD, "m");
    change_ok(r, CHANGE_FORGET, "aa");
    for (int i = 0; i < 2; i++) {
        assert_string_equal(listed(r), "0 Z _ a a-b a.b m z");
        registry_close(r);
        r = open_ok(folder);
    }
    registry_close(r);
}

static void test_bad_change_is_refused_and_changes_nothing(void **state)
{
    static const struct {
        enum change_kind kind;
        const char *name, *file, *options;
        enum status st;
        const char *words;
    } cases[] = {
        {CHANGE_LOAD, "served", "/f", "{}", ST_EXISTS, "\"served\" is served already"},
        {CHANGE_REPLACE, "none", "/f", "{}", ST_NOT_FOUND, "\"none\" is not served"},
        {CHANGE_REPLACE, "unloaded", "/f", "{}", ST_NOT_FOUND, "\"unloaded\" is not served"},
        {CHANGE_OPTIONS, "none", "/f", "{}", ST_NOT_FOUND, "not served"},
        {CHANGE_OPTIONS, "unloaded", "/f", "{}", ST_NOT_FOUND, "not served"},
        {CHANGE_UNLOAD, "none", "/f", "{}", ST_NOT_FOUND, "not served"},
        {CHANGE_UNLOAD, "unloaded", "/f", "{}", ST_NOT_FOUND, "not served"},
        {CHANGE_FORGET, "none", "/f", "{}", ST_NOT_FOUND, "not served"},
        {CHANGE_FORGET, "forgotten", "/f", "{}", ST_NOT_FOUND, "not served"},
        {CHANGE_OPTIONS, "forgotten", "/f", "{}", ST_NOT_FOUND, "not served"},
        {CHANGE_LOAD, "", "/f", "{}", ST_INVALID, "no name for a table"},
        {CHANGE_LOAD, ".hidden", "/f", "{}", ST_INVALID, "no name for a table"},
        {CHANGE_LOAD, "a/b", "/f", "{}", ST_INVALID, "\"a/b\" is no name"},
        {CHANGE_LOAD, "new", "relative", "{}", ST_INVALID, "\"relative\" is not an absolute path"},
        {CHANGE_LOAD, "new", "", "{}", ST_INVALID, "not an absolute path"},
        {CHANGE_LOAD, "new", "/\xff\xfe", "{}", ST_INVALID, "in UTF-8"},
        {CHANGE_LOAD, "new", "/f", "", ST_INVALID, "not a JSON object"},
        {CHANGE_LOAD, "new", "/f", "[]", ST_INVALID, "not a JSON object"},
        {CHANGE_LOAD, "new", "/f", "{\"a\":", ST_INVALID, "not a JSON object"},
        {CHANGE_OPTIONS, "served", "/f", "7", ST_INVALID, "not a JSON object"},
        {CHANGE_REPLACE, "served", "/f", "{\"a\":\"\xc3\"}", ST_INVALID, "not a JSON object"},
    };
    struct registry *r = open_ok(((struct unit_folder *)*state)->path);
    struct error e;

    change_ok(r, CHANGE_LOAD, "served");
    change_ok(r, CHANGE_LOAD, "unloaded");
    change_ok(r, CHANGE_UNLOAD, "unloaded");
    change_ok(r, CHANGE_LOAD, "forgotten");
    change_ok(r, CHANGE_FORGET, "forgotten");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct registered t = sample(cases[i].name, cases[i].file, cases[i].options);

        assert_fails(registry_change(r, cases[i].kind, &t, &e), cases[i].st, e, cases[i].words);
        assert_int_equal(t.lsn, 0);
        assert_int_equal(registry_lsn(r), 5);
        assert_string_equal(listed(r), "served unloaded");
        check_table(r, "served", 1, 1, true, "/srv/file.safetensors", "{\"memory\":\"map\"}");
    }
    assert_ok(registry_trouble(r, &e), e);
    registry_close(r);
}

/* What the file promises to other readers: the checksum and the JSON of a row. */
static void test_log_row_holds_json_and_its_checksum(void **state)
{
    const char *path = unit_path(*state, "log.db");
    struct registered t = sample("ads", "/srv/\"ads\"\n\xc3\xa4", "{\"memory\": \"map\"}");
    struct registry *r = open_ok(((struct unit_folder *)*state)->path);
    unsigned char row[4096];
    struct error e;
    uint64_t number;
    size_t n;

    t.trainable = true;
    t.header_hash = 0x0123456789abcdef;
    assert_ok(registry_change(r, CHANGE_LOAD, &t, &e), e);
    registry_close(r);
    n = strlen(sql_text(path, "SELECT body FROM log"));
    memcpy(row + 24, sql_text(path, "SELECT body FROM log"), n);
    row[24 + n] = '\0';
    assert_string_equal(
        row + 24, "{\"checksum\":\"fedcba9876543210\",\"ctime_ns\":6,\"device\":2049,"
                  "\"file\":\"/srv/\\\"ads\\\"\\n\xc3\xa4\",\"generation\":1,"
                  "\"header_hash\":\"0123456789abcdef\",\"inode\":77,"
                  "\"mtime_ns\":5,\"name\":\"ads\",\"options\":{\"memory\":\"map\"},"
                  "\"registered_by\":\"call\",\"size\":4096,\"trainable\":true,\"version\":7}");
    number = htole64(1);
    memcpy(row, &number, 8);
    number = htole64(CHANGE_LOAD);
    memcpy(row + 8, &number, 8);
    number = htole64((uint64_t)t.time_us);
    memcpy(row + 16, &number, 8);
    assert_int_equal(strtoll(sql_text(path, "SELECT checksum FROM log"), NULL, 10),
                     (int64_t)hash_bytes(row, 24 + n));
    assert_string_equal(sql_text(path, "SELECT kind || ' ' || table_name || ' ' || generation "
                                       "|| ' ' || registered_by FROM changes"),
                        "load ads 1 call");
}

static void test_file_is_known_by_its_whole_identity(void **state)
{
    static const struct file_identity seen = {1, 2, 3, 4, 5};
    static const struct {
        const char *name;
        struct file_identity id;
    } other[] = {
        {"device", {9, 2, 3, 4, 5}},   {"inode", {1, 9, 3, 4, 5}},   {"size", {1, 2, 9, 4, 5}},
        {"modified", {1, 2, 3, 9, 5}}, {"changed", {1, 2, 3, 4, 9}},
    };
    const char *folder = ((struct unit_folder *)*state)->path;
    struct registry *r = open_ok(folder);
    struct file_identity now = seen;
    uint64_t checksum = 0;
    struct error e;

    assert_false(registry_file_known(r, &seen, &checksum));
    assert_ok(registry_file_remember(r, &seen, UINT64_MAX, &e), e);
    registry_close(r);
    r = open_ok(folder);
    assert_true(registry_file_known(r, &seen, &checksum));
    assert_int_equal(checksum, UINT64_MAX);
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        if (registry_file_known(r, &other[i].id, &checksum))
            fail_msg("known in spite of another %s", other[i].name);
    now.mtime_ns = 8; /* the same file, written again: what was known of it is not any more */
    assert_ok(registry_file_remember(r, &now, 42, &e), e);
    assert_false(registry_file_known(r, &seen, &checksum));
    assert_true(registry_file_known(r, &now, &checksum));
    assert_int_equal(checksum, 42);
    registry_close(r);
    sql_run(unit_path(*state, "log.db"), "UPDATE files SET checksum = 43");
    r = open_ok(folder); /* a row that does not fit its seal is as good as none */
    assert_false(registry_file_known(r, &now, &checksum));
    assert_int_equal(registry_lsn(r), 0);
    registry_close(r);
}

static void test_checkpoint_empties_the_wal(void **state)
{
    struct registry *r = open_ok(((struct unit_folder *)*state)->path);
    struct error e;

    change_ok(r, CHANGE_LOAD, "ads");
    assert_ok(registry_checkpoint(r, false, &e), e); /* far from large: nothing happens */
    copy_file(unit_path(*state, "log.db"), unit_path(*state, "copy"));
    assert_string_equal(sql_text(unit_path(*state, "copy"), "SELECT count(*) FROM log"), "0");
    assert_ok(registry_checkpoint(r, true, &e), e);
    copy_file(unit_path(*state, "log.db"), unit_path(*state, "copy"));
    assert_string_equal(sql_text(unit_path(*state, "copy"), "SELECT count(*) FROM log"), "1");
    change_ok(r, CHANGE_UNLOAD, "ads");
    assert_ok(registry_trouble(r, &e), e);
    registry_close(r);
    assert_int_not_equal(access(unit_path(*state, "log.db-wal"), F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_new_log_is_private_and_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_change_is_there_after_reopening, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers_use_all_64_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_kind_changes_what_it_says, setup, teardown),
        cmocka_unit_test_setup_teardown(test_generation_grows_over_the_lives_of_a_name, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_list_is_sorted_and_leaves_out_the_forgotten, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_bad_change_is_refused_and_changes_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_log_row_holds_json_and_its_checksum, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_is_known_by_its_whole_identity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checkpoint_empties_the_wal, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
