/* SPDX-License-Identifier: Apache-2.0 */
/* A training job as the daemon sees it: several trainers, each with a connection and a stream of
   pushes of its own, and so many on their way in each.

       push_load ADDRESS TABLE ROWS DIM IDS TRAINERS DEPTH SECONDS [F32|F16]

   Ids are drawn fresh for each push, uniformly over ROWS; a push has IDS of them. Prints pushes a
   second, payload bytes a second (ids and gradients), and the median and 99th percentile of the
   time from sending a push to its answer, in microseconds. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "client/embdclient.h"

#define WARM_US 500000
#define DEPTH_MOST 64
#define TIMES_MOST ((size_t)1 << 20)

struct job {
    const char *address, *table;
    uint64_t rows, dim, ids;
    unsigned depth;
    int format;
    uint64_t start_us, end_us; /* what is answered in between counts */
};

struct trainer {
    const struct job *job;
    pthread_t thread;
    unsigned number;
    uint64_t random;
    uint64_t *took;
    size_t count;
    char error[EMBD_CLIENT_ERROR_MAX];
    int status;
};

/* One push on its way. */
struct flight {
    embd_push push;
    int64_t *ids;
    uint64_t sent_us;
};

static uint64_t draw(struct trainer *t)
{
    uint64_t z = t->random += 0x9e3779b97f4a7c15u; /* splitmix64 */

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int send_one(struct trainer *t, embd_push_stream *stream, struct flight *f,
                    uint64_t sequence)
{
    char name[64];
    embd_push_options options = {.trainer = name, .sequence = sequence};

    snprintf(name, sizeof name, "load-%ld-%u", (long)getpid(), t->number);
    for (uint64_t i = 0; i < t->job->ids; i++)
        f->ids[i] = (int64_t)(draw(t) % t->job->rows);
    f->sent_us = clock_now_us();
    return embd_push_stream_push(stream, &f->push, 1, &options, NULL, t->error);
}

static int take_one(struct trainer *t, embd_push_stream *stream, const struct flight *f)
{
    int st = embd_push_stream_next(stream, t->error);
    uint64_t now = clock_now_us();

    if (st == EMBD_CLIENT_OK && now >= t->job->start_us && now < t->job->end_us &&
        t->count < TIMES_MOST)
        t->took[t->count++] = now - f->sent_us;
    return st;
}

static int push_all(struct trainer *t, embd_push_stream *stream, struct flight *flight)
{
    const struct job *j = t->job;
    uint64_t sent = 0, taken = 0;
    int st = EMBD_CLIENT_OK;

    while (st == EMBD_CLIENT_OK && clock_now_us() < j->end_us) {
        while (st == EMBD_CLIENT_OK && sent - taken < j->depth) {
            st = send_one(t, stream, &flight[sent % j->depth], sent + 1);
            sent++;
        }
        if (st == EMBD_CLIENT_OK)
            st = take_one(t, stream, &flight[taken++ % j->depth]);
    }
    while (st == EMBD_CLIENT_OK && taken < sent)
        st = take_one(t, stream, &flight[taken++ % j->depth]);
    return st;
}

/* Small numbers of either sign, as gradients are; none so small that arithmetic slows down. */
static void fill(unsigned char *gradients, size_t bytes, int format)
{
    size_t size = format == EMBD_FORMAT_F32 ? sizeof(float) : sizeof(uint16_t);

    for (size_t i = 0; i * size < bytes; i++) {
        float f = (i & 1 ? -1.0f : 1.0f) / (float)(1024 + i % 1024);
        uint16_t half = (uint16_t)(0x1400 + i % 1024 + (i & 1 ? 0x8000 : 0));

        memcpy(gradients + i * size, size == sizeof f ? (void *)&f : (void *)&half, size);
    }
}

static void *run(void *arg)
{
    struct trainer *t = arg;
    const struct job *j = t->job;
    size_t bytes = j->ids * j->dim * (j->format == EMBD_FORMAT_F32 ? 4 : 2);
    unsigned char *gradients = mem_zero(1, bytes); /* the cost does not depend on the values */
    struct flight flight[DEPTH_MOST] = {{.sent_us = 0}};
    embd_client *client = NULL;
    embd_push_stream *stream = NULL;

    if (gradients)
        fill(gradients, bytes, j->format);
    for (unsigned i = 0; i < j->depth; i++) {
        flight[i].ids = mem_zero(j->ids, sizeof *flight[i].ids);
        flight[i].push = (embd_push){.table = j->table,
                                     .ids = flight[i].ids,
                                     .id_count = j->ids,
                                     .gradients = gradients,
                                     .gradient_bytes = bytes,
                                     .format = j->format};
    }
    t->status = embd_client_open(&client, j->address, NULL, t->error);
    if (t->status == EMBD_CLIENT_OK)
        t->status = embd_push_stream_open(client, 0, &stream, t->error);
    if (t->status == EMBD_CLIENT_OK)
        t->status = push_all(t, stream, flight);
    if (t->status == EMBD_CLIENT_OK)
        t->status = embd_push_stream_close(stream, t->error);
    else
        embd_push_stream_cancel(stream);
    embd_client_close(client);
    for (unsigned i = 0; i < j->depth; i++)
        mem_free(flight[i].ids);
    mem_free(gradients);
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int report(const struct job *j, struct trainer *t, unsigned trainers)
{
    double seconds = (double)(j->end_us - j->start_us) / 1e6;
    uint64_t *all = mem_zero(trainers * TIMES_MOST, sizeof *all);
    size_t count = 0, bytes = j->ids * (8 + j->dim * (j->format == EMBD_FORMAT_F32 ? 4 : 2));

    for (unsigned i = 0; all && i < trainers; i++) {
        memcpy(all + count, t[i].took, t[i].count * sizeof *all);
        count += t[i].count;
    }
    if (!count) {
        fprintf(stderr, "push_load: no push was answered in time\n");
        return 1;
    }
    qsort(all, count, sizeof *all, by_value);
    printf("%.1f %.0f %llu %llu\n", (double)count / seconds,
           (double)count * (double)bytes / seconds, (unsigned long long)all[count / 2],
           (unsigned long long)all[count * 99 / 100]);
    mem_free(all);
    return 0;
}

int main(int argc, char **argv)
{
    struct job j = {.format =
                        argc > 9 && !strcmp(argv[9], "F16") ? EMBD_FORMAT_F16 : EMBD_FORMAT_F32};
    unsigned trainers;
    struct trainer *t;
    int code = 0;

    if (argc < 9) {
        fprintf(stderr, "usage: push_load ADDRESS TABLE ROWS DIM IDS TRAINERS DEPTH SECONDS "
                        "[F32|F16]\n");
        return 2;
    }
    j.address = argv[1];
    j.table = argv[2];
    j.rows = strtoull(argv[3], NULL, 10);
    j.dim = strtoull(argv[4], NULL, 10);
    j.ids = strtoull(argv[5], NULL, 10);
    trainers = (unsigned)strtoul(argv[6], NULL, 10);
    j.depth = (unsigned)strtoul(argv[7], NULL, 10);
    t = mem_zero(trainers, sizeof *t);
    if (!t || !trainers || !j.depth || j.depth > DEPTH_MOST || !j.rows || !j.ids || !j.dim)
        return 2;
    j.start_us = clock_now_us() + WARM_US;
    j.end_us = j.start_us + (uint64_t)(strtod(argv[8], NULL) * 1e6);
    for (unsigned i = 0; i < trainers; i++) {
        t[i] = (struct trainer){.job = &j, .number = i, .random = clock_now_us() + i * 7919};
        t[i].took = mem_alloc(TIMES_MOST * sizeof *t[i].took);
        if (!t[i].took || pthread_create(&t[i].thread, NULL, run, &t[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < trainers; i++) {
        pthread_join(t[i].thread, NULL);
        if (t[i].status != EMBD_CLIENT_OK) {
            fprintf(stderr, "push_load: trainer %u: %s\n", i, t[i].error);
            code = 1;
        }
    }
    if (code == 0)
        code = report(&j, t, trainers);
    for (unsigned i = 0; i < trainers; i++)
        mem_free(t[i].took);
    mem_free(t);
    return code;
}
