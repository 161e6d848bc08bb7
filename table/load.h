/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of table_open(), in order, each in its file. They fill `struct table` piece by piece
   and share what is needed only while loading. One thread. */
#pragma once

#include "table/table.h"

/* What a tensor of the file is for, and where its bytes are once they are in memory. */
enum use_role {
    USE_NONE,
    USE_PARAMETER,
    USE_KEYS,
    USE_TOUCHED,
    USE_DEFAULT,
    USE_FREQUENCY,
    USE_STATE
};

struct use {
    enum use_role role;
    unsigned flags;        /* enum tensor_flag: rules for the values */
    struct tensor *target; /* USE_PARAMETER: the method's tensor */
    void *data;
    size_t private_offset; /* SIZE_MAX: not copied, else its place in t->private */
};

struct loading {
    struct table *t;
    int fd;
    const struct table_options *options;
    struct header_limits limits; /* as in the options, or the defaults */
    bool trusted;                /* the file is the one that was checked before */
    bool per_field;              /* one set of parameters for each field, tensors under "f<i>." */
    bool has_checksum;           /* embd.checksum is there */
    uint64_t checksum;           /* its value */
    bool unread;                 /* private memory has no bytes of the file yet */
    bool ids_given;              /* embd.ids is there */
    struct use *use;             /* [t->header.tensor_count], in the same order */
    size_t fallback_offset;      /* place of the default row in t->private, SIZE_MAX if not there */
    double done;                 /* share told to options->progress */
};

/* embd.* metadata -> rows, dim, method, fields, ids, versions, texts. */
MUST_CHECK enum status load_metadata(struct loading *l, struct error *e);
/* embd.config -> t->part (method and settings of each), t->part_first, t->seed. */
MUST_CHECK enum status load_config(struct loading *l, struct error *e);
/* Names and types of all tensors against the declarations; fills l->use. */
MUST_CHECK enum status load_bind(struct loading *l, struct error *e);
/* embd.optimizer: known keys with plausible values; the tensors that it names exist. */
MUST_CHECK enum status load_optimizer(struct loading *l, struct error *e);
/* Map or read the file, copy what must be private, point every tensor at its bytes. */
MUST_CHECK enum status load_memory(struct loading *l, struct error *e);
/* Within load_memory(), with options->overlay: compare the checksum of what was read, let the
   overlay change it, and check what it says of the optimizer. */
MUST_CHECK enum status load_overlay(struct loading *l, struct error *e);
/* Read every value once, into memory if l->unread: checksum, finite floats, signs. Where a checksum
   tells of damage that is the sentence, since it explains any other fault. */
MUST_CHECK enum status load_values(struct loading *l, struct error *e);

/* Tell the progress; ST_CANCELLED if the caller wants to stop. */
MUST_CHECK enum status load_progress(struct loading *l, double done, struct error *e);

/* The parameter tensor of this name (with the field's prefix if any), or NULL. */
const struct tensor *load_parameter(const struct loading *l, const char *name);
