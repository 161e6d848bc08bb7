/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/memory.h"
#include "table/catalog.h"

static struct entry *make(const char *name)
{
    struct entry *entry;
    struct error e;

    assert_ok(entry_new(&entry, name, NULL, 7, 3, 2, 4, &e), e);
    return entry;
}

/* The next catalog; the one before is given back. */
static struct catalog *with(struct catalog *c, struct entry *entry, uint64_t lsn)
{
    struct catalog *next;
    struct error e;

    assert_ok(catalog_with(&next, c, entry, lsn, &e), e);
    catalog_free(c);
    return next;
}

static struct catalog *empty(void)
{
    struct catalog *c;
    struct error e;

    assert_ok(catalog_new(&c, &e), e);
    return c;
}

static void test_starts_empty(void **state)
{
    struct catalog *c = empty();

    (void)state;
    assert_int_equal(c->number, 1);
    assert_int_equal(c->count, 0);
    assert_null(catalog_find(c, "a", 1));
    assert_null(catalog_find(c, "", 0));
    catalog_free(c);
    catalog_free(NULL);
    entry_free(NULL);
}

static void test_entry_refuses_bad_names(void **state)
{
    static const char *const names[] = {"", ".hidden", "a/b", "a b", "../x", "a\n", "\xc3\xa9"};
    char longest[130];
    struct entry *entry = NULL;
    struct error e;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_fails(entry_new(&entry, names[i], NULL, 0, 0, 0, 1, &e), ST_INVALID, e,
                     "is not a table's name");
    memset(longest, 'x', sizeof longest);
    longest[129] = '\0';
    assert_fails(entry_new(&entry, longest, NULL, 0, 0, 0, 1, &e), ST_INVALID, e, "name");
    assert_null(entry);
    longest[128] = '\0';
    entry = make(longest);
    assert_int_equal(entry->name_length, 128);
    assert_int_equal((uintptr_t)entry % _Alignof(struct entry), 0);
    entry_free(entry);
}

static void test_keeps_entries_sorted_and_found(void **state)
{
    enum { COUNT = 300 };
    struct catalog *c = empty();
    struct entry *entry[COUNT];
    char name[16];

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "t%d", i * 7 % COUNT);
        entry[i] = make(name);
        c = with(c, entry[i], (uint64_t)i + 10);
    }
    assert_int_equal(c->number, 1 + COUNT);
    assert_int_equal(c->lsn, COUNT + 9);
    assert_int_equal(c->count, COUNT);
    for (int i = 1; i < COUNT; i++)
        assert_true(strcmp(c->entry[i - 1]->name, c->entry[i]->name) < 0);
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(catalog_find(c, entry[i]->name, entry[i]->name_length), entry[i]);
    assert_null(catalog_find(c, "t", 1));
    assert_null(catalog_find(c, "t300", 4));
    assert_ptr_equal(catalog_find(c, "t12345", 3), catalog_find(c, "t12", 3)); /* n counts */
    catalog_free(c);
    for (int i = 0; i < COUNT; i++)
        entry_free(entry[i]);
}

static void test_replaces_and_removes(void **state)
{
    struct entry *a = make("a"), *b = make("b"), *other = make("a");
    struct catalog *old, *next;
    struct error e;

    (void)state;
    old = with(with(empty(), b, 1), a, 2);
    assert_ok(catalog_with(&next, old, other, 3, &e), e);
    assert_int_equal(next->count, 2);
    assert_ptr_equal(catalog_find(next, "a", 1), other);
    assert_ptr_equal(catalog_find(next, "b", 1), b);
    assert_ptr_equal(catalog_find(old, "a", 1), a); /* the old one is as it was */
    assert_int_equal(next->number, old->number + 1);
    catalog_free(old);
    old = next;
    assert_ok(catalog_without(&next, old, "a", 4, &e), e);
    assert_int_equal(next->count, 1);
    assert_null(catalog_find(next, "a", 1));
    assert_ptr_equal(catalog_find(old, "a", 1), other);
    catalog_free(old);
    old = next;
    assert_ok(catalog_without(&next, old, "nothing", 5, &e), e);
    assert_int_equal(next->count, 1);
    assert_int_equal(next->lsn, 5);
    catalog_free(old);
    catalog_free(next);
    entry_free(a);
    entry_free(b);
    entry_free(other);
}

#ifdef EMBD_DEVELOPER
static void test_survives_failing_allocations(void **state)
{
    struct catalog *c = with(empty(), make("a"), 1);
    enum status st = ST_EXHAUSTED;
    struct error e;

    (void)state;
    for (uint64_t n = 1; st != ST_OK; n++) {
        struct entry *entry = NULL;
        struct catalog *next = NULL;

        mem_fail_at(n, false);
        st = entry_new(&entry, "b", NULL, 0, 0, 0, 2, &e);
        if (st == ST_OK)
            st = catalog_with(&next, c, entry, 2, &e);
        mem_fail_at(0, false);
        assert_true(st == ST_OK ? n > 3 : st == ST_EXHAUSTED && !next);
        entry_free(entry);
        catalog_free(next);
    }
    entry_free(c->entry[0]);
    catalog_free(c);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_empty),
        cmocka_unit_test(test_entry_refuses_bad_names),
        cmocka_unit_test(test_keeps_entries_sorted_and_found),
        cmocka_unit_test(test_replaces_and_removes),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_survives_failing_allocations),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
