/* SPDX-License-Identifier: Apache-2.0 */
/* Counting: how often pushes and lookups have named each row, in the tensor `frequency`. Rows are
   those of the whole table, whatever fields it has. Nothing here takes memory. The writer's. */
#include "table/training_state.h"

enum status frequency_find(struct training *t, struct error *e)
{
    const struct file_tensor *ft = header_tensor(&t->table->header, "frequency");
    enum status st;

    if (!ft)
        return ST_OK;
    st = training_place(t->table, &ft->tensor, table_tensor(t->table, ft), e);
    if (st != ST_OK)
        return st;
    t->frequency = (int64_t *)table_tensor(t->table, ft);
    for (uint64_t i = 0; i < t->table->rows; i++)
        if (__builtin_add_overflow(t->accesses, (uint64_t)t->frequency[i], &t->accesses))
            t->accesses = UINT64_MAX;
    return ST_OK;
}

bool training_can_count(const struct training *t)
{
    return t->frequency;
}

uint64_t training_accesses(const struct training *t)
{
    return t->accesses;
}

static void keep(struct training *t, uint64_t row)
{
    blocks_keep(t->blocks, (const unsigned char *)(t->frequency + row), sizeof *t->frequency);
}

static void add(struct training *t, uint64_t row, uint64_t times)
{
    uint64_t left = INT64_MAX - (uint64_t)t->frequency[row];

    t->frequency[row] += (int64_t)(times < left ? times : left);
    if (__builtin_add_overflow(t->accesses, times < left ? times : left, &t->accesses))
        t->accesses = UINT64_MAX;
}

void frequency_mark(struct training *t)
{
    for (size_t i = 0; t->counted && i < t->counted->parts; i++) {
        const struct update_part *part = &t->counted->part[i];
        uint64_t first = t->table->part_first[part->part];

        for (size_t j = 0; j < part->rows; j++)
            keep(t, first + part->row[j]);
        for (size_t b = 0; b < part->bags; b++)
            for (size_t j = 0; j < part->bag[b].n; j++)
                keep(t, first + part->bag[b].row[j]);
    }
}

void frequency_write(struct training *t)
{
    for (size_t i = 0; t->counted && i < t->counted->parts; i++) {
        const struct update_part *part = &t->counted->part[i];
        uint64_t first = t->table->part_first[part->part];

        for (size_t j = 0; j < part->rows; j++)
            add(t, first + part->row[j], part->times[j]);
        for (size_t b = 0; b < part->bags; b++)
            for (size_t j = 0; j < part->bag[b].n; j++)
                add(t, first + part->bag[b].row[j], 1);
    }
    t->counted = NULL;
}

void training_count_mark(struct training *t, const struct counted *counted, size_t n)
{
    for (size_t i = 0; i < n; i++)
        keep(t, counted[i].row);
}

void training_count_write(struct training *t, const struct counted *counted, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add(t, counted[i].row, counted[i].times);
}
