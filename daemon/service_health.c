/* SPDX-License-Identifier: Apache-2.0 */
/* The standard health service. The daemon serves or it does not: all services and "" have one
   state, which the main thread keeps in server->ready and server->draining. */
#include <string.h>

#include "base/block.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/counters.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "daemon/worker.h"
#include "proto/health.pb-c.h"

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving;
#define SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

static const char *const services[] = {"", "embd.v1.Embedding", "embd.v1.Stats", "embd.v1.Tables"};
#define SERVICE_COUNT (sizeof services / sizeof *services)

static serving state_of(const struct call *call, const char *service)
{
    const struct server *server = call->worker->server;

    for (size_t i = 0; i < SERVICE_COUNT; i++)
        if (!strcmp(services[i], service))
            return atomic_load(&server->ready) && !atomic_load(&server->draining) ? SERVING
                                                                                  : NOT_SERVING;
    return SERVICE_UNKNOWN;
}

static void check_message(struct call *call, const unsigned char *data, size_t n)
{
    const Grpc__Health__V1__HealthCheckRequest *request =
        service_unpack(call, &grpc__health__v1__health_check_request__descriptor, data, n);
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    struct error e;

    if (!request)
        return;
    reply.status = state_of(call, request->service);
    if (reply.status == SERVICE_UNKNOWN)
        call_fail(call, error_set(&e, ST_NOT_FOUND, "no such service: %s", QUOTE(request->service)),
                  &e);
    else
        service_reply(call, &reply.base);
}

static void list_message(struct call *call, const unsigned char *data, size_t n)
{
    Grpc__Health__V1__HealthListResponse reply = GRPC__HEALTH__V1__HEALTH_LIST_RESPONSE__INIT;
    Grpc__Health__V1__HealthListResponse__StatusesEntry entry[SERVICE_COUNT], *list[SERVICE_COUNT];
    Grpc__Health__V1__HealthCheckResponse state[SERVICE_COUNT];

    if (!service_unpack(call, &grpc__health__v1__health_list_request__descriptor, data, n))
        return;
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        state[i] =
            (Grpc__Health__V1__HealthCheckResponse)GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
        state[i].status = state_of(call, services[i]);
        entry[i] = (Grpc__Health__V1__HealthListResponse__StatusesEntry)
            GRPC__HEALTH__V1__HEALTH_LIST_RESPONSE__STATUSES_ENTRY__INIT;
        entry[i].key = (char *)services[i];
        entry[i].value = &state[i];
        list[i] = &entry[i];
    }
    reply.statuses = list;
    reply.n_statuses = SERVICE_COUNT;
    service_reply(call, &reply.base);
}

/* ---- Watch: the state now, and whenever it changes ---- */

struct watch {
    struct waiter waiter; /* first; wakes more often than the state changes */
    struct call *call;
    const char *service;
    serving told;
};

static void tell(struct watch *watch)
{
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    struct block *b;
    struct error e;

    reply.status = watch->told = state_of(watch->call, watch->service);
    b = service_pack(&reply.base);
    if (b)
        call_send(watch->call, b);
    else
        call_fail(watch->call, error_memory(&e, "the reply"), &e);
}

static void wake(struct waiter *waiter)
{
    struct watch *watch = (struct watch *)waiter;
    struct call *call = watch->call;
    struct worker *w = call->worker;
    uint64_t id = call->id;
    struct error e;

    if (state_of(call, watch->service) != watch->told)
        tell(watch);
    if (!call_find(w, id))
        return; /* that could not be told */
    if (w->draining)
        call_fail(call, error_set(&e, ST_UNAVAILABLE, "the daemon is stopping"), &e);
    else
        worker_wait(w, &watch->waiter);
}

static void watch_message(struct call *call, const unsigned char *data, size_t n)
{
    const Grpc__Health__V1__HealthCheckRequest *request =
        service_unpack(call, &grpc__health__v1__health_check_request__descriptor, data, n);
    struct worker *w = call->worker;
    struct watch *watch;
    uint64_t id = call->id;
    struct error e;

    if (!request)
        return;
    watch = arena_zero(&call->arena, 1, sizeof *watch);
    if (!watch) {
        call_fail(call, error_memory(&e, "the call"), &e);
        return;
    }
    watch->call = call;
    watch->service = request->service;
    watch->waiter.wake = wake;
    call->state = watch;
    tell(watch);
    if (call_find(w, id))
        worker_wait(w, &watch->waiter);
}

static void watch_done(struct call *call, enum status st)
{
    struct watch *watch = call->state;

    if (watch)
        worker_unwait(call->worker, &watch->waiter);
    service_done(call, st);
}

struct change {
    struct mail mail;
};

static void deliver_change(struct mail *mail, void *receiver)
{
    worker_wake(receiver);
    mem_free(mail);
}

void health_changed(struct server *server)
{
    for (unsigned i = 0; i < server->worker_count; i++) {
        struct change *change = mem_alloc(sizeof *change);

        if (!change)
            continue; /* they learn it with the next catalog, or when the daemon stops */
        change->mail.deliver = deliver_change;
        mailbox_send(&server->worker[i]->mailbox, &change->mail);
    }
}

const struct rpc rpc_health_check = {.path = "/grpc.health.v1.Health/Check",
                                     .name = "Health.Check",
                                     .index = CALL_HEALTH_CHECK,
                                     .message = check_message,
                                     .done = service_done};
const struct rpc rpc_health_list = {.path = "/grpc.health.v1.Health/List",
                                    .name = "Health.List",
                                    .index = CALL_HEALTH_LIST,
                                    .message = list_message,
                                    .done = service_done};
const struct rpc rpc_health_watch = {.path = "/grpc.health.v1.Health/Watch",
                                     .name = "Health.Watch",
                                     .index = CALL_HEALTH_WATCH,
                                     .server_streams = true,
                                     .message = watch_message,
                                     .done = watch_done};
