/* SPDX-License-Identifier: Apache-2.0 */
/* Names that are not to be served any more. A trainable table is saved before, in both lineages,
   since its rows of the log may go afterwards; pushes are refused from that moment on. The
   writer's.
 */
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "daemon/keep.h"
#include "daemon/writer_parts.h"

/* The reload that the order is part of waits for it. */
static void count(struct writer *w, const struct order *o, bool done)
{
    if (!o->reload)
        return;
    w->reload_loads--;
    w->reload_unloaded += done;
    w->reload_failed += !done;
}

enum status stop_begin(struct writer *w, struct order *o, struct error *e)
{
    struct entry *entry = catalog_find(w->catalog, o->name, strlen(o->name));
    struct keep *k = entry ? entry->keep : NULL;
    enum status st = writer_writable(w, e);

    if (st != ST_OK)
        return st;
    if (loads_busy(w, o->name))
        return error_set(e, ST_ABORTED, "table %s is being loaded by somebody else",
                         QUOTE(o->name));
    if (entry && entry->refusal)
        return error_set(e, ST_ABORTED, "table %s %s", QUOTE(o->name), entry->refusal);
    if (k && !o->forget)
        counts_fold(w, entry);
    if (k && (saves_busy(k) || (!o->forget && !keep_complete(k)))) {
        w->reload_loads += o->reload;
        saves_before(w, entry, o, "is being unloaded");
        return ST_OK;
    }
    st = serve_stop(w, o, e);
    if (st == ST_OK && o->reload)
        w->reload_unloaded++;
    return st;
}

void stop_saved(struct writer *w, struct order *o)
{
    struct entry *entry = catalog_find(w->catalog, o->name, strlen(o->name));
    enum status st;

    order_ref(o);
    st = serve_stop(w, o, &o->error);
    if (st == ST_OK)
        count(w, o, true);
    else
        entry->refusal = NULL;
    if (st != ST_OK)
        stop_refused(w, o, st, &o->error);
    order_unref(o);
}

void stop_refused(struct writer *w, struct order *o, enum status st, const struct error *e)
{
    struct error why = *e;

    error_prefix(&why, st, "table %s stays", o->name);
    o->error = why;
    if (o->reload)
        log_error("table stays as it was table=%s error=%s", o->name, e->text);
    count(w, o, false);
    order_answer(o, st);
    loads_next(w); /* the reload may be over */
}
