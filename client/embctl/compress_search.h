/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of `embctl compress --search`. */
#pragma once

#include "client/embctl/compress.h"

struct search {
    struct compression *c;
    struct attempt *attempt;
    size_t count;
    char *folder;           /* temporary, to be removed; or NULL */
    char *trial, *best;     /* paths */
    struct attempt *winner; /* of those so far; its file is at `best` */
};

/* Less error is better, then fewer bytes, then the place in the list. */
bool attempt_better(const struct attempt *a, const struct attempt *b);
/* Print the ranking. EXIT_FAILED, with a sentence, if nothing can be kept. */
int search_report(const struct search *s);
