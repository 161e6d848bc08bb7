/* SPDX-License-Identifier: Apache-2.0 */
/* ROBE: random offset block embeddings. All rows are cut from one array of cells; see robe.h.
   Budget, start, explanation and gradients are in files of their own. */
#include "methods/robe.h"

#include <inttypes.h>
#include <string.h>

#include "base/prefetch.h"
#include "kernels/kernels.h"

#define AHEAD PREFETCH_AHEAD
#define PREFETCH_RUNS 8 /* of a row; of many short runs the processor has enough in flight */

static const struct setting settings[] = {
    [ROBE_VARIANT] = {"variant", SETTING_CHOICE, .choices = "hetu uma",
                      .help = "whose hash: hetu wraps blocks around the array and has signs"},
    [ROBE_BLOCK] = {"block", SETTING_INT, .min = 1, .max = INT64_MAX,
                    .help = "cells of a block: neighbouring columns that are neighbours there"},
    [ROBE_USE_SLOT] = {"use_slot", SETTING_BOOL, .fallback = "false",
                       .help = "hash the id within its field, and the field's slot"},
    [ROBE_SIGNS] = {"signs", SETTING_BOOL, .fallback = "true", .when = "variant=hetu",
                    .help = "whether cells count as they are or negated, by a second hash"},
    [ROBE_SLOT_OF_FIELD] = {"slot_of_field", SETTING_INTS, .min = 0, .max = ROBE_SLOT_MAX,
                            .optional = true, .when = "use_slot=true",
                            .help = "one slot for each field; 0,1,2,... if absent"},
    [ROBE_VAL_OFFSET] = {"val_offset", SETTING_INT, .min = 0, .max = INT64_MAX, .fallback = "0",
                         .when = "variant=uma", .help = "added to the id before it is hashed"},
};

static const struct tensor_decl tensors[] = {
    [ROBE_ARRAY] = {"array", DT(F32), "M", .flags = TENSOR_TRAINED,
                    .help = "the cells that all rows share"},
    [ROBE_RAND] = {"rand", DT(I64), "K", .flags = TENSOR_ADDRESS | TENSOR_NONNEGATIVE,
                   .help = "P and the coefficients of the hash"},
};

struct robe robe_of(const struct parameters *p, const int64_t *rand)
{
    const struct value *v = p->value;
    bool hetu = v[ROBE_VARIANT].i == ROBE_HETU, slots = v[ROBE_USE_SLOT].i;
    struct robe m = {
        .hetu = hetu,
        .signs = hetu && v[ROBE_SIGNS].i,
        .prime = (uint32_t)rand[0],
        .cells = (uint32_t)p->tensor[ROBE_ARRAY].shape[0],
        .block = (size_t)v[ROBE_BLOCK].i,
        .dim = p->dim,
        .offset = hetu ? 0 : (uint64_t)v[ROBE_VAL_OFFSET].i,
        .fields = slots ? &p->fields : NULL,
        .slot_of_field = v[ROBE_SLOT_OF_FIELD].set ? v[ROBE_SLOT_OF_FIELD].list : NULL,
        /* P, Dh, Ch, Bh, Ah and the signs' four; or P, A, B, C: the same places */
        .start = (uint32_t)rand[1],
        .step = (uint32_t)rand[2],
        .row = (uint32_t)rand[3],
    };

    m.places = divider_of(m.cells);
    if (hetu) {
        m.slot = (uint32_t)rand[4];
        m.sign_start = (uint32_t)rand[5];
        m.sign_step = (uint32_t)rand[6];
        m.sign_row = (uint32_t)rand[7];
        m.sign_slot = (uint32_t)rand[8];
    } else {
        m.places = divider_of(m.cells - (uint32_t)m.block + 1);
    }
    return m;
}

struct robe_walk robe_begin(const struct robe *m, uint64_t row)
{
    uint64_t x = row + m->offset, slot = 0;
    struct robe_walk w = {.left = m->block};

    if (m->fields && m->fields->count) {
        size_t f = field_of(m->fields, row);

        x = row - m->fields->first[f];
        slot = m->slot_of_field ? (uint64_t)m->slot_of_field[f] : f;
    } else if (m->slot_of_field) {
        slot = (uint64_t)m->slot_of_field[0];
    }
    w.first = w.term = (uint32_t)((m->row * x + m->start + m->slot * slot) % m->prime);
    if (m->signs)
        w.sign = (uint32_t)((m->sign_row * x + m->sign_start + m->sign_slot * slot) % m->prime);
    return w;
}

static enum status check_numbers(const struct parameters *p, struct error *e)
{
    const struct tensor *rand = &p->tensor[ROBE_RAND];
    uint64_t least = p->value[ROBE_VARIANT].i == ROBE_HETU ? ROBE_HETU_NUMBERS : ROBE_UMA_NUMBERS;
    const int64_t *number = rand->data;

    if (rand->count < least)
        return error_set(e, ST_INVALID, "tensor \"rand\" has %zu numbers; it needs %" PRIu64,
                         rand->count, least);
    if (number[0] < 2 || number[0] > INT32_MAX)
        return error_set(e, ST_INVALID, "rand[0] is %" PRId64 "; P must be from 2 to %d", number[0],
                         INT32_MAX);
    for (size_t i = 1; i < rand->count; i++)
        if (number[i] < 0 || number[i] >= number[0])
            return error_set(e, ST_INVALID,
                             "rand[%zu] is %" PRId64 "; it must be from 0 to P - 1 = %" PRId64, i,
                             number[i], number[0] - 1);
    return ST_OK;
}

static enum status check_slots(const struct parameters *p, struct error *e)
{
    const struct value *list = &p->value[ROBE_SLOT_OF_FIELD];
    size_t fields = p->fields.count ? p->fields.count : 1;

    if (p->value[ROBE_VARIANT].i == ROBE_UMA && p->value[ROBE_USE_SLOT].i)
        return error_set(e, ST_INVALID, "use_slot goes with variant=hetu only");
    if (list->set && list->n != fields)
        return error_set(e, ST_INVALID, "slot_of_field has %zu slots, and the table %zu field%s",
                         list->n, fields, fields == 1 ? "" : "s");
    if (p->value[ROBE_USE_SLOT].i && !list->set && fields > ROBE_SLOT_MAX + 1)
        return error_set(e, ST_INVALID, "use_slot is for at most %d fields", ROBE_SLOT_MAX + 1);
    return ST_OK;
}

static enum status check(struct parameters *p, struct error *e)
{
    uint64_t cells = p->tensor[ROBE_ARRAY].shape[0], block = (uint64_t)p->value[ROBE_BLOCK].i;
    bool hetu = p->value[ROBE_VARIANT].i == ROBE_HETU;
    uint64_t offset = hetu ? 0 : (uint64_t)p->value[ROBE_VAL_OFFSET].i, prime;
    enum status st;

    if ((st = check_numbers(p, e)) != ST_OK || (st = check_slots(p, e)) != ST_OK)
        return st;
    prime = (uint64_t) * (const int64_t *)p->tensor[ROBE_RAND].data;
    if (hetu && p->dim % block)
        return error_set(e, ST_INVALID,
                         "block is %" PRIu64 "; it must divide the %" PRIu32 " columns", block,
                         p->dim);
    if (cells > prime)
        return error_set(e, ST_INVALID,
                         "tensor \"array\" has %" PRIu64 " cells, more than P = %" PRIu64
                         " in rand can reach",
                         cells, prime);
    if (p->rows > prime || offset > prime - p->rows)
        return error_set(e, ST_INVALID,
                         "%" PRIu64 " rows with val_offset %" PRIu64 " are more than P = %" PRIu64
                         " in rand",
                         p->rows, offset, prime);
    if (p->rows && !cells)
        return error_set(e, ST_INVALID, "tensor \"array\" has no cell");
    if (p->rows && !hetu && block > cells)
        return error_set(e, ST_INVALID,
                         "block is %" PRIu64 ", and tensor \"array\" has %" PRIu64 " cells", block,
                         cells);
    return ST_OK;
}

/* Ask for the cells of a row before their turn; inlined as prefetch() has to be. */
static inline __attribute__((always_inline)) void ask_cells(const struct robe *m,
                                                            struct robe_walk w, const float *array)
{
    size_t cell, n;

    for (int run = 0; run < PREFETCH_RUNS && (n = robe_run(m, &w, &cell)); run++)
        prefetch(array + cell, n * sizeof *array);
}

/* By copies of a size that the compiler knows, the last of which may overlap the one before: a call
   for each of many short runs would cost more than the copy. */
static inline void copy_run(unsigned char *to, const float *cells, size_t bytes)
{
    const unsigned char *from = (const unsigned char *)cells;

    if (bytes < 32 || bytes > 128) {
        memcpy(to, from, bytes);
        return;
    }
    for (size_t at = 0; at + 32 < bytes; at += 32)
        memcpy(to + at, from + at, 32);
    memcpy(to + bytes - 32, from + bytes - 32, 32);
}

static void copy_cells(const struct robe *m, struct robe_walk *w, const float *array,
                       unsigned char *to)
{
    size_t cell, n;

    while ((n = robe_run(m, w, &cell))) {
        copy_run(to, array + cell, n * sizeof *array);
        to += n * sizeof *array;
    }
}

void robe_sign_multiples(const struct robe *m, uint32_t *multiple)
{
    multiple[0] = 0;
    for (size_t j = 0; m->signs && j < SIGNS_TURN; j++)
        multiple[j + 1] = robe_add(multiple[j], m->sign_step, m->prime);
}

static void rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    const float *array = p->tensor[ROBE_ARRAY].data;
    struct robe m = robe_of(p, p->tensor[ROBE_RAND].data);
    uint32_t multiple[SIGNS_TURN + 1];
    struct robe_walk walk[AHEAD];
    unsigned char *to = out;

    robe_sign_multiples(&m, multiple);
    for (size_t i = 0; i < n + AHEAD; i++) {
        struct robe_walk *w = &walk[i % AHEAD];

        if (i >= AHEAD) {
            copy_cells(&m, w, array, to);
            if (m.signs)
                kernels->f32_signs(to, m.dim, w->sign, multiple, m.prime);
            to += m.dim * sizeof *array;
        }
        if (i < n) {
            *w = robe_begin(&m, row[i]);
            ask_cells(&m, *w, array);
        }
    }
}

static uint64_t work(const struct parameters *p)
{
    return p->value[ROBE_VARIANT].i == ROBE_HETU && p->value[ROBE_SIGNS].i ? p->dim : 0;
}

const struct method method_robe = {
    .name = "robe",
    .title = "ROBE (random offset block embedding)",
    .source = "Desai et al., MLSys 2022",
    .fit_extension = true,
    .settings = settings,
    .settings_count = sizeof settings / sizeof settings[0],
    .tensors = tensors,
    .tensors_count = sizeof tensors / sizeof tensors[0],
    .check = check,
    .rows = rows,
    .work = work,
    .gradient = robe_gradient,
    .gradient_scratch = robe_gradient_scratch,
    .touched = robe_touched,
    .plan = robe_plan,
    .author_words = robe_author_words,
    .init = robe_init,
    .explain = robe_explain,
    .grows = true,
};
