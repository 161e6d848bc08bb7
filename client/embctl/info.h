/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon says of a table, in words and as JSON. */
#pragma once

#include "client/embctl/document.h"
#include "proto/embd.pb-c.h"

const char *state_name(int state);   /* "serving", "damaged" */
const char *memory_name(int memory); /* "map", "copy", "lock" */
const char *ids_name(int ids);       /* "rows", "keys", "hash" */

/* "keys", and of a table that grows "keys; 1,200 rows in use, 800 spare", into `out`. */
const char *ids_format(char *out, size_t room, int ids, bool grows, uint64_t used, uint64_t rows);

/* The fields of a snapshot into the object that is open. */
void json_snapshot(struct document *j, const Embd__V1__SnapshotInfo *s);
/* A table's kept snapshots. */
void print_snapshots(Embd__V1__SnapshotInfo *const *list, size_t count);
/* "adagrad, learning_rate 0.05, epsilon 1e-08, step 7" from an optimizer's settings as JSON. */
const char *optimizer_format(char *out, size_t room, const char *json);

/* The fields of a TableInfo into the object that is open. */
void json_table_info(struct document *j, const Embd__V1__TableInfo *t);

/* A tensor for print_tensors(). */
struct tensor_line {
    const char *name, *dtype;
    const uint64_t *shape;
    size_t rank;
    uint64_t bytes;
    size_t count; /* 0: one tensor; else so many of one name, without a shape */
};
/* The tensors of a table, largest first; of many, those that every field has stand together. `line`
   is changed. */
void print_tensors(struct tensor_line *line, size_t count);
/* "3, with rows  600  400  12" into `out`, cut with "…" where there is no more room. */
const char *fields_format(char *out, size_t room, const uint64_t *rows, size_t count);
