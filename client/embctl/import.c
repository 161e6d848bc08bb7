/* SPDX-License-Identifier: Apache-2.0 */
/* embctl import: parameters that were trained elsewhere, as a table file. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/array.h"
#include "client/embctl/commands.h"
#include "client/embctl/file_info.h"
#include "client/embctl/interrupt.h"
#include "client/embctl/print.h"
#include "client/embctl/words.h"
#include "client/import/import.h"
#include "client/progress.h"

static const struct option_decl options[] = {
    {"output", 'o', "FILE", "the table file to make"},
    {"from", 0, "SOURCE", "whose arrays they are: " IMPORT_SOURCES},
    {"method", 'm', "METHOD", "which to take, when there are arrays of several"},
    {"rows", 0, "N", "rows of the table, where no array tells"},
    {"dim", 0, "D", "columns of the table, where no array tells"},
    OPTION_FIELDS,
    OPTION_SET,
    {"table", 0, "I", "which of several tables in one array (0)"},
    {"linear", 0, "ORDER", "how layers keep their weights: in-out, or out-in as PyTorch does"},
    {"values", 0, "FILE", "with --from npy: the rows"},
    {"keys", 0, "FILE", "the id of each row, when ids are not 0 to N - 1"},
    {"force", 0, NULL, "replace the file if it exists"},
};

/* What the command line says, and what is open. */
struct order {
    struct import_wish wish;
    struct words words; /* fields and settings */
    struct arrays arrays;
    struct import import;
    int64_t *keys;
    size_t key_count;
    struct progress progress;
};

static bool show(void *context, double done)
{
    progress_show(context, done);
    return !interrupted();
}

static int read_number(uint64_t *out, bool *given, uint64_t most, const char *name,
                       const struct arguments *a)
{
    const char *text = option_value(a, name);

    *given = text != NULL;
    if (text && (!parse_u64(text, strlen(text), out) || *out > most))
        return usage_error(a, "--%s: %s is no number from 0 to %" PRIu64, name, QUOTE(text), most);
    return -1;
}

static int read_wish(struct order *o, const struct arguments *a)
{
    static const char *const orders[] = {"in-out", "out-in", NULL};
    struct import_wish *w = &o->wish;
    uint64_t dim = 0;
    int linear = option_choice(option_value(a, "linear"), orders), done;
    bool given;

    w->source = option_value(a, "from");
    w->method = option_value(a, "method");
    if (!w->source || !import_source_known(w->source))
        return usage_error(a, "%s%s (--from " IMPORT_SOURCES ")",
                           w->source ? "nothing is known of " : "whose arrays are they?",
                           w->source ? QUOTE(w->source) : "");
    if (linear < 0)
        return usage_error(a, "--linear: %s is not in-out or out-in",
                           QUOTE(option_value(a, "linear")));
    w->linear_out_in = linear == 1;
    if ((done = read_number(&w->rows, &w->rows_given, INT64_MAX, "rows", a)) >= 0 ||
        (done = read_number(&dim, &given, METHOD_DIM_MAX, "dim", a)) >= 0 ||
        (done = read_number(&w->place, &given, INT64_MAX, "table", a)) >= 0 ||
        (done = words_read(&o->words, a)) >= 0)
        return done;
    w->dim = (uint32_t)dim;
    w->field = o->words.field;
    w->fields = o->words.field_count;
    w->setting = o->words.setting;
    w->settings = o->words.setting_count;
    if (w->fields && w->rows_given && w->rows != o->words.field_rows)
        return usage_error(a, "--fields has %" PRIu64 " rows, --rows says %" PRIu64,
                           o->words.field_rows, w->rows);
    if (w->fields) {
        w->rows = o->words.field_rows;
        w->rows_given = true;
    }
    return -1;
}

/* Sources differ in what they take. */
static int open_arrays(struct order *o, const struct arguments *a)
{
    bool npy = !strcmp(o->wish.source, "npy"), hugectr = !strcmp(o->wish.source, "hugectr");
    const char *values = option_value(a, "values"), *keys = option_value(a, "keys");
    struct error e;
    enum status st;

    if (npy != (values != NULL))
        return usage_error(a,
                           npy ? "which rows? (--values FILE)" : "--values goes with --from npy");
    if (npy && a->operand_count)
        return usage_error(a, "with --from npy the rows are named by --values");
    if (!npy && !a->operand_count)
        return usage_error(a, "which arrays? (a folder, or files)");
    if (hugectr && (keys || a->operand_count > 1))
        return usage_error(a, "--from hugectr takes one folder, which holds the keys, too");
    if (npy)
        st = arrays_open_values(&o->arrays, values, &e);
    else if (hugectr)
        st = arrays_open_hugectr(&o->arrays, a->operand[0], &o->keys, &o->key_count, &e);
    else
        st = arrays_open(&o->arrays, a->operand, a->operand_count, &e);
    if (st == ST_OK && keys)
        st = array_read_i64(&o->keys, &o->key_count, keys, &e);
    if (st == ST_OK)
        st = import_open(&o->import, &o->arrays, &o->wish, &e);
    if (st == ST_OK && o->keys && o->key_count != o->import.layout.rows)
        st = error_set(&e, ST_INVALID, "there are %zu keys for %" PRIu64 " rows", o->key_count,
                       o->import.layout.rows);
    return st == ST_OK ? -1 : fail(&e);
}

/* Arrays of the input that no part is made of; the states of optimizers are not worth a word. */
static size_t left_out(const struct arrays *a, size_t at)
{
    while (at < a->count && (a->one[at].used || import_is_state(a->one[at].name)))
        at++;
    return at;
}

static int report(const struct order *o, const struct arguments *a,
                  const struct table_created *made)
{
    struct table_options how = file_options();
    const char *output = option_value(a, "output");
    char text[128], file[32];
    struct table *t = NULL;
    struct document j;
    struct error e;
    size_t i;

    how.trusted = true; /* it was checked in full before it became visible */
    if (file_identify(&how.expected, output, &e) != ST_OK ||
        table_open(&t, output, &how, &e) != ST_OK)
        return fail(&e);
    if (a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        doc_text(&j, "file", output);
        json_table(&j, t);
        doc_array(&j, "left_out");
        for (i = left_out(&o->arrays, 0); i < o->arrays.count; i = left_out(&o->arrays, i + 1))
            doc_text(&j, NULL, o->arrays.one[i].name);
        doc_close(&j);
        doc_close(&j);
        table_close(t);
        return doc_finish(&j);
    }
    print_heading("%s", output);
    print_pair(8, "table", "%s", file_summary(text, sizeof text, t));
    print_pair(8, "settings", "%s", t->config);
    print_pair(8, "file", "%s", format_bytes(file, made->file_bytes));
    for (i = left_out(&o->arrays, 0); i < o->arrays.count; i = left_out(&o->arrays, i + 1))
        print_pair(8, "left out", "%s", QUOTE(o->arrays.one[i].name));
    table_close(t);
    return finish_output();
}

static int make(struct order *o, const struct arguments *a)
{
    const struct table_source source = {import_fill, &o->import};
    const struct table_extras extras = {.keys = o->keys, .origin = o->wish.source};
    struct table_created made;
    struct error e;
    enum status st;

    o->import.progress = show;
    o->import.context = &o->progress;
    interrupt_watch(); /* from here on there is a file to remove */
    progress_start(&o->progress, "import", o->import.layout.rows, "rows");
    st = table_create(option_value(a, "output"), &o->import.layout, &source, &extras, &made, &e);
    progress_end(&o->progress);
    if (st == ST_OK)
        return report(o, a, &made);
    return interrupted() ? say_interrupted() : fail(&e);
}

static int run(const struct arguments *a)
{
    const char *output = option_value(a, "output");
    struct order o = {0};
    struct error e;
    int done;

    if (!output)
        return usage_error(a, "where to? (-o FILE)");
    if (!strcmp(output, "-"))
        return usage_error(a, "a table file cannot be written to standard output");
    if (!option_value(a, "force") && access(output, F_OK) == 0) {
        error_set(&e, ST_EXISTS, "%s exists (--force replaces it)", QUOTE(output));
        return fail(&e);
    }
    done = read_wish(&o, a);
    if (done < 0)
        done = open_arrays(&o, a);
    if (done < 0)
        done = make(&o, a);
    import_close(&o.import);
    arrays_close(&o.arrays);
    words_done(&o.words);
    mem_free(o.keys);
    return done;
}

const struct command command_import = {
    .name = "import",
    .operands = "--from SOURCE ARRAYS… -o OUT",
    .help = "Make a table file of parameters that were trained elsewhere",
    .more = "ARRAYS are .npy files named like the variables they hold, folders of them, or\n"
            "safetensors files. Variables of several fields become a table of those fields. What\n"
            "the arrays do not tell is asked for. With --from hugectr it is a folder with the\n"
            "files key and emb_vector; --from npy takes the rows from --values.\n",
    .operands_most = OPERANDS_ANY,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
