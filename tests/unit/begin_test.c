/* SPDX-License-Identifier: Apache-2.0 */
/* Tables from nothing: words understood or refused, files that load and can be trained. */
#include "table_file.h"

#include <dirent.h>
#include <math.h>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "table/begin.h"

enum { ROWS = 300, DIM = 8 };

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static struct unit_folder folder;

static size_t files_in_folder(void)
{
    DIR *d = opendir(folder.path);
    size_t n = 0;

    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d));)
        n += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
    closedir(d);
    return n;
}

static enum status create(const char *path, const struct begin *how, struct table_created *created,
                          struct error *e)
{
    struct beginning b;
    enum status st = begin_plan(&b, how, e);

    if (st == ST_OK)
        st = begin_create(path, &b, how, created, e);
    begin_done(&b);
    return st;
}

static struct table *make(const struct begin *how)
{
    const char *path = unit_path(&folder, "t");
    struct table_created created;
    struct table *t;
    struct error e;

    if (create(path, how, &created, &e) != ST_OK)
        fail_msg("%s: %s", how->method, e.text);
    t = table_file_open(path, REGION_COPY);
    assert_int_equal(t->bytes, created.bytes);
    assert_int_equal(t->identity.size, created.file_bytes);
    return t;
}

/* Every method that can be trained, alone and with fields, with and without a budget. */
static void test_every_method_begins(void **state)
{
    static const uint64_t field[] = {200, 0, 100};

    (void)state;
    for (size_t i = 0; methods[i]; i++)
        for (int turn = 0; turn < 4; turn++) {
            struct begin how = {.method = methods[i]->name,
                                .rows = ROWS,
                                .dim = DIM,
                                .ratio = turn & 1 ? 0.9 : 0,
                                .field = field,
                                .field_count = turn & 2 ? COUNT(field) : 0,
                                .optimizer = "sgd",
                                .extras = {.seed = 5}};
            struct table *one, *two;
            struct beginning b;
            struct error e;

            if (!methods[i]->gradient)
                continue;
            if (begin_plan(&b, &how, &e) == ST_INVALID && turn & 1) {
                assert_non_null(strstr(e.text, "needs")); /* full and the like */
                begin_done(&b);
                continue;
            }
            begin_done(&b);
            one = make(&how);
            two = make(&how);
            assert_ptr_equal(one->method, methods[i]);
            assert_string_equal(one->origin, "create");
            assert_int_equal(one->seed, 5);
            assert_int_equal(one->field_count, how.field_count);
            assert_int_equal(one->checksum, two->checksum);
            assert_int_equal(one->applied, 0);
            assert_non_null(strstr(one->optimizer, "\"sgd\""));
            if (turn & 1)
                assert_true(table_ratio(one) <= 0.9);
            for (uint64_t x = 0; x < ROWS; x++) {
                float row[DIM];

                table_rows(one, &x, 1, row);
                for (int j = 0; j < DIM; j++)
                    assert_true(isfinite(row[j]));
            }
            table_close(one);
            table_close(two);
        }
}

/* Fields draw numbers of their own, and so do seeds; the deviation is what was asked for. */
static void test_numbers(void **state)
{
    static const uint64_t field[] = {100, 100, 100};
    struct begin how = {
        .method = "hash", .rows = ROWS, .dim = DIM, .field = field, .field_count = 3, .ratio = 0.5};
    float rows[ROWS * DIM], other[ROWS * DIM];
    uint64_t id[ROWS];
    double sum = 0;
    struct table *t;

    (void)state;
    for (uint64_t i = 0; i < ROWS; i++)
        id[i] = i;
    t = make(&how);
    table_rows(t, id, ROWS, rows);
    table_close(t);
    assert_memory_not_equal(rows, rows + 100 * DIM, 50 * DIM * sizeof(float));
    assert_memory_equal(rows, rows + 50 * DIM, 50 * DIM * sizeof(float)); /* id mod 50 */
    how.extras.seed = 1;
    t = make(&how);
    table_rows(t, id, ROWS, other);
    table_close(t);
    assert_memory_not_equal(rows, other, 50 * DIM * sizeof(float));

    how = (struct begin){.method = "full", .rows = ROWS, .dim = DIM, .deviation = 3};
    t = make(&how);
    assert_null(t->optimizer);
    table_rows(t, id, ROWS, rows);
    table_close(t);
    for (size_t i = 0; i < COUNT(rows); i++)
        sum += (double)rows[i] * rows[i];
    assert_true(fabs(sqrt(sum / COUNT(rows)) - 3) < 0.2);
}

static void test_extras(void **state)
{
    const struct begin_setting settings[] = {
        {"collisions", "7"}, {"op", "add"}, {"collisions", "10"}};
    const struct optimizer_option options[] = {{"learning_rate", "0.5"}};
    int64_t keys[ROWS], frequency[ROWS];
    struct begin how = {.method = "compo",
                        .rows = ROWS,
                        .dim = DIM,
                        .setting = settings,
                        .setting_count = 3,
                        .optimizer = "{\"name\":\"adam\",\"beta1\":0.5}",
                        .option = options,
                        .option_count = 1,
                        .extras = {.keys = keys, .frequency = frequency, .origin = "test"}};
    struct table *t;

    (void)state;
    for (int i = 0; i < ROWS; i++) {
        keys[i] = 7 * i - 900;
        frequency[i] = i;
    }
    t = make(&how);
    assert_int_equal(t->ids, IDS_KEYS);
    assert_memory_equal(t->frequency, frequency, sizeof frequency);
    assert_string_equal(t->origin, "test");
    assert_non_null(strstr(t->config, "\"collisions\":10"));
    assert_non_null(strstr(t->config, "\"op\":\"add\""));
    assert_non_null(strstr(t->optimizer, "\"beta1\":0.5"));
    assert_non_null(strstr(t->optimizer, "\"learning_rate\":0.5"));
    table_close(t);
    how.extras = (struct table_extras){.hashed_ids = true, .seed = UINT64_MAX};
    t = make(&how);
    assert_int_equal(t->ids, IDS_HASH);
    assert_int_equal(t->seed, UINT64_MAX);
    table_close(t);

    how = (struct begin){.method = "full", .dim = 3}; /* no rows yet */
    t = make(&how);
    assert_int_equal(t->rows, 0);
    table_close(t);
}

static void test_refusals(void **state)
{
    static const uint64_t many[] = {200, 101}, few[] = {200, 99}, huge[] = {UINT64_MAX, 301};
    static const struct begin_setting unknown[] = {{"frob", "1"}}, bad[] = {{"collisions", "x"}},
                                      good[] = {{"collisions", "300"}};
    static const struct optimizer_option option[] = {{"learning_rate", "0.1"}};
    const int64_t negative[ROWS] = {[5] = -1};
    const struct begin base = {.method = "compo", .rows = ROWS, .dim = DIM};
    const struct {
        const char *words;
        enum status st;
        struct begin how;
    } cases[] = {
        {"a method is needed", ST_INVALID, {.rows = 3, .dim = 3}},
        {"no method \"frob\"", ST_NOT_FOUND, {.method = "frob", .rows = 3, .dim = 3}},
        {"the dimension", ST_INVALID, {.method = "full", .rows = 3}},
        {"larger than any memory", ST_INVALID, {.method = "full", .rows = UINT64_MAX, .dim = 1}},
        {"exclude each other", ST_INVALID, {.budget = 1, .ratio = 1}},
        {"above 0", ST_INVALID, {.ratio = -1}},
        {"above 0", ST_INVALID, {.ratio = NAN}},
        {"the deviation", ST_INVALID, {.deviation = -1}},
        {"the deviation", ST_INVALID, {.deviation = NAN}},
        {"more than the 300 rows", ST_INVALID, {.field = many, .field_count = 2}},
        {"more than the 300 rows", ST_INVALID, {.field = huge, .field_count = 2}},
        {"299 rows together", ST_INVALID, {.field = few, .field_count = 2}},
        {"compo has no setting \"frob\"", ST_INVALID, {.setting = unknown, .setting_count = 1}},
        {"collisions is an integer", ST_INVALID, {.setting = bad, .setting_count = 1}},
        {"needs at least 1.09 KiB", ST_INVALID, {.budget = 100}},
        {"with these settings", ST_INVALID, {.budget = 1200, .setting = good, .setting_count = 1}},
        {"must be sgd", ST_INVALID, {.optimizer = "frob"}},
        {"ends before its JSON", ST_INVALID, {.optimizer = "{\"name\":"}},
        {"optimizer", ST_INVALID, {.option = option, .option_count = 1}},
        {"is for tensors of F32",
         ST_INVALID,
         {.method = "fp16", .rows = 3, .dim = 3, .optimizer = "adam"}},
        {"count 5 is negative", ST_INVALID, {.extras = {.frequency = negative}}},
        {"exclude each other", ST_INVALID, {.extras = {.keys = negative, .hashed_ids = true}}},
        {"keys", ST_INVALID, {.extras = {.keys = negative}}}, /* zero, many times */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct begin how = cases[i].how;
        struct error e;

        if (!how.dim && !how.method && !how.rows) {
            how.method = base.method;
            how.rows = base.rows;
            how.dim = base.dim;
        }
        assert_fails(create(unit_path(&folder, "refused"), &how, NULL, &e), cases[i].st, e,
                     cases[i].words);
    }
    assert_fails(create(unit_path(&folder, "no/such"), &base, NULL, &(struct error){{0}}),
                 ST_NOT_FOUND, ((struct error){"x"}), "");
    assert_int_equal(files_in_folder(), 1); /* "t" of the tests before */
}

static bool stop_at_half(void *context, double done)
{
    ++*(unsigned *)context;
    return done < 0.5;
}

static void test_stops(void **state)
{
    static const uint64_t field[] = {100, 100, 100};
    unsigned calls = 0;
    struct begin how = {.method = "hash",
                        .rows = ROWS,
                        .dim = DIM,
                        .field = field,
                        .field_count = 3,
                        .progress = stop_at_half,
                        .context = &calls};
    struct error e;

    (void)state;
    assert_fails(create(unit_path(&folder, "refused"), &how, NULL, &e), ST_CANCELLED, e, "stopped");
    assert_int_equal(calls, 2);
    assert_int_equal(files_in_folder(), 1);
}

static void test_budget(void **state)
{
    uint64_t budget;
    struct error e;

    (void)state;
    assert_ok(begin_budget(&budget, 0.27, 1000, 25, &e), e);
    assert_int_equal(budget, 27000);
    assert_ok(begin_budget(&budget, 1e-9, 10, 1, &e), e);
    assert_int_equal(budget, 1);
    assert_ok(begin_budget(&budget, 0.5, 0, 1, &e), e);
    assert_int_equal(budget, 1);
    assert_ok(begin_budget(&budget, 1e300, 1000, 1, &e), e);
    assert_int_equal(budget, INT64_MAX);
}

/* As many fields as a file holds; then one sentence, before anything is made. */
static void test_many_fields(void **state)
{
    enum { MANY = 10000, SOME = 2000 };
    uint64_t *field = mem_zero(MANY, sizeof *field);
    struct begin how = {.method = "compo", .dim = 2, .field = field, .field_count = SOME};
    struct table *t;
    struct error e;

    (void)state;
    assert_non_null(field);
    for (size_t i = 0; i < MANY; i++)
        field[i] = 30;
    how.rows = SOME * 30;
    t = make(&how);
    assert_int_equal(t->part_count, SOME);
    table_close(t);
    how.field_count = MANY;
    how.rows = MANY * 30;
    assert_fails(create(unit_path(&folder, "many"), &how, NULL, &e), ST_INVALID, e,
                 "at most 10000 tensors; these 10000 fields need 20000");
    how.field_count = 4000;
    how.rows = 4000 * 30;
    assert_fails(create(unit_path(&folder, "many"), &how, NULL, &e), ST_INVALID, e,
                 "more than 100000 JSON tokens");
    assert_int_equal(files_in_folder(), 1);
    mem_free(field);
}

#ifdef EMBD_DEVELOPER
static void test_survives_want_of_memory(void **state)
{
    static const uint64_t field[] = {200, 100};
    const struct begin_setting settings[] = {{"op", "add"}};
    const int64_t frequency[ROWS] = {1};
    const struct begin how = {.method = "compo",
                              .rows = ROWS,
                              .dim = DIM,
                              .field = field,
                              .field_count = 2,
                              .ratio = 0.5,
                              .setting = settings,
                              .setting_count = 1,
                              .optimizer = "{\"name\":\"adagrad\"}",
                              .extras = {.frequency = frequency}};

    (void)state;
    for (int for_ever = 0; for_ever < 2; for_ever++)
        for (uint64_t n = 1;; n++) {
            struct error e;
            enum status st;
            bool failed;

            mem_fail_at(n, for_ever);
            st = create(unit_path(&folder, "t"), &how, NULL, &e);
            failed = mem_failed();
            mem_fail_at(0, false);
            if (failed && st != ST_OK)
                assert_int_equal(st, ST_EXHAUSTED);
            if (!failed) {
                assert_ok(st, e);
                break;
            }
        }
    assert_int_equal(files_in_folder(), 1);
}
#endif

static int setup(void **state)
{
    struct error e;

    (void)state;
    unit_folder_make(&folder);
    region_init();
    return kernels_init(NULL, &e) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    unit_folder_remove(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_method_begins),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_extras),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_many_fields),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_survives_want_of_memory),
#endif
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
