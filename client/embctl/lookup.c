/* SPDX-License-Identifier: Apache-2.0 */
/* embctl lookup: rows, or pooled bags of rows, of one table. */
#include "client/embctl/lookup.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/array.h"
#include "client/embctl/commands.h"
#include "client/embctl/interrupt.h"
#include "client/embctl/print.h"

static const struct option_decl options[] = {
    {"ids", 'i', "FILE", "ids from an .npy array or text; - is standard input"},
    {"pooling", 'p', "sum|mean", "one row a bag instead of one an id"},
    {"offsets", 0, "FILE", "where each bag begins, and the end; without it all ids are one bag"},
    {"weights", 'w', "FILE", "one factor an id, for --pooling sum"},
    {"format", 'f', "FORMAT", "f32, f16, bf16 or int8 on the wire (f32)"},
    {"missing", 'm', "fill|error", "unknown ids get the default row, or are an error (fill)"},
    {"min-version", 0, "N", "wait until the table has this version"},
    {"output", 'o', "FILE", "write an .npy array; - is standard output"},
    {"all", 'a', NULL, "print all values of each row"},
};

static int read_choices(struct question *q, const struct arguments *a)
{
    static const char *const poolings[] = {"none", "sum", "mean", NULL};
    static const char *const formats[] = {"f32", "f16", "bf16", "int8", NULL};
    static const char *const policies[] = {"fill", "error", NULL};
    const char *pooling = option_value(a, "pooling"), *format = option_value(a, "format"),
               *missing = option_value(a, "missing"), *version = option_value(a, "min-version");

    q->pooling = option_choice(pooling, poolings);
    q->options.format = option_choice(format, formats);
    q->options.missing = option_choice(missing, policies);
    if (q->pooling < 0)
        return usage_error(a, "--pooling: %s is not sum or mean", QUOTE(pooling));
    if (q->options.format < 0)
        return usage_error(a, "--format: %s is not f32, f16, bf16 or int8", QUOTE(format));
    if (q->options.missing < 0)
        return usage_error(a, "--missing: %s is not fill or error", QUOTE(missing));
    if (version && !parse_u64(version, strlen(version), &q->min_version))
        return usage_error(a, "--min-version: %s is no version", QUOTE(version));
    if (q->pooling == EMBD_POOLING_NONE && option_value(a, "offsets"))
        return usage_error(a, "--offsets goes with --pooling");
    if (q->pooling != EMBD_POOLING_SUM && option_value(a, "weights"))
        return usage_error(a, "--weights goes with --pooling sum");
    if (option_value(a, "output") && a->json)
        return usage_error(a, "--output and --json exclude each other");
    return -1;
}

static int read_ids(struct question *q, const struct arguments *a)
{
    const char *file = option_value(a, "ids"), *offsets = option_value(a, "offsets"),
               *weights = option_value(a, "weights");

    if (!one_standard_input((const char *[]){file, offsets, weights}, 3))
        return usage_error(a, "only one list can come from standard input");
    if (file && a->operand_count > 1)
        return usage_error(a, "ids are given twice, by --ids and as arguments");
    if (!file && a->operand_count == 1)
        return usage_error(a, "which ids? (as arguments, or with --ids)");
    q->table = a->operand[0];
    if (!file) {
        q->id_count = a->operand_count - 1;
        q->ids = need(q->id_count * sizeof *q->ids);
    }
    for (size_t i = 0; !file && i < q->id_count; i++)
        if (!parse_i64(a->operand[i + 1], strlen(a->operand[i + 1]), &q->ids[i]))
            return usage_error(a, "%s is no id", QUOTE(a->operand[i + 1]));
    return -1;
}

static enum status read_files(struct question *q, const struct arguments *a, struct error *e)
{
    const char *file = option_value(a, "ids"), *offsets = option_value(a, "offsets"),
               *weights = option_value(a, "weights");
    enum status st = ST_OK;

    if (file)
        st = array_read_i64(&q->ids, &q->id_count, file, e);
    if (st == ST_OK)
        st = bags_read(&q->offsets, &q->offset_count, &q->weights,
                       &(struct bags_source){q->pooling, offsets, weights, q->id_count}, e);
    return st;
}

static int ask(struct question *q, const struct arguments *a, const struct sink *sink)
{
    const embd_client_options client_options = {.timeout_ms = a->timeout_ms,
                                                .connect_ms = a->timeout_ms,
                                                .max_reply_bytes = UINT64_C(1) << 30};
    embd_client *client = NULL;
    struct error e;
    enum status st = read_files(q, a, &e);

    if (st == ST_OK &&
        embd_client_open(&client, a->server, &client_options, e.text) != EMBD_CLIENT_OK)
        return usage_error(a, "%s", e.text);
    if (st == ST_OK)
        st = question_ask(q, client, sink, &e);
    embd_client_close(client);
    if (st == ST_OK)
        return finish_output();
    return interrupted() ? say_interrupted() : fail(&e);
}

static int run(const struct arguments *a)
{
    const char *output = option_value(a, "output");
    struct people_sink people = {.all = option_value(a, "all") != NULL};
    struct question q = {0};
    struct npy_sink *npy = NULL;
    struct json_sink *json = NULL;
    struct sink sink;
    int done = read_choices(&q, a);

    if (done < 0)
        done = read_ids(&q, a);
    if (done >= 0)
        goto out;
    if (output && strcmp(output, "-") != 0)
        interrupt_watch(); /* an unfinished file is to be removed */
    if (output)
        sink = sink_npy(npy = npy_sink_new(output));
    else if (a->json)
        sink = sink_json(json = json_sink_new());
    else
        sink = sink_people(&people);
    done = ask(&q, a, &sink);
out:
    npy_sink_free(npy);
    json_sink_free(json);
    mem_free(people.row);
    mem_free(q.ids);
    mem_free(q.offsets);
    mem_free(q.weights);
    mem_free(q.missing);
    return done;
}

const struct command command_lookup = {
    .name = "lookup",
    .operands = "TABLE [ID…]",
    .help = "Look rows up, or pooled bags of rows",
    .more = "Lists of numbers are one-dimensional .npy arrays, or text with spaces, commas or\n"
            "newlines between. In the .npy output f32 is float32, f16 float16, bf16 its bits as\n"
            "uint16, and int8 rows are uint8: the codes, then scale and bias as float32.\n",
    .remote = true,
    .operands_least = 1,
    .operands_most = OPERANDS_ANY,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
