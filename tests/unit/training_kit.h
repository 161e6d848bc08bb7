/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that can be trained, and random pushes for them. */
#pragma once

#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#include "table/training.h"

/* A table file of random rows at folder/name, opened. */
struct table *kit_table_file(struct unit_folder *folder, const char *name, const char *method,
                             uint64_t rows, uint32_t dim, uint64_t budget, const char *settings);
/* The file of a table with embd.optimizer and the states as the optimizer begins, but for the state
   tensor `without` (NULL: all). */
void kit_trainable_file(const char *path, const struct table *base, const char *optimizer,
                        const char *without);
struct table *kit_trainable(struct unit_folder *folder, const struct table *base,
                            const char *optimizer);

/* The same with a frequency of zeros. */
struct table *kit_counted(struct unit_folder *folder, const struct table *base,
                          const char *optimizer);

/* One TablePush; the arrays live as long as it does. */
struct kit_push {
    struct update_query query;
    int64_t *id;
    uint32_t *offset;
    float *weight, *gradient;
    struct arena arena;
    struct update update;
};
/* Prepare a push of random ids, half of the time pooled, some with weights; `scale` times normal
   gradients. */
void kit_push(struct kit_push *push, const struct table *t, struct random *r, size_t ids,
              float scale);
/* Prepare a push of these rows. */
void kit_push_rows(struct kit_push *push, const struct table *t, const int64_t *id, size_t n,
                   const float *gradient);
void kit_push_done(struct kit_push *push);
/* Reserve, step, mark and write. */
void kit_apply(struct training *t, const struct kit_push *push, float rate, uint64_t version);
