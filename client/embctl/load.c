/* SPDX-License-Identifier: Apache-2.0 */
/* embctl load: serve a file under a name, or another file under a served name; with --group several
   at once. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/groups.h"
#include "client/embctl/info.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"

static const struct option_decl options[] = {
    {"group", 'g', NULL, "the operands are several tables, each NAME=FILE[,KEY=VALUE...]"},
    {"replace", 'r', NULL, "the name is served already: put this file in its place"},
    {"set", 0, "KEY=VALUE", "a setting of the table, such as memory=copy; may be repeated"},
};

static int print_result(const struct arguments *a, const Embd__V1__LoadResponse *reply)
{
    const Embd__V1__TableInfo *t = reply->table;
    char rows[32], dim[32], bytes[32];
    struct document j;

    if (a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        json_table_info(&j, t);
        doc_u64(&j, "lsn", reply->lsn);
        doc_close(&j);
        return doc_finish(&j);
    }
    print_safe(t->name);
    printf(": serving %s, %s × %s, %s, version %" PRIu64 ", lsn %" PRIu64 "\n", t->method,
           format_count(rows, t->rows), format_count(dim, t->dim),
           format_bytes(bytes, t->parameter_bytes), t->version, reply->lsn);
    return finish_output();
}

static int load_one(const struct arguments *a)
{
    Embd__V1__LoadRequest request = EMBD__V1__LOAD_REQUEST__INIT;
    Embd__V1__TableOption *option = need_zero(a->given_count, sizeof *option);
    Embd__V1__TableOption **list = need_zero(a->given_count, sizeof *list);
    Embd__V1__LoadResponse *reply;
    struct remote r = {.patient = true};
    const char *set;
    int done;

    for (size_t n = 0; (set = option_nth(a, "set", n)); n++) {
        const char *equals = strchr(set, '=');

        if (!equals || equals == set) {
            done = usage_error(a, "--set: %s is not KEY=VALUE", QUOTE(set));
            goto out;
        }
        embd__v1__table_option__init(&option[n]);
        option[n].key = need_text(set, (size_t)(equals - set));
        option[n].value = (char *)(uintptr_t)(equals + 1);
        list[n] = &option[n];
        request.n_options = n + 1;
    }
    request.table = (char *)(uintptr_t)a->operand[0];
    request.file = (char *)(uintptr_t)a->operand[1];
    request.replace = option_value(a, "replace") != NULL;
    request.options = list;
    done = remote_ask(&r, a, "/embd.v1.Tables/Load", &request.base,
                      &embd__v1__load_response__descriptor, &reply);
    if (done == EXIT_DONE && !reply->table)
        done = fail(&(struct error){"the daemon's answer names no table"});
    if (done == EXIT_DONE)
        done = print_result(a, reply);
out:
    for (size_t n = 0; n < a->given_count && list[n]; n++)
        mem_free(option[n].key);
    mem_free(option);
    mem_free(list);
    remote_close(&r);
    return done;
}

static int run(const struct arguments *a)
{
    if (option_value(a, "group"))
        return group_load(a);
    if (a->operand_count != 2)
        return usage_error(a, "without --group it takes TABLE FILE");
    return load_one(a);
}

const struct command command_load = {
    .name = "load",
    .operands = "TABLE FILE | --group NAME=FILE...",
    .help = "Serve a table file under a name, or several at once",
    .more = "FILE is a path below the daemon's import_dir. With --group all of them are loaded or "
            "none,\n"
            "and no lookup sees some tables before and some after the switch.\n",
    .remote = true,
    .operands_least = 1,
    .operands_most = OPERANDS_ANY,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
