/* SPDX-License-Identifier: Apache-2.0 */
/* What a pruned table knows besides its tensors; made by sparse_check(). */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct sparse_state {
    size_t most; /* entries of the longest row */
    /* coo: start[b] is the first entry of a row from b << shift on, so that the search for a row
       begins near it; with one start for about START_ENTRIES entries it takes a twentieth of the
       table's memory. */
    unsigned shift;
    size_t *start;
};
#define START_ENTRIES 16
