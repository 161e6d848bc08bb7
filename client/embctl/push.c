/* SPDX-License-Identifier: Apache-2.0 */
/* embctl push: gradients from arrays into a table. */
#include "client/embctl/push.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/array.h"
#include "client/embctl/commands.h"
#include "client/embctl/document.h"
#include "client/embctl/interrupt.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"
#include "proto/embd.pb-c.h"

static const struct option_decl options[] = {
    {"ids", 'i', "FILE", "ids from an .npy array or text; - is standard input"},
    {"gradients", 'g', "FILE", "an .npy array with a row for each id, or for each bag"},
    {"trainer", 'T', "NAME",
     "who pushes: with a name each push counts once, however often it is sent"},
    {"sequence", 'n', "N",
     "number of the (first) push; without it the trainer goes on where it stands"},
    {"rate", 'r', "R", "learning rate instead of the table's"},
    {"pooling", 'p', "sum|mean", "the gradients are those of bags of ids"},
    {"offsets", 0, "FILE", "where each bag begins, and the end; without it all ids are one bag"},
    {"weights", 'w', "FILE", "one factor an id, for --pooling sum"},
    {"format", 'f', "FORMAT", "f32, f16 or bf16 on the wire (f32)"},
    {"missing", 'm', "refuse|skip|admit",
     "unknown ids refuse the push, are left out, or get spare rows (refuse)"},
    {"batch", 'b', "ROWS", "push so many rows at a time, each a step of its own (all in one)"},
};

static int read_options(struct push_run *run, struct gradients_input *in, float *rate,
                        const struct arguments *a)
{
    static const char *const poolings[] = {"none", "sum", "mean", NULL};
    static const char *const formats[] = {"f32", "f16", "bf16", NULL};
    static const char *const policies[] = {"refuse", "skip", "admit", NULL};
    const char *pooling = option_value(a, "pooling"), *format = option_value(a, "format"),
               *sequence = option_value(a, "sequence"), *batch = option_value(a, "batch"),
               *value = option_value(a, "rate"), *missing = option_value(a, "missing");
    uint64_t rows = SIZE_MAX;
    double number;

    in->table = a->operand[0];
    in->pooling = option_choice(pooling, poolings);
    in->format = option_choice(format, formats);
    run->trainer = option_value(a, "trainer");
    run->options.unknown = option_choice(missing, policies);
    if (run->options.unknown < 0)
        return usage_error(a, "--missing: %s is not refuse, skip or admit", QUOTE(missing));
    if (in->pooling < 0)
        return usage_error(a, "--pooling: %s is not sum or mean", QUOTE(pooling));
    if (in->format < 0)
        return usage_error(a, "--format: %s is not f32, f16 or bf16", QUOTE(format));
    if (in->pooling == EMBD_POOLING_NONE && option_value(a, "offsets"))
        return usage_error(a, "--offsets goes with --pooling");
    if (in->pooling != EMBD_POOLING_SUM && option_value(a, "weights"))
        return usage_error(a, "--weights goes with --pooling sum");
    if (sequence && !run->trainer)
        return usage_error(a, "--sequence goes with --trainer");
    if (sequence && (!parse_u64(sequence, strlen(sequence), &run->sequence) || !run->sequence))
        return usage_error(a, "--sequence: %s is no number from 1 on", QUOTE(sequence));
    if (batch && (!parse_u64(batch, strlen(batch), &rows) || !rows))
        return usage_error(a, "--batch: %s is no number of rows", QUOTE(batch));
    if (value && !parse_double(value, &number))
        return usage_error(a, "--rate: %s is no learning rate", QUOTE(value));
    if (value) {
        *rate = (float)number;
        run->options.learning_rate = rate;
    }
    run->batch = rows < SIZE_MAX ? (size_t)rows : SIZE_MAX;
    run->timeout_ms = a->timeout_ms;
    return -1;
}

static int read_files(struct gradients_files *files, const struct arguments *a)
{
    files->ids = option_value(a, "ids");
    files->gradients = option_value(a, "gradients");
    files->offsets = option_value(a, "offsets");
    files->weights = option_value(a, "weights");
    if (!files->ids)
        return usage_error(a, "which ids? (--ids FILE)");
    if (!files->gradients)
        return usage_error(a, "which gradients? (--gradients FILE)");
    if (!one_standard_input(
            (const char *[]){files->ids, files->gradients, files->offsets, files->weights}, 4))
        return usage_error(a, "only one array can come from standard input");
    return -1;
}

static int print_json(const struct push_run *run)
{
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    doc_text(&j, "table", run->in->table);
    doc_u64(&j, "rows", run->in->rows);
    doc_u64(&j, "ids", run->in->id_count);
    doc_u64(&j, "pushes", run->pushes);
    doc_text(&j, "trainer", run->trainer);
    if (run->trainer) {
        doc_u64(&j, "sequence_first", run->sequence);
        doc_u64(&j, "sequence_last", run->sequence + run->pushes - 1);
    }
    doc_u64(&j, "duplicates", run->duplicates);
    doc_u64(&j, "skipped", run->skipped);
    doc_u64(&j, "admitted", run->admitted);
    doc_u64(&j, "version", run->version);
    doc_u64(&j, "lsn", run->lsn);
    doc_close(&j);
    return doc_finish(&j);
}

/* "number 7 of trainer-1", "numbers 7 to 9 of trainer-1" */
static void print_numbers(const struct push_run *run)
{
    if (run->pushes > 1)
        printf("numbers %" PRIu64 " to %" PRIu64 " of ", run->sequence,
               run->sequence + run->pushes - 1);
    else
        printf("number %" PRIu64 " of ", run->sequence);
    print_safe(run->trainer);
}

static int print_people(const struct push_run *run)
{
    const char *unit = run->in->pooling == EMBD_POOLING_NONE ? "row" : "bag";
    char text[32];

    print_safe(run->in->table);
    printf(": ");
    if (run->duplicates == run->pushes) { /* which only a trainer's can be */
        print_numbers(run);
        printf(" had %sbeen applied before", run->pushes > 1 ? "all " : "");
    } else {
        printf("%s %s%s pushed", format_count(text, run->in->rows), unit,
               run->in->rows == 1 ? "" : "s");
        if (run->pushes > 1)
            printf(" in %s steps", format_count(text, run->pushes));
        if (run->trainer) {
            printf(", ");
            print_numbers(run);
        }
        if (run->duplicates)
            printf(", %s of which had been applied before", format_count(text, run->duplicates));
    }
    if (run->admitted)
        printf(", %s new id%s", format_count(text, run->admitted), run->admitted == 1 ? "" : "s");
    if (run->skipped)
        printf(", %s unknown id%s skipped", format_count(text, run->skipped),
               run->skipped == 1 ? "" : "s");
    printf(", version %" PRIu64 ", lsn %" PRIu64 "\n", run->version, run->lsn);
    return finish_output();
}

/* Whether the daemon's table has these columns; a table that it does not have is for the push to be
   refused by, which may have been applied when there was one. */
static enum status check_table(struct remote *r, const struct gradients_input *in, struct error *e)
{
    Embd__V1__DescribeRequest request = EMBD__V1__DESCRIBE_REQUEST__INIT;
    Embd__V1__DescribeResponse *d;
    enum status st;

    request.table = (char *)(uintptr_t)in->table; /* protobuf-c knows no const */
    st = remote_call(r, "/embd.v1.Tables/Describe", &request.base,
                     &embd__v1__describe_response__descriptor, &d, e);
    if (st == ST_NOT_FOUND)
        return ST_OK;
    if (st == ST_OK && d->table && d->table->dim != in->dim)
        st = error_set(e, ST_INVALID, "table %s has %u columns, the gradients have %u",
                       QUOTE(in->table), d->table->dim, in->dim);
    return st;
}

static enum status push(struct push_run *run, struct remote *r, struct error *e)
{
    enum status st = check_table(r, run->in, e);

    if (st == ST_OK && run->trainer && !run->sequence) {
        st = (enum status)embd_client_position(r->client, run->trainer, &run->sequence, e->text);
        run->sequence++;
    }
    if (run->batch > run->in->rows)
        run->batch = run->in->rows ? run->in->rows : 1;
    interrupt_watch();
    return st == ST_OK ? push_all(run, r->client, e) : st;
}

static int run(const struct arguments *a)
{
    struct gradients_input in = {0};
    struct push_run run = {.in = &in};
    struct gradients_files files;
    struct remote r = {0};
    struct error e;
    float rate;
    int done = read_options(&run, &in, &rate, a);

    if (done < 0)
        done = read_files(&files, a);
    if (done >= 0)
        return done;
    if (gradients_open(&in, &files, &e) != ST_OK) {
        done = fail(&e);
    } else if (remote_open(&r, a, &e) != ST_OK) {
        done = usage_error(a, "%s", e.text);
    } else if (push(&run, &r, &e) != ST_OK) {
        done = fail(&e);
        if (interrupted())
            done = EXIT_INTERRUPTED;
    } else {
        done = a->json ? print_json(&run) : print_people(&run);
    }
    remote_close(&r);
    gradients_close(&in);
    return done;
}

const struct command command_push = {
    .name = "push",
    .operands = "TABLE",
    .help = "Push gradients into a trainable table",
    .more =
        "Gradients are an .npy array in float32, float16 or float64, or with --format bf16 the\n"
        "bits of bfloat16 as uint16, with a row for each id or bag. All rows are one step of\n"
        "the optimizer, in which repeated ids are summed first; with --batch every ROWS rows\n"
        "are a step, and several are on their way at a time. A push whose outcome is not\n"
        "known can be given again with its --trainer and --sequence, and counts once.\n",
    .remote = true,
    .operands_least = 1,
    .operands_most = 1,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
