/* SPDX-License-Identifier: Apache-2.0 */
/* Files that appear whole or not at all, and files that are read with a bound. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/status.h"

/* What identifies a file's content without reading it. Times in nanoseconds since 1970. */
struct file_identity {
    uint64_t device, inode, size;
    int64_t mtime_ns, ctime_ns;
};

void file_identity_from(struct file_identity *id, const struct stat *st);
MUST_CHECK enum status file_identify(struct file_identity *id, const char *path, struct error *e);

bool file_same(const struct file_identity *a, const struct file_identity *b);

/* Open a regular file for reading; directories, FIFOs, devices and sockets are refused by name
   without blocking. The descriptor is yours. */
MUST_CHECK enum status file_open(int *fd, const char *path, struct stat *st, struct error *e);
/* The same for a path below the open folder `dir_fd` that cannot leave it (openat2 with
   RESOLVE_BENEATH; "..", absolute paths and links that lead out are refused). */
MUST_CHECK enum status file_open_beneath(int *fd, int dir_fd, const char *path, struct stat *st,
                                         struct error *e);
/* Whole content, NUL-terminated (the NUL is not counted), at most `limit` bytes; "-" is standard
   input. `*out` is yours (mem_free). */
MUST_CHECK enum status file_read(char **out, size_t *n, const char *path, size_t limit,
                                 struct error *e);
/* Read exactly `n` bytes at `offset`; a short file is ST_DATA_LOSS. */
MUST_CHECK enum status file_pread(int fd, void *buf, size_t n, uint64_t offset, struct error *e);

/* A file under construction: a temporary beside the final path, visible only after the commit
   (fsync, rename, fsync of the folder). */
struct file_writer {
    char *path, *temporary;
    int fd;
};

MUST_CHECK enum status file_writer_open(struct file_writer *w, const char *path, struct error *e);
MUST_CHECK enum status file_writer_add(struct file_writer *w, const void *data, size_t n,
                                       struct error *e);
/* On success the file is there, durable, and the writer closed. On failure the writer is closed too
   and nothing has changed; only when the last step fails, the fsync of the folder, is the new file
   in place and a power cut may still bring back the old one. */
MUST_CHECK enum status file_writer_commit(struct file_writer *w, struct error *e);
/* Remove the temporary unless committed; safe after commit, and on a zeroed writer. */
void file_writer_abort(struct file_writer *w);

/* For a file that is made in its full size first, so that a full disk is met here and not later,
   and whose owner has more to do between the steps of the commit. Reserve `size` bytes, zeros. */
MUST_CHECK enum status file_writer_reserve(struct file_writer *w, uint64_t size, struct error *e);
MUST_CHECK enum status file_writer_put(struct file_writer *w, const void *data, size_t n,
                                       uint64_t offset, struct error *e);
/* fdatasync of what was written. */
MUST_CHECK enum status file_writer_sync(struct file_writer *w, struct error *e);
/* Close the file and give it its name; nothing is synced. The writer is closed in any case. On
   success `*folder` is its folder for file_sync_opened(). */
MUST_CHECK enum status file_writer_place(struct file_writer *w, int *folder, struct error *e);
/* fsync of the open folder that holds `path`, and close it. */
MUST_CHECK enum status file_sync_opened(int folder, const char *path, struct error *e);

/* fsync of the folder that holds `path`. */
MUST_CHECK enum status file_sync_folder(const char *path, struct error *e);
