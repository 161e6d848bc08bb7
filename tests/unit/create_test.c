/* SPDX-License-Identifier: Apache-2.0 */
/* Making table files from trained rows, and loading what was made. */
#include "table_file.h"

#include <dirent.h>
#include <math.h>

#include "base/memory.h"
#include "fits/fit.h"
#include "kernels/kernels.h"
#include "table/config.h"
#include "table/create.h"
#include "table/key_index.h"

enum { ROWS = 50, DIM = 8 };

static float trained[ROWS * DIM];
static struct unit_folder folder;

static enum status read_rows(void *context, uint64_t first, size_t n, float *out, struct error *e)
{
    (void)context, (void)e;
    memcpy(out, trained + first * DIM, n * DIM * sizeof *out);
    return ST_OK;
}

static bool stop(void *context, double done)
{
    (void)context, (void)done;
    return false;
}

static const struct fit good_fit = {.rows = ROWS, .dim = DIM, .read = read_rows, .seed = 11};

static struct layout layout_of(const char *method)
{
    const struct method *m = method_find(method, strlen(method));
    struct layout l;
    struct error e;

    assert_non_null(m);
    assert_ok(layout_open(&l, m, ROWS, DIM, NULL, 0, NULL, &e), e);
    assert_ok(fit_layout(&good_fit, &l, &e), e);
    return l;
}

static enum status create(const char *path, const struct layout *l, const struct fit *fit,
                          const struct table_extras *extras, struct table_created *created,
                          double *relative, struct error *e)
{
    struct fit_filling filling = {.fit = fit, .layout = l};
    const struct table_source source = {fit_fill, &filling};
    enum status st = table_create(path, l, &source, extras, created, e);

    if (relative)
        *relative = filling.error.relative;
    return st;
}

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

/* Every method makes a file that loads, with the error that it says. */
static void test_every_method_round_trips(void **state)
{
    (void)state;
    for (size_t i = 0; methods[i]; i++) {
        const struct table_extras extras = {.origin = "fit", .seed = 11};
        const char *path = unit_path(&folder, "t");
        struct layout layout = layout_of(methods[i]->name);
        struct table_created created;
        double error = 0, norm = 0, relative;
        float row[DIM];
        struct table *t;
        struct error e;

        assert_ok(create(path, &layout, &good_fit, &extras, &created, &relative, &e), e);
        t = table_file_open(path, REGION_MAP);
        assert_ptr_equal(t->method, methods[i]);
        assert_int_equal(t->rows, ROWS);
        assert_int_equal(t->bytes, created.bytes);
        assert_int_equal(t->identity.size, created.file_bytes);
        assert_int_equal(t->header.data_offset % 64, 0);
        assert_int_equal(t->seed, 11);
        assert_string_equal(t->origin, "fit");
        assert_non_null(header_metadata(&t->header, "embd.checksum"));
        for (uint64_t x = 0; x < ROWS; x++) {
            table_rows(t, &x, 1, row);
            for (int j = 0; j < DIM; j++) {
                double w = trained[x * DIM + (size_t)j], d = w - row[j];

                error += d * d;
                norm += w * w;
            }
        }
        assert_true(fabs(error / norm - relative) <= 1e-6 + 1e-3 * relative);
        table_close(t);
        layout_done(&layout);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(files_in_folder(), 0);
}

static void test_extras_are_kept(void **state)
{
    static const float fallback[DIM] = {1, 2, 3, 4, 5, 6, 7, 8};
    int64_t keys[ROWS], frequency[ROWS];
    struct table_extras extras = {
        .keys = keys, .fallback = fallback, .frequency = frequency, .origin = "train"};
    struct layout layout = layout_of("full");
    const char *path = unit_path(&folder, "t");
    struct fit fit = good_fit;
    uint64_t row[ROWS];
    struct table *t;
    struct error e;

    (void)state;
    for (int i = 0; i < ROWS; i++) {
        keys[i] = i * 1000 - 7;
        frequency[i] = i;
    }
    assert_ok(create(path, &layout, &fit, &extras, NULL, NULL, &e), e);
    t = table_file_open(path, REGION_COPY);
    assert_int_equal(t->ids, IDS_KEYS);
    assert_int_equal(table_resolve(t, keys, ROWS, row), 0);
    assert_int_equal(row[ROWS - 1], ROWS - 1);
    assert_memory_equal(t->fallback, fallback, sizeof fallback);
    assert_memory_equal(t->frequency, frequency, sizeof frequency);
    table_close(t);

    extras = (struct table_extras){.hashed_ids = true}; /* no origin is an empty one */
    assert_ok(create(path, &layout, &fit, &extras, NULL, NULL, &e), e);
    t = table_file_open(path, REGION_MAP);
    assert_int_equal(t->ids, IDS_HASH);
    assert_int_equal(t->seed, 0);
    assert_string_equal(t->origin, "");
    table_close(t);
    assert_int_equal(unlink(path), 0);
    layout_done(&layout);
}

/* A failure leaves neither the file nor a temporary, and the old file as it was. */
static void test_failures_leave_nothing(void **state)
{
    static const float infinite[DIM] = {INFINITY};
    int64_t keys[ROWS] = {0};
    const struct table_extras twice = {.keys = keys, .origin = ""},
                              both = {.keys = keys, .hashed_ids = true},
                              bad_default = {.fallback = infinite}, bad_origin = {.origin = "\xff"};
    struct layout layout = layout_of("full");
    const char *path = unit_path(&folder, "t");
    struct fit fit = good_fit;
    struct error e;

    (void)state;
    unit_write(path, "old", 3);
    assert_fails(create(path, &layout, &fit, &twice, NULL, NULL, &e), ST_INVALID, e,
                 "0 is there twice");
    assert_fails(create(path, &layout, &fit, &both, NULL, NULL, &e), ST_INVALID, e,
                 "exclude each other");
    assert_fails(create(path, &layout, &fit, &bad_default, NULL, NULL, &e), ST_INVALID, e,
                 "\"default\": element [0] is not finite");
    assert_fails(create(path, &layout, &fit, &bad_origin, NULL, NULL, &e), ST_INVALID, e,
                 "not UTF-8");
    fit.rows--;
    assert_fails(create(path, &layout, &fit, NULL, NULL, NULL, &e), ST_INVALID, e,
                 "the plan is for 50");
    fit = good_fit;
    fit.progress = stop;
    assert_fails(create(path, &layout, &fit, NULL, NULL, NULL, &e), ST_CANCELLED, e, "");
    assert_fails(create("/nonexistent/t", &layout, &good_fit, NULL, NULL, NULL, &e), ST_NOT_FOUND,
                 e, "/nonexistent/t");
    assert_int_equal(files_in_folder(), 1);
    assert_int_equal(unlink(path), 0);
    layout_done(&layout);
}

/* Settings come back to the bit, whatever they are. */
static void test_settings_round_trip(void **state)
{
    static const double reals[] = {0.1,    1.0 / 3,   1e-300, 1.7976931348623157e308,
                                   5e-324, 123456789, 1,      0.1f};
    const struct method *m = method_find("int8", 4);
    int place = method_setting(m, "scale", 5);

    (void)state;
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
        struct parameters p = {.method = m};
        struct value back = {0};
        struct error e;
        char *text;
        json_t *json;

        p.value[place] = (struct value){.set = true, .r = reals[i]};
        assert_ok(config_write(&text, &p, 1, false, UINT64_MAX, &e), e);
        json = json_loads(text, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(json, "seed")),
                            "18446744073709551615");
        assert_int_equal(json_object_size(json), 2);
        assert_ok(config_value_read(&m->settings[place], json_object_get(json, "scale"), &back, &e),
                  e);
        assert_true(back.set && back.r == reals[i]);
        json_decref(json);
        mem_free(text);
    }
}

/* Integers beyond what a double holds are written as texts; lists and choices by name. */
static void test_settings_of_every_type(void **state)
{
    static const struct setting settings[] = {
        {.name = "i", .type = SETTING_INT},
        {.name = "b", .type = SETTING_BOOL},
        {.name = "c", .type = SETTING_CHOICE, .choices = "one two 16"},
        {.name = "l", .type = SETTING_INTS},
    };
    static const struct method m = {.name = "m", .settings = settings, .settings_count = 4};
    static int64_t list[] = {1, INT64_MIN, -(INT64_C(1) << 53)};
    struct parameters p = {.method = &m};
    struct value v;
    struct error e;
    json_t *json;
    char *text;

    (void)state;
    p.value[0] = (struct value){.set = true, .i = INT64_MAX};
    p.value[1] = (struct value){.set = true, .i = 1};
    p.value[2] = (struct value){.set = true, .i = 1};
    p.value[3] = (struct value){.set = true, .list = list, .n = 3};
    assert_ok(config_write(&text, &p, 1, false, 0, &e), e);
    assert_string_equal(text, "{\"i\":\"9223372036854775807\",\"b\":true,\"c\":\"two\","
                              "\"l\":[1,\"-9223372036854775808\",-9007199254740992]}");
    json = json_loads(text, 0, NULL);
    assert_ok(config_value_read(&settings[3], json_object_get(json, "l"), &v, &e), e);
    assert_int_equal(v.n, 3);
    assert_memory_equal(v.list, list, sizeof list);
    mem_free(v.list);
    json_decref(json);
    mem_free(text);
    json = json_integer(16); /* a choice of numbers may come as one */
    assert_ok(config_value_read(&settings[2], json, &v, &e), e);
    assert_int_equal(v.i, 2);
    json_decref(json);
}

#ifdef EMBD_DEVELOPER
static void test_survives_failing_allocations(void **state)
{
    struct layout layout = layout_of("int8");
    const char *path = unit_path(&folder, "t");
    enum status st = ST_EXHAUSTED;

    (void)state;
    for (uint64_t n = 1; st != ST_OK; n++) {
        struct error e;

        mem_fail_at(n, false);
        st = create(path, &layout, &good_fit, NULL, NULL, NULL, &e);
        mem_fail_at(0, false);
        assert_true(st == ST_OK ? n > 5 : st == ST_EXHAUSTED && files_in_folder() == 0);
    }
    assert_int_equal(unlink(path), 0);
    layout_done(&layout);
}
#endif

static int start(void **state)
{
    struct error e;

    (void)state;
    unit_folder_make(&folder);
    for (int i = 0; i < ROWS * DIM; i++)
        trained[i] = sinf((float)i * 1.7f) + 0.25f * cosf((float)i * 0.3f);
    return kernels_init(NULL, &e) == ST_OK ? 0 : -1;
}

static int finish(void **state)
{
    (void)state;
    unit_folder_remove(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_method_round_trips),
        cmocka_unit_test(test_extras_are_kept),
        cmocka_unit_test(test_failures_leave_nothing),
        cmocka_unit_test(test_settings_round_trip),
        cmocka_unit_test(test_settings_of_every_type),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_survives_failing_allocations),
#endif
    };

    return cmocka_run_group_tests(tests, start, finish);
}
