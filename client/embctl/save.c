/* SPDX-License-Identifier: Apache-2.0 */
/* embctl save: a snapshot of a trainable table, or with --label a checkpoint of several. */
#include <inttypes.h>

#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/groups.h"
#include "client/embctl/info.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"

static const struct option_decl options[] = {
    {"label", 'l', "LABEL", "keep a checkpoint under that label: the tables as of one moment"},
    {"replace", 'r', NULL, "with --label: take the place of the checkpoint that has it"},
};

static int print_result(const struct arguments *a, const Embd__V1__SaveResponse *reply)
{
    const Embd__V1__SnapshotInfo *s = reply->snapshot;
    char bytes[32], time[32];
    struct document j;

    if (a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        doc_text(&j, "table", a->operand[0]);
        json_snapshot(&j, s);
        doc_u64(&j, "us", reply->us);
        doc_close(&j);
        return doc_finish(&j);
    }
    printf("%s: saved version %" PRIu64 ", %s, %s in %s, lsn %" PRIu64 "\n", a->operand[0],
           s->version, s->whole ? "a whole file" : "what changed", format_bytes(bytes, s->bytes),
           format_duration(time, (double)reply->us), s->lsn);
    return finish_output();
}

static int run(const struct arguments *a)
{
    Embd__V1__SaveRequest request = EMBD__V1__SAVE_REQUEST__INIT;
    Embd__V1__SaveResponse *reply;
    const char *label = option_value(a, "label");
    struct remote r = {.patient = true};
    int done;

    if (label)
        return group_save(a, label);
    if (a->operand_count != 1)
        return usage_error(a, "without --label it takes one TABLE");
    if (option_value(a, "replace"))
        return usage_error(a, "--replace goes with --label");
    request.table = (char *)(uintptr_t)a->operand[0];
    done = remote_ask(&r, a, "/embd.v1.Tables/Save", &request.base,
                      &embd__v1__save_response__descriptor, &reply);
    if (done == EXIT_DONE && !reply->snapshot)
        done = fail(&(struct error){"the daemon's answer describes no snapshot"});
    if (done == EXIT_DONE)
        done = print_result(a, reply);
    remote_close(&r);
    return done;
}

const struct command command_save = {
    .name = "save",
    .operands = "[TABLE...]",
    .help = "Write a snapshot of a trainable table, or a checkpoint of several",
    .more = "Pushes and lookups go on meanwhile. The daemon writes snapshots by itself, too.\n"
            "With --label all trainable tables, or those that are named, are saved as of the same\n"
            "moment; restore --label takes all of them back to it.\n",
    .remote = true,
    .operands_least = 0,
    .operands_most = OPERANDS_ANY,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
