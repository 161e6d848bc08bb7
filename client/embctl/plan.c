/* SPDX-License-Identifier: Apache-2.0 */
/* embctl plan: what each method would make of a budget, before there is a table. */
#include "client/embctl/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/parts.h"
#include "client/embctl/print.h"

static const struct option_decl options[] = {
    {"rows", 'n', "N", "rows of the table; with --fields their sum"},
    {"dim", 'd', "D", "columns of the table"},
    OPTION_RATIO,
    OPTION_BUDGET,
    OPTION_FIELDS,
    {"method", 'm', "METHOD", "only this one, in full"},
    OPTION_SET,
    {"optimizer", 'o', "NAME", "whose memory to count, or all (adagrad)"},
};

/* Costs of a made layout. */
static enum status count_costs(struct outlook *o, struct error *e)
{
    struct optimizer_settings s;
    struct parts parts;
    enum status st;

    st = layout_bytes(&o->layout, &o->bytes, e);
    if (st == ST_OK)
        st = layout_work(&o->layout, &o->work, e);
    if (st != ST_OK)
        return st;
    o->words = layout_author_words(&o->layout);
    optimizer_settings_init(&s);
    for (size_t i = 0; st == ST_OK && optimizers[i]; i++) {
        assert(i < OPTIMIZERS_MOST); /* the list is ours */
        s.optimizer = optimizers[i];
        o->state[i] = NO_STATE;
        st = layout_suits(&o->layout, &s, NULL);
        if (st == ST_OK)
            st = layout_state_bytes(&o->layout, s.optimizer, &o->state[i], e);
        else if (st == ST_INVALID || st == ST_PRECONDITION)
            st = ST_OK;
    }
    parts_of_layout(&parts, &o->layout);
    parts_summary(o->summary, sizeof o->summary, &parts);
    parts_done(&parts);
    return st;
}

/* -1, or the exit status if the words are wrong. */
static int look(struct outlook *o, const struct method *m, const struct plan_question *q,
                const struct words *w, bool one, const struct arguments *a)
{
    struct value chosen[METHOD_SETTINGS_MAX] = {0};
    int done = words_settings(chosen, NULL, w, m, !one, a);

    *o = (struct outlook){.method = m, .words = -1};
    if (done < 0) {
        o->st = layout_open(&o->layout, m, q->rows, q->dim, &q->fields, q->budget, chosen, &o->e);
        if (o->st == ST_OK)
            o->st = layout_make(&o->layout, &o->e);
        o->need = o->layout.need;
        if (o->st == ST_OK)
            o->st = count_costs(o, &o->e);
        if (!one)
            layout_done(&o->layout);
    }
    begin_settings_done(chosen);
    return done;
}

/* The least need first, then those that cannot for another reason. */
static int by_need(const void *a, const void *b)
{
    const struct outlook *x = a, *y = b;

    if (!x->need || !y->need)
        return (x->need == 0) - (y->need == 0);
    return (x->need > y->need) - (x->need < y->need);
}

/* Those that can stay in the order in which they came. */
static void sort(struct outlook *o, size_t count)
{
    struct outlook *sorted = need_zero(count + 1, sizeof *sorted);
    size_t good = 0, bad = 0;

    for (size_t i = 0; i < count; i++)
        if (o[i].st == ST_OK)
            sorted[good++] = o[i];
    for (size_t i = 0; i < count; i++)
        if (o[i].st != ST_OK)
            sorted[good + bad++] = o[i];
    qsort(sorted + good, bad, sizeof *sorted, by_need);
    memcpy(o, sorted, count * sizeof *o);
    mem_free(sorted);
}

/* A setting that no method has is a slip of the pen. */
static int check_keys(const struct words *w, const struct arguments *a)
{
    for (size_t i = 0; i < w->setting_count; i++) {
        const char *key = w->setting[i].key;
        bool known = false;

        for (const struct method *const *m = methods; *m; m++)
            known = known || method_setting(*m, key, strlen(key)) >= 0;
        if (!known)
            return usage_error(a, "no method has a setting %s", QUOTE(key));
    }
    return -1;
}

static int plan_all(const struct plan_question *q, const struct words *w, const struct arguments *a)
{
    struct outlook *o;
    size_t count = 0;
    int done = check_keys(w, a);

    if (done >= 0)
        return done;
    while (methods[count])
        count++;
    o = need_zero(count, sizeof *o);
    for (size_t i = 0; done < 0 && i < count; i++)
        done = look(&o[i], methods[i], q, w, false, a);
    if (done < 0) {
        sort(o, count);
        if (a->json) {
            done = plan_print_json(q, o, count, false);
        } else {
            plan_print_list(q, o, count);
            done = finish_output();
        }
    }
    mem_free(o);
    return done;
}

static int plan_one(const struct method *m, const struct plan_question *q, const struct words *w,
                    const struct arguments *a)
{
    struct outlook o = {0};
    int done = look(&o, m, q, w, true, a);

    if (done < 0 && o.st != ST_OK) {
        done = fail(&o.e);
    } else if (done < 0 && a->json) {
        done = plan_print_json(q, &o, 1, true);
    } else if (done < 0) {
        plan_print_one(q, &o);
        done = finish_output();
    }
    layout_done(&o.layout);
    return done;
}

static int read_optimizer(struct plan_question *q, const struct arguments *a)
{
    const char *name = option_value(a, "optimizer");

    if (name && !strcmp(name, "all"))
        return -1;
    name = name ? name : "adagrad";
    q->optimizer = optimizer_find(name, strlen(name));
    if (!q->optimizer)
        return usage_error(a, "there is no optimizer %s", QUOTE(name));
    return -1;
}

static int ask(const struct words *w, const struct arguments *a)
{
    const char *name = option_value(a, "method");
    const struct method *m = name ? method_find(name, strlen(name)) : NULL;
    struct plan_question q = {0};
    uint64_t *first = NULL;
    struct layout probe;
    struct error e;
    enum status st = ST_OK;
    int done;

    if (name && !m)
        return usage_error(a, "there is no method %s (embctl methods lists them)", QUOTE(name));
    done = words_size(&q.rows, &q.dim, w, a);
    if (done < 0)
        done = read_optimizer(&q, a);
    if (done >= 0)
        return done;
    q.budget = words_budget(w, q.rows, q.dim);
    if (w->field_count) {
        st = begin_fields(&first, w->field, w->field_count, q.rows, &e);
        q.fields = (struct fields){first, w->field_count};
    }
    if (st == ST_OK) { /* sizes that no method can have */
        st = layout_open(&probe, methods[0], q.rows, q.dim, NULL, 0, NULL, &e);
        layout_done(&probe);
    }
    if (st != ST_OK)
        done = fail(&e);
    else
        done = m ? plan_one(m, &q, w, a) : plan_all(&q, w, a);
    mem_free(first);
    return done;
}

static int run(const struct arguments *a)
{
    struct words w;
    int done = words_read(&w, a);

    if (done < 0)
        done = ask(&w, a);
    words_done(&w);
    return done;
}

const struct command command_plan = {
    .name = "plan",
    .operands = "--rows N --dim D [--ratio R]",
    .help = "Tell what each method would make of a budget",
    .more =
        "Settings, bytes, ratio (and the ratio as the method's authors count), multiply-adds a\n"
        "lookup, and the optimizer's memory. Without a budget each method takes its natural\n"
        "size. Some methods let the table itself decide more when it is compressed.\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
