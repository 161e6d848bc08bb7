/* SPDX-License-Identifier: Apache-2.0 */
/* A table: one file's parameters, checked and ready for lookups. Immutable from table_open() to
   table_close(), so any thread may read it; of a trained one the writer changes what lies in
   `region`, and of one that grows `keys`, with nobody inside its gate. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/region.h"
#include "methods/method.h"
#include "table/safetensors.h"

/* What a read-only table keeps, at most, that follows from its parameters (method->keep). */
#define TABLE_KEPT_MOST ((size_t)16 << 20)

enum id_mode { IDS_ROWS, IDS_KEYS, IDS_HASH }; /* embd.ids */

struct key_index;

struct table {
    uint64_t rows; /* N */
    uint32_t dim;  /* D, 1 to 65,536 */
    const struct method *method;
    enum id_mode ids;
    uint64_t seed;

    struct parameters *part; /* one, or one for each field (`per_field`) */
    size_t part_count;
    uint64_t *part_first;  /* [part_count + 1] first row of each part */
    uint64_t *field_rows;  /* embd.fields, NULL if absent */
    uint64_t *field_first; /* [field_count + 1] their sums */
    size_t field_count;

    struct key_index *keys; /* IDS_KEYS */
    bool grows;             /* the tensor `touched` is there: rows may be spare */
    uint64_t used;          /* rows that were not spare when it was opened */
    double deviation;       /* embd.deviation, of a row that begins; 0: the method's own */
    /* How often keys have come and gone since it was opened. Like `keys`. */
    uint64_t admissions, evictions;
    const float *fallback;    /* the row for unknown ids, [D]; zeros if the file has none */
    const int64_t *frequency; /* [N] or NULL; a training writes it */

    uint64_t applied;    /* embd.applied */
    uint64_t lsn;        /* embd.lsn */
    uint64_t generation; /* embd.generation */
    char *origin;        /* never NULL */
    char *config;        /* embd.config as text, never NULL */
    char *optimizer;     /* embd.optimizer as text, NULL if absent */

    struct region *region;  /* the file's bytes: a mapping of all, or a private copy of the data */
    struct region *private; /* tensors copied out of the mapping, and the default row; or NULL */
    struct header header;   /* all tensors of the file, as stored */
    enum region_mode memory;

    char *path;
    struct file_identity identity;
    uint64_t checksum;    /* XXH3-64 of the data area; 0 if it was not read (trusted open) */
    uint64_t bytes;       /* of the method's tensors: what ratio counts */
    uint64_t extra_bytes; /* keys, touched, default, frequency, optimizer state */
    uint64_t work;        /* most multiply-adds that one row may cost */
};

struct table_options {
    enum region_mode memory;
    struct header_limits limits; /* zeros: the defaults */
    bool trusted; /* identity and checksum are known from an earlier full check: do not read all
                     values */
    struct file_identity
        expected; /* with trusted: what the file must still be, else it is checked in full */
    bool borrow;  /* with trusted and private memory: it may be the file's until table_fetch() has
                     made it the table's own; the file is never written to while it is there */
    /* Called now and then with the share done (0 to 1); false stops with ST_CANCELLED. May be NULL.
     */
    bool (*progress)(void *context, double done);
    void *context;
    /* Private memory of a file that has embd.checksum: called when the data area is in memory and
       its checksum has been found right, and before anything is made of the values. It may bring
       the `n` bytes at `data` up to a later moment and set t->applied, lsn and optimizer (mem_text)
       to it; what it leaves is then checked in full like the values of any file, and t->checksum is
       that of the bytes as they lie in memory. With `trusted` neither checksum nor values are
       looked at. May be NULL. */
    enum status (*overlay)(void *context, struct table *t, unsigned char *data, size_t n,
                           struct error *e);
    void *overlay_context;
};

/* Open, check and load. A refused file gets one sentence that names the tensor (or key) and the
   rule, begun with the path. Status: ST_NOT_FOUND, ST_PERMISSION, ST_INVALID (a bad file),
   ST_EXHAUSTED (memory), ST_DATA_LOSS (the file changed while it was read, or its embd.checksum
   does not match). `*out` is yours (table_close). */
MUST_CHECK enum status table_open(struct table **out, const char *path,
                                  const struct table_options *options, struct error *e);
/* The same for an open descriptor (not closed); `path` is for sentences. */
MUST_CHECK enum status table_open_fd(struct table **out, int fd, const char *path,
                                     const struct table_options *options, struct error *e);
void table_close(struct table *t); /* NULL is fine */

/* The bytes of a tensor of t->header as they lie in the file or its copy, of any alignment. In a
   shared mapping they may change: for values only, and ask table_damaged() afterwards. */
const void *table_tensor(const struct table *t, const struct file_tensor *ft);

/* Whether tables of the method, with so many fields, may have the tensor `touched`: ST_INVALID with
   the sentence why not. */
MUST_CHECK enum status table_may_grow(const struct method *m, size_t fields, struct error *e);

double table_ratio(const struct table *t); /* bytes / (4 N D); 0 when N = 0 */
/* Read one byte of every page. */
void table_touch(const struct table *t);
/* A piece of the same, see region_fetch(). */
bool table_fetch(struct table *t);
/* True once bytes of the file were found missing or changed under us. */
bool table_damaged(const struct table *t);
void table_mark_damaged(struct table *t);
/* Compare the file at the table's path with what was loaded: true if the same inode has another
   size or modification time now (a file that was renamed over or removed leaves our mapping whole).
   Always false for private memory. */
bool table_file_changed(const struct table *t);
/* Bytes that the table holds in memory of its own, and bytes of its file mapping. */
void table_memory(const struct table *t, uint64_t *private_bytes, uint64_t *mapped_bytes);

/* Resolve `n` ids, eight little-endian bytes each at any alignment: row[i] is the row's number, or
   ROW_UNKNOWN. Returns how many are unknown. Cannot fail. */
#define ROW_UNKNOWN UINT64_MAX
size_t table_resolve(const struct table *t, const void *ids, size_t n, uint64_t *row);

/* Decode rows by number (all < N) to float32 at `out`, any alignment. The caller asks
   table_damaged() afterwards. */
void table_rows(const struct table *t, const uint64_t *row, size_t n, void *out);
