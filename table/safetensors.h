/* SPDX-License-Identifier: Apache-2.0 */
/* The safetensors container: eight bytes of length, a JSON header, one data area. The reader trusts
   nothing and allocates in proportion to what is there; the writer lays a file out first and lets
   the caller fill its tensors through a mapping, so that a table need not fit in memory twice.

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
    uint64_t hash;       /* XXH3-64 of the eight bytes and the JSON */
    bool sealed;         /* the metadata have embd.header, and it is right */
    uint32_t *by_name;   /* places in `tensor`, sorted by name */
    void *memory;        /* holds all of the above */
    size_t memory_bytes; /* its size */
};

/* Read and check the header of a file of `size` bytes that begins with the `n` bytes at `start` (at
   least 8, or the whole file if shorter): lengths, JSON (spaces alone around it, no duplicate names
   at any level, depth, token count, plain digits), dtypes, shapes times sizes, offsets, holes,
   overlaps, trailing bytes. Release with header_done(). Every refusal is ST_INVALID with one
   sentence that names the tensor and the rule. */
MUST_CHECK enum status header_parse(struct header *h, const unsigned char *start, size_t n,
                                    uint64_t size, const struct header_limits *limits,
                                    struct error *e);
/* The same from an open file: reads the eight bytes, then the header. */
MUST_CHECK enum status header_read(struct header *h, int fd, uint64_t size,
                                   const struct header_limits *limits, struct error *e);
void header_done(struct header *h);
const char *header_metadata(const struct header *h, const char *key); /* NULL if absent */
const struct file_tensor *header_tensor(const struct header *h, const char *name); /* or NULL */

/* Places in the data area for tensors, widest elements first, then in the order given, so that each
   is aligned to its own element and no hole is left. `*total` is the size of the area; false if no
   size_t holds it. */
bool safetensors_lay_out(const struct tensor *tensor, size_t count, size_t *place, size_t *total);
/* A header as bytes, spaces up to a multiple of 64 included, for tensors that have such places, or
   those of a file that is there already. The mirror of header_parse(). `*out` is yours (mem_free).
 */
MUST_CHECK enum status header_build(unsigned char **out, size_t *n, const struct metadata *metadata,
                                    size_t metadata_count, const struct tensor *tensor,
                                    const size_t *place, size_t count, struct error *e);

/* Complete such bytes, whose metadata have embd.header = HEADER_UNSEALED: it becomes the XXH3-64 of
   the header as it is now. False if there is no such key. */
#define HEADER_UNSEALED "0000000000000000"
bool header_seal(unsigned char *header, size_t n);

/* A file being written. Tensors are laid out widest element first, then in the order given; the
   data area begins at a multiple of 64. */
struct safetensors_writer {
    struct file_writer file;
    unsigned char *map;
    size_t size;
    size_t data_offset; /* header room: the eight bytes, the JSON, spaces */
};

/* Create the temporary file with its header, reserve its whole size on disk (so that a full disk is
   an error here and not a signal later), map it, and point tensor[i].data into the mapping, zeroed.
   The header gets room for `spare` more bytes of metadata: what is only known at the end (settings
   that a fit chose, a checksum) is written by safetensors_metadata(). Names and values are UTF-8
   without NUL; a tensor's name and shape must be set, its count and bytes agree with the shape. */
MUST_CHECK enum status safetensors_create(struct safetensors_writer *w, const char *path,
                                          const struct metadata *metadata, size_t metadata_count,
                                          struct tensor *tensor, size_t tensor_count, size_t spare,
                                          struct error *e);
/* Replace the metadata of the file. `tensor` is as it was given to safetensors_create(). ST_INVALID
   if the metadata need more than the header's room; the file is then as before. */
MUST_CHECK enum status safetensors_metadata(struct safetensors_writer *w,
                                            const struct metadata *metadata, size_t metadata_count,
                                            const struct tensor *tensor, size_t tensor_count,
                                            struct error *e);
/* XXH3-64 of the data area as it is now: the value of embd.checksum. */
uint64_t safetensors_checksum(const struct safetensors_writer *w);
/* Make the file durable and visible; the tensors' data pointers are gone. */
MUST_CHECK enum status safetensors_commit(struct safetensors_writer *w, struct error *e);
/* Remove the unfinished file; safe after commit, and on a zeroed writer. */
void safetensors_abort(struct safetensors_writer *w);
