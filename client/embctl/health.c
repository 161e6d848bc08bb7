/* SPDX-License-Identifier: Apache-2.0 */
/* embctl health: whether the daemon, or one of its services, serves. The exit status tells scripts.
 */
#include <stdlib.h>
#include <string.h>

#include "client/embctl/commands.h"
#include "client/embctl/document.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"
#include "proto/health.pb-c.h"

typedef Grpc__Health__V1__HealthListResponse__StatusesEntry health_entry; /* what protoc-c made */

#define SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING

static const char *health_name(const Grpc__Health__V1__HealthCheckResponse *h)
{
    static const char *const names[] = {"unknown", "serving", "not serving", "unknown service"};

    return h && h->status >= 0 && h->status < 4 ? names[h->status] : "unknown";
}

static int compare_services(const void *a, const void *b)
{
    const health_entry *const *x = a, *const *y = b;

    return strcmp((*x)->key, (*y)->key);
}

static int print_one(const struct arguments *a, const Grpc__Health__V1__HealthCheckResponse *h)
{
    struct document j;
    int done;

    if (a->json) {
        doc_begin(&j);
        doc_object(&j, NULL);
        doc_text(&j, "service", a->operand[0]);
        doc_text(&j, "status", health_name(h));
        doc_close(&j);
        done = doc_finish(&j);
    } else {
        bool serving = h->status == SERVING;

        printf("%s%s%s\n", style(serving ? STYLE_GREEN : STYLE_RED), health_name(h),
               style(STYLE_NONE));
        done = finish_output();
    }
    return done == EXIT_DONE && h->status != SERVING ? EXIT_FAILED : done;
}

static int print_all(const struct arguments *a, health_entry **entry, size_t count)
{
    static const struct column columns[] = {{"service", false}, {"status", false}};
    int all = EXIT_DONE, done;
    struct sheet s;
    struct document j;

    qsort(entry, count, sizeof *entry, compare_services);
    sheet_init(&s, columns, 2);
    doc_begin(&j);
    if (a->json) {
        doc_object(&j, NULL);
        doc_object(&j, "services");
    }
    for (size_t i = 0; i < count; i++) {
        bool serving = entry[i]->value && entry[i]->value->status == SERVING;

        all = serving ? all : EXIT_FAILED;
        if (a->json)
            doc_text(&j, entry[i]->key, health_name(entry[i]->value));
        sheet_text(&s, entry[i]->key[0] ? entry[i]->key : "(the whole daemon)");
        sheet_style(&s, serving ? STYLE_GREEN : STYLE_RED);
        sheet_text(&s, health_name(entry[i]->value));
    }
    if (a->json) {
        doc_close(&j);
        doc_close(&j);
        done = doc_finish(&j);
    } else {
        sheet_print(&s, 0, "");
        done = finish_output();
    }
    sheet_done(&s);
    return done == EXIT_DONE ? all : done;
}

static int run(const struct arguments *a)
{
    Grpc__Health__V1__HealthCheckRequest check = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    Grpc__Health__V1__HealthListRequest list = GRPC__HEALTH__V1__HEALTH_LIST_REQUEST__INIT;
    Grpc__Health__V1__HealthCheckResponse *one;
    Grpc__Health__V1__HealthListResponse *all;
    struct remote r = {0};
    int done;

    if (a->operand_count) {
        check.service = (char *)(uintptr_t)a->operand[0];
        done = remote_ask(&r, a, "/grpc.health.v1.Health/Check", &check.base,
                          &grpc__health__v1__health_check_response__descriptor, &one);
        if (done == EXIT_DONE)
            done = print_one(a, one);
    } else {
        done = remote_ask(&r, a, "/grpc.health.v1.Health/List", &list.base,
                          &grpc__health__v1__health_list_response__descriptor, &all);
        if (done == EXIT_DONE)
            done = print_all(a, all->statuses, all->n_statuses);
    }
    remote_close(&r);
    return done;
}

const struct command command_health = {
    .name = "health",
    .operands = "[SERVICE]",
    .help = "Tell whether the daemon and its services serve",
    .more = "The exit status is 0 if everything asked for serves, and 1 if not.\n"
            "SERVICE is a name such as embd.v1.Embedding, or \"\" for the daemon as a whole.\n",
    .remote = true,
    .operands_most = 1,
    .run = run,
};
