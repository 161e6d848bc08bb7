/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a table: one contiguous range of addresses, worked on in chunks. It is a shared
   read-only mapping of a file, or private memory on huge pages, or either of them locked.

   A mapped file may be truncated or lose a page under us. The process-wide SIGBUS handler then
   marks the region damaged and puts zeros over it from that page on, so that the loop that was
   reading goes on and needs to hold nothing; whoever used the bytes asks region_damaged()
   afterwards and throws its result away. A SIGBUS outside every region goes to the handler before
   ours, by default the end of the process.

   A region is made and freed by one thread; any thread may read it. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Size of a chunk, and the alignment of private memory: one huge page of x86-64. */
#define REGION_CHUNK ((size_t)2 << 20)

enum region_mode {
    REGION_MAP,  /* shared mapping of the file, read-only */
    REGION_COPY, /* private memory, transparent huge pages asked for */
    REGION_LOCK  /* private memory, locked (mlock) */
};

struct region {
    unsigned char *data;
    size_t size;
    enum region_mode mode;
    atomic_bool damaged;
    int slot;   /* place in the handler's list of mappings, -1 if none */
    void *base; /* what munmap() gets */
    size_t base_size;
    /* The fetching thread's; see region_fetch(). */
    size_t fetched;       /* bytes from `base` on that are in memory */
    unsigned char *spare; /* room that memory is made in, NULL: nothing is borrowed */
};

/* Install the SIGBUS handler; once per process, before the first region_map(), and again when
   someone else has taken the signal since. */
void region_init(void);

/* Map `size` bytes of the open file from offset 0, read-only and shared. The descriptor may be
   closed afterwards. A file of fewer than `size` bytes is ST_DATA_LOSS. */
MUST_CHECK enum status region_map(struct region **out, int fd, size_t size, struct error *e);
/* Zeroed private memory of `size` bytes, aligned to a chunk; locked for REGION_LOCK. */
MUST_CHECK enum status region_private(struct region **out, size_t size, enum region_mode mode,
                                      struct error *e);
/* Private memory that begins as `size` bytes of the open file from `offset` on, and so is there at
   once; it may be written. region_fetch() makes it memory of its own, aligned to 64 bytes if
   `offset` is. Until then the file's content must not be changed by others; if it is shorter all of
   a sudden the region is damaged, as a mapped one would be. */
MUST_CHECK enum status region_borrow(struct region **out, int fd, uint64_t offset, size_t size,
                                     struct error *e);
void region_free(struct region *r);

size_t region_chunks(const struct region *r); /* number of chunks, the last may be short */
/* Bytes [*offset, *offset + *n) of chunk i. */
void region_chunk(const struct region *r, size_t i, size_t *offset, size_t *n);
/* Read one byte of each page so that the region is in memory; chunk by chunk. */
void region_touch(const struct region *r);
/* Bring the next few megabytes into memory: of a mapping its pages, of what is borrowed a copy on
   huge pages in their place. True if there are more. By the one thread that may write to the
   region; others may read meanwhile. */
bool region_fetch(struct region *r);
bool region_damaged(const struct region *r);
void region_mark_damaged(struct region *r);
/* Bytes of the region that are in memory now (mincore); for statistics. */
size_t region_resident(const struct region *r);
