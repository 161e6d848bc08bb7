/* SPDX-License-Identifier: Apache-2.0 */
/* One instant of a table's memory, copied while pushes go on. Memory is seen as blocks of 512
   bytes. Two lineages of snapshots are kept, each with its own record of the blocks that changed
   since its last one, so that the two newest snapshots share no file.

     writer:  image_begin() ── between two pushes; quick: it turns a bitmap over
              blocks_keep() ── before each write: old blocks that the image still wants are copied
              image_end()
     saver:   image_take() until 0 ── copies blocks out, a few hundred KiB under a lock at a time */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define BLOCK_BYTES ((size_t)512)
#define LINEAGES 2

struct blocks;
struct image;

/* For `size` bytes at `data`; nothing has changed yet. */
MUST_CHECK enum status blocks_new(struct blocks **out, const unsigned char *data, size_t size,
                                  struct error *e);
void blocks_free(struct blocks *b);
/* By the writer, before it writes [at, at + bytes): keep what an open image wants, mark the rest as
   changed for both lineages. Cannot fail: an image that finds no memory is broken and says so. */
void blocks_keep(struct blocks *b, const unsigned char *at, size_t bytes);
/* Blocks that changed since the last snapshot of a lineage. */
uint64_t blocks_changed(const struct blocks *b, unsigned lineage);
/* Say that everything has changed for a lineage (it has no snapshot yet), or nothing. */
void blocks_reset(struct blocks *b, unsigned lineage, bool changed);
uint64_t blocks_bytes(const struct blocks *b); /* of memory that the record takes */

/* By the writer: the instant is now. `whole` takes every block, otherwise those that changed since
   the lineage's last snapshot. One image a table at a time. */
MUST_CHECK enum status image_begin(struct image **out, struct blocks *b, unsigned lineage,
                                   bool whole, struct error *e);
/* By one other thread. Blocks of the image, in all. */
uint64_t image_blocks(const struct image *i);
/* Copy out some blocks that were not taken yet, at most `most`: index[] and data[][BLOCK_BYTES]
   (the last block of the memory is filled up with zeros). Returns how many; 0 when all are taken,
   or the image is broken. Any order, each block once. */
size_t image_take(struct image *i, uint64_t *index, unsigned char *data, size_t most);
bool image_broken(const struct image *i);
/* By the writer, when the other thread is done with it. Unless the snapshot is `kept`, what had
   changed since the lineage's last one before the image counts as changed again. */
void image_end(struct image *i, bool kept);
