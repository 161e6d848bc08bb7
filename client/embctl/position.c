/* SPDX-License-Identifier: Apache-2.0 */
/* embctl position: where a trainer stands. */
#include <inttypes.h>

#include "client/embctl/commands.h"
#include "client/embctl/document.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"
#include "proto/embd.pb-c.h"

static int run(const struct arguments *a)
{
    Embd__V1__PositionRequest request = EMBD__V1__POSITION_REQUEST__INIT;
    Embd__V1__PositionResponse *reply;
    struct remote r = {0};
    struct document j;
    int done;

    request.trainer = (char *)(uintptr_t)a->operand[0]; /* protobuf-c knows no const */
    done = remote_ask(&r, a, "/embd.v1.Embedding/Position", &request.base,
                      &embd__v1__position_response__descriptor, &reply);
    if (done == EXIT_DONE && a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        doc_text(&j, "trainer", a->operand[0]);
        doc_u64(&j, "sequence", reply->sequence);
        doc_close(&j);
        done = doc_finish(&j);
    } else if (done == EXIT_DONE) {
        if (reply->sequence)
            printf("%s: number %" PRIu64 " was the last push applied\n", a->operand[0],
                   reply->sequence);
        else
            printf("%s: no push was applied yet\n", a->operand[0]);
        done = finish_output();
    }
    remote_close(&r);
    return done;
}

const struct command command_position = {
    .name = "position",
    .operands = "TRAINER",
    .help = "Show where a trainer stands: the number of its last push",
    .remote = true,
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
