/* SPDX-License-Identifier: Apache-2.0 */
/* The safetensors container: eight bytes of length, a JSON header, one data area. The reader trusts
   nothing and allocates in proportion to what is there; the writer lays a file out first and lets the
   caller fill its tensors through a mapping, so that a table need not fit in memory twice.

   Not thread-safe: one object, one thread. */
#pragma once

#include <stdbool.h>

#include "base/file.h"
#include "base/status.h"
#include "methods/tensor.h"

#define HEADER_BYTES_DEFAULT ((uint64_t)1 << 20)
#define HEADER_TOKENS_DEFAULT ((uint64_t)100000)
#define HEADER_BYTES_MOST ((uint64_t)100000000) /* the format's own cap */

struct header_limits {
    uint64_t bytes;  /* length of the JSON header */
    uint64_t tokens; /* JSON tokens in it, counted before it is parsed */
};

struct metadata {
    const char *key, *value;
};

/* A tensor of a file: data is NULL, `offset` counts from the start of the file. */
struct file_tensor {
    struct tensor tensor;
    uint64_t offset;
};

struct header {
    struct metadata *metadata;
    size_t metadata_count;
    struct file_tensor *tensor; /* in the order of their data */
    size_t tensor_count;
    uint64_t data_offset; /* where the data area begins in the file */
    uint64_t data_bytes;
    uint64_t hash; /* XXH3-64 of the eight bytes and the JSON */
    void *memory;  /* owns the names and values */
};

/* Read and check the header of a file of `size` bytes that begins with the `n` bytes at `start` (at
   least 8, or the whole file if shorter): lengths, JSON (spaces alone around it, no duplicate names at
   any level, depth, token count, plain digits), dtypes, shapes times sizes, offsets, holes, overlaps,
   trailing bytes. Release with header_done(). Every refusal is ST_INVALID with one sentence that
   names the tensor and the rule. */
MUST_CHECK enum status header_parse(struct header *h, const unsigned char *start, size_t n,
                                    uint64_t size, const struct header_limits *limits,
                                    struct error *e);
/* The same from an open file: reads the eight bytes, then the header. */
MUST_CHECK enum status header_read(struct header *h, int fd, uint64_t size,
                                   const struct header_limits *limits, struct error *e);
void header_done(struct header *h);
const char *header_metadata(const struct header *h, const char *key); /* NULL if absent */
const struct file_tensor *header_tensor(const struct header *h, const char *name); /* or NULL */

/* A file being written. Tensors are laid out widest element first, then in the order given; the data
   area begins at a multiple of 64. */
struct safetensors_writer {
    struct file_writer file;
    unsigned char *map;
    size_t size;
};

/* Create the temporary file with its header, reserve its whole size on disk (so that a full disk is
   an error here and not a signal later), map it, and point tensor[i].data into the mapping, zeroed. */
MUST_CHECK enum status safetensors_create(struct safetensors_writer *w, const char *path,
                                          const struct metadata *metadata, size_t metadata_count,
                                          struct tensor *tensor, size_t tensor_count,
                                          struct error *e);
/* As safetensors_create() for files whose metadata are only known at the end: `spare` bytes of the
   header are kept free, and safetensors_metadata() writes the final metadata into it. */
MUST_CHECK enum status safetensors_metadata(struct safetensors_writer *w,
                                            const struct metadata *metadata, size_t metadata_count,
                                            const struct tensor *tensor, size_t tensor_count,
                                            struct error *e);
/* Make the file durable and visible; the tensors' data pointers are gone. */
MUST_CHECK enum status safetensors_commit(struct safetensors_writer *w, struct error *e);
void safetensors_abort(struct safetensors_writer *w);
