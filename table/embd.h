/* SPDX-License-Identifier: Apache-2.0 */
/* libembd: compressed embedding tables inside your own process, without the daemon.

   A table file is safetensors (see doc/files.md). Open it once, look rows up from any number of
   threads, close it when no thread uses it any more. All functions return 0 or one of the EMBD_
   codes and write a sentence that says what was wrong to `error` (EMBD_ERROR_MAX bytes, may be
   NULL). */
#ifndef EMBD_H
#define EMBD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EMBD_ERROR_MAX 512

/* Codes are gRPC's numbers. */
enum {
    EMBD_OK = 0,
    EMBD_INVALID_ARGUMENT = 3,
    EMBD_NOT_FOUND = 5,
    EMBD_PERMISSION_DENIED = 7,
    EMBD_RESOURCE_EXHAUSTED = 8,
    EMBD_OUT_OF_RANGE = 11,
    EMBD_UNAVAILABLE = 14,
    EMBD_DATA_LOSS = 15
};

/* How the table's file is kept in memory. */
enum { EMBD_MEMORY_MAP = 0, EMBD_MEMORY_COPY = 1, EMBD_MEMORY_LOCK = 2 };

typedef struct embd_table embd_table;

/* Open and check a table file. `*table` is yours (embd_table_close). A shared mapping
   (EMBD_MEMORY_MAP) installs a process-wide SIGBUS handler that keeps a file truncated by somebody
   else from ending the process; lookups of that table then return EMBD_DATA_LOSS. */
int embd_table_open(embd_table **table, const char *path, int memory, char *error);
void embd_table_close(embd_table *table); /* NULL is fine */

uint64_t embd_table_rows(const embd_table *table);      /* N */
uint32_t embd_table_dim(const embd_table *table);       /* D */
const char *embd_table_method(const embd_table *table); /* such as "int8" */
uint64_t embd_table_bytes(const embd_table *table);     /* of the method's parameters */

/* Write the rows of `n` ids to out[n][D]. Unknown ids get the table's default row (zeros unless the
   file says otherwise); if `missing` is not NULL, their number goes there. */
int embd_table_lookup(const embd_table *table, const int64_t *ids, size_t n, float *out,
                      size_t *missing, char *error);

/* Pooled: bag b holds ids[offsets[b]] to ids[offsets[b + 1] - 1], `bags` + 1 offsets from 0 to n
   that never fall; out[bags][D] gets their sum (mean = 0) or mean (mean = 1); an empty bag is a row
   of zeros. `weights` is NULL or one factor an id, for sums only. */
int embd_table_lookup_bags(const embd_table *table, const int64_t *ids, size_t n,
                           const uint32_t *offsets, size_t bags, int mean, const float *weights,
                           float *out, size_t *missing, char *error);

#ifdef __cplusplus
}
#endif
#endif
