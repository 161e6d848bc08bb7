/* SPDX-License-Identifier: Apache-2.0 */
/* Random factors to train from, and how a row of compo is made, for people. No state. */
#include <float.h>
#include <math.h>

#include "methods/compo.h"
#include "methods/explain.h"

/* A factor that is 0 is a dead point: neither it nor its partner would ever get a gradient. */
static void leave_zero(const struct tensor *t, double deviation)
{
    float *x = t->data, instead = (float)deviation;

    for (size_t i = 0; i < t->count; i++)
        if (x[i] == 0)
            x[i] = instead > 0 ? instead : FLT_MIN;
}

/* The rows, not the factors, get the wanted deviation. */
enum status compo_init(const struct init *init, struct parameters *p, struct error *e)
{
    double wanted = init_deviation(init), own = wanted;

    (void)e;
    if (p->value[COMPO_OP].i == COMPO_MULT)
        own = sqrt(wanted);
    else if (p->value[COMPO_OP].i == COMPO_ADD)
        own = wanted / sqrt(2);
    for (unsigned k = COMPO_Q; k <= COMPO_R; k++) {
        init_normal(init, &p->tensor[k], own);
        if (p->value[COMPO_OP].i == COMPO_MULT)
            leave_zero(&p->tensor[k], own);
    }
    return ST_OK;
}

/* The first row whose quotient is at least `quotient`; quotients never fall. */
static uint64_t first_of_quotient(const struct parameters *p, uint64_t quotient)
{
    uint64_t low = 0, high = p->rows, collisions = p->tensor[COMPO_R].shape[0];

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (compo_quotient(middle, collisions, p->value[COMPO_QUOTIENT].i) < quotient)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void compo_explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    struct compo_factors f = compo_factors(p);
    uint64_t q, r, collisions = p->tensor[COMPO_R].shape[0];
    static const char *const op[] = {"mult", "add", "concat"};

    compo_split(p, &row, 1, &q, &r);
    explain_text(x, "op", op[p->value[COMPO_OP].i]);
    explain_number(x, "quotient", (int64_t)q);
    explain_number(x, "remainder", (int64_t)r);
    explain_cells(x, p, COMPO_Q, q, 0, f.q_dim,
                  first_of_quotient(p, q + 1) - first_of_quotient(p, q) - 1);
    explain_cells(x, p, COMPO_R, r, 0, f.r_dim, (p->rows - 1 - r) / collisions);
}
