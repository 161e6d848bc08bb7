/* SPDX-License-Identifier: Apache-2.0 */
/* Bars and sparks of block characters, eight steps a column. */
#include <string.h>

#include "client/embctl/print.h"

static const char *const left[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
static const char *const lower[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

char *bar_format(char *out, unsigned width, double share)
{
    unsigned eighths;
    char *at = out;

    share = share > 0 ? share < 1 ? share : 1 : 0;
    eighths = (unsigned)(share * width * 8 + 0.5);
    if (share > 0 && !eighths)
        eighths = 1; /* a little is not nothing */
    for (unsigned i = 0; i < eighths / 8; i++)
        at = stpcpy(at, "█");
    strcpy(at, left[eighths % 8]);
    return out;
}

const char *spark(double share)
{
    if (!(share > 0))
        return lower[0];
    return lower[share >= 1 ? 8 : 1 + (int)(share * 8)];
}
