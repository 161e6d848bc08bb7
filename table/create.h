/* SPDX-License-Identifier: Apache-2.0 */
/* Making table files: laid out as planned, filled by whoever knows the values. */
#pragma once

#include "methods/plan.h"
#include "table/safetensors.h"

/* How the parameters get their values: by a fit, from random numbers, from arrays made elsewhere.
   part[i] is layout->part[i] with zeroed tensors in the new file's mapping; `fill` may also write
   settings that the plan left to it. It is called once. */
struct table_source {
    enum status (*fill)(void *context, struct parameters *part, size_t parts, struct error *e);
    void *context;
};

struct table_extras {
    const int64_t *keys;      /* [N] or NULL */
    const int64_t *touched;   /* [N], with keys: the table grows; or NULL */
    double deviation;         /* with touched, of rows that begin later; 0: the method's own */
    const float *fallback;    /* the `default` row, [D] or NULL */
    const int64_t *frequency; /* [N] or NULL */
    const char *origin;       /* "fit", …; NULL: none */
    const char *optimizer;    /* embd.optimizer; NULL: none */
    uint64_t seed;            /* of the config */
    bool hashed_ids;
};

struct table_created {
    uint64_t bytes; /* of the method's tensors */
    uint64_t file_bytes;
};

/* Write a table file at `path`: allocate the planned tensors in the file, fill them, hold them
   against all rules, write the metadata, commit. Nothing is left behind on failure. `extras` and
   `created` may be NULL. */
MUST_CHECK enum status table_create(const char *path, const struct layout *layout,
                                    const struct table_source *source,
                                    const struct table_extras *extras,
                                    struct table_created *created, struct error *e);
