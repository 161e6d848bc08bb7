/* SPDX-License-Identifier: Apache-2.0 */
/* Tables from nothing. */
#include "daemon/creation.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

#define FIELDS_MOST 10000 /* of a request: each costs memory while it is planned */

struct creation {
    struct arena arena; /* all words */
    struct begin begin;
};

static enum status check_request(const Embd__V1__CreateRequest *r, struct error *e)
{
    bool keys = r->ids == EMBD__V1__TABLE_IDS__TABLE_IDS_KEYS;

    if (r->ids > EMBD__V1__TABLE_IDS__TABLE_IDS_HASH)
        return error_set(e, ST_INVALID, "ids are of the unknown kind %d", (int)r->ids);
    if (r->n_fields > FIELDS_MOST)
        return error_set(e, ST_EXHAUSTED, "the table has %zu fields; at most %d can be created",
                         r->n_fields, FIELDS_MOST);
    if (keys ? r->n_keys > r->rows : r->n_keys > 0)
        return error_set(e, ST_INVALID, "there are %zu keys for %llu rows", r->n_keys,
                         keys ? (unsigned long long)r->rows : 0);
    if (r->grows && !keys)
        return error_set(e, ST_INVALID, "only a table whose ids are keys grows");
    if (r->n_frequency && r->n_frequency != r->rows)
        return error_set(e, ST_INVALID, "there are %zu counts for %llu rows", r->n_frequency,
                         (unsigned long long)r->rows);
    if (r->size_case == EMBD__V1__CREATE_REQUEST__SIZE_BUDGET && !r->budget)
        return error_set(e, ST_INVALID, "the budget must be above 0");
    if (r->size_case == EMBD__V1__CREATE_REQUEST__SIZE_RATIO && !(r->ratio > 0))
        return error_set(e, ST_INVALID, "the ratio must be above 0");
    return ST_OK;
}

static void *copy(struct arena *a, const void *from, size_t count, size_t bytes, bool *good)
{
    void *to = count ? arena_alloc(a, count, bytes) : NULL;

    if (to)
        memcpy(to, from, count * bytes);
    *good &= to || !count;
    return to;
}

static const char *copy_text(struct arena *a, const char *from, bool *good)
{
    const char *to = arena_text(a, from, strlen(from));

    *good &= to != NULL;
    return to;
}

static bool copy_words(struct creation *c, const Embd__V1__CreateRequest *r)
{
    struct begin *b = &c->begin;
    struct begin_setting *setting = arena_zero(&c->arena, r->n_settings + 1, sizeof *setting);
    bool good = setting != NULL;

    b->method = copy_text(&c->arena, r->method, &good);
    b->field = copy(&c->arena, r->fields, r->n_fields, sizeof *r->fields, &good);
    b->field_count = r->n_fields;
    b->extras.keys = copy(&c->arena, r->keys, r->n_keys, sizeof *r->keys, &good);
    b->extras.frequency =
        copy(&c->arena, r->frequency, r->n_frequency, sizeof *r->frequency, &good);
    for (size_t i = 0; good && i < r->n_settings; i++) {
        setting[i].key = copy_text(&c->arena, r->settings[i]->key, &good);
        setting[i].text = copy_text(&c->arena, r->settings[i]->value, &good);
    }
    b->setting = setting;
    b->setting_count = r->n_settings;
    return good;
}

enum status creation_new(struct creation **out, const Embd__V1__CreateRequest *request,
                         struct error *e)
{
    enum status st = check_request(request, e);
    struct creation *c;

    if (st != ST_OK)
        return st;
    c = mem_zero(1, sizeof *c);
    if (!c)
        return error_memory(e, "the new table");
    arena_init(&c->arena, SIZE_MAX); /* it holds what is in a message of limited size */
    c->begin = (struct begin){
        .rows = request->rows,
        .dim = request->dim,
        .deviation = request->deviation,
        .extras = {.seed = request->seed,
                   .hashed_ids = request->ids == EMBD__V1__TABLE_IDS__TABLE_IDS_HASH}};
    if (request->size_case == EMBD__V1__CREATE_REQUEST__SIZE_BUDGET)
        c->begin.budget = request->budget;
    if (request->size_case == EMBD__V1__CREATE_REQUEST__SIZE_RATIO)
        c->begin.ratio = request->ratio;
    /* Rows without a key are spare. */
    c->begin.grows = request->grows || (request->ids == EMBD__V1__TABLE_IDS__TABLE_IDS_KEYS &&
                                        request->n_keys < request->rows);
    c->begin.key_count = request->n_keys;
    c->begin.now = clock_wall_s();
    if (!copy_words(c, request)) {
        creation_free(c);
        return error_memory(e, "the new table");
    }
    *out = c;
    return ST_OK;
}

void creation_free(struct creation *c)
{
    if (!c)
        return;
    arena_done(&c->arena);
    mem_free(c);
}

enum status creation_make(int *fd, struct creation *c, const struct table_settings *settings,
                          const char *path, uint64_t most, struct error *e)
{
    struct optimizer_option option[TABLE_OPTIMIZER_OPTIONS];
    char need[32], limit[32];
    struct beginning b;
    uint64_t bytes = 0;
    struct stat info;
    enum status st;

    c->begin.option = option;
    c->begin.option_count = table_settings_optimizer(settings, option);
    st = begin_plan(&b, &c->begin, e);
    if (st == ST_OK)
        st = layout_bytes(&b.layout, &bytes, e);
    if (st == ST_OK && bytes > most)
        st = error_set(e, ST_EXHAUSTED, "the table would have %s, max_create_bytes is %s",
                       format_bytes(need, bytes), format_bytes(limit, most));
    if (st == ST_OK)
        st = begin_create(path, &b, &c->begin, NULL, e);
    if (st == ST_OK) {
        st = file_open(fd, path, &info, e);
        unlink(path); /* a failure leaves a file that the next start removes */
    }
    begin_done(&b);
    return st;
}

char *creation_path(const char *data_dir, const char *name)
{
    size_t size = strlen(data_dir) + sizeof "/" CREATION_PREFIX + strlen(name);
    char *path = mem_alloc(size);

    if (path)
        snprintf(path, size, "%s/" CREATION_PREFIX "%s", data_dir, name);
    return path;
}
