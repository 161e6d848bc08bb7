/* SPDX-License-Identifier: Apache-2.0 */
/* embctl tables: what the daemon serves. */
#include <inttypes.h>

#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/info.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"

static int print_json(const Embd__V1__ListResponse *list)
{
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    doc_u64(&j, "lsn", list->lsn);
    doc_array(&j, "tables");
    for (size_t i = 0; i < list->n_tables; i++) {
        doc_object(&j, NULL);
        json_table_info(&j, list->tables[i]);
        doc_close(&j);
    }
    doc_close(&j);
    doc_close(&j);
    return doc_finish(&j);
}

static int print_list(const Embd__V1__ListResponse *list)
{
    static const struct column columns[] = {
        {"table", false}, {"method", false}, {"rows", true},    {"dim", true},
        {"size", true},   {"ratio", true},   {"ids", false},    {"version", true},
        {"saved", true},  {"memory", false}, {"private", true}, {"", false},
    };
    uint64_t bytes = 0;
    struct sheet s;
    char text[32];

    if (!list->n_tables) {
        printf("no tables are served\n");
        return finish_output();
    }
    sheet_init(&s, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < list->n_tables; i++) {
        const Embd__V1__TableInfo *t = list->tables[i];
        bool damaged = t->state != EMBD__V1__TABLE_STATE__TABLE_STATE_SERVING;

        bytes += t->parameter_bytes;
        sheet_style(&s, damaged ? STYLE_RED : STYLE_BOLD);
        sheet_text(&s, t->name);
        sheet_text(&s, t->method);
        sheet_count(&s, t->rows);
        sheet_count(&s, t->dim);
        sheet_bytes(&s, t->parameter_bytes);
        sheet_text(&s, format_ratio(text, t->ratio));
        sheet_text(&s, ids_name((int)t->ids));
        sheet_count(&s, t->version);
        if (t->trainable)
            sheet_count(&s, t->snapshot_version);
        else
            sheet_text(&s, "");
        sheet_text(&s, memory_name((int)t->memory));
        sheet_bytes(&s, t->private_bytes);
        sheet_style(&s, STYLE_RED);
        if (damaged)
            sheet_format(&s, "%s: %s", state_name((int)t->state), t->trouble);
        else
            sheet_text(&s, "");
    }
    sheet_print(&s, 0, "");
    sheet_done(&s);
    printf("\n%s%zu %s, %s of parameters, lsn %" PRIu64 "%s\n", style(STYLE_DIM), list->n_tables,
           list->n_tables == 1 ? "table" : "tables", format_bytes(text, bytes), list->lsn,
           style(STYLE_NONE));
    return finish_output();
}

static int run(const struct arguments *a)
{
    Embd__V1__ListRequest request = EMBD__V1__LIST_REQUEST__INIT;
    Embd__V1__ListResponse *list;
    struct remote r = {0};
    int done = remote_ask(&r, a, "/embd.v1.Tables/List", &request.base,
                          &embd__v1__list_response__descriptor, &list);

    if (done == EXIT_DONE)
        done = a->json ? print_json(list) : print_list(list);
    remote_close(&r);
    return done;
}

const struct command command_tables = {
    .name = "tables",
    .operands = "",
    .help = "List the tables that the daemon serves",
    .remote = true,
    .run = run,
};
