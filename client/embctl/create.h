/* SPDX-License-Identifier: Apache-2.0 */
/* What the two forms of embctl create share: into a file, and by a daemon. */
#pragma once

#include "client/embctl/words.h"

struct creation {
    struct words words;
    struct begin begin;
    int64_t *keys, *frequency;
    size_t key_count;
};

/* The lists of --keys and --frequency, one entry a row. */
MUST_CHECK enum status creation_lists(struct creation *c, const struct arguments *a,
                                      struct error *e);
/* Have a daemon create the table a->operand[0]. Returns the exit status. */
int creation_remote(struct creation *c, const struct arguments *a);
