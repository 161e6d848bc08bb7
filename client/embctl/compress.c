/* SPDX-License-Identifier: Apache-2.0 */
/* embctl compress: from a trained table to a table file of some method, within a budget. */
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/compress.h"
#include "client/embctl/interrupt.h"

static const struct option_decl options[] = {
    {"output", 'o', "FILE", "the table file to make"},
    {"method", 'm', "METHOD", "how to compress; embctl methods lists them"},
    OPTION_RATIO,
    OPTION_BUDGET,
    {"search", 0, NULL, "try all methods within the budget, rank them, keep the best"},
    {"methods", 0, "LIST", "--search among these, such as int8,dpq,tt"},
    {"set", 0, "KEY=VALUE", "a setting of the method or an option of its fit; may be repeated"},
    OPTION_FIELDS,
    {"frequency", 0, "FILE", "how often each row is used: frequent rows are kept closer"},
    {"keys", 0, "FILE", "the id of each row, when ids are not 0 to N - 1"},
    {"optimizer", 0, "NAME", "write the table to be trained by it; or a JSON object"},
    {"seed", 0, "N", "for methods that draw random numbers (0)"},
    {"force", 0, NULL, "replace the file if it exists"},
};

static int compress_one(const struct compression *c, struct attempt *t)
{
    const char *output = option_value(c->a, "output");

    attempt_run(t, c, output, "");
    if (t->st == ST_OK)
        return compress_report(c, t, output);
    return interrupted() ? say_interrupted() : fail(&t->e);
}

static int open_input(struct compression *c)
{
    const struct arguments *a = c->a;
    const char *output = option_value(a, "output");
    struct error e;
    enum status st = ST_OK;

    if (output && !option_value(a, "force") && access(output, F_OK) == 0)
        st = error_set(&e, ST_EXISTS, "%s exists (--force replaces it)", QUOTE(output));
    if (st == ST_OK)
        st = input_open(&c->in, a->operand[0], option_value(a, "frequency"),
                        option_value(a, "keys"), &e);
    if (st == ST_OK && c->words.field_count) {
        st = begin_fields(&c->first, c->words.field, c->words.field_count, c->in.rows, &e);
        c->fields = (struct fields){c->first, c->words.field_count};
    }
    if (st != ST_OK)
        return fail(&e);
    c->budget = words_budget(&c->words, c->in.rows, c->in.dim);
    interrupt_watch(); /* from here on there may be a file to remove */
    return -1;
}

static int run_method(struct compression *c, const char *name)
{
    const struct method *m = method_find(name, strlen(name));
    struct attempt t;
    int done;

    if (!m || !fitter_find(m))
        return usage_error(c->a, "%s %s (embctl methods lists them)",
                           m ? "tables cannot be compressed by" : "there is no method",
                           QUOTE(name));
    done = attempt_init(&t, c, m, false);
    if (done < 0)
        done = open_input(c);
    if (done < 0)
        done = compress_one(c, &t);
    attempt_done(&t);
    return done;
}

static int run_search(struct compression *c)
{
    int done = -1;

    if (!c->words.budget && c->words.ratio == 0)
        return usage_error(c->a, "--search within what? (--ratio or --budget)");
    done = search_check(c);
    if (done < 0)
        done = open_input(c);
    return done < 0 ? compress_search(c) : done;
}

static int run_words(struct compression *c)
{
    const struct arguments *a = c->a;
    const char *output = option_value(a, "output"), *name = option_value(a, "method");
    bool search = option_value(a, "search") != NULL;

    if (!output && !search)
        return usage_error(a, "where to? (-o FILE)");
    if (output && !strcmp(output, "-"))
        return usage_error(a, "a table file cannot be written to standard output");
    if (!name && !search)
        return usage_error(a, "by which method? (--method; embctl methods lists them)");
    if (name && search)
        return usage_error(a, "--method and --search exclude each other");
    if (option_value(a, "methods") && !search)
        return usage_error(a, "--methods goes with --search only");
    return search ? run_search(c) : run_method(c, name);
}

static int run(const struct arguments *a)
{
    struct compression c = {.a = a};
    int done = words_read(&c.words, a);

    if (done < 0)
        done = words_seed(&c.seed, a);
    if (done < 0)
        done = words_optimizer(&c.optimizer, a);
    if (done < 0)
        done = run_words(&c);
    words_done(&c.words);
    input_close(&c.in);
    mem_free(c.first);
    return done;
}

const struct command command_compress = {
    .name = "compress",
    .operands = "IN.npy -o OUT --method METHOD",
    .help = "Compress an array of trained rows to a table file",
    .more =
        "IN.npy has one row an id, in float32, float16 or float64; - is standard input. Without\n"
        "--ratio or --budget the table gets the method's natural size. Lists are\n"
        "one-dimensional .npy arrays or text.\n"
        "A file that is larger than memory can be compressed by the methods that stream, which\n"
        "embctl methods tells. With --search and no -o nothing is kept.\n",
    .operands_least = 1,
    .operands_most = 1,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
