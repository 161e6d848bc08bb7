/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 for calls: an nghttp2 session that turns frames into what call.h wants to know, and calls
   into frames. No sockets: connection.c moves the bytes. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "client/call.h"

#define SESSION_STREAM_WINDOW (64 << 20)      /* a whole reply of the default limit */
#define SESSION_CONNECTION_WINDOW (256 << 20) /* and several of them at once */
#define SESSION_FRAME_MAX (1 << 20)

struct session {
    nghttp2_session *http2;
    size_t calls;  /* streams that belong to a call */
    bool draining; /* the server takes no more calls here */
};

MUST_CHECK enum status session_init(struct session *s, struct error *e);
void session_done(struct session *s);
/* Put a call's request into the queue. `timeout_us` is told to the server unless CALL_FOREVER. */
MUST_CHECK enum status session_submit(struct session *s, struct call *call, const char *authority,
                                      uint64_t timeout_us, struct error *e);
/* The body of a stream has more to send, or has ended. */
MUST_CHECK enum status session_resume(struct session *s, struct call *call, struct error *e);
/* Part with a call: the session and the call know each other no more. */
void session_forget(struct session *s, struct call *call);
/* The same, and reset its stream with CANCEL. */
void session_drop(struct session *s, struct call *call);
