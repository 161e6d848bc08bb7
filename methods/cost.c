/* SPDX-License-Identifier: Apache-2.0 */
/* Costs of a layout. The parameters that a plan leads to have no values yet; what is asked of a
   method here looks at settings and shapes alone. No state. */
#include "methods/cost.h"

#include <string.h>

/* As plan_parameters(), with the planned tensors marked as present. */
static enum status outline(const struct plan *part, struct parameters *p, struct error *e)
{
    static char present[64]; /* never read: a place that is not NULL */
    enum status st = plan_parameters(part, p, e);

    for (size_t i = 0; st == ST_OK && i < METHOD_TENSORS_MAX; i++)
        if (p->tensor[i].name)
            p->tensor[i].data = present;
    return st;
}

enum status layout_work(const struct layout *l, uint64_t *work, struct error *e)
{
    uint64_t most = 0;

    for (size_t i = 0; i < l->part_count; i++) {
        struct parameters p;
        enum status st = outline(&l->part[i], &p, e);
        uint64_t own;

        if (st != ST_OK)
            return st;
        own = parameters_work(&p);
        most = own > most ? own : most;
        parameters_done(&p);
    }
    *work = most;
    return ST_OK;
}

enum status layout_suits(const struct layout *l, const struct optimizer_settings *s,
                         struct error *e)
{
    enum status st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < l->part_count; i++) {
        struct parameters p;

        st = outline(&l->part[i], &p, e);
        if (st != ST_OK)
            break;
        st = optimizer_suits(s, &p, e);
        parameters_done(&p);
    }
    return st;
}

enum status layout_state_bytes(const struct layout *l, const struct optimizer *o, uint64_t *bytes,
                               struct error *e)
{
    uint64_t total = 0;

    for (size_t i = 0; i < l->part_count; i++) {
        struct parameters p;
        enum status st = outline(&l->part[i], &p, e);

        if (st != ST_OK)
            return st;
        for (unsigned k = 0; k < p.method->tensors_count; k++)
            for (unsigned s = 0; s < OPTIMIZER_STATES && tensor_trained(&p, k); s++)
                total += optimizer_state_count(o, s, &p, k) * sizeof(float);
        parameters_done(&p);
    }
    *bytes = total;
    return ST_OK;
}

uint64_t layout_tensors(const struct layout *l)
{
    uint64_t count = 0;

    for (size_t i = 0; i < l->part_count; i++) {
        const struct plan *part = &l->part[i];

        for (size_t k = 0; k < part->method->tensors_count; k++)
            count += plan_has(part, k);
    }
    return count;
}
