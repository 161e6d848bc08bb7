/* SPDX-License-Identifier: Apache-2.0 */
/* embctl save: a snapshot of a trainable table. */
#include <inttypes.h>

#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/info.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"

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
    struct remote r = {.patient = true};
    int done;

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
    .operands = "TABLE",
    .help = "Write a snapshot of a trainable table",
    .more = "Pushes and lookups go on meanwhile. The daemon writes snapshots by itself, too.\n",
    .remote = true,
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
