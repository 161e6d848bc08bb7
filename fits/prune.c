/* SPDX-License-Identifier: Apache-2.0 */
/* Three scans and a histogram, whatever the size of the table. One thread. */
#include "fits/prune.h"

#include <math.h>

#include "base/memory.h"
#include "fits/select.h"
#include "methods/sparse_rows.h"

struct pruning {
    struct scan scan;
    struct select select;
    const struct prune_whole *whole;
    float *score;   /* [dim] of a row */
    double largest; /* weight */
    size_t at;      /* entries written */
};

/* Weights count relative to the largest, so that no score leaves float32. */
static double largest_weight(const struct fit *fit)
{
    double largest = 0;

    for (uint64_t i = 0; fit->weight && i < fit->rows; i++)
        largest = fit->weight[i] > largest ? fit->weight[i] : largest;
    return largest;
}

/* Scores of row i of the block, for its columns that are not kept anyway; how many. */
static size_t score_row(struct pruning *r, size_t i, const bool *kept)
{
    const struct fit *fit = r->scan.fit;
    const float *row = r->scan.rows + i * fit->dim;
    float factor = 1;
    size_t n = 0;

    if (r->largest > 0)
        factor = (float)sqrt(fit->weight[r->scan.first + i] / r->largest);
    for (uint32_t j = 0; j < fit->dim; j++)
        if (!kept || !kept[j])
            r->score[n++] = fabsf(row[j]) * factor;
    return n;
}

static const bool *kept_columns(const struct pruning *r, size_t i)
{
    return r->whole ? r->whole->columns(r->whole->context, &r->scan, i) : NULL;
}

static enum status count(struct pruning *r, struct error *e)
{
    enum status st;

    while ((st = scan_next(&r->scan, e)) == ST_OK && r->scan.n)
        for (size_t i = 0; i < r->scan.n; i++)
            select_add(&r->select, r->score, score_row(r, i, kept_columns(r, i)));
    select_next(&r->select);
    return st;
}

static void write_entry(struct pruning *r, struct parameters *p, uint64_t row, uint32_t column,
                        float value)
{
    ((float *)p->tensor[sparse_data(p->value)].data)[r->at] = value;
    sparse_index_set(&p->tensor[sparse_columns(p->value)], r->at, column);
    if (sparse_is_coo(p->value))
        sparse_index_set(&p->tensor[COO_ROW], r->at, row);
    r->at++;
}

static void write_row(struct pruning *r, struct parameters *p, size_t i)
{
    const float *value = r->scan.rows + i * p->dim, *score = r->score;
    const bool *kept = kept_columns(r, i);
    uint64_t row = r->scan.first + i;

    score_row(r, i, kept);
    for (uint32_t j = 0; j < p->dim; j++)
        if ((kept && kept[j]) || select_takes(&r->select, *score++))
            write_entry(r, p, row, j, value[j]);
    if (!sparse_is_coo(p->value))
        sparse_index_set(&p->tensor[CSR_INDPTR], row + 1, r->at);
}

static enum status prune_passes(struct pruning *r, struct parameters *p, double from,
                                struct error *e)
{
    double third = (1 - from) / (SELECT_PASSES + 1);
    enum status st = ST_OK;

    for (unsigned pass = 0; st == ST_OK && pass < SELECT_PASSES; pass++) {
        scan_start(&r->scan, from + pass * third, from + (pass + 1) * third);
        st = count(r, e);
    }
    if (st != ST_OK)
        return st;
    scan_start(&r->scan, from + SELECT_PASSES * third, 1);
    if (!sparse_is_coo(p->value))
        sparse_index_set(&p->tensor[CSR_INDPTR], 0, 0);
    while ((st = scan_next(&r->scan, e)) == ST_OK && r->scan.n)
        for (size_t i = 0; i < r->scan.n; i++)
            write_row(r, p, i);
    return st;
}

enum status prune(const struct fit *fit, struct parameters *p, const struct prune_whole *whole,
                  double from, struct error *e)
{
    struct pruning r = {.whole = whole, .largest = largest_weight(fit)};
    uint64_t entries = p->tensor[sparse_data(p->value)].count;
    enum status st;

    r.score = mem_zero(p->dim, sizeof *r.score);
    st = r.score ? scan_open(&r.scan, fit, e) : error_memory(e, "scores");
    if (st == ST_OK)
        st = select_init(&r.select, entries - (whole ? whole->entries : 0), e);
    if (st == ST_OK)
        st = prune_passes(&r, p, from, e);
    select_done(&r.select);
    scan_close(&r.scan);
    mem_free(r.score);
    return st;
}

enum status prune_by_magnitude(const struct fit *fit, struct parameters *p, struct error *e)
{
    return prune(fit, p, NULL, 0, e);
}
