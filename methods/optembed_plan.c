/* SPDX-License-Identifier: Apache-2.0 */
/* What of optembed fits a budget, where no table says which rows matter: all rows as wide as they
   can be, or if one column is too much, as many rows as there is room for. */
#include "methods/optembed.h"

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;

    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Rows keep all columns in the remap form, so only their number is open. */
static enum status plan_remap(struct plan *plan, struct error *e)
{
    uint64_t fields = plan->fields.count ? plan->fields.count : 1, kept = plan->rows;
    uint64_t index = times(plus(plan->rows, fields), sizeof(int32_t));
    uint64_t row_bytes = plan->dim * sizeof(float);
    enum status st;

    if (plan->of_field)
        return error_set(e, ST_INVALID, "form=remap is for a whole table, not for one field of it");
    if (kept > INT32_MAX) /* what the remap can name */
        kept = INT32_MAX;
    if (plan->budget && kept) {
        uint64_t least = plus(index, row_bytes);

        if (plan->budget < least)
            return plan_refuse(plan, least, e);
        if ((plan->budget - index) / row_bytes < kept)
            kept = (plan->budget - index) / row_bytes;
    }
    if ((st = plan_size(plan, "F", fields, e)) != ST_OK ||
        (st = plan_size(plan, "K", kept, e)) != ST_OK)
        return st;
    return plan_size(plan, "W", plan->dim, e);
}

static enum status plan_compact(struct plan *plan, struct error *e)
{
    uint64_t index = optembed_bitmap(plan->rows), kept = plan->rows, width = plan->dim, settled;
    enum status st;

    if (plan->budget && kept && !symbols_get(&plan->size, "K", 1, &settled)) {
        uint64_t least = plus(index, sizeof(float)), floats;

        if (plan->budget < least)
            return plan_refuse(plan, least, e);
        floats = (plan->budget - index) / sizeof(float);
        width = floats / kept < width ? floats / kept : width;
        if (!width) {
            width = 1;
            kept = floats;
        }
    }
    if ((st = plan_size(plan, "B", index, e)) != ST_OK ||
        (st = plan_size(plan, "K", kept, e)) != ST_OK)
        return st;
    return plan_size(plan, "W", width, e);
}

enum status optembed_plan(struct plan *plan, struct error *e)
{
    plan_choose(plan, OPTEMBED_FORM, OPTEMBED_COMPACT_FORM);
    return plan->value[OPTEMBED_FORM].i == OPTEMBED_REMAP_FORM ? plan_remap(plan, e)
                                                               : plan_compact(plan, e);
}
