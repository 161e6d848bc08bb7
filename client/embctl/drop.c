/* SPDX-License-Identifier: Apache-2.0 */
/* embctl drop: delete a checkpoint. */
#include "client/embctl/commands.h"
#include "client/embctl/document.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"
#include "proto/embd.pb-c.h"

static int run(const struct arguments *a)
{
    Embd__V1__DropGroupRequest request = EMBD__V1__DROP_GROUP_REQUEST__INIT;
    Embd__V1__DropGroupResponse *reply;
    struct remote r = {.patient = true};
    struct document j;
    int done;

    request.label = (char *)(uintptr_t)a->operand[0];
    done = remote_ask(&r, a, "/embd.v1.Tables/DropGroup", &request.base,
                      &embd__v1__drop_group_response__descriptor, &reply);
    if (done == EXIT_DONE && a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        doc_text(&j, "label", a->operand[0]);
        doc_close(&j);
        done = doc_finish(&j);
    } else if (done == EXIT_DONE) {
        printf("%s: dropped\n", a->operand[0]);
        done = finish_output();
    }
    remote_close(&r);
    return done;
}

const struct command command_drop = {
    .name = "drop",
    .operands = "LABEL",
    .help = "Delete a checkpoint; the tables stay as they are",
    .remote = true,
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
