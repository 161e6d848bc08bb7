/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: snapshots of several tables that belong to one place of the log, under a label, in
   DATA_DIR/checkpoints/LABEL (0700):

     checkpoint.json   what there is, with a seal over the whole text (doc/files.md)
     NAME/             of each table: the files of the snapshot's chain, under their own names

   The files are hard links to those of DATA_DIR/tables/NAME, which never change once they have a
   name; where the file system cannot link they are copied. A checkpoint appears whole or not at
   all: it is made as `.LABEL.new` and then renamed; one that it takes the place of is `.LABEL.old`
   meanwhile, one that is dropped `.LABEL.gone`. Any thread, one at a time for each data folder. */
#pragma once

#include "storage/snapshot.h"

#define CHECKPOINT_TEXT "checkpoint.json"
#define CHECKPOINT_LABEL_MOST 128 /* a label is like a table's name: table_name_valid() */
#define CHECKPOINT_POSITIONS_MOST 10000

struct checkpoint_table {
    char name[129];
    uint64_t generation, version;
    uint64_t lsn; /* of the snapshot, which may be older than the checkpoint; then the table had not
                     changed since */
    uint64_t rows, bytes; /* bytes: of all files of the chain */
    uint64_t checksum;    /* of the data area of `file` */
    uint32_t dim;
    char method[32];
    char file[64]; /* the newest of the chain */
    char *options; /* JSON object, as the log has it */
};

struct checkpoint_position {
    char trainer[129];
    uint64_t sequence;
};

struct checkpoint {
    char label[CHECKPOINT_LABEL_MOST + 1];
    uint64_t lsn;
    int64_t time_us; /* since 1970 */
    struct checkpoint_table *table;
    size_t tables;
    /* Where trainers stood at that lsn, for people: none if they were more than
       CHECKPOINT_POSITIONS_MOST. */
    struct checkpoint_position *position;
    size_t positions;
    struct error trouble; /* in a list: why it cannot be read; "" if it can */
};

void checkpoint_done(struct checkpoint *c); /* what it points to; a zeroed one is fine */
/* "DATA_DIR/checkpoints/LABEL" or, with a `name`, the folder of that table in it; yours (mem_free),
   NULL without memory. */
char *checkpoint_folder(const char *data_dir, const char *label, const char *name);

/* Make the checkpoint `c` of the snapshots `snapshot[c->tables]`, and set the `bytes` of its
   tables. ST_EXISTS if there is one of that label and `replace` is not set, ST_EXHAUSTED if there
   would be more than `most`, or when the disk is full, ST_DATA_LOSS for a snapshot that is not
   there or damaged (`*bad` is its place then, else it stays as it is), ST_CANCELLED by progress. A
   failure leaves nothing behind, and the old checkpoint as it was. */
struct checkpoint_order {
    bool replace;
    uint64_t most;
    bool (*progress)(void *context, double done); /* may be NULL; false: ST_CANCELLED */
    void *context;
};
MUST_CHECK enum status checkpoint_write(const char *data_dir, struct checkpoint *c,
                                        const struct snapshot *snapshot,
                                        const struct checkpoint_order *order, size_t *bad,
                                        struct error *e);

/* Read what there is under a label. ST_NOT_FOUND if there is no such checkpoint, ST_DATA_LOSS with
   the path if its text is damaged. checkpoint_done() after success. */
MUST_CHECK enum status checkpoint_read(struct checkpoint *out, const char *data_dir,
                                       const char *label, struct error *e);
/* All checkpoints, by label; one whose text is damaged is there with `trouble`. `*list` is yours,
   by checkpoints_free(). */
MUST_CHECK enum status checkpoint_list(struct checkpoint **list, size_t *count,
                                       const char *data_dir, struct error *e);
void checkpoints_free(struct checkpoint *list, size_t count);

/* Delete a checkpoint. ST_NOT_FOUND if there is none. Once it has lost its name, durably, it is
   gone for good; files that could not be deleted (the status says so) go with checkpoint_sweep().
 */
MUST_CHECK enum status checkpoint_drop(const char *data_dir, const char *label, struct error *e);
/* At a start: finish or undo what a crash left half-made. */
MUST_CHECK enum status checkpoint_sweep(const char *data_dir, struct error *e);
