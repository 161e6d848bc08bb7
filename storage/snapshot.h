/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of one table: files in DATA_DIR/tables/NAME (0700), each a moment of parameters and
   optimizer state. The folder alone says what there is; names are

     <generation>-<version>-<a|b>.safetensors   whole: a table file like any other (doc/files.md)
     <generation>-<version>-<a|b>.blocks        the 512-byte blocks of the data area that changed
                                                since the lineage's snapshot before it

   (numbers in 20 digits). Two lineages, a and b, take turns, so that the two newest snapshots share
   no file and damage of one leaves the other. A file of blocks is safetensors too: `index` U64 [n],
   `data` U8 [n, 512], metadata `embd.version`, `embd.blocks` = the version that it goes on from,
   `embd.base` = the checksum of that file's data area, `embd.applied`, `embd.lsn`,
   `embd.generation`, `embd.checksum`, `embd.optimizer`. A whole one has `embd.applied`, `embd.lsn`,
   `embd.generation`, `embd.checksum`, `embd.optimizer` (with `step`) beside what any table has.
   Files are made durable before they get their name: temporary file, fsync, rename, fsync of the
   folder. Any thread, one at a time for each table. */
#pragma once

#include "methods/optimizer.h"
#include "table/image.h"
#include "table/table.h"

/* A damaged snapshot has as good as nothing of the log behind it; 0 is a first one's that no row of
   the log speaks of. */
#define SNAPSHOT_LSN_DAMAGED 1

struct snapshot {
    uint64_t generation, version;
    uint64_t lsn;     /* SNAPSHOT_LSN_DAMAGED if damaged */
    unsigned lineage; /* 0 a, 1 b */
    bool whole;
    bool damaged;   /* its header, or a file of its chain, is no good: snapshot_open() says why */
    uint64_t files; /* of its chain: 1 if whole */
    uint64_t bytes; /* of its own file */
    uint64_t chain_bytes; /* of all files of its chain */
    int64_t time_us;      /* when it was written, since 1970 (the file's mtime) */
    uint64_t checksum;    /* of its own file's data area */
    char path[4096];      /* of its own file */
};

/* All snapshots of a generation in a table's folder, newest first (of equal versions the good ones,
   then the later written); other generations' are left out, and so is everything that is not named
   like a snapshot. Only headers are read, so the data of any may turn out bad when it is opened.
   One whose header is bad, or whose chain misses a link or has a foreign one, is in the list as
   `damaged`, so that whoever opens them in turn hears of it by name. None, or no folder: count 0.
   `*list` is yours (mem_free). */
MUST_CHECK enum status snapshot_list(struct snapshot **list, size_t *count, const char *folder,
                                     uint64_t generation, struct error *e);

/* Turn a table that was opened from any file into the first snapshot of a trainable one: a whole
   file in lineage a with the optimizer's settings, all its state tensors (those of the file if it
   has them and `reset` is not set, else as the optimizer begins, with `step` 0), counts where they
   are to be kept, and everything else as it is. Makes the folder and the one that holds it (0700,
   durably). ST_INVALID if the optimizer is not that of the file's state or does not suit the table,
   ST_DATA_LOSS if the source changed meanwhile; errors of writing as for snapshot_write(). */
struct snapshot_start {
    const struct optimizer_settings *settings;
    bool reset;  /* reset_optimizer */
    bool counts; /* a `frequency` of zeros is added if there is none */
    uint64_t generation, version, lsn;
    bool (*progress)(void *context, double done); /* may be NULL; false: ST_CANCELLED */
    void *context;
};
MUST_CHECK enum status snapshot_start(const char *folder, const struct table *source,
                                      const struct snapshot_start *start, struct snapshot *out,
                                      struct error *e);

/* Write one instant of a table that was opened by snapshot_open(). */
struct snapshot_moment {
    struct image *image;
    const struct table *table; /* for its header; its memory is read through the image alone */
    const struct optimizer_settings *settings; /* of that instant */
    uint64_t generation, version, lsn;
    unsigned lineage;
    const struct snapshot *base; /* the lineage's newest snapshot, of a lower version; NULL: a whole
                                    one (a second one of a version must be) */
    bool (*progress)(void *context, double done);
    void *context;
};
/* Reads the file back and compares it with what was written before it gets its name. ST_EXHAUSTED
   when the disk is full or the image had no memory, ST_CANCELLED by progress, other statuses with
   the path; nothing is left behind, except that the file stays where only the last step failed, the
   fsync of the folder. */
MUST_CHECK enum status snapshot_write(const char *folder, const struct snapshot_moment *m,
                                      struct snapshot *out, struct error *e);

/* Whether the next snapshot of a lineage should be whole: it has none yet, or its blocks have grown
   to half the size of the whole one or to 64 files. */
bool snapshot_fold(const struct snapshot *base, uint64_t whole_bytes);

/* Open the table at a snapshot: its whole file in private memory (`options->memory` REGION_COPY or
   REGION_LOCK), and the blocks on top of it, each file held against its checksum; then the values
   are checked as those of any table file. (A checksum says that the bytes are those that were
   written; that no index leads outside, whoever wrote them, only the check says.) The table's
   applied, lsn and optimizer are those of the snapshot, its checksum that of the data area in
   memory. A damaged or unreadable one is ST_DATA_LOSS with a sentence that names the file;
   ST_EXHAUSTED (memory) and ST_CANCELLED say nothing of it. */
MUST_CHECK enum status snapshot_open(struct table **out, const struct snapshot *s,
                                     const struct table_options *options, struct error *e);
/* Who remembers which files were read in full. */
struct snapshot_memory {
    bool (*known)(void *context, const struct file_identity *file);
    void (*read)(void *context, const struct file_identity *file, uint64_t checksum);
    void *context;
};
/* The same, but a snapshot of which every file is known is not read again: then the time does not
   grow with the table, and with options->borrow its memory is the file's until table_fetch() is
   through. The files of one that is not are told to `read` when they were found good. */
MUST_CHECK enum status snapshot_open_known(struct table **out, const struct snapshot *s,
                                           const struct table_options *options,
                                           const struct snapshot_memory *memory, struct error *e);
/* Read every file of the chain and compare checksums; nothing is kept. */
MUST_CHECK enum status snapshot_verify(const struct snapshot *s, struct error *e);

/* Delete what the two newest snapshots of the generation (the newest good one of each lineage; of
   versions from `since` on) do not need: older chains, other generations. Damaged ones go when a
   good one of their lineage is newer. Where there are no such two yet, only temporary files go.
   `since` is the version at which the table's present content began. Files that are not named like
   ours stay. */
MUST_CHECK enum status snapshot_prune(const char *folder, uint64_t generation, uint64_t since,
                                      struct error *e);
/* Delete the folder of a forgotten table with all files in it; a folder within it stays and is an
   error. No folder: nothing to do. */
MUST_CHECK enum status snapshot_forget(const char *folder, struct error *e);
