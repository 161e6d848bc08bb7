/* SPDX-License-Identifier: Apache-2.0 */
/* embctl create TABLE: a daemon makes the table, and serves and trains it from then on. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/create.h"
#include "client/embctl/info.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"

/* The messages of a request's words. */
struct room {
    Embd__V1__TableOption *setting, *option;
    Embd__V1__TableOption **settings, **options;
    size_t options_count;
};

static void add_option(struct room *r, const char *key, size_t n, const char *value)
{
    Embd__V1__TableOption *o = &r->option[r->options_count];

    embd__v1__table_option__init(o);
    o->key = need_text(key, n);
    o->value = (char *)(uintptr_t)value;
    r->options[r->options_count++] = o;
}

static int read_options(struct room *r, const struct arguments *a)
{
    const char *optimizer = option_value(a, "optimizer"), *text;

    if (optimizer && *optimizer == '{')
        return usage_error(a, "a daemon takes the optimizer's name, and its settings one by one "
                              "(--option learning_rate=0.05)");
    if (optimizer)
        add_option(r, "optimizer", strlen("optimizer"), optimizer);
    for (size_t n = 0; (text = option_nth(a, "option", n)); n++) {
        const char *equals = strchr(text, '=');

        if (!equals || equals == text)
            return usage_error(a, "--option: %s is not KEY=VALUE", QUOTE(text));
        add_option(r, text, (size_t)(equals - text), equals + 1);
    }
    return -1;
}

static void fill_request(Embd__V1__CreateRequest *q, struct room *r, const struct creation *c,
                         const struct arguments *a)
{
    const struct begin *b = &c->begin;

    q->table = (char *)(uintptr_t)a->operand[0];
    q->method = (char *)(uintptr_t)b->method;
    q->rows = b->rows;
    q->dim = b->dim;
    q->seed = b->extras.seed;
    q->deviation = b->deviation;
    q->fields = (uint64_t *)(uintptr_t)b->field;
    q->n_fields = b->field_count;
    if (b->budget) {
        q->size_case = EMBD__V1__CREATE_REQUEST__SIZE_BUDGET;
        q->budget = b->budget;
    } else if (b->ratio > 0) {
        q->size_case = EMBD__V1__CREATE_REQUEST__SIZE_RATIO;
        q->ratio = b->ratio;
    }
    for (size_t i = 0; i < b->setting_count; i++) {
        embd__v1__table_option__init(&r->setting[i]);
        r->setting[i].key = (char *)(uintptr_t)b->setting[i].key;
        r->setting[i].value = (char *)(uintptr_t)b->setting[i].text;
        r->settings[i] = &r->setting[i];
    }
    q->settings = r->settings;
    q->n_settings = b->setting_count;
    q->options = r->options;
    q->n_options = r->options_count;
    q->keys = c->keys;
    q->n_keys = c->key_count;
    q->grows = b->grows;
    q->frequency = c->frequency;
    q->n_frequency = c->frequency ? b->rows : 0;
    q->ids = c->keys || b->grows    ? EMBD__V1__TABLE_IDS__TABLE_IDS_KEYS
             : b->extras.hashed_ids ? EMBD__V1__TABLE_IDS__TABLE_IDS_HASH
                                    : EMBD__V1__TABLE_IDS__TABLE_IDS_ROWS;
}

static int print_result(const struct arguments *a, const Embd__V1__CreateResponse *reply)
{
    const Embd__V1__TableInfo *t = reply->table;
    char rows[32], dim[32], bytes[32], ratio[32];
    struct document j;

    if (a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        json_table_info(&j, t);
        doc_embedded(&j, "config", reply->config);
        doc_u64(&j, "lsn", reply->lsn);
        doc_close(&j);
        return doc_finish(&j);
    }
    print_safe(t->name);
    printf(": created, %s, %s × %s, %s, ratio %s, lsn %" PRIu64 "\n", t->method,
           format_count(rows, t->rows), format_count(dim, t->dim),
           format_bytes(bytes, t->parameter_bytes), format_ratio(ratio, t->ratio), reply->lsn);
    return finish_output();
}

static int ask(const struct creation *c, struct room *room, const struct arguments *a)
{
    Embd__V1__CreateRequest request = EMBD__V1__CREATE_REQUEST__INIT;
    Embd__V1__CreateResponse *reply;
    struct remote r = {.patient = true};
    int done;

    fill_request(&request, room, c, a);
    done = remote_ask(&r, a, "/embd.v1.Tables/Create", &request.base,
                      &embd__v1__create_response__descriptor, &reply);
    if (done == EXIT_DONE && !reply->table)
        done = fail(&(struct error){"the daemon's answer names no table"});
    if (done == EXIT_DONE)
        done = print_result(a, reply);
    remote_close(&r);
    return done;
}

int creation_remote(struct creation *c, const struct arguments *a)
{
    struct room r = {.setting = need_zero(c->begin.setting_count + 1, sizeof *r.setting),
                     .settings = need_zero(c->begin.setting_count + 1, sizeof *r.settings),
                     .option = need_zero(a->given_count + 1, sizeof *r.option),
                     .options = need_zero(a->given_count + 1, sizeof *r.options)};
    int done = read_options(&r, a);
    struct error e;

    if (done < 0)
        done = creation_lists(c, a, &e) == ST_OK ? ask(c, &r, a) : fail(&e);
    for (size_t i = 0; i < r.options_count; i++)
        mem_free(r.option[i].key);
    mem_free(r.setting);
    mem_free(r.settings);
    mem_free(r.option);
    mem_free(r.options);
    return done;
}
