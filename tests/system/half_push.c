/* SPDX-License-Identifier: Apache-2.0 */
/* A checker that would see half of a push. Each push adds 1 to every element of every row of the
   table (gradients of -1, sgd at rate 1, from zeros), so a row of version v holds v everywhere, and
   any other number is a push that was seen in part or not at all. Pushers keep several pushes on
   their way; readers look up rows in random order and also hold the table's version against those
   seen and answered before.

     half_push ADDRESS TABLE ROWS DIM SECONDS PUSHERS READERS

   Prints what was done; exit status 1 if anything was wrong. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/embdclient.h"

#define WINDOW 16     /* pushes on their way */
#define READ_ROWS 128 /* at most, in a lookup */

static const char *address, *table;
static size_t rows, dim;
static uint64_t end_us;
static atomic_uint_fast64_t pushes, lookups, rows_read, answered; /* the last: highest version */
static atomic_bool wrong;

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...)
{
    va_list list;

    if (atomic_exchange(&wrong, true))
        return; /* one sentence is enough */
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
}

static bool on(void)
{
    return clock_now_us() < end_us && !atomic_load(&wrong);
}

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return p;
}

/* The answers to a pusher's oldest push: every later lookup has it. */
static bool take(embd_push_stream *stream, const embd_push *oldest, char *error)
{
    uint64_t last;

    if (embd_push_stream_next(stream, error) != 0)
        return false;
    last = atomic_load(&answered);
    while (last < oldest->version &&
           !atomic_compare_exchange_weak(&answered, &last, oldest->version))
        ;
    atomic_fetch_add(&pushes, 1);
    return true;
}

static void *push(void *unused)
{
    int64_t *id = must(calloc(rows, sizeof *id));
    float *gradient = must(calloc(rows * dim, sizeof *gradient)), rate = 1;
    embd_push push[WINDOW];
    embd_push_options options = {.learning_rate = &rate};
    embd_client *client = NULL;
    embd_push_stream *stream = NULL;
    char error[EMBD_CLIENT_ERROR_MAX] = "";
    size_t sent = 0, taken = 0;

    for (size_t i = 0; i < rows; i++)
        id[i] = (int64_t)i;
    for (size_t i = 0; i < rows * dim; i++)
        gradient[i] = -1;
    for (size_t i = 0; i < WINDOW; i++)
        push[i] = (embd_push){.table = table,
                              .ids = id,
                              .id_count = rows,
                              .gradients = gradient,
                              .gradient_bytes = rows * dim * sizeof *gradient};
    if (embd_client_open(&client, address, NULL, error) != 0 ||
        embd_push_stream_open(client, 60000, &stream, error) != 0)
        goto out;
    while (on() || taken < sent) {
        if (on() && sent - taken < WINDOW) {
            if (embd_push_stream_push(stream, &push[sent % WINDOW], 1, &options, NULL, error) != 0)
                goto out;
            sent++;
        } else {
            if (!take(stream, &push[taken % WINDOW], error))
                goto out;
            taken++;
        }
    }
    error[0] = '\0';
out:
    if (error[0])
        complain("a push failed: %s", error);
    embd_push_stream_cancel(stream);
    embd_client_close(client);
    free(gradient);
    free(id);
    return unused;
}

/* Whether all elements are `version`. */
static bool whole(const embd_lookup *l, const float *row)
{
    for (size_t i = 0; i < l->id_count; i++)
        for (size_t j = 0; j < dim; j++)
            if (row[i * dim + j] != (float)l->version) {
                complain("row %" PRId64 ", element %zu is %.9g at version %" PRIu64 "; row %" PRId64
                         " begins with %.9g",
                         l->ids[i], j, (double)row[i * dim + j], l->version, l->ids[0],
                         (double)row[0]);
                return false;
            }
    return true;
}

static void *look(void *seed)
{
    uint64_t draw = (uintptr_t)seed * 0x9e3779b97f4a7c15U + 1, last = 0;
    int64_t id[READ_ROWS];
    float *row = must(calloc(READ_ROWS * dim, sizeof *row));
    embd_lookup l = {.table = table, .ids = id, .out = row};
    embd_client *client = NULL;
    char error[EMBD_CLIENT_ERROR_MAX] = "";

    l.out_bytes = READ_ROWS * dim * sizeof *row;
    if (embd_client_open(&client, address, NULL, error) != 0)
        complain("%s", error);
    while (on()) {
        uint64_t before = atomic_load(&answered);

        l.id_count = 1 + (draw >> 33) % READ_ROWS;
        for (size_t i = 0; i < l.id_count; i++) {
            draw = draw * 6364136223846793005U + 1442695040888963407U;
            id[i] = (int64_t)((draw >> 33) % rows);
        }
        if (embd_client_lookup(client, &l, 1, NULL, error) != 0) {
            complain("a lookup failed: %s", error);
            break;
        }
        if (l.version < last || l.version < before)
            complain("version %" PRIu64 " was seen after %" PRIu64 " was seen and %" PRIu64
                     " was answered",
                     l.version, last, before);
        last = l.version;
        if (!whole(&l, row))
            break;
        atomic_fetch_add(&lookups, 1);
        atomic_fetch_add(&rows_read, l.id_count);
    }
    embd_client_close(client);
    free(row);
    return NULL;
}

int main(int n, char **argument)
{
    pthread_t thread[64];
    int pushers, readers;

    if (n != 8) {
        fprintf(stderr, "usage: half_push ADDRESS TABLE ROWS DIM SECONDS PUSHERS READERS\n");
        return 2;
    }
    address = argument[1];
    table = argument[2];
    rows = strtoul(argument[3], NULL, 10);
    dim = strtoul(argument[4], NULL, 10);
    end_us = clock_now_us() + strtoul(argument[5], NULL, 10) * 1000000;
    pushers = atoi(argument[6]);
    readers = atoi(argument[7]);
    if (!rows || !dim || pushers < 0 || readers < 0 || pushers + readers > 64)
        return 2;
    for (int i = 0; i < pushers + readers; i++)
        if (pthread_create(&thread[i], NULL, i < pushers ? push : look, (void *)(uintptr_t)i))
            return 1;
    for (int i = 0; i < pushers + readers; i++)
        pthread_join(thread[i], NULL);
    printf("%" PRIuFAST64 " pushes of %zu rows, %" PRIuFAST64 " lookups of %" PRIuFAST64
           " rows, %s\n",
           atomic_load(&pushes), rows, atomic_load(&lookups), atomic_load(&rows_read),
           atomic_load(&wrong) ? "WRONG" : "none in halves");
    return atomic_load(&wrong);
}
