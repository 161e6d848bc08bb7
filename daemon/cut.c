/* SPDX-License-Identifier: Apache-2.0 */
/* Ending connections whose peer misbehaves: say why with a GOAWAY where that is possible, count,
   and log a line now and then, since a peer can cause as many as it likes. */
#include "daemon/transport.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "daemon/server.h"

#define PEER_TEXT (NI_MAXHOST + NI_MAXSERV + 4)

static const char *peer_text(char out[PEER_TEXT], int fd)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    struct ucred who;

    if (getpeername(fd, (struct sockaddr *)&a, &n) < 0) {
        strcpy(out, "gone");
    } else if (a.ss_family == AF_UNIX) {
        n = sizeof who;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
            strcpy(out, "unix");
        else
            snprintf(out, PEER_TEXT, "unix:uid=%u:pid=%d", (unsigned)who.uid, (int)who.pid);
    } else if (getnameinfo((struct sockaddr *)&a, n, host, sizeof host, port, sizeof port,
                           NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        strcpy(out, "unknown");
    } else {
        snprintf(out, PEER_TEXT, a.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    }
    return out;
}

void connection_condemn(struct connection *c, const char *why)
{
    if (!c->verdict)
        c->verdict = why;
}

void connection_note(struct connection *c, const char *why)
{
    static struct log_limit limit;
    char peer[PEER_TEXT];

    atomic_fetch_add_explicit(&c->transport->worker->server->connections_cut, 1,
                              memory_order_relaxed);
    log_limited(&limit, 1, LOG_WARN, "connection cut peer=%s reason=\"%s\"", peer_text(peer, c->fd),
                why);
}

void connection_cut(struct connection *c, const char *why)
{
    connection_note(c, why);
    output_goaway(c, NGHTTP2_ENHANCE_YOUR_CALM, why);
    connection_linger(c);
}

void connection_failed(struct connection *c, int nghttp2_error)
{
    static struct log_limit limit;
    char peer[PEER_TEXT];

    switch (nghttp2_error) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
        /* HTTP/1, TLS, a port scanner. */
        if (log_level_now() >= LOG_DEBUG)
            log_limited(&limit, 1, LOG_DEBUG, "connection closed: not HTTP/2 peer=%s",
                        peer_text(peer, c->fd));
        connection_close(c);
        return;
    case NGHTTP2_ERR_NOMEM:
    case NGHTTP2_ERR_CALLBACK_FAILURE: /* ours fail for want of memory only */
        log_limited(&limit, 1, LOG_ERROR, "connection closed: out of memory peer=%s",
                    peer_text(peer, c->fd));
        connection_close(c);
        return;
    case NGHTTP2_ERR_FLOODED:
        connection_cut(c, "answers to its control frames pile up");
        return;
    default:
        connection_cut(c, nghttp2_strerror(nghttp2_error));
    }
}
