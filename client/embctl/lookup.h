/* SPDX-License-Identifier: Apache-2.0 */
/* What embctl lookup is made of: the question, asked in parts of a size that the daemon takes, and
   sinks for the rows as they come. */
#pragma once

#include "client/embctl/command.h"
#include "client/embdclient.h"

struct question {
    const char *table;
    int64_t *ids;
    size_t id_count;
    int pooling;
    uint32_t *offsets; /* with pooling; [offset_count] */
    size_t offset_count;
    float *weights; /* or NULL */
    uint64_t min_version;
    embd_lookup_options options;

    /* Known after the first answer, and growing. */
    uint32_t dim;
    uint64_t version_first, version_last;
    uint64_t *missing; /* positions in ids; [missing_count] */
    size_t missing_count;
};

/* Rows of the whole answer. */
size_t question_rows(const struct question *q);
/* Columns of the output array: dim, or dim + 8 bytes for INT8 rows. */
size_t question_columns(const struct question *q);

/* Where rows go. `begin` is called once, when dim is known; `part` with the rows from `first` on
   (their ids, without pooling, are q->ids + first; their unknown ids are already in q->missing,
   from `missing_first` on); `end` when all went well. */
struct sink {
    enum status (*begin)(void *context, const struct question *q, struct error *e);
    enum status (*part)(void *context, const struct question *q, const embd_lookup *answer,
                        size_t first, size_t missing_first, struct error *e);
    enum status (*end)(void *context, const struct question *q, struct error *e);
    void *context;
};

/* Ask it all. */
MUST_CHECK enum status question_ask(struct question *q, embd_client *client,
                                    const struct sink *sink, struct error *e);

/* The sinks: a table for people (all values with `all`), one JSON document, an .npy file or stream.
 */
struct people_sink {
    bool all;
    unsigned shown, label; /* values a line; width of the first column */
    float *row;
};
struct sink sink_people(struct people_sink *s);
struct json_sink;
struct json_sink *json_sink_new(void);
struct sink sink_json(struct json_sink *s);
void json_sink_free(struct json_sink *s);
struct npy_sink;
struct npy_sink *npy_sink_new(const char *path);
struct sink sink_npy(struct npy_sink *s);
void npy_sink_free(struct npy_sink *s); /* an unfinished file is removed */

/* One row of an answer as float32. */
void row_decode(float *out, const void *row, int format, uint32_t dim);
/* Bytes of a row as it came. */
size_t row_size(int format, uint32_t dim);
