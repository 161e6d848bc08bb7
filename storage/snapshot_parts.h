/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of storage/snapshot.h share. */
#pragma once

#include "base/file.h"
#include "storage/snapshot.h"
#include "table/blocks_file.h"

/* ---- Names (snapshot_name.c) ---- */

#define SNAPSHOT_NAME_MOST 64

struct snapshot_name {
    uint64_t generation, version;
    unsigned lineage;
    bool whole;
};

void snapshot_name_format(char out[SNAPSHOT_NAME_MOST], const struct snapshot_name *name);
bool snapshot_name_parse(struct snapshot_name *out, const char *text);
/* Whether it is what an unfinished snapshot is called (base/file.h). */
bool snapshot_name_temporary(const char *text);
/* Set s->path: "folder/name"; ST_INVALID if it is too long. */
MUST_CHECK enum status snapshot_path(struct snapshot *s, const char *folder, const char *name,
                                     struct error *e);

/* ---- What there is (snapshot_scan.c) ---- */

#define NO_LINK SIZE_MAX

/* A file of the folder, and the one that it goes on from. */
struct snapshot_link {
    struct snapshot s;
    int64_t time_ns; /* as s.time_us, to tell later from earlier */
    uint64_t lsn;    /* also of a damaged one, as far as it is known */
    uint64_t header_hash, data_bytes;
    uint64_t base_version, base_checksum; /* of blocks */
    size_t base;                          /* place of that link, NO_LINK */
    size_t culprit;                       /* with trouble: place of the bad file of the chain */
    struct error trouble;                 /* begun with the path; "" if good */
};

struct snapshot_scan {
    struct snapshot_link *link; /* by lineage, version, time */
    size_t count;
};

/* Read the headers of a generation's files and tie the chains. ST_EXHAUSTED (memory, descriptors)
   and an unreadable folder are failures; a bad file is not. */
MUST_CHECK enum status snapshot_scan(struct snapshot_scan *out, const char *folder,
                                     uint64_t generation, struct error *e);
void snapshot_scan_done(struct snapshot_scan *scan);
/* True if `a` is newer than `b`. */
bool snapshot_newer(const struct snapshot_link *a, const struct snapshot_link *b);
/* Open a file of ours for reading: a regular one, no symbolic link. The sentence has the path. */
MUST_CHECK enum status snapshot_file_open(int *fd, const char *path, struct stat *st,
                                          struct error *e);
/* A snapshot's chain, found again in its folder: link[0] is the whole file, the last one the
   snapshot's own. ST_DATA_LOSS if it is not there or damaged. */
struct snapshot_chain {
    struct snapshot_scan scan;
    const struct snapshot_link **link; /* into the scan */
    size_t count;
};
MUST_CHECK enum status snapshot_chain_find(struct snapshot_chain *c, const struct snapshot *s,
                                           struct error *e);
void snapshot_chain_done(struct snapshot_chain *c); /* a zeroed one is fine */
/* Our own headers may be larger than a stranger's: states have tensors too. */
struct header_limits snapshot_header_limits(void);

/* ---- Headers on their way out (snapshot_header.c) ---- */

struct snapshot_header {
    struct metadata *metadata; /* the table's, then ours */
    size_t metadatas;
    struct tensor *tensor;
    size_t *place;
    size_t tensors;
    char applied[24], lsn[24], generation[24], checksum[24], blocks[24], base[24];
    char *optimizer;
};

/* With the metadata of `from` (NULL: none) but for those of the moment, and room for `tensors`
   tensors. Release with snapshot_header_done(), also after a failure. */
MUST_CHECK enum status snapshot_header_init(struct snapshot_header *h, const struct header *from,
                                            const struct snapshot *s,
                                            const struct optimizer_settings *settings,
                                            size_t tensors, struct error *e);
/* Say that it is a file of blocks on top of another snapshot. */
void snapshot_header_blocks(struct snapshot_header *h, const struct snapshot *base);
/* The header as bytes; their number does not depend on the checksum. `*out` is yours (mem_free). */
MUST_CHECK enum status snapshot_header_build(unsigned char **out, size_t *n,
                                             struct snapshot_header *h, uint64_t checksum,
                                             struct error *e);
void snapshot_header_done(struct snapshot_header *h);

/* ---- Files on their way out (snapshot_file.c) ---- */

struct snapshot_file {
    struct file_writer writer;
    size_t header_bytes;
    uint64_t head, body;     /* the data area: `head` bytes that come at once, then the body */
    uint64_t head_hash, sum; /* of what was written; the body's in any order */
    bool (*progress)(void *context, double done); /* may be NULL */
    void *context;
};

/* Make the temporary file in its full size. */
MUST_CHECK enum status snapshot_file_create(struct snapshot_file *f, const char *path,
                                            size_t header_bytes, uint64_t head, uint64_t body,
                                            struct error *e);
/* Write `n` bytes of the body at `at`, a multiple of BLOCK_BYTES; `n` is one too, or reaches the
   end. Each byte of the body is written once. */
MUST_CHECK enum status snapshot_file_put(struct snapshot_file *f, uint64_t at, const void *data,
                                         size_t n, struct error *e);
MUST_CHECK enum status snapshot_file_put_head(struct snapshot_file *f, const void *data,
                                              struct error *e);
/* Make the data durable, read them back from the disk, compare them with what was written, and say
   their checksum. */
MUST_CHECK enum status snapshot_file_verify(struct snapshot_file *f, uint64_t *checksum,
                                            struct error *e);
/* Write the header, make it durable and read it back. */
MUST_CHECK enum status snapshot_file_finish(struct snapshot_file *f, const unsigned char *header,
                                            struct error *e);
/* Give the file its name, durably, and set size and time of `s`. */
MUST_CHECK enum status snapshot_file_place(struct snapshot_file *f, struct snapshot *s,
                                           struct error *e);
/* Tell the progress; ST_CANCELLED if the caller wants to stop. */
MUST_CHECK enum status snapshot_file_progress(const struct snapshot_file *f, double done,
                                              struct error *e);
/* Remove the temporary; safe after snapshot_file_place() and on a zeroed one. */
void snapshot_file_abort(struct snapshot_file *f);

/* ---- Tensors of a first snapshot (snapshot_states.c) ---- */

struct snapshot_piece {
    struct tensor tensor;
    char *name;                     /* of a state; else NULL, and the tensor's is borrowed */
    const struct file_tensor *from; /* where its bytes are in the source; NULL: it begins … */
    float begin;                    /* … with this value in every element */
};

struct snapshot_pieces {
    struct snapshot_piece *piece;
    size_t count, room;
    bool begun; /* the states, if the optimizer has any, are new */
};

/* Everything that the source has but its states, a `frequency` of zeros if it has none and there is
   to be one, and the states that the optimizer keeps for its tensors: the source's own if it has
   any and `reset` is not set. ST_INVALID if those are not what
   the optimizer needs, or if it does not suit the table. Release with snapshot_pieces_done(), also
   after a failure. */
MUST_CHECK enum status snapshot_pieces_list(struct snapshot_pieces *out, const struct table *source,
                                            const struct snapshot_start *start, struct error *e);
void snapshot_pieces_done(struct snapshot_pieces *p);
