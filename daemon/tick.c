/* SPDX-License-Identifier: Apache-2.0 */
/* What takes too long: looked for a few times a second, connection by connection, so that nothing
   but deadlines needs a timer of its own. */
#include "daemon/transport.h"

#include "base/log.h"

#define LINGER_US 1000000
/* How long the answer to the PING between the two GOAWAYs may take. */
#define NOTICE_US 1000000
/* How long the answer to a keepalive PING may take. */
#define PING_US 20000000

static bool overdue(uint64_t since_us, uint64_t limit_us, uint64_t now_us)
{
    return limit_us && now_us > since_us && now_us - since_us > limit_us;
}

/* The request itself: its headers hold up the whole connection, its body only the call. Time in
   which we do not read is not the peer's. */
static void check_request(struct stream *s, const struct limits *l, uint64_t now_us)
{
    struct connection *c = s->connection;
    bool begun = s->begun, streams = begun && s->call.rpc && s->call.rpc->client_streams;
    uint64_t since_us = streams ? s->message_us : s->call.start_us;

    if (!c->reading || s->ended || s->remote_closed || (streams && !s->prefix_size))
        return;
    if (since_us < c->reading_us)
        since_us = c->reading_us;
    if (!overdue(since_us, l->request_us, now_us))
        return;
    if (begun)
        stream_expire(s, "the request did not arrive in time");
    else
        connection_condemn(c, "the headers of a request do not end");
}

/* The answer: what the socket or the connection's window holds up is not the stream's fault. */
static void check_answer(struct stream *s, const struct limits *l, uint64_t now_us)
{
    static struct log_limit limit;
    const struct connection *c = s->connection;
    bool held_up = (c->blocked || nghttp2_session_get_remote_window_size(c->session) <= 0) &&
                   nghttp2_session_get_stream_remote_window_size(c->session, s->id) > 0;

    progress_wait(&s->writing, s->unsent && !held_up, now_us);
    if (!progress_stalled(&s->writing, l->write_us, now_us) || s->closing)
        return;
    log_limited(&limit, 1, LOG_WARN, "answer given up: its peer does not read bytes=%zu",
                s->unsent);
    stream_reset(s, NGHTTP2_CANCEL);
}

static void give_up(struct connection *c)
{
    struct stream *s, *next;

    for (s = c->streams; s; s = next) {
        next = s->next;
        if (s->begun && !s->ended)
            stream_fail(s, ST_UNAVAILABLE, "the daemon is stopping");
    }
    if (nghttp2_session_send(c->session) == 0)
        connection_linger(c);
    else
        connection_close(c);
}

static void check_keepalive(struct connection *c, const struct limits *l, uint64_t now_us)
{
    uint64_t heard_us = c->heard_us > c->reading_us ? c->heard_us : c->reading_us;

    /* While we do not read, silence says nothing. */
    if (c->pinged && (!c->reading || heard_us >= c->pinged_us))
        c->pinged = false;
    if (!c->pinged && c->streams && c->reading && overdue(heard_us, l->keepalive_us, now_us)) {
        if (nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL) == 0) {
            c->pinged = true;
            c->pinged_us = now_us;
            connection_dirty(c);
        }
    } else if (c->pinged && overdue(c->pinged_us, PING_US, now_us)) {
        connection_condemn(c, "it does not answer a PING");
    }
}

void connection_check(struct connection *c, uint64_t now_us)
{
    const struct transport *t = c->transport;
    const struct limits *l = t->limits;
    struct stream *s, *next;

    if (c->phase == PHASE_LINGER) {
        if (overdue(c->phase_us, LINGER_US, now_us))
            connection_close(c);
        return;
    }
    if (t->drain_end_us && now_us >= t->drain_end_us) {
        give_up(c);
        return;
    }
    if (!c->settled && overdue(c->phase_us, l->handshake_us, now_us))
        connection_condemn(c, "no HTTP/2 preface");
    for (s = c->streams; s; s = next) {
        next = s->next;
        check_request(s, l, now_us);
        check_answer(s, l, now_us);
    }
    progress_wait(&c->writing,
                  c->blocked ||
                      (c->queued && nghttp2_session_get_remote_window_size(c->session) <= 0),
                  now_us);
    if (progress_stalled(&c->writing, l->write_us, now_us))
        connection_condemn(c, "it does not read its answers");
    check_keepalive(c, l, now_us);
    if (c->phase == PHASE_OPEN && !c->streams && overdue(c->idle_us, l->idle_us, now_us))
        connection_drain(c);
    if (c->phase == PHASE_NOTICE && overdue(c->phase_us, NOTICE_US, now_us))
        connection_leave(c);
    if (c->verdict)
        connection_cut(c, c->verdict);
}
