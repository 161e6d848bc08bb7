/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that grow, from nothing: their spare rows, and rows that begin anew. */
#include "table_file.h"

#include "kernels/kernels.h"
#include "methods/init.h"
#include "table/begin.h"

enum { ROWS = 300, DIM = 8 };

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static struct unit_folder folder;

static enum status create(const char *path, const struct begin *how, struct error *e)
{
    struct beginning b;
    enum status st = begin_plan(&b, how, e);

    if (st == ST_OK)
        st = begin_create(path, &b, how, NULL, e);
    begin_done(&b);
    return st;
}

static struct table *make(const struct begin *how)
{
    const char *path = unit_path(&folder, "t");
    struct error e;

    if (create(path, how, &e) != ST_OK)
        fail_msg("%s: %s", how->method, e.text);
    return table_file_open(path, REGION_COPY);
}

/* Of each kind of cells that rows may have of their own; the seed and the deviation are not the
   usual ones. */
static const struct {
    const char *method;
    struct begin_setting setting;
} own_cells[] = {{"full", {0}},
                 {"fp16", {0}},
                 {"bf16", {0}},
                 {"int8", {"qparam", "row"}},
                 {"int8", {"qparam", "table"}},
                 {"int16", {"qparam", "row"}},
                 {"int16", {"signed", "true"}},
                 {"alpt", {"digit", "8"}},
                 {"alpt", {"digit", "16"}}};

static struct begin growing(size_t i, const int64_t *keys, uint64_t count)
{
    return (struct begin){.method = own_cells[i].method,
                          .rows = ROWS,
                          .dim = DIM,
                          .setting = &own_cells[i].setting,
                          .setting_count = own_cells[i].setting.key != NULL,
                          .deviation = 0.25,
                          .extras = {.keys = keys, .seed = 99},
                          .grows = true,
                          .key_count = count,
                          .now = 1234};
}

/* A row that begins anew gets the bytes that it had at first, and no other row loses any. */
static void test_rows_begin_anew(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(own_cells); i++) {
        const struct begin how = growing(i, NULL, 0);
        struct table *t = make(&how), *now = make(&how);
        const struct init init = {.seed = now->seed, .deviation = now->deviation};
        struct parameters *p = &now->part[0];

        assert_true(now->deviation == 0.25 && now->seed == 99);
        assert_non_null(p->method->init_row);
        for (unsigned k = 0; k < p->method->tensors_count; k++)
            if (p->tensor[k].data)
                memset(p->tensor[k].data, 0x5a, p->tensor[k].bytes);
        for (uint64_t row = 0; row < ROWS; row++) {
            uint64_t other = (row * 7 + 3) % ROWS; /* in an order of its own */

            p->method->init_row(&init, p, other);
        }
        assert_memory_equal(now->region->data, t->region->data, t->region->size);
        table_close(t);
        table_close(now);
    }
}

static void test_spare_rows(void **state)
{
    static const int64_t keys[] = {7, -9, 0};
    int64_t ids[] = {0, 7, 1, -9}, touched[ROWS];
    struct begin how = growing(0, keys, 3);
    uint64_t row[4];
    struct table *t;
    struct error e;

    (void)state;
    t = make(&how);
    assert_true(t->grows);
    assert_int_equal(t->used, 3);
    assert_int_equal(table_resolve(t, ids, 4, row), 1);
    assert_true(row[0] == 2 && row[1] == 0 && row[2] == ROW_UNKNOWN && row[3] == 1);
    memcpy(touched, table_tensor(t, header_tensor(&t->header, "touched")), sizeof touched);
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(touched[i], i < 3 ? 1234 : -1);
    table_close(t);
    how.extras.keys = NULL;
    how.key_count = 0;
    how.deviation = 0;
    t = make(&how); /* all are spare: their keys are all 0 */
    assert_true(t->grows && t->used == 0 && t->deviation == 0);
    assert_int_equal(table_resolve(t, ids, 4, row), 4);
    table_close(t);
    how.method = "dpq";
    assert_fails(create(unit_path(&folder, "x"), &how, &e), ST_INVALID, e,
                 "a table of the method dpq cannot grow");
    how.method = "full";
    how.field = (uint64_t[]){ROWS};
    how.field_count = 1;
    assert_fails(create(unit_path(&folder, "x"), &how, &e), ST_INVALID, e,
                 "a table with fields cannot grow");
    how.field_count = 0;
    how.extras.hashed_ids = true;
    assert_fails(create(unit_path(&folder, "x"), &how, &e), ST_INVALID, e,
                 "a table with hashed ids knows every id");
    how.extras.hashed_ids = false;
    how.key_count = ROWS + 1;
    assert_fails(create(unit_path(&folder, "x"), &how, &e), ST_INVALID, e,
                 "there are 301 keys for 300 rows");
    how.key_count = 0;
    how.method = "compo";
    how.setting = &(struct begin_setting){"pool", "pool_first"};
    how.setting_count = 1;
    assert_fails(create(unit_path(&folder, "x"), &how, &e), ST_INVALID, e,
                 "a table that pools first cannot grow");
}

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
        cmocka_unit_test(test_rows_begin_anew),
        cmocka_unit_test(test_spare_rows),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
