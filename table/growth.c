/* SPDX-License-Identifier: Apache-2.0 */
/* See growth.h. Spare rows are bits of a bitmap, with one bit more for each of its words that has
   any, so that the first one is found quickly. Sweeps go round and round; after a round that found
   no more rows to give up, it is known until when there are none. */
#include "table/growth.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "table/growth_rows.h"
#include "table/key_index.h"

#define SWEEP_ROWS ((uint64_t)1 << 18) /* that one sweep walks over: 2 MiB of times */
#define WORD 64

struct growth {
    struct table *table;
    struct growth_limits limits;
    int64_t *keys, *touched; /* in the table's memory */
    uint64_t *spare, *some;  /* bit: the row is spare; the word of `spare` has a bit */
    size_t words, tops;      /* of these */
    uint64_t spares;
    struct key_map counts;  /* of ids that were pushed and have no row */
    struct key_map decided; /* row + 1 of ids that are admitted and not shown yet */
    uint64_t hand;          /* where the next sweep begins */
    int64_t round_least;    /* earliest time of rows in use that this round has seen */
    int64_t least;          /* no row in use is older */
    struct growth_counts sums;
};

static int64_t key_at(const void *keys, size_t i)
{
    int64_t key;

    memcpy(&key, (const unsigned char *)keys + i * sizeof key, sizeof key);
    return key;
}

static uint64_t row_at(const void *rows, size_t i)
{
    return (uint64_t)key_at(rows, i);
}

static bool is_spare(const struct growth *g, uint64_t row)
{
    return g->spare[row / WORD] >> row % WORD & 1;
}

static void put_spare(struct growth *g, uint64_t row)
{
    uint64_t word = row / WORD;

    g->spare[word] |= (uint64_t)1 << row % WORD;
    g->some[word / WORD] |= (uint64_t)1 << word % WORD;
    g->spares++;
}

static void take(struct growth *g, uint64_t row)
{
    uint64_t word = row / WORD;

    g->spare[word] &= ~((uint64_t)1 << row % WORD);
    if (!g->spare[word])
        g->some[word / WORD] &= ~((uint64_t)1 << word % WORD);
    g->spares--;
}

/* The first spare row, of which there is one. */
static uint64_t first_spare(const struct growth *g)
{
    size_t top = 0;
    uint64_t word;

    while (!g->some[top])
        top++;
    word = top * WORD + (uint64_t)__builtin_ctzll(g->some[top]);
    return word * WORD + (uint64_t)__builtin_ctzll(g->spare[word]);
}

static enum status find(int64_t **out, const struct table *t, const char *name, struct error *e)
{
    const struct file_tensor *ft = header_tensor(&t->header, name);
    const unsigned char *data = table_tensor(t, ft);

    if ((uintptr_t)data % sizeof **out)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" is not aligned to its elements; a table to be trained "
                         "must be",
                         name);
    *out = (int64_t *)(uintptr_t)data;
    return ST_OK;
}

static enum status make(struct growth *g, struct error *e)
{
    struct table *t = g->table;
    enum status st = find(&g->keys, t, "keys", e);

    if (st == ST_OK)
        st = find(&g->touched, t, "touched", e);
    if (st != ST_OK)
        return st;
    g->words = (size_t)(t->rows / WORD + 1);
    g->tops = g->words / WORD + 1;
    g->spare = mem_zero(g->words, sizeof *g->spare);
    g->some = mem_zero(g->tops, sizeof *g->some);
    if (!g->spare || !g->some)
        return error_memory(e, "spare rows");
    for (uint64_t row = 0; row < t->rows; row++)
        if (g->touched[row] < 0)
            put_spare(g, row);
    return ST_OK;
}

enum status growth_new(struct growth **out, struct table *t, struct error *e)
{
    struct growth *g = mem_zero(1, sizeof *g);
    enum status st;

    if (!g)
        return error_memory(e, "spare rows");
    g->table = t;
    g->limits = (struct growth_limits){ADMIT_AFTER_DEFAULT, ADMIT_ROOM_DEFAULT, 0};
    g->round_least = INT64_MAX;
    st = make(g, e);
    if (st == ST_OK)
        *out = g;
    else
        growth_free(g);
    return st;
}

void growth_free(struct growth *g)
{
    if (!g)
        return;
    key_map_done(&g->counts);
    key_map_done(&g->decided);
    mem_free(g->spare);
    mem_free(g->some);
    mem_free(g);
}

void growth_set(struct growth *g, const struct growth_limits *limits)
{
    g->limits = *limits;
    while (g->counts.count > limits->admit_room)
        key_map_halve(&g->counts);
}

const struct growth_limits *growth_limits(const struct growth *g)
{
    return &g->limits;
}

/* ---- Who gets a row ---- */

enum status growth_reserve(struct growth *g, const struct update *u, struct error *e)
{
    /* What is decided has at most all spare rows. */
    uint64_t most = u->fresh_count < g->spares ? u->fresh_count : g->spares;

    return key_map_reserve(&g->decided, g->decided.count + (size_t)most)
               ? ST_OK
               : error_memory(e, "new ids");
}

/* How often the id has been pushed without getting a row, this time included. */
static uint64_t count(struct growth *g, int64_t key)
{
    uint64_t *value = key_map_find(&g->counts, key);

    if (value)
        return ++*value;
    if (g->limits.admit_after <= 1)
        return 1;
    /* Without memory for more it is as if there were no room. */
    while (g->counts.count && (g->counts.count >= g->limits.admit_room ||
                               !key_map_reserve(&g->counts, g->counts.count + 1)))
        key_map_halve(&g->counts);
    if (key_map_reserve(&g->counts, g->counts.count + 1))
        key_map_add(&g->counts, key, 1);
    return 1;
}

/* The row that the id gets, or ROW_UNKNOWN. */
static uint64_t decide(struct growth *g, int64_t key)
{
    uint64_t row;

    if (count(g, key) < g->limits.admit_after)
        return ROW_UNKNOWN;
    if (!g->spares) {
        g->sums.refused++;
        return ROW_UNKNOWN;
    }
    row = first_spare(g);
    take(g, row);
    key_map_erase(&g->counts, key);
    key_map_add(&g->decided, key, row + 1);
    return row;
}

void growth_admit(struct growth *g, struct update *u)
{
    u->admitted = 0;
    for (size_t i = 0; i < u->fresh_count; i++) {
        struct update_fresh *f = &u->fresh[i];
        const uint64_t *decided;

        /* Others may have brought it in since the update was prepared. */
        if (!key_index_find(g->table->keys, &f->key, 1, &f->row))
            continue;
        decided = key_map_find(&g->decided, f->key);
        f->row = decided ? *decided - 1 : decide(g, f->key);
        if (decided || f->row == ROW_UNKNOWN)
            continue;
        u->admitted_key[u->admitted] = f->key;
        u->admitted_row[u->admitted++] = f->row;
    }
    update_settle(u);
}

void growth_forget(struct growth *g)
{
    for (size_t i = 0; i < g->decided.slots; i++)
        if (g->decided.slot[i].value)
            put_spare(g, g->decided.slot[i].value - 1);
    if (g->decided.count) /* what was counted for them is not known any more */
        key_map_clear(&g->counts);
    key_map_clear(&g->decided);
}

/* ---- Who loses one ---- */

static bool is_old(const struct growth *g, int64_t touched, int64_t now)
{
    return touched <= now && (uint64_t)(now - touched) > g->limits.evict_after;
}

bool growth_may_evict(const struct growth *g, int64_t now)
{
    return g->limits.evict_after && g->spares < g->table->rows && is_old(g, g->least, now);
}

bool growth_short(const struct growth *g, const struct update *u, int64_t now)
{
    return g->spares < u->fresh_count && growth_may_evict(g, now);
}

size_t growth_sweep(struct growth *g, int64_t now, int64_t *key, uint64_t *row, size_t most)
{
    uint64_t rows = g->table->rows, left = rows < SWEEP_ROWS ? rows : SWEEP_ROWS;
    size_t n = 0;

    for (; left && n < most; left--) {
        int64_t touched = g->touched[g->hand];

        if (touched >= 0 && is_old(g, touched, now)) {
            key[n] = g->keys[g->hand];
            row[n++] = g->hand;
        } else if (touched >= 0 && touched < g->round_least) {
            g->round_least = touched;
        }
        if (++g->hand < rows)
            continue;
        g->hand = 0;
        g->least = g->round_least;
        g->round_least = INT64_MAX;
    }
    return n;
}

/* ---- What becomes of the table ---- */

static enum status check_one(const struct growth *g, bool admits, int64_t key, uint64_t row,
                             struct error *e)
{
    uint64_t known;
    bool unknown = key_index_find(g->table->keys, &key, 1, &known);

    if (row >= g->table->rows)
        return error_set(e, ST_DATA_LOSS, "the log speaks of row %" PRIu64 " of %" PRIu64 " rows",
                         row, g->table->rows);
    if (admits ? unknown && is_spare(g, row) : !unknown && known == row)
        return ST_OK;
    return error_set(e, ST_DATA_LOSS,
                     "the log %s row %" PRIu64 " %s the id %" PRId64 ", which cannot be",
                     admits ? "gives" : "takes", row, admits ? "to" : "from", key);
}

enum status growth_check(struct growth *g, bool admits, const void *keys, const void *rows,
                         size_t n, struct error *e)
{
    struct key_map key = {0}, row = {0}; /* that were seen */
    enum status st = ST_OK;

    if (!key_map_reserve(&key, n) || !key_map_reserve(&row, n))
        st = error_memory(e, "ids of the log");
    for (size_t i = 0; i < n && st == ST_OK; i++) {
        int64_t k = key_at(keys, i), r = key_at(rows, i);

        st = check_one(g, admits, k, (uint64_t)r, e);
        if (st == ST_OK && (key_map_find(&key, k) || key_map_find(&row, r)))
            st = error_set(e, ST_DATA_LOSS, "the log names the id %" PRId64 " or its row twice", k);
        if (st != ST_OK)
            break;
        key_map_add(&key, k, 1);
        key_map_add(&row, r, 1);
    }
    key_map_done(&key);
    key_map_done(&row);
    return st;
}

static void mark(const struct growth *g, struct training *t, uint64_t row)
{
    growth_keep(t, &g->keys[row]);
    growth_keep(t, &g->touched[row]);
}

void growth_begin(struct growth *g, struct training *t, const void *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t row = row_at(rows, i);

        if (is_spare(g, row)) /* the replay has decided nothing */
            take(g, row);
        mark(g, t, row);
        growth_begin_row(t, row);
    }
}

void growth_show(struct growth *g, struct training *t, const void *keys, const void *rows, size_t n,
                 int64_t seconds)
{
    for (size_t i = 0; i < n; i++) {
        int64_t key = key_at(keys, i);
        uint64_t row = row_at(rows, i);

        g->keys[row] = key;
        g->touched[row] = seconds;
        frequency_begin(t, row);
        key_index_insert(g->table->keys, key, row);
        key_map_erase(&g->decided, key);
    }
    growth_note(g, seconds);
    g->table->admissions += n;
    g->sums.admitted += n;
}

void growth_mark(struct growth *g, struct training *t, const void *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mark(g, t, row_at(rows, i));
}

void growth_hide(struct growth *g, struct training *t, const void *keys, const void *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t row = row_at(rows, i);

        key_index_erase(g->table->keys, key_at(keys, i));
        g->keys[row] = 0;
        g->touched[row] = -1;
        frequency_begin(t, row);
        put_spare(g, row);
    }
    g->table->evictions += n;
    g->sums.evicted += n;
}

int64_t *growth_touched(struct growth *g, uint64_t row)
{
    return &g->touched[row];
}

void growth_note(struct growth *g, int64_t seconds)
{
    if (seconds < g->least)
        g->least = seconds;
    if (seconds < g->round_least)
        g->round_least = seconds;
}

void growth_counts(const struct growth *g, struct growth_counts *out)
{
    *out = g->sums;
    out->used = key_index_count(g->table->keys);
    out->counted = g->counts.count;
}

uint64_t growth_bytes(const struct growth *g)
{
    return sizeof *g + (g->words + g->tops) * sizeof *g->spare + key_map_bytes(&g->counts) +
           key_map_bytes(&g->decided);
}
