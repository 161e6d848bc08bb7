/* SPDX-License-Identifier: Apache-2.0 */
/* Ids that come and go, against a model and a second table that is told what the log would say. */
#include "table/growth.h"

#include <stdlib.h>

#include "kernels/kernels.h"
#include "table/begin.h"
#include "tests/unit/training_kit.h"

enum { ROWS = 150, DIM = 3, NAMES = 400, MOST = 40 };

static struct unit_folder folder;

static struct table *make(const char *method, const char *optimizer)
{
    const struct begin how = {
        .method = method, .rows = ROWS, .dim = DIM, .grows = true, .deviation = 0.5};
    char settings[128];
    struct beginning b;
    struct table *base = NULL, *t;
    struct error e;

    assert_ok(begin_plan(&b, &how, &e), e);
    assert_ok(begin_create(unit_path(&folder, "base"), &b, &how, NULL, &e), e);
    begin_done(&b);
    assert_ok(table_open(&base, unit_path(&folder, "base"),
                         &(struct table_options){.memory = REGION_MAP}, &e),
              e);
    snprintf(settings, sizeof settings,
             "{\"name\":\"%s\",\"initial_accumulator\":0.25,\"learning_rate\":0.1}", optimizer);
    t = kit_trainable(&folder, base, settings);
    table_close(base);
    return t;
}

/* What should be: of each name its row + 1, the time when that was named, how often it was counted.
 */
struct model {
    uint64_t row[NAMES], count[NAMES], used;
    int64_t seconds[NAMES];
    uint64_t admitted, evicted, refused;
};

struct scene {
    struct table *t, *other; /* the other one replays */
    struct training *training, *replay;
    struct growth *g, *h;
    struct model m;
    struct random r;
    int64_t now;
    uint64_t version;
};

static int64_t key_of(uint64_t name)
{
    return (int64_t)(name * UINT64_C(0x9e3779b97f4a7c15));
}

static uint64_t name_of(int64_t key)
{
    for (uint64_t i = 0; i < NAMES; i++)
        if (key_of(i) == key)
            return i;
    fail_msg("no name");
    return 0;
}

static void prepare(struct update *u, const struct table *t, const struct update_query *q,
                    struct arena *arena)
{
    struct error e;
    size_t at;

    arena_init(arena, SIZE_MAX);
    assert_ok(update_prepare(u, t, q, 1, PUSH_ADMIT, &(struct update_limits){0}, arena, &at, &e),
              e);
}

static void step(struct training *t, const struct update *u, uint64_t version, struct growth *g,
                 int64_t now)
{
    struct error e;

    assert_ok(training_reserve(t, u, &e), e);
    training_step(t, u, 0.1f, version);
    training_mark(t);
    growth_show(g, t, u->admitted_key, u->admitted_row, u->admitted, now);
    training_write(t);
}

/* What the model says of a push that is logged or not; returns how many ids are left out, with
   repeats. */
static uint64_t expect(struct scene *s, const int64_t *id, size_t n, const struct update *u,
                       bool logged)
{
    const struct growth_limits *limits = growth_limits(s->g);
    struct model *m = &s->m;
    bool seen[NAMES] = {false};
    uint64_t skipped = 0, admitted = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t name = name_of(id[i]);

        if (!seen[name] && !m->row[name]) {
            m->count[name]++;
            if (m->count[name] >= limits->admit_after && m->used < ROWS) {
                assert_true(admitted < u->admitted && u->admitted_key[admitted] == id[i]);
                m->row[name] = u->admitted_row[admitted++] + 1;
                m->count[name] = 0;
                m->used++;
                m->admitted++;
            } else if (m->count[name] >= limits->admit_after) {
                m->refused++;
                m->count[name] -= limits->admit_after == 1; /* is not kept */
            }
        }
        seen[name] = true;
        skipped += !m->row[name];
        if (m->row[name] && logged)
            m->seconds[name] = s->now;
    }
    assert_int_equal(admitted, u->admitted);
    for (size_t i = 0; i < admitted; i++) /* rows of their own */
        for (uint64_t name = 0; name < NAMES; name++)
            assert_int_equal(m->row[name] == u->admitted_row[i] + 1,
                             key_of(name) == u->admitted_key[i]);
    return skipped;
}

static void push(struct scene *s, bool logged)
{
    size_t n = 1 + random_below(&s->r, MOST);
    float gradient[MOST * DIM];
    int64_t id[MOST];
    struct update_query q = {.ids = id,
                             .id_count = n,
                             .gradients = gradient,
                             .gradient_bytes = n * DIM * sizeof *gradient};
    struct update u, v;
    struct arena a, b;
    struct error e;

    for (size_t i = 0; i < n; i++)
        id[i] = key_of(random_below(&s->r, NAMES));
    for (size_t i = 0; i < n * DIM; i++)
        gradient[i] = random_normal(&s->r);
    prepare(&u, s->t, &q, &a);
    assert_ok(growth_reserve(s->g, &u, &e), e);
    growth_admit(s->g, &u);
    if (!logged) {
        growth_forget(s->g);
        if (u.admitted) { /* what was counted is forgotten with it */
            struct growth_counts c;

            memset(s->m.count, 0, sizeof s->m.count);
            growth_counts(s->g, &c);
            s->m.refused = c.refused;
        } else {
            expect(s, id, n, &u, false);
        }
        arena_done(&a);
        return;
    }
    assert_int_equal(expect(s, id, n, &u, true), u.skipped);
    u.seconds = s->now;
    s->version++;
    growth_begin(s->g, s->training, u.admitted_row, u.admitted);
    step(s->training, &u, s->version, s->g, s->now);

    assert_ok(growth_check(s->h, true, u.admitted_key, u.admitted_row, u.admitted, &e), e);
    growth_begin(s->h, s->replay, u.admitted_row, u.admitted);
    growth_show(s->h, s->replay, u.admitted_key, u.admitted_row, u.admitted, s->now);
    prepare(&v, s->other, &q, &b);
    update_settle(&v);
    v.seconds = s->now;
    assert_true(v.skipped == u.skipped && v.rows == u.rows && v.parts == u.parts);
    step(s->replay, &v, s->version, s->h, s->now);
    arena_done(&a);
    arena_done(&b);
}

static void sweep(struct scene *s)
{
    uint64_t after = growth_limits(s->g)->evict_after, row[8];
    bool may = growth_may_evict(s->g, s->now);
    int64_t key[8];
    size_t n = may ? growth_sweep(s->g, s->now, key, row, 8) : 0;
    struct error e;

    for (size_t i = 0; i < n; i++) {
        uint64_t name = name_of(key[i]);

        assert_int_equal(s->m.row[name], row[i] + 1);
        assert_true((uint64_t)(s->now - s->m.seconds[name]) > after);
        s->m.row[name] = 0;
        s->m.used--;
        s->m.evicted++;
    }
    growth_mark(s->g, s->training, row, n);
    growth_hide(s->g, s->training, key, row, n);
    assert_ok(growth_check(s->h, false, key, row, n, &e), e);
    growth_mark(s->h, s->replay, row, n);
    growth_hide(s->h, s->replay, key, row, n);
    /* What is known of the oldest row never hides one that is old. */
    for (uint64_t name = 0; !may && after && name < NAMES; name++)
        assert_true(!s->m.row[name] || (uint64_t)(s->now - s->m.seconds[name]) <= after);
}

static void check(const struct scene *s)
{
    struct growth_counts c;

    for (uint64_t name = 0; name < NAMES; name++) {
        int64_t key = key_of(name);
        uint64_t row;

        table_resolve(s->t, &key, 1, &row);
        assert_int_equal(row, s->m.row[name] - 1); /* 0: ROW_UNKNOWN */
        if (s->m.row[name])
            assert_int_equal(*growth_touched(s->g, row), s->m.seconds[name]);
    }
    growth_counts(s->g, &c);
    assert_int_equal(c.used, s->m.used);
    assert_int_equal(c.evicted, s->m.evicted);
    assert_int_equal(c.admitted, s->m.admitted);
    assert_int_equal(c.refused, s->m.refused);
    assert_memory_equal(s->t->region->data, s->other->region->data, s->t->region->size);
}

/* The blocks that snapshots are told of are all that has changed. */
static void check_blocks(struct scene *s, unsigned char *before)
{
    size_t size = s->t->region->size;
    static unsigned char data[4][BLOCK_BYTES];
    struct image *image;
    uint64_t index[4];
    struct error e;
    size_t n;

    assert_ok(image_begin(&image, training_blocks(s->training), 0, false, &e), e);
    while ((n = image_take(image, index, data[0], 4)))
        for (size_t i = 0; i < n; i++) {
            size_t at = index[i] * BLOCK_BYTES, rest = size - at;

            memcpy(before + at, data[i], rest < BLOCK_BYTES ? rest : BLOCK_BYTES);
        }
    assert_false(image_broken(image));
    image_end(image, true);
    assert_memory_equal(before, s->t->region->data, size);
}

static void live(const char *method, const char *optimizer, const struct growth_limits *limits)
{
    struct scene *s = calloc(1, sizeof *s);
    unsigned char *before;
    struct error e;

    s->r = (struct random){11};
    s->now = 1000;
    s->t = make(method, optimizer);
    s->other = make(method, optimizer);
    assert_ok(training_new(&s->training, s->t, &e), e);
    assert_ok(training_new(&s->replay, s->other, &e), e);
    s->g = training_growth(s->training);
    s->h = training_growth(s->replay);
    growth_set(s->g, limits);
    before = malloc(s->t->region->size);
    memcpy(before, s->t->region->data, s->t->region->size);
    for (int turn = 0; turn < 1500; turn++) {
        s->now += (int64_t)random_below(&s->r, 3);
        if (random_below(&s->r, 4) == 0)
            sweep(s);
        else
            push(s, random_below(&s->r, 10) > 0);
        if (turn % 50 == 0)
            check(s);
    }
    check(s);
    assert_true(s->m.admitted > ROWS && (!limits->evict_after || s->m.evicted > ROWS));
    assert_true(s->m.refused > 0);
    check_blocks(s, before);
    free(before);
    training_free(s->training);
    training_free(s->replay);
    table_close(s->t);
    table_close(s->other);
    free(s);
}

static void test_comes_and_goes_like_a_model(void **state)
{
    (void)state;
    live("full", "adagrad", &(struct growth_limits){1, 1000, 60});
    live("full", "adam", &(struct growth_limits){3, 1000, 40});
    live("int8", "rowwise_adagrad", &(struct growth_limits){2, 1000, 40});
    live("bf16", "sgd", &(struct growth_limits){2, 1000, 40});
    live("alpt", "sgd", &(struct growth_limits){2, 1000, 40});
    live("hash", "adagrad", &(struct growth_limits){2, 1000, 40});
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
        cmocka_unit_test(test_comes_and_goes_like_a_model),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
