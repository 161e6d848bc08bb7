/* SPDX-License-Identifier: Apache-2.0 */
/* Which array is which tensor, by name; that every recipe speaks of tensors and settings that its
   method has; and imports that run out of memory. What the rows are, tests/system has. */
#include "unit.h"

#include "base/memory.h"
#include "client/import/import.h"
#include "kernels/kernels.h"
#include "table/create.h"

static void test_names(void **state)
{
    static const struct {
        const char *stem, *suffix, *name;
        bool match;
        long field;
    } cases[] = {
        {"CompoEmb", "_q", "CompoEmb_q", true, -1},
        {"CompoEmb", "_q", "CompoEmb.q", true, -1},
        {"CompoEmb", "_q", "CompoEmb(0.1)_q", true, -1},
        {"CompoEmb", "_q", "CompoEmb(1e-05)_12_q", true, 12},
        {"CompoEmb", "_q", "CompoEmb(0.1)_q_adam_m", false, 0},
        {"CompoEmb", "_q", "CompoEmb(0.1)_r", false, 0},
        {"CompoEmb", "_q", "CompoEmb(0.1", false, 0},
        {"CompoEmb", "_q", "CompoEmb(0.1)_x_q", false, 0},
        {"CompoEmb", "_q", "CompoEmb(0.1)_01_q", false, 0},
        {"CompoEmb", "_q", "CompoEmb(0.1)_99999999999_q", false, 0},
        {"CompoEmb", "_q", "MyCompoEmb_q", false, 0},
        {"TTEmb", "_0", "TTEmb(0.1)_0", true, -1},
        {"TTEmb", "_0", "TTEmb(0.1)_3_0", true, 3},
        {"TTEmb", "_0", "TTEmb(0.1)_3_1", false, 0},
        {"RobeEmb", "", "RobeEmb0.1", true, -1},
        {"HashEmb", "", "HashEmb(0.5)_2", true, 2},
        {"MDEmb", "", "MDEmb_3", true, 3},
        {"MDEmb", "", "MDEmb_3_proj", false, 0},
        {"emb_l", ".weight_q", "emb_l.7.weight_q", true, 7},
        {"emb_l", ".weight", "emb_l.7.embs.weight", false, 0},
        {"linear1", "_weight", "linear1_weight", true, -1},
        {"a", "", "a", true, -1},
        {"a", "", "alpha", false, 0},
        {"a", "", "", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct piece piece = {"t", cases[i].stem, cases[i].suffix, AS_IS, 0};
        long field = 0;

        if (piece_matches(&piece, cases[i].name, &field) != cases[i].match)
            fail_msg("%s and %s…%s", cases[i].name, cases[i].stem, cases[i].suffix);
        if (cases[i].match)
            assert_int_equal(field, cases[i].field);
    }
}

static bool declares(const struct method *m, const char *tensor)
{
    for (size_t i = 0; i < m->tensors_count; i++)
        if (!strcmp(m->tensors[i].name, tensor))
            return true;
    return false;
}

static bool has_piece(const struct recipe *r, const char *tensor)
{
    for (size_t i = 0; i < r->pieces; i++)
        if (!strcmp(r->piece[i].tensor, tensor))
            return true;
    return false;
}

static void check_recipe(const struct recipe *r)
{
    const struct method *m = method_find(r->method, strcspn(r->method, " "));
    char texts[128], *rest = texts, *word;

    if (!m)
        fail_msg("%s: no method %s", r->title, r->method);
    assert_true(r->pieces <= METHOD_TENSORS_MAX - OWN_MOST);
    for (size_t i = 0; i < r->pieces; i++)
        if (!(r->piece[i].flags & PIECE_ASIDE) && !declares(m, r->piece[i].tensor))
            fail_msg("%s: %s has no tensor %s", r->title, m->name, r->piece[i].tensor);
    assert_true(!r->rows_of || has_piece(r, r->rows_of));
    assert_true(!r->dim_of || has_piece(r, r->dim_of));
    snprintf(texts, sizeof texts, "%s", r->set ? r->set : "");
    while ((word = strtok_r(rest, " ", &rest))) {
        size_t n = strcspn(word, "=");
        int at = method_setting(m, word, n);
        struct value value = {0};
        struct error e;

        if (at < 0)
            fail_msg("%s: %s has no setting %s", r->title, m->name, word);
        assert_ok(setting_parse(&m->settings[at], word + n + 1, &value, &e), e);
        mem_free(value.list);
    }
}

static void test_recipes(void **state)
{
    (void)state;
    for (const struct recipe *r = hetu_recipes; r->source; r++)
        check_recipe(r);
    for (const struct recipe *r = other_recipes; r->source; r++)
        check_recipe(r);
}

/* ---- Want of memory ---- */

static struct unit_folder folder;

static void put(const char *name, enum dtype dtype, unsigned rank, uint64_t a, uint64_t b,
                const void *data)
{
    const struct tensor t = {.dtype = dtype,
                             .rank = rank,
                             .shape = {a, b},
                             .count = (size_t)(a * b),
                             .bytes = (size_t)(a * b) * dtype_size(dtype),
                             .data = (void *)(uintptr_t)data};
    struct error e;

    assert_ok(npy_write(unit_path(&folder, name), &t, &e), e);
}

static enum status import(const struct import_wish *w, const char *out, struct error *e)
{
    const char *const path[] = {folder.path};
    const struct table_extras extras = {.origin = w->source};
    struct import in = {0};
    const struct table_source source = {import_fill, &in};
    struct arrays a;
    enum status st = arrays_open(&a, path, 1, e);

    if (st == ST_OK)
        st = import_open(&in, &a, w, e);
    if (st == ST_OK)
        st = table_create(out, &in.layout, &source, &extras, NULL, e);
    import_close(&in);
    arrays_close(&a);
    return st;
}

/* Fields, a field left full, entries to be sorted, memory of the parts' own. */
static void test_memory(void **state)
{
    static const float values[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const int32_t row[4] = {2, 0, 1, 0}, column[4] = {1, 2, 0, 0};
    static const uint64_t fields[2] = {6, 4};
    const struct import_wish compo = {
        .source = "hetu", .field = fields, .fields = 2, .rows = 10, .rows_given = true};
    const struct import_wish pruned = {
        .source = "hetu", .method = "deeplight", .rows = 3, .rows_given = true, .dim = 3};
    struct error e;
    char out[PATH_MAX];

    (void)state;
    unit_folder_make(&folder);
    snprintf(out, sizeof out, "%s.out", folder.path);
    put("CompoEmb_0_q.npy", DT_F32, 2, 3, 3, values);
    put("CompoEmb_0_r.npy", DT_F32, 2, 2, 3, values);
    put("Embedding_1.npy", DT_F32, 2, 4, 3, values);
    assert_ok(import(&compo, out, &e), e);
#ifdef EMBD_DEVELOPER
    for (uint64_t n = 1;; n++) {
        enum status st;

        mem_fail_at(n, false);
        st = import(&compo, out, &e);
        mem_fail_at(0, false);
        if (!mem_failed())
            break;
        if (st != ST_OK)
            assert_int_equal(st, ST_EXHAUSTED);
    }
#endif
    put("DeepLightEmb_sparse_row.npy", DT_I32, 1, 4, 1, row);
    put("DeepLightEmb_sparse_col.npy", DT_I32, 1, 4, 1, column);
    put("DeepLightEmb_sparse_data.npy", DT_F32, 1, 4, 1, values);
    assert_ok(import(&pruned, out, &e), e);
#ifdef EMBD_DEVELOPER
    for (uint64_t n = 1;; n++) {
        enum status st;

        mem_fail_at(n, false);
        st = import(&pruned, out, &e);
        mem_fail_at(0, false);
        if (!mem_failed())
            break;
        if (st != ST_OK)
            assert_int_equal(st, ST_EXHAUSTED);
    }
#endif
    unlink(out);
    unit_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_recipes),
        cmocka_unit_test(test_memory),
    };

    if (kernels_init(NULL, NULL) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
