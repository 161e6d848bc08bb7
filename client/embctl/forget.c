/* SPDX-License-Identifier: Apache-2.0 */
/* embctl forget: a trainer that will not come back. */
#include <inttypes.h>

#include "client/embctl/commands.h"
#include "client/embctl/document.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"
#include "proto/embd.pb-c.h"

static int run(const struct arguments *a)
{
    Embd__V1__ForgetRequest request = EMBD__V1__FORGET_REQUEST__INIT;
    Embd__V1__ForgetResponse *reply;
    struct remote r = {0};
    struct document j;
    int done;

    request.trainer = (char *)(uintptr_t)a->operand[0];
    done = remote_ask(&r, a, "/embd.v1.Embedding/Forget", &request.base,
                      &embd__v1__forget_response__descriptor, &reply);
    if (done == EXIT_DONE && a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        doc_text(&j, "trainer", a->operand[0]);
        doc_u64(&j, "sequence", reply->sequence);
        doc_u64(&j, "lsn", reply->lsn);
        doc_close(&j);
        done = doc_finish(&j);
    } else if (done == EXIT_DONE) {
        printf("%s: forgotten, its last push was number %" PRIu64 ", lsn %" PRIu64 "\n",
               a->operand[0], reply->sequence, reply->lsn);
        done = finish_output();
    }
    remote_close(&r);
    return done;
}

const struct command command_forget = {
    .name = "forget",
    .operands = "TRAINER",
    .help = "Forget a trainer: its next push begins at 1 again",
    .more = "What it pushed stays. A push that it sends again would count again.\n",
    .remote = true,
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
