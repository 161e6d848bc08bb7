/* SPDX-License-Identifier: Apache-2.0 */
/* `embd.optimizer` of a table file is kept as text; here it is only read once, so that a bad one is
   refused with the file and not at the first push. */
#include "base/text.h"
#include "table/load.h"
#include "table/optimizer_settings.h"

enum status load_optimizer(struct loading *l, struct error *e)
{
    struct optimizer_settings s;
    enum status st;

    if (!l->t->optimizer)
        return ST_OK;
    st = optimizer_settings_read(&s, l->t->optimizer, l->limits.tokens, e);
    if (st != ST_OK)
        return error_prefix(e, st, "embd.optimizer");
    for (size_t i = 0; st == ST_OK && i < s.rates; i++)
        if (!load_parameter(l, s.rate[i].name))
            st = error_set(e, ST_INVALID, "embd.optimizer: tensors: there is no tensor %s",
                           QUOTE(s.rate[i].name));
    optimizer_settings_done(&s);
    return st;
}
