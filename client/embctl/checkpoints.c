/* SPDX-License-Identifier: Apache-2.0 */
/* embctl checkpoints: which there are. */
#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/document.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"
#include "proto/embd.pb-c.h"

static int print_json(const Embd__V1__GroupsResponse *reply)
{
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    doc_array(&j, "checkpoints");
    for (size_t i = 0; i < reply->n_groups; i++) {
        const Embd__V1__GroupInfo *g = reply->groups[i];

        doc_object(&j, NULL);
        doc_text(&j, "label", g->label);
        doc_u64(&j, "lsn", g->lsn);
        doc_real(&j, "time", (double)g->time_us / 1e6);
        doc_u64(&j, "bytes", g->bytes);
        doc_array(&j, "tables");
        for (size_t t = 0; t < g->n_tables; t++)
            doc_text(&j, NULL, g->tables[t]);
        doc_close(&j);
        if (*g->trouble)
            doc_text(&j, "trouble", g->trouble);
        doc_close(&j);
    }
    doc_close(&j);
    doc_close(&j);
    return doc_finish(&j);
}

static int print_list(const Embd__V1__GroupsResponse *reply)
{
    static const struct column columns[] = {{"checkpoint", false}, {"tables", true}, {"size", true},
                                            {"lsn", true},         {"age", true},    {"", false}};
    int64_t now = clock_wall_us();
    char age[32];
    struct sheet s;

    if (!reply->n_groups) {
        printf("there are no checkpoints\n");
        return finish_output();
    }
    sheet_init(&s, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < reply->n_groups; i++) {
        const Embd__V1__GroupInfo *g = reply->groups[i];
        bool bad = *g->trouble;

        sheet_style(&s, bad ? STYLE_RED : STYLE_BOLD);
        sheet_text(&s, g->label);
        sheet_count(&s, g->n_tables);
        sheet_bytes(&s, g->bytes);
        sheet_count(&s, g->lsn);
        sheet_text(&s, bad ? "" : format_duration(age, (double)(now - g->time_us)));
        sheet_style(&s, STYLE_RED);
        sheet_text(&s, g->trouble);
    }
    sheet_print(&s, 0, "");
    sheet_done(&s);
    return finish_output();
}

static int run(const struct arguments *a)
{
    Embd__V1__GroupsRequest request = EMBD__V1__GROUPS_REQUEST__INIT;
    Embd__V1__GroupsResponse *reply;
    struct remote r = {0};
    int done = remote_ask(&r, a, "/embd.v1.Tables/Groups", &request.base,
                          &embd__v1__groups_response__descriptor, &reply);

    if (done == EXIT_DONE)
        done = a->json ? print_json(reply) : print_list(reply);
    remote_close(&r);
    return done;
}

const struct command command_checkpoints = {
    .name = "checkpoints",
    .operands = "",
    .help = "List the checkpoints that save --label has made",
    .more = "Their files are shared with the tables' snapshots as long as those are kept, so the\n"
            "sizes are more than what they take on disk.\n",
    .remote = true,
    .run = run,
};
