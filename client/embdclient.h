/* SPDX-License-Identifier: Apache-2.0 */
/* libembdclient: lookups from a running embd daemon.

   Ten lines are enough (tests compile and run them, see client/example.c):

       embd_client *client = NULL;
       char error[EMBD_CLIENT_ERROR_MAX];
       int64_t ids[] = {3, 1, 4};
       float rows[3 * 100];
       embd_lookup words = {"words", ids, 3, .out = rows, .out_bytes = sizeof rows};
       if (embd_client_open(&client, NULL, NULL, error) != 0 ||
           embd_client_lookup(client, &words, 1, NULL, error) != 0)
           return embd_client_close(client), fprintf(stderr, "%s\n", error), 1;
       printf("row 3 begins with %g\n", rows[0]);
       embd_client_close(client);

   Threads: a client and its calls belong to one thread at a time; use one client for each thread.
   Calls are gRPC over HTTP/2 on one connection, which is opened when first needed and again after
   it broke; a call that the daemon refused unseen is sent once more. Functions return 0
   (EMBD_CLIENT_OK) or a gRPC status number, and then write a sentence to `error`
   (EMBD_CLIENT_ERROR_MAX bytes, may be NULL): the daemon's own, or what went wrong on the way. */
#ifndef EMBDCLIENT_H
#define EMBDCLIENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define EMBD_CLIENT_ERROR_MAX 512
#define EMBD_CLIENT_OK 0

typedef struct embd_client embd_client;

typedef struct embd_client_options {
    int64_t timeout_ms;       /* deadline of each call, sent to the daemon; 0: 10 s; -1: none */
    int64_t connect_ms;       /* time to connect; 0: 5 s */
    uint64_t max_reply_bytes; /* larger replies are refused; 0: 64 MiB */
} embd_client_options;

/* `address` is "host:port", "[v6]:port", "unix:/path", or NULL for what the environment's
   EMBD_SERVER says, else 127.0.0.1:3623. Connects at the first call. `options` may be NULL.
   `*client` is yours (embd_client_close). */
int embd_client_open(embd_client **client, const char *address, const embd_client_options *options,
                     char *error);
/* Calls in flight are cancelled and freed. NULL is fine. */
void embd_client_close(embd_client *client);

enum { EMBD_POOLING_NONE = 0, EMBD_POOLING_SUM = 1, EMBD_POOLING_MEAN = 2 };
enum { EMBD_FORMAT_F32 = 0, EMBD_FORMAT_F16 = 1, EMBD_FORMAT_BF16 = 2, EMBD_FORMAT_INT8 = 3 };
enum { EMBD_MISSING_FILL = 0, EMBD_MISSING_ERROR = 1 };

/* One table's part of a call: what is asked, and what came back. Arrays belong to the caller. */
typedef struct embd_lookup {
    const char *table;
    const int64_t *ids;
    size_t id_count;
    int pooling;             /* EMBD_POOLING_… */
    const uint32_t *offsets; /* with pooling: bags + 1 entries, 0 … id_count */
    size_t offset_count;
    const float *weights; /* with EMBD_POOLING_SUM: NULL or one an id */
    uint64_t min_version;

    void *out;         /* rows are written here, row by row, in the asked format; or NULL to
                          borrow them: see `values` */
    size_t out_bytes;  /* room at `out`; too little is RESOURCE_EXHAUSTED and names the need */
    uint32_t *missing; /* NULL, or room for `missing_room` positions of unknown ids */
    size_t missing_room;

    uint32_t dim, rows;   /* of the answer */
    uint64_t version;     /* of the table */
    size_t missing_count; /* all of them, also those beyond missing_room */
    const void *values;   /* where the rows are: `out`, or, with out = NULL, memory of the client's
                             (any alignment) that lasts until the next call is started */
    size_t value_bytes;   /* INT8 rows have dim + 8 bytes each */
} embd_lookup;

typedef struct embd_lookup_options {
    int format;         /* EMBD_FORMAT_… for all lookups of the call */
    int missing;        /* EMBD_MISSING_… */
    int64_t timeout_ms; /* 0: the client's */
} embd_lookup_options;

/* Look up several tables in one call and wait for the answer. `options` may be NULL. After a
   failure what is at `out` and `missing` is undefined, and the other results are as they were. */
int embd_client_lookup(embd_client *client, embd_lookup *lookups, size_t count,
                       const embd_lookup_options *options, char *error);

/* Several calls in flight: start as many as you like, then wait for each (in any order). The
   lookups and all their arrays must stay until then. A call that was started is ended by wait or
   cancel. */
typedef struct embd_call embd_call;
int embd_client_start(embd_client *client, embd_lookup *lookups, size_t count,
                      const embd_lookup_options *options, embd_call **call, char *error);
int embd_call_wait(embd_call *call, char *error); /* frees the call */
void embd_call_cancel(embd_call *call);           /* frees the call */
/* Whether embd_call_wait() would return at once. */
int embd_call_finished(const embd_call *call);
/* Let the calls in flight get on until one has finished or `timeout_ms` have passed (-1: no limit;
   0: do what can be done now). Returns how many have finished and are not yet waited for. */
size_t embd_client_poll(embd_client *client, int64_t timeout_ms);

/* Any unary call: `path` like "/embd.v1.Tables/List", request and reply as encoded messages.
   `*reply` is yours (embd_client_free). */
int embd_client_unary(embd_client *client, const char *path, const void *request,
                      size_t request_bytes, int64_t timeout_ms, void **reply, size_t *reply_bytes,
                      char *error);
void embd_client_free(void *reply);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
