/* SPDX-License-Identifier: Apache-2.0 */
/* Making table files: from a plan, filled by a fit. */
#pragma once

#include "methods/fit.h"
#include "table/safetensors.h"

struct table_extras {
    const int64_t *keys;      /* [N] or NULL */
    const float *fallback;    /* the `default` row, [D] or NULL */
    const int64_t *frequency; /* [N] or NULL */
    const char *origin;       /* "fit", … */
    bool hashed_ids;
};

struct table_created {
    uint64_t bytes; /* of the method's tensors */
    uint64_t file_bytes;
    struct fit_error error;
};

/* Write a table file at `path`: allocate the planned tensors in the file, run the method's fit into
   them, measure the error, write the metadata, commit. Nothing is left behind on failure or when
   fit->progress() stops it. */
MUST_CHECK enum status table_create(const char *path, const struct plan *plan,
                                    const struct fit *fit, const struct table_extras *extras,
                                    struct table_created *created, struct error *e);
