/* SPDX-License-Identifier: Apache-2.0 */
/* Between the client's connections, which know calls, and the worker, which knows what is due. */
#include "client/load/lane.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/load/worker.h"

#define CONNECT_US 5000000
#define RETRY_NS 100000000 /* until a connection that could not be made is tried again */
#define REPLY_MAX (1u << 30)

static const char lookup_path[] = "/embd.v1.Embedding/Lookup";

static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR &&
                  EPOLLHUP == POLLHUP,
              "connections speak poll()");

static enum status reply_begin(void *context, uint32_t length, struct error *e)
{
    struct slot *slot = context;

    (void)e;
    reply_check_begin(&slot->check, slot->lane->worker->plan, slot->request->rows, length);
    return ST_OK;
}

static enum status reply_add(void *context, const unsigned char *data, size_t n, struct error *e)
{
    struct slot *slot = context;
    enum status st = reply_check_add(&slot->check, data, n, e);

    slot->wrong = slot->wrong || st != ST_OK;
    return st;
}

/* The status has come with OK, and this was the message. */
static enum status reply_end(void *context, struct error *e)
{
    struct slot *slot = context;
    enum status st = reply_check_end(&slot->check, e);

    slot->answered_ns = clock_now_ns();
    slot->next = slot->lane->answered;
    slot->lane->answered = slot;
    return st;
}

void lane_init(struct lane *l, struct worker *worker, struct slot *slots, size_t count)
{
    *l = (struct lane){.worker = worker, .fd = -1, .slots = slots, .slot_count = count};
    for (size_t i = count; i-- > 0;) {
        struct slot *slot = &slots[i];

        slot->lane = l;
        slot->call.path = lookup_path;
        slot->call.deadline_us = CALL_FOREVER; /* the worker looks at the clock */
        slot->call.reply_max = REPLY_MAX;
        slot->call.sink = (struct reply_sink){reply_begin, reply_add, reply_end, slot};
        slot->next = l->free;
        l->free = slot;
    }
}

/* Tell epoll what the connection waits for. While it connects, its descriptor may be a new one of
   the same number. */
static enum status watch(struct lane *l, struct error *e)
{
    struct connection *c = l->connection;
    struct epoll_event event = {.events = (uint32_t)connection_events(c), .data.ptr = l};
    int epoll = l->worker->epoll;

    if (c->state == CONNECTION_OPEN && l->fd == c->fd && l->events == event.events)
        return ST_OK;
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event) < 0 &&
        epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        return error_errno(e, errno, "epoll");
    l->events = event.events;
    l->fd = c->state == CONNECTION_OPEN ? c->fd : -1;
    return ST_OK;
}

enum status lane_open(struct lane *l, uint64_t now_ns, struct error *e)
{
    enum status st =
        connection_new(&l->connection, &l->worker->run->address, now_ns / 1000 + CONNECT_US, e);

    if (st == ST_OK && l->connection->state == CONNECTION_CLOSED) {
        *e = l->connection->error;
        st = ST_UNAVAILABLE;
    }
    if (st == ST_OK)
        st = watch(l, e);
    if (st != ST_OK) {
        lane_close(l);
        l->retry_ns = now_ns + RETRY_NS;
    }
    return st;
}

void lane_close(struct lane *l)
{
    connection_free(l->connection);
    l->connection = NULL;
    l->fd = -1;
}

bool lane_takes_calls(const struct lane *l)
{
    return l->free && l->connection && l->connection->state == CONNECTION_OPEN &&
           connection_takes_calls(l->connection);
}

enum status lane_send(struct slot **out, struct lane *l, struct request *request, uint64_t due_ns,
                      struct error *e)
{
    struct slot *slot = l->free;
    struct call *call = &slot->call;
    enum status st;

    slot->piece = (struct bytes){request->body, request->bytes};
    slot->parcel = (struct parcel){.piece = &slot->piece, .pieces = 1};
    call->body = (struct body){0};
    body_add(&call->body, &slot->parcel);
    call->over = false;
    slot->request = request;
    slot->due_ns = due_ns;
    slot->wrong = false;
    st = session_submit(&l->connection->session, call, address_authority(&l->worker->run->address),
                        l->worker->plan->timeout_ns / 1000, e);
    if (st != ST_OK)
        return st;
    call->connection = l->connection;
    l->free = slot->next;
    l->in_flight++;
    slot->in_flight = true;
    *out = slot;
    return ST_OK;
}

static void end(struct slot *slot, uint64_t now_ns)
{
    struct lane *l = slot->lane;

    slot->in_flight = false;
    slot->next = l->free;
    l->free = slot;
    l->in_flight--;
    worker_call_ended(slot, now_ns);
}

void lane_abandon(struct slot *slot, enum status status)
{
    session_drop(&slot->lane->connection->session, &slot->call);
    call_finish(&slot->call, status);
    end(slot, clock_now_ns());
    worker_lane_dirty(slot->lane);
}

/* Calls that ended in another way than with an answer: the session has parted with them. */
static void end_failed(struct lane *l)
{
    uint64_t now_ns = clock_now_ns();

    for (size_t i = 0; i < l->slot_count && l->in_flight > l->connection->session.calls; i++) {
        struct call *call = &l->slots[i].call;

        if (!l->slots[i].in_flight || call->connection)
            continue;
        if (!call->over)
            call_finish(call, error_set(&call->error, ST_UNAVAILABLE, "%s refused the call",
                                        QUOTE(l->worker->run->address.text)));
        end(&l->slots[i], now_ns);
    }
}

/* The connection is closed: all its calls end, and another one is made, soon unless this one has
   never been good for anything. */
static void end_all(struct lane *l)
{
    struct connection *c = l->connection;
    uint64_t now_ns = clock_now_ns();
    struct error why = c->error;

    for (size_t i = 0; i < l->slot_count; i++) {
        struct slot *slot = &l->slots[i];

        if (!slot->in_flight)
            continue;
        session_forget(&c->session, &slot->call);
        slot->call.error = why;
        call_finish(&slot->call, ST_UNAVAILABLE);
        end(slot, now_ns);
    }
    l->retry_ns = now_ns + RETRY_NS;
    lane_close(l);
    worker_lane_lost(l, &why);
}

/* After an event: see what has become of the calls and of the connection. */
static void settle(struct lane *l)
{
    struct connection *c = l->connection;
    struct slot *slot;
    struct error e;

    while ((slot = l->answered)) {
        l->answered = slot->next;
        end(slot, slot->answered_ns);
    }
    if (l->in_flight > c->session.calls)
        end_failed(l);
    if (l->in_flight == 0 &&
        (c->session.draining || (c->state == CONNECTION_OPEN && !connection_takes_calls(c)))) {
        l->retry_ns = 0; /* it came to an orderly end: go on with another one at once */
        lane_close(l);
        worker_lane_lost(l, NULL);
        return;
    }
    if (c->state != CONNECTION_CLOSED && watch(l, &e) != ST_OK) {
        c->error = e;
        c->state = CONNECTION_CLOSED;
    }
    if (c->state == CONNECTION_CLOSED)
        end_all(l);
    else
        worker_lane_ready(l);
}

void lane_step(struct lane *l, uint32_t events, uint64_t now_ns)
{
    connection_step(l->connection, (short)events, now_ns / 1000);
    settle(l);
}

void lane_flush(struct lane *l)
{
    connection_flush(l->connection);
    settle(l);
}
