/* SPDX-License-Identifier: Apache-2.0 */
/* embctl create: a table of random parameters, to be trained in its compressed form: as a file, or
   by a daemon (create_remote.c). */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/array.h"
#include "client/embctl/commands.h"
#include "client/embctl/create.h"
#include "client/embctl/file_info.h"
#include "client/embctl/info.h"
#include "client/embctl/interrupt.h"
#include "client/embctl/parts.h"
#include "client/embctl/print.h"
#include "client/progress.h"

#define WIDTH 9 /* of the labels */

static const struct option_decl options[] = {
    {"output", 'o', "FILE", "the table file to make; not with TABLE"},
    {"method", 'm', "METHOD", "of the parameters; embctl methods lists them"},
    {"rows", 'n', "N", "rows of the table; with --fields their sum"},
    {"dim", 'd', "D", "columns of the table"},
    OPTION_RATIO,
    OPTION_BUDGET,
    OPTION_FIELDS,
    OPTION_SET,
    {"optimizer", 0, "NAME", "what trains it; for a file also a JSON object with its settings"},
    {"option", 0, "KEY=VALUE", "with TABLE: an option of the table, such as learning_rate=0.05"},
    {"deviation", 0, "X", "standard deviation of the rows' elements (the method's own)"},
    {"seed", 0, "N", "of the random numbers (0)"},
    {"frequency", 0, "FILE", "how often each row will be used, for methods that ask"},
    {"keys", 0, "FILE", "the id of each row, when ids are not 0 to N - 1; rows beyond are spare"},
    {"grow", 0, NULL, "new ids get spare rows; without --keys all are spare"},
    {"hashed-ids", 0, NULL, "any id is known: its hash is the row"},
    {"force", 0, NULL, "replace the file if it exists"},
};

static int read_deviation(struct creation *c, const struct arguments *a)
{
    const char *text = option_value(a, "deviation");

    if (text && (!parse_double(text, &c->begin.deviation) || c->begin.deviation <= 0))
        return usage_error(a, "--deviation: %s is no number above 0", QUOTE(text));
    return -1;
}

/* All words but the lists. */
static int read_words(struct creation *c, const struct arguments *a)
{
    struct begin *b = &c->begin;
    int done = words_read(&c->words, a);

    if (done < 0)
        done = words_size(&b->rows, &b->dim, &c->words, a);
    if (done < 0)
        done = words_seed(&b->extras.seed, a);
    if (done < 0)
        done = words_optimizer(&b->optimizer, a);
    if (done < 0)
        done = read_deviation(c, a);
    b->method = option_value(a, "method");
    b->budget = c->words.budget;
    b->ratio = c->words.ratio;
    b->field = c->words.field;
    b->field_count = c->words.field_count;
    b->setting = c->words.setting;
    b->setting_count = c->words.setting_count;
    b->extras.hashed_ids = option_value(a, "hashed-ids") != NULL;
    if (done < 0 && !b->method)
        return usage_error(a, "by which method? (--method; embctl methods lists them)");
    b->grows = option_value(a, "grow") != NULL;
    b->now = clock_wall_s();
    if (done < 0 && b->extras.hashed_ids && (option_value(a, "keys") || b->grows))
        return usage_error(a, "--%s and --hashed-ids exclude each other",
                           b->grows ? "grow" : "keys");
    return done;
}

/* `count` NULL: there must be one a row. */
static enum status read_list(int64_t **out, size_t *count, const char *path, const char *what,
                             uint64_t rows, struct error *e)
{
    enum status st;
    size_t n;

    if (!path)
        return ST_OK;
    st = array_read_i64(out, &n, path, e);
    if (st == ST_OK && (count ? n > rows : n != rows))
        st = error_set(e, ST_INVALID, "%s has %zu %s for %" PRIu64 " rows",
                       strcmp(path, "-") ? path : "standard input", n, what, rows);
    if (count)
        *count = n;
    return st;
}

enum status creation_lists(struct creation *c, const struct arguments *a, struct error *e)
{
    const char *path[] = {option_value(a, "keys"), option_value(a, "frequency")};
    enum status st = ST_OK;

    if (!one_standard_input(path, 2))
        return error_set(e, ST_INVALID, "only one list can be standard input");
    st = read_list(&c->keys, &c->key_count, path[0], "keys", c->begin.rows, e);
    if (st == ST_OK)
        st = read_list(&c->frequency, NULL, path[1], "counts", c->begin.rows, e);
    c->begin.grows = c->begin.grows || (path[0] && c->key_count < c->begin.rows);
    c->begin.key_count = c->key_count;
    c->begin.extras.keys = c->keys;
    c->begin.extras.frequency = c->frequency;
    return st;
}

static int print_json(const struct arguments *a, const struct table *t, double seconds)
{
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    doc_text(&j, "file", option_value(a, "output"));
    json_table(&j, t);
    doc_u64(&j, "seed", t->seed);
    doc_real(&j, "seconds", seconds);
    doc_close(&j);
    return doc_finish(&j);
}

static int print_people(const struct arguments *a, const struct table *t, double seconds)
{
    char text[400], size[32];
    struct parts parts;

    print_heading("%s", option_value(a, "output"));
    print_pair(WIDTH, "table", "%s", file_summary(text, sizeof text, t));
    if (t->field_count)
        print_pair(WIDTH, "fields", "%s",
                   fields_format(text, sizeof text, t->field_rows, t->field_count));
    parts_of_table(&parts, t);
    if (*parts_summary(text, sizeof text, &parts))
        print_pair(WIDTH, "settings", "%s", text);
    parts_done(&parts);
    print_pair(WIDTH, "ids", "%s",
               ids_format(text, sizeof text, (int)t->ids, t->grows, t->used, t->rows));
    print_pair(WIDTH, "optimizer", "%s",
               t->optimizer ? optimizer_format(text, sizeof text, t->optimizer)
                            : "none: one is named when the table is loaded");
    print_pair(WIDTH, "seed", "%" PRIu64, t->seed);
    print_pair(WIDTH, "file", "%s", format_bytes(size, t->identity.size));
    print_pair(WIDTH, "took", "%s", format_duration(size, seconds * 1e6));
    return finish_output();
}

/* What was made, as the file itself tells it. */
static int report(const struct arguments *a, double seconds)
{
    struct table_options how = file_options();
    const char *output = option_value(a, "output");
    struct table *t = NULL;
    struct error e;
    enum status st;
    int done;

    how.trusted = true; /* it was checked in full before it became visible */
    st = file_identify(&how.expected, output, &e);
    if (st == ST_OK)
        st = table_open(&t, output, &how, &e);
    if (st == ST_OK)
        done = a->json ? print_json(a, t, seconds) : print_people(a, t, seconds);
    else
        done = fail(&e);
    table_close(t);
    return done;
}

static bool show(void *context, double done)
{
    progress_show(context, done);
    return !interrupted();
}

static int make_file(struct creation *c, const struct arguments *a)
{
    const char *output = option_value(a, "output");
    uint64_t start_us = clock_now_us();
    struct progress progress;
    struct beginning b = {0};
    struct error e;
    enum status st = ST_OK;
    int done;

    if (!option_value(a, "force") && access(output, F_OK) == 0)
        st = error_set(&e, ST_EXISTS, "%s exists (--force replaces it)", QUOTE(output));
    if (st == ST_OK)
        st = creation_lists(c, a, &e);
    if (st == ST_OK)
        st = begin_plan(&b, &c->begin, &e);
    if (st == ST_OK) {
        interrupt_watch(); /* from here on there is a file to remove */
        progress_start(&progress, "create  ", c->begin.rows, "rows");
        c->begin.progress = show;
        c->begin.context = &progress;
        st = begin_create(output, &b, &c->begin, NULL, &e);
        progress_end(&progress);
    }
    begin_done(&b);
    if (st == ST_OK)
        done = report(a, (double)(clock_now_us() - start_us) / 1e6);
    else
        done = interrupted() ? say_interrupted() : fail(&e);
    return done;
}

static int run(const struct arguments *a)
{
    const char *output = option_value(a, "output");
    bool remote = a->operand_count > 0;
    struct creation c = {0};
    int done;

    if (remote == (output != NULL))
        return usage_error(a, remote ? "a daemon makes TABLE without a file: leave -o out"
                                     : "where to? (-o FILE, or the name of a table of a daemon)");
    if (output && !strcmp(output, "-"))
        return usage_error(a, "a table file cannot be written to standard output");
    if (!remote && option_value(a, "option"))
        return usage_error(a, "--option goes with TABLE; a file's options are given when it is "
                              "loaded");
    done = read_words(&c, a);
    if (done < 0)
        done = remote ? creation_remote(&c, a) : make_file(&c, a);
    words_done(&c.words);
    mem_free(c.keys);
    mem_free(c.frequency);
    return done;
}

const struct command command_create = {
    .name = "create",
    .operands = "TABLE | -o FILE --method METHOD --rows N --dim D",
    .help = "Make a table of random parameters, to train from",
    .more =
        "With TABLE a daemon makes it, serves it and trains it from then on (by rowwise_adagrad "
        "if\n"
        "nothing else is said); with -o it becomes a file. It is compressed from the first "
        "moment.\n"
        "Without --ratio or --budget it gets the method's natural size. The same words give the\n"
        "same parameters. Lists are one-dimensional .npy arrays or text. Spare rows go to ids "
        "that\n"
        "are pushed under the policy admit.\n",
    .remote = true,
    .operands_most = 1,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
