/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP address. A connection is read until its headers end, answered, and closed. */
#include "daemon/http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "daemon/control.h"
#include "daemon/listener.h"
#include "daemon/metrics.h"
#include "daemon/server.h"

#define CONNECTIONS_MOST 64
#define HEADERS_MOST 8192
#define LIFE_S 30  /* of a connection, from accept to the end of the answer */
#define LINGER_S 1 /* for the peer to take the answer and close */

struct peer {
    struct peer *next, *prev;
    struct http *http;
    struct bufferevent *stream;
    struct event *patience; /* ends a peer that sends or reads slowly */
    bool answered;
};

struct http {
    struct control *control;
    struct listener *listener;
    struct peer peers; /* ring head */
    unsigned count;
};

static void peer_free(struct peer *p)
{
    p->next->prev = p->prev;
    p->prev->next = p->next;
    p->http->count--;
    if (p->patience)
        event_free(p->patience);
    if (p->stream)
        bufferevent_free(p->stream); /* closes the socket */
    mem_free(p);
}

static void answer(struct peer *p, const char *status, struct evbuffer *body, bool head)
{
    struct evbuffer *in = bufferevent_get_input(p->stream),
                    *out = bufferevent_get_output(p->stream);

    p->answered = true;
    evbuffer_drain(in, evbuffer_get_length(in)); /* full, it would stop reading */
    evbuffer_add_printf(out,
                        "HTTP/1.1 %s\r\n"
                        "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                        "Content-Length: %zu\r\n"
                        "%s"
                        "Cache-Control: no-store\r\n"
                        "Connection: close\r\n\r\n",
                        status, evbuffer_get_length(body),
                        strncmp(status, "405", 3) ? "" : "Allow: GET, HEAD\r\n");
    if (!head)
        evbuffer_add_buffer(out, body);
}

/* The whole request line is there. `line` is NUL-terminated and ours to cut. */
static void serve(struct peer *p, char *line)
{
    struct evbuffer *body = evbuffer_new();
    char *rest, *method = strtok_r(line, " ", &rest), *path = strtok_r(NULL, " ", &rest),
                *version = strtok_r(NULL, " ", &rest);
    struct control *control = p->http->control;
    const char *status = "200 OK";
    bool head;

    if (!body) {
        peer_free(p);
        return;
    }
    head = method && !strcmp(method, "HEAD");
    if (path)
        path[strcspn(path, "?")] = '\0';
    if (!version || strncmp(version, "HTTP/1.", 7) || strtok_r(NULL, " ", &rest)) {
        status = "400 Bad Request";
    } else if (!head && strcmp(method, "GET")) {
        status = "405 Method Not Allowed";
    } else if (!strcmp(path, "/livez")) {
        evbuffer_add_printf(body, "alive\n");
    } else if (!strcmp(path, "/readyz")) {
        if (!metrics_ready(body, control))
            status = "503 Service Unavailable";
    } else if (!strcmp(path, "/metrics")) {
        metrics_write(body, control);
    } else {
        status = "404 Not Found";
    }
    if (!evbuffer_get_length(body))
        evbuffer_add_printf(body, "%s\n", status);
    answer(p, status, body, head);
    evbuffer_free(body);
}

static void on_read(struct bufferevent *stream, void *arg)
{
    struct evbuffer *in = bufferevent_get_input(stream);
    struct evbuffer_ptr end;
    struct peer *p = arg;
    struct evbuffer *body;
    char *line;

    if (p->answered) { /* whatever else it says */
        evbuffer_drain(in, evbuffer_get_length(in));
        return;
    }
    end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    if (end.pos < 0) {
        if (evbuffer_get_length(in) < HEADERS_MOST)
            return;
        body = evbuffer_new();
        if (!body) {
            peer_free(p);
            return;
        }
        evbuffer_add_printf(body, "more than %d bytes of headers\n", HEADERS_MOST);
        answer(p, "431 Request Header Fields Too Large", body, false);
        evbuffer_free(body);
        return;
    }
    line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF_STRICT);
    if (!line) {
        peer_free(p);
        return;
    }
    serve(p, line);
    mem_free(line);
}

/* All that was to be sent is with the kernel. To close while the peer still sends would take the
   answer back from it, so it gets a moment to read and close. */
static void on_written(struct bufferevent *stream, void *arg)
{
    const struct timeval linger = {.tv_sec = LINGER_S};
    struct peer *p = arg;

    if (p->answered &&
        (shutdown(bufferevent_getfd(stream), SHUT_WR) < 0 || evtimer_add(p->patience, &linger) < 0))
        peer_free(p);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    (void)stream, (void)what;
    peer_free(arg);
}

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    peer_free(arg);
}

static void take(void *arg, int fd)
{
    const struct timeval life = {.tv_sec = LIFE_S};
    struct http *h = arg;
    struct event_base *base = h->control->base;
    struct peer *p = h->count < CONNECTIONS_MOST ? mem_zero(1, sizeof *p) : NULL;

    if (!p) {
        close(fd);
        return;
    }
    p->http = h;
    p->next = &h->peers;
    p->prev = h->peers.prev;
    h->peers.prev = p->prev->next = p;
    h->count++;
    p->stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!p->stream)
        close(fd);
    p->patience = evtimer_new(base, on_patience, p);
    if (!p->stream || !p->patience || evtimer_add(p->patience, &life) < 0) {
        peer_free(p);
        return;
    }
    bufferevent_setcb(p->stream, on_read, on_written, on_event, p);
    bufferevent_setwatermark(p->stream, EV_READ, 0, HEADERS_MOST);
    if (bufferevent_enable(p->stream, EV_READ | EV_WRITE) < 0)
        peer_free(p);
}

enum status http_new(struct http **out, struct control *control, const char *address,
                     struct error *e)
{
    struct http *h = mem_zero(1, sizeof *h);
    enum status st;

    if (!h)
        return error_memory(e, "HTTP server");
    h->control = control;
    h->peers.next = h->peers.prev = &h->peers;
    st = listener_new(&h->listener, control->server, control->base, address, e);
    if (st != ST_OK) {
        mem_free(h);
        return st;
    }
    listener_set_taker(h->listener, take, h);
    *out = h;
    return ST_OK;
}

void http_start(struct http *h)
{
    listener_start(h->listener);
}

const char *http_address(const struct http *h)
{
    return listener_address(h->listener);
}

void http_free(struct http *h)
{
    if (!h)
        return;
    while (h->peers.next != &h->peers)
        peer_free(h->peers.next);
    listener_free(h->listener);
    mem_free(h);
}
