/* SPDX-License-Identifier: Apache-2.0 */
/* embctl restore: back to a kept snapshot, or with --label to a checkpoint. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/document.h"
#include "client/embctl/groups.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"
#include "proto/embd.pb-c.h"

static const struct option_decl options[] = {
    {"label", 'l', "LABEL", "of a checkpoint: all of its tables, at once"},
    {"version", 0, "V", "of the snapshot, as embctl describe lists them (the newest)"},
};

static int run(const struct arguments *a)
{
    Embd__V1__RestoreRequest request = EMBD__V1__RESTORE_REQUEST__INIT;
    const char *version = option_value(a, "version"), *label = option_value(a, "label");
    Embd__V1__RestoreResponse *reply;
    struct remote r = {.patient = true};
    struct document j;
    int done;

    if (label && (version || a->operand_count))
        return usage_error(a, "--label takes neither a TABLE nor --version");
    if (label)
        return group_restore(a, label);
    if (!a->operand_count)
        return usage_error(a, "it takes a TABLE or --label");
    if (version && (!parse_u64(version, strlen(version), &request.version) || !request.version))
        return usage_error(a, "--version: %s is no version from 1 on", QUOTE(version));
    request.table = (char *)(uintptr_t)a->operand[0];
    done = remote_ask(&r, a, "/embd.v1.Tables/Restore", &request.base,
                      &embd__v1__restore_response__descriptor, &reply);
    if (done == EXIT_DONE && a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        doc_text(&j, "table", a->operand[0]);
        doc_u64(&j, "version", reply->version);
        doc_u64(&j, "lsn", reply->lsn);
        doc_close(&j);
        done = doc_finish(&j);
    } else if (done == EXIT_DONE) {
        printf("%s: restored, version %" PRIu64 " from now on, lsn %" PRIu64 "\n", a->operand[0],
               reply->version, reply->lsn);
        done = finish_output();
    }
    remote_close(&r);
    return done;
}

const struct command command_restore = {
    .name = "restore",
    .operands = "[TABLE]",
    .help = "Take a trainable table back to a kept snapshot, or several to a checkpoint",
    .more =
        "Versions go on from the present one, so that what was looked up before is never taken\n"
        "for what is looked up after it. Trainers keep their positions, and number on from there.\n"
        "With --label no lookup sees some tables before and some after the switch; those that "
        "were\n"
        "unloaded or forgotten since are there again.\n",
    .remote = true,
    .operands_least = 0,
    .operands_most = 1,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
