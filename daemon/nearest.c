/* SPDX-License-Identifier: Apache-2.0 */
/* The name that somebody may have meant. No state; any thread. */
#include <string.h>

#include "daemon/option.h"

#define WORD_MOST 40 /* longer words are like nothing that we know */

/* Edits (a letter more, less, another, or two swapped) from one word to the other. */
static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
    unsigned row[3][WORD_MOST + 1]; /* the two rows before, and the one being made */

    for (size_t j = 0; j <= m; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *above2 = row[(i + 1) % 3], *above = row[(i - 1) % 3], *now = row[i % 3];

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);

            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                above2[j - 2] + 1 < best)
                best = above2[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

const char *nearest_name(const char *word, const char *const *names, size_t count, size_t stride)
{
    size_t n = strlen(word), m;
    const char *nearest = NULL;
    unsigned least = 2 + (unsigned)(n / 4), d; /* more edits than this are another word */

    if (n > WORD_MOST)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const char *name = *(const char *const *)((const char *)names + i * stride);

        m = strlen(name);
        if (m > WORD_MOST)
            continue;
        d = distance(word, n, name, m);
        if (d < least) {
            least = d;
            nearest = name;
        }
    }
    return nearest;
}
