/* SPDX-License-Identifier: Apache-2.0 */
/* Explanations of whole tables. No state. */
#include "table/explain.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "table/decode.h"
#include "table/part.h"

static void find_field(struct explained *x, const struct table *t)
{
    struct fields f = {t->field_first, t->field_count};

    if (!t->field_count)
        return;
    x->has_field = true;
    x->field = field_of(&f, x->row);
    x->local = x->row - t->field_first[x->field];
}

enum status table_explain(struct explained *out, const struct table *t, int64_t id,
                          uint64_t scan_most, struct error *e)
{
    size_t part;

    *out = (struct explained){.facts.scan_most = scan_most};
    out->known = table_resolve(t, &id, 1, &out->row) == 0;
    out->values = mem_zero(t->dim, sizeof *out->values);
    if (!out->values)
        return error_memory(e, "the explanation");
    table_rows_or_default(t, &out->row, 1, out->values);
    if (!out->known)
        return ST_OK;
    find_field(out, t);
    part = table_part(t, out->row);
    out->part = &t->part[part];
    parameters_explain(out->part, out->row - t->part_first[part], &out->facts);
    return out->facts.status == ST_OK ? ST_OK : error_memory(e, "the explanation");
}

void explained_done(struct explained *x)
{
    explanation_done(&x->facts);
    mem_free(x->values);
    x->values = NULL;
}

const char *sharers_text(char *out, size_t size, uint64_t sharers)
{
    char count[32];

    if (sharers == SHARERS_UNKNOWN)
        snprintf(out, size, "shared by rows that were not counted");
    else if (!sharers)
        snprintf(out, size, "its own");
    else
        snprintf(out, size, "shared with %s other row%s", format_count(count, sharers),
                 sharers == 1 ? "" : "s");
    return out;
}
