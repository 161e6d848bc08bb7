/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of storage/checkpoint.h share. */
#pragma once

#include "storage/checkpoint.h"

/* ---- Names (checkpoint_folder.c) ---- */

#define CHECKPOINT_NEW ".new"   /* being made */
#define CHECKPOINT_OLD ".old"   /* gives way to a new one */
#define CHECKPOINT_GONE ".gone" /* being deleted */

/* "DATA_DIR/checkpoints/.LABEL.new" and the like; yours (mem_free), NULL without memory. */
char *checkpoint_path(const char *data_dir, const char *label, const char *end);
/* Make a folder (0700) unless it is there; nothing is synced. */
MUST_CHECK enum status checkpoint_make_folder(const char *path, struct error *e);
/* Delete a checkpoint's folder with all in it; none: nothing to do. */
MUST_CHECK enum status checkpoint_remove(const char *path, struct error *e);
/* The labels there are, sorted; `*list` is yours, by checkpoints_free(), each with its label
   alone. */
MUST_CHECK enum status checkpoint_labels(struct checkpoint **list, size_t *count,
                                         const char *data_dir, struct error *e);

/* ---- checkpoint.json (checkpoint_text.c) ---- */

/* `*out` is yours (mem_free). */
MUST_CHECK enum status checkpoint_text_write(char **out, size_t *n, const struct checkpoint *c,
                                             struct error *e);
/* ST_INVALID with a sentence about the text; `out->label` is left alone. */
MUST_CHECK enum status checkpoint_text_read(struct checkpoint *out, char *text, size_t n,
                                            struct error *e);
