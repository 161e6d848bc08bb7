/* SPDX-License-Identifier: Apache-2.0 */
/* Changes on top of a table file. They come between reading the bytes and looking at them, so that
   nothing (an index of keys, the state of a method) is made of bytes that then change, and a wrong
   value is found whichever file it comes from. */
#include "table/load.h"

enum status load_overlay(struct loading *l, struct error *e)
{
    const struct table_options *o = l->options;
    struct table *t = l->t;
    enum status st;

    if (t->memory == REGION_MAP)
        return error_set(e, ST_INTERNAL, "changes go on top of private memory");
    if (!l->has_checksum)
        return error_set(e, ST_INVALID, "metadata: \"embd.checksum\" is missing");
    if (!l->trusted && t->checksum != l->checksum)
        return error_set(e, ST_DATA_LOSS,
                         "the data have the checksum %016llx; embd.checksum says %016llx",
                         (unsigned long long)t->checksum, (unsigned long long)l->checksum);
    st = o->overlay(o->overlay_context, t, t->region->data, t->region->size, e);
    l->has_checksum = false; /* it was that of the bytes before */
    return st == ST_OK ? load_optimizer(l, e) : st;
}
