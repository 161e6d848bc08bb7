/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays that others trained, by name: .npy files, each an array of the file's name, folders of
   them, and safetensors files. Pickles are programs and are refused. One thread. */
#pragma once

#include "base/region.h"
#include "base/status.h"
#include "methods/tensor.h"
#include "table/npy.h"
#include "table/safetensors.h"

struct array {
    char *name;           /* "CompoEmb(0.1)_3_q" */
    struct tensor tensor; /* data of any alignment */
    struct npy npy;       /* what holds it, if it is a .npy file */
    struct region *raw;   /* or a file without a header */
    bool used;            /* some part of the table is made of it */
};

struct container {
    struct region *region;
    struct header header;
};

struct arrays {
    struct array *one;
    size_t count;
    struct container *container; /* safetensors files */
    size_t containers;
};

/* Open all that is there; a name that comes twice is refused. Release with arrays_close(), also
   after a failure. */
MUST_CHECK enum status arrays_open(struct arrays *a, const char *const *path, size_t count,
                                   struct error *e);
void arrays_close(struct arrays *a);
/* An array of this name, which is copied, to be filled; NULL after a refusal. */
struct array *arrays_add(struct arrays *a, const char *name, size_t n, enum status *st,
                         struct error *e);

/* Rows as they are: an .npy array, whatever it is called, as the array "values". */
MUST_CHECK enum status arrays_open_values(struct arrays *a, const char *path, struct error *e);
/* A folder with HugeCTR's two raw files, key (int64) and emb_vector (float32): the vectors are the
   array "values", the keys are yours (mem_free). */
MUST_CHECK enum status arrays_open_hugectr(struct arrays *a, const char *folder, int64_t **keys,
                                           size_t *count, struct error *e);
/* Whether a file that holds one of them became shorter while it was read. */
bool arrays_damaged(const struct arrays *a);

/* ST_INVALID, with how to convert it, if the first bytes or the name are those of a pickle or of an
   archive of such. For files that are no arrays. */
MUST_CHECK enum status arrays_refuse_pickle(const char *path, const unsigned char *start, size_t n,
                                            struct error *e);
