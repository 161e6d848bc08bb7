/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the transport: how connections, streams and messages hang together. Included by the files
   that make up the transport and by nobody else; services see call.h and worker.h.

     transport (one a worker) → connections → streams (a call each) → messages of the answer

   Everything belongs to the worker's thread. nghttp2 calls us back from two places only, mem_recv()
   in connection_receive() and send() in connection_flush(); inside a callback nothing is closed:
   connection_condemn() leaves a verdict that is carried out when nghttp2 has returned. */
#pragma once

#include <event2/buffer.h>
#include <event2/event.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/call.h"
#include "daemon/call_map.h"
#include "daemon/flood.h"
#include "daemon/limits.h"
#include "daemon/rpc_map.h"
#include "daemon/worker.h"
#include "proto/grpc.h"

#define STREAM_WINDOW ((int32_t)1 << 20)
#define CONNECTION_WINDOW ((int32_t)16 << 20)
#define INPUT_SIZE ((size_t)256 << 10)
#define DRAIN_PING "leaving." /* eight bytes that tell this PING from others */

struct transport {
    struct worker *worker;
    const struct limits *limits;
    unsigned char *input; /* what recv() fills, INPUT_SIZE bytes, handed to nghttp2 at once */
    struct connection *connections;
    struct connection *dirty; /* those that may have output */
    struct call_map calls;
    struct rpc_map rpcs;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    struct stream *spare_streams; /* kept for reuse, with their arena's first block */
    unsigned spare_stream_count;
    struct message *spare_messages;
    unsigned spare_message_count;
    uint64_t next_call_id;
    struct event *tick;
    uint64_t drain_end_us; /* while draining: when calls in flight are given up */
};

enum phase {
    PHASE_OPEN,
    PHASE_NOTICE, /* first GOAWAY sent; new streams are still served until the PING comes back */
    PHASE_LEAVE,  /* final GOAWAY sent; closed after the last stream */
    PHASE_LINGER, /* no session any more; what was written goes out, input is thrown away */
};

struct connection {
    struct transport *transport;
    struct connection *next, *prev;
    struct connection *next_dirty;
    bool dirty;
    enum phase phase;
    int fd;
    nghttp2_session *session; /* NULL in PHASE_LINGER */
    struct event *read_event, *write_event;
    struct evbuffer *output;
    struct stream *streams; /* newest first */
    uint64_t queued;        /* bytes of answers that are not in frames yet */
    const char *verdict;    /* why it is to be cut, NULL while it may live */
    bool settled;           /* the peer's preface has come */
    bool reading;           /* read_event is added */
    bool blocked;           /* output waits for the socket */
    bool held_back;         /* a stream's requests wait for room in its answer */
    bool pinged;            /* our keepalive PING is out */
    uint64_t phase_us;      /* when it came into this phase */
    uint64_t heard_us;      /* last input */
    uint64_t reading_us;    /* when reading was taken up again */
    uint64_t pinged_us;
    uint64_t idle_us;        /* when its last stream closed */
    struct progress writing; /* of the socket and the connection's window */
    size_t linger_bytes;     /* input thrown away so far */
    bool shut;               /* our side of the socket is closed */
    struct flood flood;
};

/* A message of an answer, or a piece of one. Bytes of it may wait in the connection's output after
   the stream is gone. */
struct message {
    struct message *next;
    struct transport *transport;
    struct block *block;
    size_t offset;    /* bytes given to frames */
    uint64_t charged; /* in worker->inflight_bytes */
    unsigned refs;    /* the stream's list, and each piece in an output buffer */
};

/* An HTTP/2 stream, and the call in it. It lives from its HEADERS to nghttp2's on_stream_close. */
struct stream {
    struct call call; /* first, so that a call is its stream */
    struct connection *connection;
    struct stream *next, *prev; /* in the connection; `next` also among the spare ones */
    struct stream *next_call;   /* in call_map */
    int32_t id;
    struct event *timer; /* of the deadline; made when first needed and kept */

    /* Its headers, as far as they matter: judged when all are there. */
    uint64_t header_bytes;
    bool post, grpc, timeout_bad, encoding_unknown, metadata_bad;
    bool timed; /* has a grpc-timeout, of: */
    uint64_t timeout_us;
    const char *path; /* start of an unknown one, in the arena */
    size_t path_size;

    /* Its life. */
    bool begun;         /* headers came whole; `done` is due if the path was found */
    bool ended;         /* `done` has been called; the service is out of it */
    bool remote_closed; /* the client has sent everything */
    bool looked_after;  /* its deadline has been armed if it has one */

    /* The request's body: prefix, then a message of `size` bytes of which `got` are here. */
    unsigned char prefix[GRPC_PREFIX];
    unsigned prefix_size;
    bool complete; /* a unary call's message is whole */
    uint32_t size;
    size_t got, room;
    unsigned char *body; /* in the arena, or on the heap and charged for if `body_heap` */
    bool body_heap;
    uint64_t body_charged;
    uint64_t message_us; /* when the message at hand began */
    bool paused;         /* by call_pause() */
    struct buffer held;  /* DATA that waits (client_streams), until the answers so far are sent and
                            the call is not paused, … */
    size_t held_used;    /* … as far as it is not used yet */

    /* The answer: messages that are not all in frames yet, then the status. */
    struct message *first, **last;
    size_t unsent;
    uint64_t owed;       /* bytes of its last message that call_send() has not been given yet */
    uint64_t begun_left; /* of a message that has begun to leave: bytes that are in no frame yet */
    uint64_t reply_charged; /* by call_charge() */
    bool responded;         /* response headers submitted */
    bool deferred;          /* nghttp2 waits for nghttp2_session_resume_data() */
    bool finished;          /* status is known; nothing is added any more */
    bool closing;           /* the last HEADERS are submitted, or a RST_STREAM */
    uint32_t reset_code;    /* for the RST_STREAM after an early answer */
    enum status status;
    char *text; /* percent-encoded, or NULL */
    struct progress writing;
};

/* transport.c */
MUST_CHECK enum status transport_new(struct transport **out, struct worker *w, struct error *e);
void transport_free(struct transport *t); /* closes what is open; NULL is fine */
void transport_adopt(struct transport *t, int fd);
void transport_flush(struct transport *t); /* hand all output to the kernel */
void transport_drain(struct transport *t);
void transport_hurry(struct transport *t);      /* the grace time ends now */
bool transport_idle(const struct transport *t); /* no connection left */

/* connection.c */
struct connection *connection_new(struct transport *t, int fd); /* NULL: closed, without memory */
void connection_receive(struct connection *c, const unsigned char *data, size_t n);
void connection_close(struct connection *c);  /* at once; open calls are cancelled */
void connection_linger(struct connection *c); /* drop session and streams, let the output out */
void connection_dirty(struct connection *c);  /* see that it is flushed in this turn */
void connection_drain(struct connection *c);
void connection_leave(struct connection *c);          /* the final GOAWAY */
void connection_update_reading(struct connection *c); /* read on, unless too much is unsent */

/* cut.c: ending connections that misbehave */
void connection_condemn(struct connection *c, const char *why);  /* from anywhere */
void connection_cut(struct connection *c, const char *why);      /* not from callbacks */
void connection_note(struct connection *c, const char *why);     /* count and log a cut */
void connection_failed(struct connection *c, int nghttp2_error); /* mem_recv() or send() failed */

/* tick.c: everything that is overdue */
void connection_check(struct connection *c, uint64_t now_us);

/* session.c */
MUST_CHECK int session_setup(struct transport *t); /* callbacks and options; -1: no memory */
MUST_CHECK int session_open(struct connection *c); /* -1: no memory */

/* output.c */
/* Write what can be written. False: it may be closed, and is not to be touched any more. */
bool connection_flush(struct connection *c);
struct message *message_new(struct transport *t, struct block *block, uint64_t charged);
void message_unref(struct message *m);
ssize_t output_send(nghttp2_session *session, const uint8_t *data, size_t n, int flags, void *user);
int output_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
                     size_t n, nghttp2_data_source *source, void *user);
/* Append a GOAWAY of our own, behind nghttp2's back. */
void output_goaway(struct connection *c, uint32_t code, const char *text);

/* stream.c */
struct stream *stream_new(struct connection *c, int32_t id);
void stream_end(struct stream *s, enum status st); /* the call is over: `done`, once */
void stream_free(struct stream *s);                /* ends it as cancelled if it is not over */
void stream_reset(struct stream *s, uint32_t code);
void stream_expire(struct stream *s, const char *text); /* end with ST_DEADLINE */
void stream_arm(struct stream *s);                      /* see to its deadline */
PRINTF_LIKE(3, 4)
void stream_fail(struct stream *s, enum status st, const char *format, ...);

/* request.c */
int request_header(struct stream *s, const uint8_t *name, size_t name_size, const uint8_t *value,
                   size_t value_size); /* 0, or nghttp2's temporary failure */
void request_begin(struct stream *s);  /* its headers are there */

/* body.c */
void body_add(struct stream *s, const unsigned char *data, size_t n);
void body_end(struct stream *s);    /* END_STREAM */
void body_resume(struct stream *s); /* go on with what was held back, if there is room now */
void body_free(struct stream *s);

/* reply.c */
void reply_refuse(struct stream *s, int http_status, enum status st, const char *text);
void reply_abort(struct stream *s, enum status st, const char *text, uint32_t code);
void reply_free(struct stream *s);
ssize_t reply_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
                   nghttp2_data_source *source, void *user);
ssize_t reply_read_length(nghttp2_session *session, uint8_t type, int32_t id,
                          int32_t connection_window, int32_t stream_window, uint32_t frame_max,
                          void *user);
