/* SPDX-License-Identifier: Apache-2.0 */
/* What a fuzz target says before it ends the process: the rule that was broken. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define CHECK(rule)                                                                                \
    do {                                                                                           \
        if (!(rule)) {                                                                             \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #rule);                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The same for a function that returns what differs, or NULL. */
#define CHECK_SAME(difference)                                                                     \
    do {                                                                                           \
        const char *differs_ = (difference);                                                       \
        if (differs_) {                                                                            \
            fprintf(stderr, "%s:%d: differs: %s\n", __FILE__, __LINE__, differs_);                 \
            abort();                                                                               \
        }                                                                                          \
    } while (0)
