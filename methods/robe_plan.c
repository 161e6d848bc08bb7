/* SPDX-License-Identifier: Apache-2.0 */
/* The budget, the random numbers and the start of robe. One thread. */
#include "methods/robe.h"

#include "methods/explain.h"

/* The authors' prime, and the largest one that a file may have, for tables beyond it. */
#define PRIME 2038074743
#define PRIME_MOST 2147483647

#define RAND_BYTES (ROBE_NUMBERS * sizeof(int64_t))

static uint64_t val_offset(const struct value *value)
{
    return value[ROBE_VAL_OFFSET].set ? (uint64_t)value[ROBE_VAL_OFFSET].i : 0;
}

/* As many cells as the rows have elements; more would stay empty. */
static uint64_t most_cells(const struct plan *plan)
{
    uint64_t cells;

    if (__builtin_mul_overflow(plan->rows, (uint64_t)plan->dim, &cells) || cells > PRIME_MOST)
        return PRIME_MOST;
    return cells;
}

static enum status check_settings(const struct plan *plan, struct error *e)
{
    const struct value *v = plan->value;

    if (v[ROBE_VARIANT].i == ROBE_HETU && v[ROBE_BLOCK].set &&
        plan->dim % (uint64_t)v[ROBE_BLOCK].i)
        return error_set(e, ST_INVALID, "block is %lld; it must divide the %lu columns",
                         (long long)v[ROBE_BLOCK].i, (unsigned long)plan->dim);
    if (plan->rows > PRIME_MOST || val_offset(v) > PRIME_MOST - plan->rows)
        return error_set(e, ST_INVALID, "robe is for at most %d rows, val_offset included",
                         PRIME_MOST);
    return ST_OK;
}

/* Blocks are as long as a row unless the user says otherwise: that is what the authors ran, and
   what reads memory best. */
enum status robe_plan(struct plan *plan, struct error *e)
{
    uint64_t cells = most_cells(plan), least = plan->rows ? 1 : 0;
    struct value *v = plan->value;
    enum status st;

    plan_choose(plan, ROBE_VARIANT, ROBE_HETU);
    if ((st = check_settings(plan, e)) != ST_OK)
        return st;
    if (plan->rows && v[ROBE_VARIANT].i == ROBE_UMA && v[ROBE_BLOCK].set)
        least = (uint64_t)v[ROBE_BLOCK].i;
    cells = cells < least ? least : cells;
    if (plan->budget) {
        uint64_t afford =
            plan->budget < RAND_BYTES ? 0 : (plan->budget - RAND_BYTES) / sizeof(float);

        if (plan->budget < RAND_BYTES || afford < least)
            return plan_refuse(
                plan, least > PRIME_MOST ? UINT64_MAX : RAND_BYTES + least * sizeof(float), e);
        cells = afford < cells ? afford : cells;
    }
    if (v[ROBE_VARIANT].i == ROBE_UMA)
        plan_choose(plan, ROBE_BLOCK, cells && cells < plan->dim ? (int64_t)cells : plan->dim);
    else
        plan_choose(plan, ROBE_BLOCK, plan->dim);
    if ((st = plan_size(plan, "M", cells, e)) != ST_OK)
        return st;
    return plan_size(plan, "K", ROBE_NUMBERS, e);
}

double robe_author_words(const struct plan *plan)
{
    uint64_t cells = 0;

    (void)symbols_get(&plan->size, "M", 1, &cells);
    return (double)cells;
}

void robe_draw(const struct parameters *p, uint64_t seed, unsigned turn, int64_t *rand)
{
    struct init from = {.seed = seed};
    struct draws d = draws_of(&from, "rand");
    size_t count = p->tensor[ROBE_RAND].count;
    uint64_t prime = PRIME;

    if (p->rows + val_offset(p->value) > prime || p->tensor[ROBE_ARRAY].shape[0] > prime)
        prime = PRIME_MOST;
    rand[0] = (int64_t)prime;
    for (size_t i = 1; i < count; i++)
        rand[i] = 1 + (int64_t)(draw_bits(&d, turn * count + i) % (prime - 1));
}

enum status robe_init(const struct init *init, struct parameters *p, struct error *e)
{
    (void)e;
    robe_draw(p, init->seed, 0, p->tensor[ROBE_RAND].data);
    init_normal(init, &p->tensor[ROBE_ARRAY], init_deviation(init));
    return ST_OK;
}
