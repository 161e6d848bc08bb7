/* SPDX-License-Identifier: Apache-2.0 */
/* embctl load --group: several files at once, which nobody sees mixed with what was before. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/command.h"
#include "client/embctl/groups.h"
#include "client/embctl/info.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"

/* One of the operands; it owns its texts. */
struct load {
    Embd__V1__LoadRequest request;
    Embd__V1__TableOption *option;
    Embd__V1__TableOption **list;
    char *text; /* the operand, cut into its parts */
};

static void load_done(struct load *l)
{
    for (size_t i = 0; i < l->request.n_options; i++)
        mem_free(l->option[i].key);
    mem_free(l->option);
    mem_free(l->list);
    mem_free(l->text);
}

/* "KEY=VALUE"; the value is borrowed. False if it is not of that form. */
static bool add_option(struct load *l, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t n = l->request.n_options;

    if (!equals || equals == text)
        return false;
    l->option = need_resize(l->option, n + 1, sizeof *l->option);
    embd__v1__table_option__init(&l->option[n]);
    l->option[n].key = need_text(text, (size_t)(equals - text));
    l->option[n].value = (char *)(uintptr_t)(equals + 1);
    l->request.n_options = n + 1;
    return true;
}

/* NAME=FILE[,KEY=VALUE…], and what --set says of all. EXIT_DONE, or the status of a usage error. */
static int load_parse(struct load *l, const struct arguments *a, const char *operand)
{
    char *file, *option;
    const char *set;

    *l = (struct load){.request = EMBD__V1__LOAD_REQUEST__INIT,
                       .text = need_text(operand, strlen(operand))};
    file = strchr(l->text, '=');
    if (!file || file == l->text || !file[1] || file[1] == ',')
        return usage_error(a, "--group: %s is not NAME=FILE[,KEY=VALUE...]", QUOTE(operand));
    *file++ = '\0';
    l->request.table = l->text;
    l->request.file = strsep(&file, ",");
    l->request.replace = option_value(a, "replace") != NULL;
    while ((option = strsep(&file, ",")))
        if (!add_option(l, option))
            return usage_error(a, "--group: %s in %s is not KEY=VALUE", QUOTE(option),
                               QUOTE(operand));
    for (size_t n = 0; (set = option_nth(a, "set", n)); n++)
        if (!add_option(l, set))
            return usage_error(a, "--set: %s is not KEY=VALUE", QUOTE(set));
    l->list = need_zero(l->request.n_options + 1, sizeof *l->list);
    for (size_t i = 0; i < l->request.n_options; i++)
        l->list[i] = &l->option[i];
    l->request.options = l->list;
    return EXIT_DONE;
}

static int print_loaded(const struct arguments *a, const Embd__V1__LoadGroupResponse *reply)
{
    char rows[32], dim[32], bytes[32];
    struct document j;

    if (a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        doc_u64(&j, "lsn", reply->lsn);
        doc_array(&j, "tables");
        for (size_t i = 0; i < reply->n_tables; i++) {
            doc_object(&j, NULL);
            json_table_info(&j, reply->tables[i]);
            doc_close(&j);
        }
        doc_close(&j);
        doc_close(&j);
        return doc_finish(&j);
    }
    for (size_t i = 0; i < reply->n_tables; i++) {
        const Embd__V1__TableInfo *t = reply->tables[i];

        print_safe(t->name);
        printf(": serving %s, %s × %s, %s, version %" PRIu64 "\n", t->method,
               format_count(rows, t->rows), format_count(dim, t->dim),
               format_bytes(bytes, t->parameter_bytes), t->version);
    }
    printf("%zu %s at once, lsn %" PRIu64 "\n", reply->n_tables,
           reply->n_tables == 1 ? "table" : "tables", reply->lsn);
    return finish_output();
}

int group_load(const struct arguments *a)
{
    Embd__V1__LoadGroupRequest request = EMBD__V1__LOAD_GROUP_REQUEST__INIT;
    struct load *load = need_zero(a->operand_count, sizeof *load);
    Embd__V1__LoadRequest **list = need_zero(a->operand_count, sizeof *list);
    Embd__V1__LoadGroupResponse *reply;
    struct remote r = {.patient = true};
    int done = EXIT_DONE;

    for (size_t i = 0; i < a->operand_count && done == EXIT_DONE; i++) {
        done = load_parse(&load[i], a, a->operand[i]);
        list[i] = &load[i].request;
    }
    request.loads = list;
    request.n_loads = a->operand_count;
    if (done == EXIT_DONE)
        done = remote_ask(&r, a, "/embd.v1.Tables/LoadGroup", &request.base,
                          &embd__v1__load_group_response__descriptor, &reply);
    if (done == EXIT_DONE)
        done = print_loaded(a, reply);
    for (size_t i = 0; i < a->operand_count; i++)
        load_done(&load[i]);
    mem_free(load);
    mem_free(list);
    remote_close(&r);
    return done;
}
