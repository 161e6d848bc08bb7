/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as what a server sends on a connection of the client's with two calls and a stream in
   flight: each call ends at most once, with a status and a sentence, gets no more bytes than the
   prefix said, and nothing is left behind. */
#include "client/session.h"

#include <string.h>

#include "base/memory.h"
#include "fuzz/check.h"

#define CALLS 3
#define STREAM 2 /* its number */
#define REPLY_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct sink_state {
    bool streaming;
    uint64_t due, got;
    unsigned char reply[REPLY_MAX];
    bool ended;
};

static enum status sink_begin(void *context, uint32_t length, struct error *e)
{
    struct sink_state *s = context;

    (void)e;
    if (s->streaming && s->ended) {
        s->due = s->got = 0;
        s->ended = false;
    }
    CHECK(!s->due && !s->got && !s->ended && length <= REPLY_MAX);
    s->due = length;
    return ST_OK;
}

static enum status sink_add(void *context, const unsigned char *data, size_t n, struct error *e)
{
    struct sink_state *s = context;

    (void)e;
    CHECK(n && n <= s->due - s->got && !s->ended);
    memcpy(s->reply + s->got, data, n);
    s->got += n;
    return ST_OK;
}

static enum status sink_end(void *context, struct error *e)
{
    struct sink_state *s = context;

    (void)e;
    CHECK(s->got == s->due && !s->ended);
    s->ended = true;
    return ST_OK;
}

static void send_all(struct session *s)
{
    const uint8_t *frame;

    while (nghttp2_session_mem_send(s->http2, &frame) > 0)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sink_state sink[CALLS] = {{0}};
    struct call call[CALLS] = {{0}};
    const unsigned char bytes[GRPC_PREFIX + 3] = {0, 0, 0, 0, 3};
    const struct bytes request = {bytes, sizeof bytes};
    struct parcel parcel[] = {{.piece = &request, .pieces = 1}, {.piece = &request, .pieces = 1}};
    struct session s;
    struct error e;
    ssize_t used = 0;
    size_t over = 0;

    if (session_init(&s, &e) != ST_OK)
        return 0;
    for (int i = 0; i < CALLS; i++) {
        call[i].path = "/fuzz.Fuzz/Do";
        if (i != STREAM)
            body_add(&call[i].body, &parcel[i]);
        call[i].streaming = call[i].body.open = sink[i].streaming = i == STREAM;
        call[i].reply_max = REPLY_MAX;
        call[i].sink = (struct reply_sink){sink_begin, sink_add, sink_end, &sink[i]};
        CHECK(session_submit(&s, &call[i], "localhost", 1000000, &e) == ST_OK);
    }
    send_all(&s);
    while (n && used >= 0) { /* in pieces, as sockets give them */
        size_t piece = n < 100 ? n : 100;

        used = nghttp2_session_mem_recv(s.http2, data, piece);
        send_all(&s);
        data += piece;
        n -= piece;
    }
    for (int i = 0; i < CALLS; i++) {
        over += call[i].over || call[i].refused;
        CHECK(!call[i].over || !call[i].refused);
        CHECK(!call[i].over || call[i].status == ST_OK || call[i].error.text[0]);
        CHECK(!call[i].over || i == STREAM || (call[i].status == ST_OK) == sink[i].ended);
    }
    CHECK(s.calls == CALLS - over);
    session_done(&s);
    return 0;
}
