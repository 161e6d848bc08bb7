/* SPDX-License-Identifier: Apache-2.0 */
/* Options of table makers. One thread. */
#include "client/embctl/words.h"

#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/array.h"
#include "client/embctl/print.h"

#define LIST_BYTES_MAX ((size_t)16 << 20)
#define SPACE " \t\r\n,"

static enum status add_field(struct words *w, int64_t rows, struct error *e)
{
    if (rows < 0)
        return error_set(e, ST_INVALID, "field %zu has %" PRId64 " rows", w->field_count, rows);
    if (w->field_rows + (uint64_t)rows > INT64_MAX)
        return error_set(e, ST_INVALID, "the fields have more than 2^63 - 1 rows");
    w->field_rows += (uint64_t)rows;
    w->field[w->field_count++] = (uint64_t)rows;
    return ST_OK;
}

/* "3,4,5", or a JSON list. */
static enum status parse_fields(struct words *w, char *text, struct error *e)
{
    size_t n = strlen(text);
    enum status st = ST_OK;

    while (n && strchr(SPACE, text[n - 1]))
        text[--n] = '\0';
    text += strspn(text, SPACE);
    n = strlen(text);
    if (n > 1 && text[0] == '[' && text[n - 1] == ']') {
        text[n - 1] = '\0';
        text++;
    }
    w->field = need_zero(n / 2 + 1, sizeof *w->field); /* a digit and a mark each, at least */
    for (text += strspn(text, SPACE); *text && st == ST_OK; text += strspn(text, SPACE)) {
        int64_t rows;

        n = strcspn(text, SPACE);
        if (!parse_i64(text, n, &rows))
            return error_set(e, ST_INVALID, "%s is no number of rows", QUOTE_N(text, n));
        st = add_field(w, rows, e);
        text += n;
    }
    if (st == ST_OK && !w->field_count)
        return error_set(e, ST_INVALID, "there are no fields in it");
    return st;
}

static enum status read_json(struct words *w, const char *path, struct error *e)
{
    char *text;
    size_t size;
    enum status st = file_read(&text, &size, path, LIST_BYTES_MAX, e);

    if (st != ST_OK)
        return st;
    st = strlen(text) == size ? parse_fields(w, text, e)
                              : error_set(e, ST_INVALID, "it is no JSON list");
    mem_free(text);
    return st == ST_OK ? st : error_prefix(e, st, "%s", path);
}

static enum status read_array(struct words *w, const char *path, struct error *e)
{
    int64_t *list;
    size_t n;
    enum status st = array_read_i64(&list, &n, path, e);

    if (st != ST_OK)
        return st;
    w->field = need_zero(n + 1, sizeof *w->field);
    for (size_t i = 0; st == ST_OK && i < n; i++)
        st = add_field(w, list[i], e);
    mem_free(list);
    return st == ST_OK ? st : error_prefix(e, st, "%s", path);
}

static bool is_json(const char *path)
{
    size_t n = strlen(path);

    return n > 5 && !strcmp(path + n - 5, ".json");
}

static int read_fields(struct words *w, const struct arguments *a)
{
    const char *text = option_value(a, "fields");
    const char *path = text && *text == '@' ? text + 1 : text;
    enum status st;
    struct error e;
    char *copy;

    if (!text)
        return -1;
    if (is_json(path)) {
        st = read_json(w, path, &e);
    } else if (path != text) {
        st = read_array(w, path, &e);
    } else {
        copy = need_text(text, strlen(text));
        st = parse_fields(w, copy, &e);
        mem_free(copy);
        if (st != ST_OK)
            return usage_error(a, "--fields: %s", e.text);
    }
    return st == ST_OK ? -1 : fail(&e);
}

static int read_budget(struct words *w, const struct arguments *a)
{
    const char *ratio = option_value(a, "ratio"), *size = option_value(a, "budget");

    if (ratio && size)
        return usage_error(a, "--ratio and --budget exclude each other");
    if (size && (!parse_bytes(size, &w->budget) || !w->budget))
        return usage_error(a, "--budget: %s is no size such as 64MiB", QUOTE(size));
    if (ratio && (!parse_double(ratio, &w->ratio) || w->ratio <= 0))
        return usage_error(a, "--ratio: %s is no share such as 0.25", QUOTE(ratio));
    return -1;
}

static int read_settings(struct words *w, const struct arguments *a)
{
    const char *set;

    while (option_nth(a, "set", w->setting_count))
        w->setting_count++;
    w->setting = need_zero(w->setting_count + 1, sizeof *w->setting);
    for (size_t n = 0; (set = option_nth(a, "set", n)); n++) {
        const char *equals = strchr(set, '=');

        if (!equals)
            return usage_error(a, "--set: %s is not KEY=VALUE", QUOTE(set));
        w->setting[n] = (struct begin_setting){need_text(set, (size_t)(equals - set)), equals + 1};
    }
    return -1;
}

int words_read(struct words *w, const struct arguments *a)
{
    int done;

    *w = (struct words){0};
    done = read_budget(w, a);
    if (done < 0)
        done = read_settings(w, a);
    return done < 0 ? read_fields(w, a) : done;
}

void words_done(struct words *w)
{
    for (size_t i = 0; w->setting && i < w->setting_count; i++)
        mem_free((char *)w->setting[i].key);
    mem_free(w->setting);
    mem_free(w->field);
    *w = (struct words){0};
}

int words_size(uint64_t *rows, uint32_t *dim, const struct words *w, const struct arguments *a)
{
    const char *n = option_value(a, "rows"), *d = option_value(a, "dim");
    uint64_t columns;

    if (!n && !w->field_count)
        return usage_error(a, "how many rows? (--rows or --fields)");
    if (!d)
        return usage_error(a, "how many columns? (--dim)");
    *rows = w->field_rows;
    if (n && (!parse_u64(n, strlen(n), rows) || *rows > INT64_MAX))
        return usage_error(a, "--rows: %s is no number from 0 to 2^63 - 1", QUOTE(n));
    if (!parse_u64(d, strlen(d), &columns) || columns < 1 || columns > METHOD_DIM_MAX)
        return usage_error(a, "--dim: %s is no number from 1 to %d", QUOTE(d), METHOD_DIM_MAX);
    *dim = (uint32_t)columns;
    return -1;
}

uint64_t words_budget(const struct words *w, uint64_t rows, uint32_t dim)
{
    uint64_t budget = w->budget;

    if (w->ratio > 0 && begin_budget(&budget, w->ratio, rows, dim, NULL) != ST_OK)
        return 0; /* not reached: the ratio is above 0 */
    return budget;
}

int words_settings(struct value *value, struct fit *fit, const struct words *w,
                   const struct method *m, bool some, const struct arguments *a)
{
    for (size_t i = 0; i < w->setting_count; i++) {
        const struct begin_setting *s = &w->setting[i];
        int option = fit ? fit_option(m, s->key, strlen(s->key)) : -1;
        enum status st = ST_OK;
        struct error e;

        if (option >= 0)
            st = fit_option_set(fit, m, option, s->text, &e);
        else if (method_setting(m, s->key, strlen(s->key)) >= 0)
            st = begin_settings(value, m, s, 1, &e);
        else if (!some)
            return usage_error(a, "%s has no setting %s (embctl methods %s lists them)", m->name,
                               QUOTE(s->key), m->name);
        if (st != ST_OK)
            return usage_error(a, "--set: %s", e.text);
    }
    return -1;
}

int words_seed(uint64_t *seed, const struct arguments *a)
{
    const char *text = option_value(a, "seed");

    if (text && !parse_u64(text, strlen(text), seed))
        return usage_error(a, "--seed: %s is no number from 0 to 2^64 - 1", QUOTE(text));
    return -1;
}

int words_optimizer(const char **out, const struct arguments *a)
{
    const char *text = option_value(a, "optimizer");
    struct optimizer_settings s;
    struct error e;
    enum status st = ST_OK;

    if (!text)
        return -1;
    optimizer_settings_init(&s);
    if (*text == '{')
        st = optimizer_settings_read(&s, text, 0, &e);
    else
        st = optimizer_settings_set(&s, "optimizer", text, &e);
    if (st != ST_OK)
        return usage_error(a, "--optimizer: %s", e.text);
    optimizer_settings_done(&s);
    *out = text;
    return -1;
}
