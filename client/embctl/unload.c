/* SPDX-License-Identifier: Apache-2.0 */
/* embctl unload: stop serving a table. */
#include <inttypes.h>

#include "client/embctl/commands.h"
#include "client/embctl/document.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"
#include "proto/embd.pb-c.h"

static const struct option_decl options[] = {
    {"forget", 0, NULL, "delete the daemon's own files of the table, too"},
};

static int run(const struct arguments *a)
{
    Embd__V1__UnloadRequest request = EMBD__V1__UNLOAD_REQUEST__INIT;
    Embd__V1__UnloadResponse *reply;
    struct remote r = {0};
    struct document j;
    int done;

    request.table = (char *)(uintptr_t)a->operand[0];
    request.forget = option_value(a, "forget") != NULL;
    done = remote_ask(&r, a, "/embd.v1.Tables/Unload", &request.base,
                      &embd__v1__unload_response__descriptor, &reply);
    if (done == EXIT_DONE && a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        doc_text(&j, "table", a->operand[0]);
        doc_u64(&j, "version", reply->version);
        doc_bool(&j, "forgotten", request.forget);
        doc_u64(&j, "lsn", reply->lsn);
        doc_close(&j);
        done = doc_finish(&j);
    } else if (done == EXIT_DONE) {
        printf("%s: not served any more%s, last version %" PRIu64 ", lsn %" PRIu64 "\n",
               a->operand[0], request.forget ? " and forgotten" : "", reply->version, reply->lsn);
        done = finish_output();
    }
    remote_close(&r);
    return done;
}

const struct command command_unload = {
    .name = "unload",
    .operands = "TABLE",
    .help = "Stop serving a table; its files stay",
    .remote = true,
    .operands_least = 1,
    .operands_most = 1,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
