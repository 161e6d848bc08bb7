/* SPDX-License-Identifier: Apache-2.0 */
/* Files of changed blocks: what a daemon writes between whole snapshots of a table. The data area
   of a table file is seen as blocks of BLOCK_BYTES bytes; such a file holds the new bytes of some
   of them. It is safetensors: `index` U64 [n], in any order and without repeats, then `data` U8
   [n, 512] (bytes beyond the end of the data area are filling), and the metadata that blocks_file
   below shows; doc/files.md. Nothing here knows the file's name: callers put it before the
   sentence. One thread. */
#pragma once

#include "table/image.h"
#include "table/metadata.h"

struct blocks_file {
    struct header header;
    struct moment moment;
    uint64_t base_version;  /* embd.blocks: of the snapshot that it goes on from */
    uint64_t base_checksum; /* embd.base: of that one's data area */
    uint64_t count;         /* of blocks */
};

/* Whether it is the header of such a file and not of a table. */
bool header_is_blocks(const struct header *h);
/* Read and check the header of an open file of `size` bytes. ST_INVALID names the key or tensor and
   the rule. Release with blocks_file_done(). */
MUST_CHECK enum status blocks_file_header(struct blocks_file *out, int fd, uint64_t size,
                                          const struct header_limits *limits, struct error *e);
void blocks_file_done(struct blocks_file *f);

struct blocks_target {
    unsigned char *data; /* NULL: check only */
    size_t size;         /* of the data area that the blocks are of; SIZE_MAX: not known */
    bool (*progress)(void *context, double done); /* may be NULL; false: ST_CANCELLED */
    void *context;
};

/* Read all of it: first the index, which must lie within the target, then the blocks, which are
   copied to their places as they are read; at last the checksum is compared (ST_DATA_LOSS). After
   any failure the target's content is worthless. */
MUST_CHECK enum status blocks_file_read(const struct blocks_file *f, int fd,
                                        const struct blocks_target *target, struct error *e);
