/* SPDX-License-Identifier: Apache-2.0 */
/* What embctl push is made of: arrays from files, cut into pushes of a number of rows, and a stream
   that keeps several of them on their way. */
#pragma once

#include "client/embctl/command.h"
#include "client/embdclient.h"
#include "table/npy.h"

struct gradients_input {
    const char *table;
    int64_t *ids;
    size_t id_count;
    int pooling, format; /* EMBD_… */
    uint32_t *offsets;   /* with pooling; [offset_count] */
    size_t offset_count;
    float *weights; /* or NULL */
    struct npy gradients;
    size_t rows; /* of the gradients: ids or bags */
    uint32_t dim;
};

struct gradients_files {
    const char *ids, *gradients, *offsets, *weights; /* the last two may be NULL */
};

/* Read and check the arrays; table, pooling and format are set. gradients_close() in any case. */
MUST_CHECK enum status gradients_open(struct gradients_input *in,
                                      const struct gradients_files *from, struct error *e);
void gradients_close(struct gradients_input *in);

/* The rows [first, first + rows) as a push. What could not stay where it is lies in the batch. */
struct batch {
    embd_push push;
    embd_push_result result;
    size_t first, rows;
    uint32_t *offsets;
    void *converted;
};
/* ST_INVALID if a gradient does not fit the format. */
MUST_CHECK enum status batch_make(struct batch *b, const struct gradients_input *in, size_t first,
                                  size_t rows, struct error *e);
void batch_done(struct batch *b);

/* A whole run. */
struct push_run {
    const struct gradients_input *in;
    size_t batch;        /* rows a push */
    const char *trainer; /* NULL: none */
    uint64_t sequence;   /* of the first push */
    embd_push_options options;
    int64_t timeout_ms; /* for each answer; 0: the client's */

    /* What came of it. */
    size_t pushes, done; /* to make, answered */
    size_t duplicates;
    uint64_t skipped, admitted, version, lsn;
};
/* Push it all. The sentence of a failure tells which push it was, and what to do about it. */
MUST_CHECK enum status push_all(struct push_run *run, embd_client *client, struct error *e);
