/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets, run by the main thread: made and bound first (so that every address is known
   to be free before anything is served), accepting later. */
#include "daemon/listener.h"

#include <errno.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/address.h"
#include "daemon/server.h"
#include "daemon/worker.h"

#define BACKLOG 4096
#define PAUSE_US 100000 /* after accept() failed for want of descriptors or memory */
#define TEXT_MAX (ADDRESS_HOST_MAX + 16)

struct listener {
    struct server *server;
    struct event_base *base;
    struct evconnlistener *accepting; /* owns the socket once it is there */
    struct event *resume;
    void (*take)(void *arg, int fd); /* NULL: the workers take the sockets */
    void *take_arg;
    int fd, spare_fd; /* -1: none */
    unsigned turn;    /* which worker is next */
    dev_t device;     /* of the socket's file, so that nobody else's is removed */
    ino_t inode;
    struct address address;
    char text[TEXT_MAX];
};

static uint64_t connection_count(const struct server *server)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < server->worker_count; i++)
        sum += atomic_load_explicit(&server->worker[i]->connection_count, memory_order_relaxed);
    return sum;
}

static void on_accept(struct evconnlistener *accepting, evutil_socket_t fd, struct sockaddr *peer,
                      int peer_size, void *arg)
{
    static struct log_limit limit;
    struct listener *l = arg;
    struct server *server = l->server;

    (void)accepting, (void)peer, (void)peer_size;
    if (l->take) {
        l->take(l->take_arg, fd);
        return;
    }
    if (connection_count(server) >= server->limits.max_connections) {
        close(fd);
        atomic_fetch_add_explicit(&server->connections_refused, 1, memory_order_relaxed);
        log_limited(&limit, 1, LOG_WARN, "connection refused: max_connections=%llu are open",
                    (unsigned long long)server->limits.max_connections);
        return;
    }
    worker_adopt(server->worker[l->turn++ % server->worker_count], fd);
}

static int spare_open(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Without a descriptor a connection can be neither taken nor refused, and the socket stays
   readable: close the one that we keep for this, so that at least the oldest one learns it at once,
   and leave the others in the backlog for a while. */
static void on_error(struct evconnlistener *accepting, void *arg)
{
    static struct log_limit limit;
    struct timeval pause = {.tv_usec = PAUSE_US};
    struct listener *l = arg;
    int failed = errno, fd;

    log_limited(&limit, 1, LOG_ERROR, "cannot accept a connection address=%s error=\"%s\"", l->text,
                strerror(failed));
    if ((failed == EMFILE || failed == ENFILE) && l->spare_fd >= 0) {
        close(l->spare_fd);
        fd = accept(l->fd, NULL, NULL);
        if (fd >= 0) {
            close(fd);
            atomic_fetch_add_explicit(&l->server->connections_refused, 1, memory_order_relaxed);
        }
        l->spare_fd = spare_open();
    }
    evconnlistener_disable(accepting);
    event_add(l->resume, &pause);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;

    (void)fd, (void)what;
    if (l->spare_fd < 0)
        l->spare_fd = spare_open();
    evconnlistener_enable(l->accepting);
}

/* ---- TCP ---- */

static enum status name_tcp(struct listener *l, struct error *e)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(l->fd, (struct sockaddr *)&a, &n) < 0)
        return error_errno(e, errno, "cannot read the address that was bound");
    if (getnameinfo((struct sockaddr *)&a, n, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return error_set(e, ST_INTERNAL, "cannot write the address that was bound");
    snprintf(l->text, sizeof l->text, a.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return ST_OK;
}

static enum status listen_tcp(struct listener *l, struct error *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV | AI_ADDRCONFIG};
    struct addrinfo *found;
    char port[8];
    const int on = 1;
    int rv;
    enum status st = ST_OK;

    snprintf(port, sizeof port, "%u", l->address.port);
    if (strchr(l->address.host, ':') ||
        strspn(l->address.host, "0123456789.") == strlen(l->address.host))
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV | AI_NUMERICHOST;
    rv = getaddrinfo(l->address.host, port, &hints, &found);
    if (rv != 0)
        return error_set(e, ST_NOT_FOUND, "%s",
                         rv == EAI_SYSTEM ? strerror(errno) : gai_strerror(rv));
    l->fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(l->fd, found->ai_addr, found->ai_addrlen) < 0 || listen(l->fd, BACKLOG) < 0)
        st = error_errno(e, errno, "cannot bind");
    freeaddrinfo(found);
    return st == ST_OK ? name_tcp(l, e) : st;
}

/* ---- Unix ---- */

static int bind_unix(struct listener *l, const struct sockaddr_un *a)
{
    mode_t before = umask(0117); /* the file is never there with more than 0660 */
    int rv = bind(l->fd, (const struct sockaddr *)a, sizeof *a), failed = errno;

    umask(before);
    return rv < 0 ? failed : 0;
}

/* Whether the file in the way is a socket that nobody listens on any more. */
static bool is_stale(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct stat st;
    bool refused;

    if (fd < 0)
        return false;
    refused = connect(fd, (const struct sockaddr *)a, sizeof *a) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused && lstat(a->sun_path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static enum status listen_unix(struct listener *l, struct error *e)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat st;
    int failed;

    memcpy(a.sun_path, l->address.path, sizeof a.sun_path);
    snprintf(l->text, sizeof l->text, "unix:%s", l->address.path);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return error_errno(e, errno, "cannot make a socket");
    failed = bind_unix(l, &a);
    if (failed == EADDRINUSE && is_stale(&a) && unlink(a.sun_path) == 0)
        failed = bind_unix(l, &a);
    if (failed)
        return error_errno(e, failed, "cannot bind");
    if (listen(l->fd, BACKLOG) < 0 || lstat(a.sun_path, &st) < 0)
        return error_errno(e, errno, "cannot listen");
    l->device = st.st_dev;
    l->inode = st.st_ino;
    return ST_OK;
}

enum status listener_new(struct listener **out, struct server *server, struct event_base *base,
                         const char *address, struct error *e)
{
    struct listener *l = mem_zero(1, sizeof *l);
    enum status st;

    if (!l)
        return error_memory(e, "listener");
    l->server = server;
    l->base = base;
    l->fd = l->spare_fd = -1;
    st = address_parse(&l->address, address, e);
    if (st != ST_OK)
        goto failed;
    st = *l->address.path ? listen_unix(l, e) : listen_tcp(l, e);
    if (st != ST_OK) {
        st = error_prefix(e, st, "cannot listen on %s", QUOTE(address));
        goto failed;
    }
    l->spare_fd = spare_open();
    l->resume = event_new(base, -1, 0, on_resume, l);
    l->accepting = evconnlistener_new(
        base, on_accept, l, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0,
        l->fd);
    if (!l->resume || !l->accepting) {
        st = error_memory(e, "listener");
        goto failed;
    }
    evconnlistener_set_error_cb(l->accepting, on_error);
    *out = l;
    return ST_OK;
failed:
    listener_free(l);
    return st;
}

void listener_set_taker(struct listener *l, void (*take)(void *arg, int fd), void *arg)
{
    l->take = take;
    l->take_arg = arg;
}

void listener_start(struct listener *l)
{
    evconnlistener_enable(l->accepting);
}

const char *listener_address(const struct listener *l)
{
    return l->text;
}

void listener_free(struct listener *l)
{
    struct stat st;

    if (!l)
        return;
    if (l->inode && lstat(l->address.path, &st) == 0 && st.st_dev == l->device &&
        st.st_ino == l->inode)
        unlink(l->address.path);
    if (l->accepting)
        evconnlistener_free(l->accepting);
    else if (l->fd >= 0)
        close(l->fd);
    if (l->resume)
        event_free(l->resume);
    if (l->spare_fd >= 0)
        close(l->spare_fd);
    mem_free(l);
}
