/* SPDX-License-Identifier: Apache-2.0 */
/* One thread, which is peer and worker in turn. */
#include "tests/system/drive.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "daemon/server.h"
#include "daemon/transport.h"
#include "fuzz/check.h"
#include "tests/system/echo_rpcs.h"

/* The first byte of a session. */
#define PIECES 0x03  /* how many bytes at a time, as below */
#define NO_READ 0x04 /* the peer reads only at the end */
#define DRAIN 0x08   /* the connection is drained halfway */
#define VANISH 0x10  /* the peer goes away without reading the rest */

static const size_t piece_size[] = {65536, 1000, 60, 7};

#define TURNS 64 /* after the last byte, for jobs and answers */
#define STREAMS 256
#define FRAME_MOST ((size_t)1 << 24)

/* A stream as the peer sees it. */
struct seen {
    uint32_t id;
    unsigned headers;
    bool ended, reset;
};

struct drive {
    struct server server;
    struct worker *worker;
    int fd;              /* the peer's end */
    unsigned char *back; /* what came back and is not judged yet */
    size_t back_size, back_room;
    struct seen seen[STREAMS];
};

struct drive *drive_new(void)
{
    struct drive *d = calloc(1, sizeof *d);
    struct error e;

    if (!d)
        return NULL;
    signal(SIGPIPE, SIG_IGN);
    d->server.limits = (struct limits){
        .max_request_bytes = 1 << 20,
        .max_streams = 64,
        .max_connections = 10,
        .max_inflight_bytes = 4 << 20,
        .max_buffered_bytes = 256 << 10,
        .max_headers_bytes = 4096,
        .max_resets = 20,
        .max_resets_rate = 1,
        .max_controls_rate = 100,
    };
    d->server.rpcs = echo_rpcs;
    d->server.unknown = &echo_unknown;
    if (worker_new(&d->worker, &d->server, 0, &e) != ST_OK) {
        free(d);
        return NULL;
    }
    d->server.worker = &d->worker;
    d->server.worker_count = 1;
    return d;
}

void drive_free(struct drive *d)
{
    if (!d)
        return;
    worker_join(d->worker);
    worker_free(d->worker);
    free(d->back);
    free(d);
}

/* NULL for a stream whose place a newer one has taken: it is not looked at any more. */
static struct seen *find(struct drive *d, uint32_t id)
{
    struct seen *s = &d->seen[id / 2 % STREAMS];

    if (s->id < id)
        *s = (struct seen){.id = id};
    return s->id == id ? s : NULL;
}

/* The rules that hold for every frame of ours, whatever the peer does. */
static void judge(struct drive *d, const unsigned char *frame, size_t n)
{
    unsigned type = frame[3], flags = frame[4];
    uint32_t id =
        (uint32_t)frame[5] << 24 | (uint32_t)frame[6] << 16 | (uint32_t)frame[7] << 8 | frame[8];
    struct seen *s;

    CHECK(type <= NGHTTP2_CONTINUATION && type != NGHTTP2_PUSH_PROMISE && type != NGHTTP2_PRIORITY);
    if (type == NGHTTP2_SETTINGS || type == NGHTTP2_PING || type == NGHTTP2_GOAWAY) {
        CHECK(id == 0);
        return;
    }
    if (id == 0) {
        CHECK(type == NGHTTP2_WINDOW_UPDATE && n == 4);
        return;
    }
    CHECK(id % 2 == 1);
    s = find(d, id);
    if (!s)
        return;
    CHECK(!s->reset);
    switch (type) {
    case NGHTTP2_HEADERS:
        CHECK(!s->ended && s->headers < 2);
        CHECK(s->headers == 0 || (flags & NGHTTP2_FLAG_END_STREAM));
        s->headers++;
        s->ended = flags & NGHTTP2_FLAG_END_STREAM;
        break;
    case NGHTTP2_DATA:
        CHECK(!s->ended && s->headers == 1 && !(flags & NGHTTP2_FLAG_END_STREAM));
        break;
    case NGHTTP2_RST_STREAM:
        s->reset = true;
        break;
    }
}

/* Take what has come back; whole frames are judged. False when the worker has closed its side. */
static bool read_back(struct drive *d)
{
    ssize_t n;
    size_t at = 0;

    for (;;) {
        if (d->back_room - d->back_size < 65536) {
            d->back_room = d->back_room * 2 + 131072;
            d->back = realloc(d->back, d->back_room);
            CHECK(d->back);
        }
        n = read(d->fd, d->back + d->back_size, d->back_room - d->back_size);
        if (n <= 0)
            break;
        d->back_size += (size_t)n;
    }
    while (d->back_size - at >= 9) {
        const unsigned char *f = d->back + at;
        size_t length = (size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2];

        CHECK(length <= FRAME_MOST);
        if (d->back_size - at < 9 + length)
            break;
        judge(d, f, length);
        at += 9 + length;
    }
    memmove(d->back, d->back + at, d->back_size - at);
    d->back_size -= at;
    return n < 0 && errno == EAGAIN;
}

/* Send a piece; false when the worker takes no more. */
static bool send_piece(struct drive *d, const unsigned char *data, size_t n, bool reads)
{
    while (n) {
        ssize_t sent = send(d->fd, data, n, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent < 0 && !reads && !read_back(d)) /* both sides are full: read after all */
            return false;
        if (sent > 0) {
            data += sent;
            n -= (size_t)sent;
        }
        worker_turn(d->worker, false);
        if (reads)
            read_back(d);
    }
    return true;
}

void drive_session(struct drive *d, const unsigned char *data, size_t n)
{
    struct worker *w = d->worker;
    unsigned how = n ? data[0] : 0;
    size_t piece = piece_size[how & PIECES], at = n ? 1 : 0;
    bool reads = !(how & NO_READ), open = true;
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    d->fd = pair[1];
    d->back_size = 0;
    memset(d->seen, 0, sizeof d->seen);
    worker_adopt(w, pair[0]);
    worker_turn(w, false);
    for (bool drained = false; at < n && open; at += piece) {
        if ((how & DRAIN) && at > n / 2 && !drained && w->transport->connections &&
            w->transport->connections->phase == PHASE_OPEN) {
            connection_drain(w->transport->connections);
            drained = true;
        }
        open = send_piece(d, data + at, n - at < piece ? n - at : piece, reads);
    }
    for (unsigned i = 0; i < TURNS; i++) {
        worker_turn(w, false);
        if (!(how & VANISH))
            read_back(d);
    }
    CHECK(w->inflight_bytes <= (8 << 20)); /* the limit, and what is counted without being asked */
    close(d->fd);
    for (unsigned i = 0; w->connection_count; i++) {
        CHECK(i < 1000000);
        worker_turn(w, false);
    }
    worker_turn(w, false);
    CHECK(w->stream_count == 0);
    CHECK(w->inflight_bytes == 0);
    CHECK(w->job_count == 0);
    CHECK(w->waiters.next == &w->waiters);
    CHECK(w->transport->calls.count == 0);
    CHECK(echo_open == 0);
}
