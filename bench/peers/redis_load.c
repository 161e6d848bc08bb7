/* SPDX-License-Identifier: Apache-2.0 */
/* A load for Redis that asks as `embctl bench` asks embd: CONNECTIONS with DEPTH requests in flight
   on each (by pipelining), fresh uniform ids in every request, each request one MGET. A row is the
   value of its number in decimal digits. It speaks RESP itself, so that the load is no heavier than
   embctl's.

       redis_load load PORT TABLE ROWS DIM         put the rows of the table's file there
       redis_load check PORT TABLE ROWS DIM        compare every 97th row with the file, byte by
   byte redis_load run PORT PID ROWS DIM IDS CONNECTIONS DEPTH SECONDS WARMUP

   `run` prints calls a second, the 99th percentile of the latencies in microseconds, and the
   processor time of process PID for each call in microseconds. It checks the form and the length of
   every reply, as embctl does, and ends with status 1 at the first that is wrong, a missing key's
   too. bench/wire.sh builds and starts it. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KEY_MAX 32 /* "$20\r\n" and 20 digits and "\r\n" are less */
#define CONNECTIONS_MAX 64
#define INPUT ((size_t)128 << 10) /* a read, as large as embctl's */
#define BATCH 256                 /* rows in flight while loading */
#define CALLS_MAX ((size_t)1 << 24)
#define CHECK_STEP 97 /* so many rows for one that is compared */

static void die(const char *what)
{
    fprintf(stderr, "redis_load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 10);

    if (!*text || *end)
        die("not a number");
    return n;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;

    if (clock_gettime(clock, &t) < 0)
        die("clock");
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int connect_to(uint64_t port)
{
    struct sockaddr_in to = {AF_INET, htons((uint16_t)port), {htonl(INADDR_LOOPBACK)}, {0}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        die("connect");
    return fd;
}

/* xorshift64*, good enough to draw rows. */
static uint64_t draw(uint64_t *state, uint64_t below)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint64_t)(((unsigned __int128)(*state * UINT64_C(0x2545F4914F6CDD1D)) * below) >> 64);
}

/* Returns how many. */
static size_t digits(char *out, uint64_t n)
{
    char back[20];
    size_t size = 0;

    do
        back[size++] = (char)('0' + n % 10);
    while (n /= 10);
    for (size_t i = 0; i < size; i++)
        out[i] = back[size - 1 - i];
    return size;
}

/* A key as RESP has it: $SIZE\r\nDIGITS\r\n. */
static char *put_key(char *p, uint64_t id)
{
    char text[20];
    size_t n = digits(text, id);

    *p++ = '$';
    p += digits(p, n);
    *p++ = '\r';
    *p++ = '\n';
    memcpy(p, text, n);
    p += n;
    *p++ = '\r';
    *p++ = '\n';
    return p;
}

/* ---- Loading and checking: blocking, one connection ---- */

/* All of it, out or in. */
static void move(int fd, char *data, size_t n, bool out)
{
    while (n) {
        ssize_t moved = out ? send(fd, data, n, MSG_NOSIGNAL) : recv(fd, data, n, 0);

        if (moved <= 0)
            die(out ? "send" : "receive");
        data += moved;
        n -= (size_t)moved;
    }
}

static const unsigned char *map_rows(const char *path, uint64_t rows, size_t row_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t header;
    const unsigned char *file;

    if (fd < 0 || pread(fd, &header, sizeof header, 0) != sizeof header)
        die(path);
    header = le64toh(header) + sizeof header;
    file = mmap(NULL, header + rows * row_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (file == MAP_FAILED)
        die(path);
    close(fd);
    return file + header;
}

static void load(int fd, const unsigned char *row, uint64_t rows, size_t row_bytes)
{
    char *out = malloc(BATCH * (row_bytes + 3 * KEY_MAX)), *p, ok[BATCH * 5];

    if (!out)
        die("memory");
    for (uint64_t first = 0, n; first < rows; first += n) {
        n = rows - first < BATCH ? rows - first : BATCH;
        p = out;
        for (uint64_t i = first; i < first + n; i++, row += row_bytes) {
            p += sprintf(p, "*3\r\n$3\r\nSET\r\n");
            p = put_key(p, i);
            p += sprintf(p, "$%zu\r\n", row_bytes);
            memcpy(p, row, row_bytes);
            p += row_bytes;
            *p++ = '\r';
            *p++ = '\n';
        }
        move(fd, out, (size_t)(p - out), true);
        move(fd, ok, n * 5, false);
        for (uint64_t i = 0; i < n; i++)
            if (memcmp(ok + i * 5, "+OK\r\n", 5) != 0)
                die("a SET was refused");
    }
}

static void check(int fd, const unsigned char *row, uint64_t rows, size_t row_bytes)
{
    char ask[128], head[32], *p, *got = malloc(row_bytes + sizeof head);
    size_t head_bytes = (size_t)sprintf(head, "*1\r\n$%zu\r\n", row_bytes);

    if (!got)
        die("memory");
    for (uint64_t i = 0; i < rows; i += CHECK_STEP) {
        p = ask + sprintf(ask, "*2\r\n$4\r\nMGET\r\n");
        p = put_key(p, i);
        move(fd, ask, (size_t)(p - ask), true);
        move(fd, got, head_bytes + row_bytes + 2, false);
        if (memcmp(got, head, head_bytes) != 0 ||
            memcmp(got + head_bytes, row + i * row_bytes, row_bytes) != 0)
            die("a row is not the file's");
    }
}

/* ---- The load ---- */

struct form { /* of every reply: head, then `ids` times before, a value, after */
    char head[16], before[16];
    size_t head_bytes, before_bytes, value_bytes, ids;
};

struct connection {
    int fd;
    char *out; /* requests that are not sent yet */
    size_t out_at, out_end;
    uint64_t *due_ns; /* [depth], a ring: of the requests in flight, oldest first */
    size_t oldest, in_flight;
    size_t values,
        at; /* of the reply that comes: complete values, and bytes of the piece at hand */
    bool in_head;
};

struct run {
    uint64_t rows, ids, depth, random;
    struct form form;
    uint64_t begin_ns, end_ns;
    uint64_t finished; /* answered since begin_ns */
    uint64_t calls;    /* those of them that were asked since then, too */
    float *took_us;
};

static void ask(struct run *r, struct connection *c, uint64_t now_ns)
{
    char *p;

    if (c->out_at == c->out_end)
        c->out_at = c->out_end = 0;
    p = c->out + c->out_end;
    *p++ = '*';
    p += digits(p, r->ids + 1);
    memcpy(p, "\r\n$4\r\nMGET\r\n", 12);
    p += 12;
    for (uint64_t i = 0; i < r->ids; i++)
        p = put_key(p, draw(&r->random, r->rows));
    c->out_end = (size_t)(p - c->out);
    c->due_ns[(c->oldest + c->in_flight++) % r->depth] = now_ns;
}

static void answered(struct run *r, struct connection *c)
{
    uint64_t due_ns = c->due_ns[c->oldest], now_ns = clock_ns(CLOCK_MONOTONIC);

    if (!c->in_flight)
        die("a reply that nobody asked for");
    c->oldest = (c->oldest + 1) % r->depth;
    c->in_flight--;
    c->in_head = true;
    c->values = c->at = 0;
    r->finished++;
    if (due_ns < r->begin_ns)
        return;
    if (r->calls == CALLS_MAX)
        die("too many calls");
    r->took_us[r->calls++] = (float)(now_ns - due_ns) / 1000;
}

/* Hold what came against the form, byte by byte but for the values. */
static void take(struct run *r, struct connection *c, const char *data, size_t n)
{
    const struct form *f = &r->form;

    while (n) {
        size_t value_end = f->before_bytes + f->value_bytes, part = 1;

        if (c->in_head) {
            if (*data != f->head[c->at])
                die("a reply is not what was asked for");
            c->in_head = ++c->at < f->head_bytes;
            if (!c->in_head)
                c->at = 0;
        } else if (c->at >= f->before_bytes && c->at < value_end) {
            part = value_end - c->at < n ? value_end - c->at : n;
            c->at += part;
        } else {
            if (*data != (c->at < f->before_bytes ? f->before[c->at] : "\r\n"[c->at - value_end]))
                die("a value is not what was asked for");
            if (++c->at == value_end + 2) {
                c->at = 0;
                if (++c->values == f->ids)
                    answered(r, c);
            }
        }
        data += part;
        n -= part;
    }
}

static void flush(struct connection *c)
{
    while (c->out_at < c->out_end) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_end - c->out_at, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            die("send");
        c->out_at += (size_t)n;
    }
}

static void read_some(struct run *r, struct connection *c)
{
    static char input[INPUT];
    ssize_t n = recv(c->fd, input, sizeof input, 0);

    if (n == 0 || (n < 0 && errno != EAGAIN))
        die("receive");
    if (n > 0)
        take(r, c, input, (size_t)n);
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static void run(struct run *r, uint64_t port, clockid_t server, size_t connections, double seconds,
                double warmup)
{
    struct connection connection[CONNECTIONS_MAX] = {0};
    struct pollfd wait[CONNECTIONS_MAX];
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), cpu_ns = 0;
    bool measuring = false;

    for (size_t i = 0; i < connections; i++) {
        struct connection *c = &connection[i];

        c->fd = connect_to(port);
        c->out = malloc((r->depth + 1) * (r->ids + 2) * KEY_MAX * 2);
        c->due_ns = calloc(r->depth, sizeof *c->due_ns);
        c->in_head = true;
        if (!c->out || !c->due_ns || fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
            die("connection");
        wait[i] = (struct pollfd){.fd = c->fd};
    }
    r->begin_ns = now_ns + (uint64_t)(warmup * 1e9);
    r->end_ns = r->begin_ns + (uint64_t)(seconds * 1e9);
    for (; now_ns < r->end_ns; now_ns = clock_ns(CLOCK_MONOTONIC)) {
        if (!measuring && now_ns >= r->begin_ns) {
            measuring = true;
            cpu_ns = clock_ns(server);
            r->finished = 0;
        }
        for (size_t i = 0; i < connections; i++) {
            struct connection *c = &connection[i];

            while (c->in_flight < r->depth && (c->out_at == c->out_end || c->out_at == 0))
                ask(r, c, now_ns);
            flush(c);
            wait[i].events = (short)(POLLIN | (c->out_at < c->out_end ? POLLOUT : 0));
        }
        if (poll(wait, connections, 100) < 0)
            die("poll");
        for (size_t i = 0; i < connections; i++)
            if (wait[i].revents)
                read_some(r, &connection[i]);
    }
    cpu_ns = clock_ns(server) - cpu_ns;
    if (!r->calls)
        die("no call was answered");
    qsort(r->took_us, r->calls, sizeof *r->took_us, compare);
    printf("%.1f %.1f %.3f\n", (double)r->finished / seconds, r->took_us[(r->calls - 1) * 99 / 100],
           (double)cpu_ns / 1e3 / (double)r->finished);
}

int main(int argc, char **argv)
{
    bool loads = argc == 6 && !strcmp(argv[1], "load");

    if (loads || (argc == 6 && !strcmp(argv[1], "check"))) {
        uint64_t rows = number(argv[4]);
        size_t row_bytes = number(argv[5]) * sizeof(float);

        (loads ? load : check)(connect_to(number(argv[2])), map_rows(argv[3], rows, row_bytes),
                               rows, row_bytes);
    } else if (argc == 11 && strcmp(argv[1], "run") == 0) {
        struct run r = {.rows = number(argv[4]), .ids = number(argv[6]), .depth = number(argv[8])};
        size_t connections = number(argv[7]);
        struct form *f = &r.form;
        clockid_t server;

        r.random = clock_ns(CLOCK_REALTIME) | 1;
        r.took_us = malloc(CALLS_MAX * sizeof *r.took_us); /* touched as they are needed */
        f->value_bytes = number(argv[5]) * sizeof(float);
        f->ids = r.ids;
        f->head_bytes = (size_t)snprintf(f->head, sizeof f->head, "*%zu\r\n", f->ids);
        f->before_bytes = (size_t)snprintf(f->before, sizeof f->before, "$%zu\r\n", f->value_bytes);
        if (!r.took_us || !r.ids || !r.depth || !connections || connections > CONNECTIONS_MAX)
            die("nothing to do, or too much");
        if (clock_getcpuclockid((pid_t)number(argv[3]), &server))
            die("no such process");
        run(&r, number(argv[2]), server, connections, strtod(argv[9], NULL),
            strtod(argv[10], NULL));
    } else {
        fprintf(stderr, "see the top of redis_load.c\n");
        return 2;
    }
    return 0;
}
