/* SPDX-License-Identifier: Apache-2.0 */
/* embctl save --label: a checkpoint of several tables; and restore --label. */
#include <inttypes.h>

#include "base/text.h"
#include "client/embctl/command.h"
#include "client/embctl/groups.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"

void json_group_tables(struct document *j, Embd__V1__GroupTable *const *table, size_t count)
{
    doc_array(j, "tables");
    for (size_t i = 0; i < count; i++) {
        doc_object(j, NULL);
        doc_text(j, "table", table[i]->table);
        doc_u64(j, "version", table[i]->version);
        doc_u64(j, "bytes", table[i]->bytes);
        doc_text(j, "file", table[i]->file);
        doc_close(j);
    }
    doc_close(j);
}

void print_group_tables(Embd__V1__GroupTable *const *table, size_t count)
{
    static const struct column columns[] = {{"table", false}, {"version", true}, {"size", true}};
    struct sheet s;

    sheet_init(&s, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        sheet_style(&s, STYLE_BOLD);
        sheet_text(&s, table[i]->table);
        sheet_count(&s, table[i]->version);
        sheet_bytes(&s, table[i]->bytes);
    }
    sheet_print(&s, 0, "");
    sheet_done(&s);
}

static int print_saved(const struct arguments *a, const char *label,
                       const Embd__V1__SaveGroupResponse *reply)
{
    char bytes[32], time[32];
    struct document j;
    uint64_t sum = 0;

    if (a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        doc_text(&j, "label", label);
        doc_u64(&j, "lsn", reply->lsn);
        json_group_tables(&j, reply->tables, reply->n_tables);
        doc_u64(&j, "us", reply->us);
        doc_close(&j);
        return doc_finish(&j);
    }
    for (size_t i = 0; i < reply->n_tables; i++)
        sum += reply->tables[i]->bytes;
    print_group_tables(reply->tables, reply->n_tables);
    printf("\n%s: saved %zu %s as of lsn %" PRIu64 ", %s in %s\n", label, reply->n_tables,
           reply->n_tables == 1 ? "table" : "tables", reply->lsn, format_bytes(bytes, sum),
           format_duration(time, (double)reply->us));
    return finish_output();
}

int group_save(const struct arguments *a, const char *label)
{
    Embd__V1__SaveGroupRequest request = EMBD__V1__SAVE_GROUP_REQUEST__INIT;
    Embd__V1__SaveGroupResponse *reply;
    struct remote r = {.patient = true};
    int done;

    request.label = (char *)(uintptr_t)label;
    request.replace = option_value(a, "replace") != NULL;
    request.n_tables = a->operand_count;
    request.tables = (char **)(uintptr_t)a->operand;
    done = remote_ask(&r, a, "/embd.v1.Tables/SaveGroup", &request.base,
                      &embd__v1__save_group_response__descriptor, &reply);
    if (done == EXIT_DONE)
        done = print_saved(a, label, reply);
    remote_close(&r);
    return done;
}

int group_restore(const struct arguments *a, const char *label)
{
    Embd__V1__RestoreGroupRequest request = EMBD__V1__RESTORE_GROUP_REQUEST__INIT;
    Embd__V1__RestoreGroupResponse *reply;
    struct remote r = {.patient = true};
    struct document j;
    int done;

    request.label = (char *)(uintptr_t)label;
    done = remote_ask(&r, a, "/embd.v1.Tables/RestoreGroup", &request.base,
                      &embd__v1__restore_group_response__descriptor, &reply);
    if (done == EXIT_DONE && a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        doc_text(&j, "label", label);
        doc_u64(&j, "lsn", reply->lsn);
        json_group_tables(&j, reply->tables, reply->n_tables);
        doc_close(&j);
        done = doc_finish(&j);
    } else if (done == EXIT_DONE) {
        print_group_tables(reply->tables, reply->n_tables);
        printf("\n%s: restored %zu %s, which go on from these versions, lsn %" PRIu64 "\n", label,
               reply->n_tables, reply->n_tables == 1 ? "table" : "tables", reply->lsn);
        done = finish_output();
    }
    remote_close(&r);
    return done;
}
