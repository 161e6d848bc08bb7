/* SPDX-License-Identifier: Apache-2.0 */
/* libembdclient: lookups from a running embd daemon, and pushes of gradients to it.

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
   0: do what can be done now). Returns how many have finished and are not yet waited for; a stream
   with answers to take, or that has ended, is one of them. */
size_t embd_client_poll(embd_client *client, int64_t timeout_ms);

/* ---- Pushes ----

   A push is one step of training: gradients for rows (or bags) of one or more tables. All of it is
   applied, or nothing. Its answer means that it is on the daemon's disk and that every later lookup
   sees it.

   Exactly once. Give each push the name of its trainer and a sequence number, 1 for the trainer's
   first push and one more for each that follows. The daemon applies each number once:

   - EMBD_CLIENT_OK: it is applied, or it had been before (`duplicate`).
   - UNAVAILABLE (14), DEADLINE_EXCEEDED (4), CANCELLED (1), UNKNOWN (2), and INTERNAL (13) of an
     answer that cannot be read: it may have been applied or not, and nobody on this side can tell.
     Send the same push with the same number again, until there is an answer; it counts once. The
     push must be the same in all its arrays and options, in the same order: the daemon compares
     messages, and another content under a number that was used is ALREADY_EXISTS (6).
   - Every other status: refused, nothing was changed, and the number is not used up. Mend the push
     and send it under the same number.
   - ABORTED (10): the number is not the next one; the sentence names the one that is. A trainer
   that was started again asks embd_client_position() and goes on from there.

   Without a trainer (NULL, sequence 0) a push that is sent again may count twice.

       embd_push grad = {"words", ids, 3, .gradients = g, .gradient_bytes = sizeof g};
       embd_push_options step = {.trainer = "trainer-1", .sequence = last + 1};
       do
           st = embd_client_push(client, &grad, 1, &step, NULL, error);
       while (st == 14 || st == 4);
*/
/* Under ADMIT they get spare rows of tables that grow; what gets none is left out. */
enum { EMBD_UNKNOWN_REFUSE = 0, EMBD_UNKNOWN_SKIP = 1, EMBD_UNKNOWN_ADMIT = 2 };

/* One table's part of a push. Arrays belong to the caller and are sent from where they are. */
typedef struct embd_push {
    const char *table;
    const int64_t *ids;
    size_t id_count;
    const void *gradients; /* of each row (or bag), row by row, in the format */
    size_t gradient_bytes;
    int format;              /* EMBD_FORMAT_F32, F16 or BF16 */
    int pooling;             /* EMBD_POOLING_…, as in the lookup that the gradient is of */
    const uint32_t *offsets; /* with pooling: bags + 1 entries, 0 … id_count */
    size_t offset_count;
    const float *weights; /* with EMBD_POOLING_SUM: NULL or one an id */

    uint64_t version; /* of the answer: the table's, with this push */
} embd_push;

typedef struct embd_push_options {
    const char *trainer; /* 1 to 128 of [A-Za-z0-9_.:-], with a sequence from 1; or NULL */
    uint64_t sequence;
    const float *learning_rate; /* instead of the tables' own; NULL: theirs */
    int unknown;        /* EMBD_UNKNOWN_…: what becomes of ids that a table does not have */
    int64_t timeout_ms; /* 0: the client's */
} embd_push_options;

typedef struct embd_push_result {
    int duplicate;     /* it had been applied before */
    uint64_t lsn;      /* its place in the daemon's log */
    uint64_t skipped;  /* unknown ids left out */
    uint64_t admitted; /* unknown ids that got rows by it */
} embd_push_result;

/* Push and wait for the answer. `options` and `result` may be NULL. After a failure the versions
   and `result` are as they were. */
int embd_client_push(embd_client *client, embd_push *pushes, size_t count,
                     const embd_push_options *options, embd_push_result *result, char *error);
/* Several in flight, as embd_client_start(): the pushes, their arrays and `result` must stay until
   embd_call_wait() or embd_call_cancel(). A call that is cancelled may be applied nevertheless.
   Calls in flight may arrive in another order; to keep several pushes of one trainer on their way,
   use a stream. */
int embd_client_push_start(embd_client *client, embd_push *pushes, size_t count,
                           const embd_push_options *options, embd_push_result *result,
                           embd_call **call, char *error);

/* A stream of pushes, which the daemon applies and answers in their order. The first one that is
   refused ends the stream, and none behind it is applied. */
typedef struct embd_push_stream embd_push_stream;
/* `timeout_ms` is for each answer that is waited for; 0: the client's. */
int embd_push_stream_open(embd_client *client, int64_t timeout_ms, embd_push_stream **stream,
                          char *error);
/* Send a push without waiting. The pushes, their arrays and `result` must stay until its answer was
   taken, or the stream is closed. Of the options the timeout is not used. Fails if the push cannot
   be packed, or with the status with which the stream has ended. */
int embd_push_stream_push(embd_push_stream *stream, embd_push *pushes, size_t count,
                          const embd_push_options *options, embd_push_result *result, char *error);
/* Take the answer to the oldest push whose answer was not taken, waiting for it. A failure is that
   of this push and has ended the stream: only embd_push_stream_close() is left to do. With no push
   to answer it is FAILED_PRECONDITION, and the stream goes on. */
int embd_push_stream_next(embd_push_stream *stream, char *error);
/* Pushes whose answers were not taken, and how many of these answers are here. */
size_t embd_push_stream_in_flight(const embd_push_stream *stream);
size_t embd_push_stream_answered(const embd_push_stream *stream);
/* End the stream and free it; answers that are still due are waited for and taken. Returns 0 if all
   pushes were answered, else the status that ended the stream. NULL is fine. */
int embd_push_stream_close(embd_push_stream *stream, char *error);
/* Free it without waiting: pushes without an answer may be applied or not. NULL is fine. */
void embd_push_stream_cancel(embd_push_stream *stream);

/* The sequence of a trainer's last push that was applied, 0 if none. */
int embd_client_position(embd_client *client, const char *trainer, uint64_t *sequence, char *error);
/* Forget a trainer: its next push begins at 1 again. `sequence`, where it stood, may be NULL. */
int embd_client_forget(embd_client *client, const char *trainer, uint64_t *sequence, char *error);

typedef struct embd_snapshot {
    uint64_t version, lsn;
    uint64_t bytes;  /* of its file */
    int whole;       /* or only what changed since the one before */
    int64_t time_us; /* since 1970 */
} embd_snapshot;

/* Write a snapshot of a trainable table and wait until it is durable: pushes and lookups go on
   meanwhile. `timeout_ms`: 0: the client's, -1: none. `snapshot` may be NULL. */
int embd_client_save(embd_client *client, const char *table, int64_t timeout_ms,
                     embd_snapshot *snapshot, char *error);
/* Go back to a kept snapshot, of `version` or the newest (0). Versions go on from the present one:
   `now` (may be NULL) is the table's after it. */
int embd_client_restore(embd_client *client, const char *table, uint64_t version,
                        int64_t timeout_ms, uint64_t *now, char *error);

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
