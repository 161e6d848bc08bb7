/* SPDX-License-Identifier: Apache-2.0 */
/* embctl compress --search: every method that fits the budget is tried, each into a file of its own
   of which the best is kept. The files lie beside the output, so that the best becomes it by a
   rename; without an output they lie in a temporary folder. One thread. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/compress_search.h"
#include "client/embctl/interrupt.h"
#include "client/embctl/print.h"

#define LABEL_TEXT 80

/* Whether --methods names it, or there is no such list. */
static bool is_wanted(const struct arguments *a, const struct method *m)
{
    const char *list = option_value(a, "methods");

    while (list && *list) {
        size_t n = strcspn(list, ",");

        if (strlen(m->name) == n && !memcmp(m->name, list, n))
            return true;
        list += n;
        list += *list == ',';
    }
    return !option_value(a, "methods");
}

static int check_list(const struct arguments *a)
{
    const char *list = option_value(a, "methods");

    if (list && !*list)
        return usage_error(a, "--methods: which?");
    while (list && *list) {
        size_t n = strcspn(list, ",");
        const struct method *m = method_find(list, n);

        if (!m || !fitter_find(m))
            return usage_error(a, "--methods: there is no method %s (embctl methods lists them)",
                               QUOTE_N(list, n));
        list += n;
        list += *list == ',';
    }
    return -1;
}

/* Each --set belongs to one of the methods, at least. */
static int check_keys(const struct compression *c)
{
    for (size_t i = 0; i < c->words.setting_count; i++) {
        const char *key = c->words.setting[i].key;
        size_t n = strlen(key);
        bool known = false;

        for (const struct method *const *m = methods; *m; m++)
            known = known || (is_wanted(c->a, *m) &&
                              (method_setting(*m, key, n) >= 0 || fit_option(*m, key, n) >= 0));
        if (!known)
            return usage_error(c->a, "none of the methods has a setting %s", QUOTE(key));
    }
    return -1;
}

int search_check(const struct compression *c)
{
    int done = check_list(c->a);

    return done < 0 ? check_keys(c) : done;
}

static int list_attempts(struct search *s)
{
    size_t most = 0;
    int done = -1;

    while (methods[most])
        most++;
    s->attempt = need_zero(most + 1, sizeof *s->attempt);
    for (size_t i = 0; done < 0 && i < most; i++)
        if (is_wanted(s->c->a, methods[i]) && fitter_find(methods[i]))
            done = attempt_init(&s->attempt[s->count++], s->c, methods[i], true);
    return done;
}

static char *join(const char *a, const char *b)
{
    size_t room = strlen(a) + strlen(b) + 1;
    char *path = need(room);

    snprintf(path, room, "%s%s", a, b);
    return path;
}

static enum status make_paths(struct search *s, struct error *e)
{
    const char *output = option_value(s->c->a, "output"), *folder = getenv("TMPDIR");
    char suffix[32];

    snprintf(suffix, sizeof suffix, ".search-%ld", (long)getpid());
    if (!output) {
        s->folder = join(folder && *folder ? folder : "/tmp", "/embctl-XXXXXX");
        if (!mkdtemp(s->folder)) {
            enum status st = error_errno(e, errno, "cannot make a folder %s", QUOTE(s->folder));

            mem_free(s->folder);
            s->folder = NULL;
            return st;
        }
        output = s->folder;
        snprintf(suffix, sizeof suffix, "/table");
    }
    s->trial = join(output, suffix);
    s->best = join(s->trial, ".best");
    return ST_OK;
}

bool attempt_better(const struct attempt *a, const struct attempt *b)
{
    if (a->error.relative != b->error.relative)
        return a->error.relative < b->error.relative;
    return a->file.bytes != b->file.bytes ? a->file.bytes < b->file.bytes : a < b;
}

static enum status try_all(struct search *s, struct error *e)
{
    for (size_t i = 0; i < s->count; i++) {
        struct attempt *t = &s->attempt[i];
        char label[LABEL_TEXT];

        snprintf(label, sizeof label, "%2zu/%zu %-9s", i + 1, s->count, t->method->name);
        attempt_run(t, s->c, s->trial, label);
        if (t->st == ST_CANCELLED || t->st == ST_DATA_LOSS) {
            *e = t->e;
            return t->st;
        }
        if (t->st != ST_OK)
            continue;
        if (s->winner && !attempt_better(t, s->winner)) {
            unlink(s->trial);
            continue;
        }
        if (rename(s->trial, s->best) < 0) {
            unlink(s->trial);
            return error_errno(e, errno, "cannot rename %s", QUOTE(s->trial));
        }
        s->winner = t;
    }
    return interrupted() ? error_set(e, ST_CANCELLED, "stopped") : ST_OK;
}

/* Give the best its name. */
static enum status keep(const struct search *s, struct error *e)
{
    const char *output = option_value(s->c->a, "output");

    if (!output || !s->winner)
        return ST_OK;
    if (rename(s->best, output) < 0)
        return error_errno(e, errno, "cannot rename %s", QUOTE(s->best));
    return file_sync_folder(output, e);
}

int compress_search(struct compression *c)
{
    struct search s = {.c = c};
    struct error e;
    enum status st;
    int done = list_attempts(&s);

    if (done < 0) {
        st = check_values(c, &e);
        if (st == ST_OK)
            st = make_paths(&s, &e);
        if (st == ST_OK)
            st = try_all(&s, &e);
        if (st == ST_OK)
            st = keep(&s, &e);
        if (st == ST_OK)
            done = search_report(&s);
        else
            done = interrupted() ? say_interrupted() : fail(&e);
    }
    if (s.best)
        unlink(s.best); /* not there any more if it was kept */
    if (s.folder)
        rmdir(s.folder);
    for (size_t i = 0; i < s.count; i++)
        attempt_done(&s.attempt[i]);
    mem_free(s.attempt);
    mem_free(s.folder);
    mem_free(s.trial);
    mem_free(s.best);
    return done;
}
