/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting robe's array. Every element of the table reads one cell, so the best value of a cell is
   the weighted mean of what reads it, with its signs; nothing beats that for given coefficients.
   Some coefficients leave cells that nothing reads, so a few sets are tried and the one with the
   smallest error is kept. The cells of all sets are numbered through, and a pass over the table
   sums up as many of them as there is room for. One thread. */
#include "base/memory.h"
#include "fits/scan.h"
#include "methods/robe.h"

#define TRIES 4
#define TRIES_MOST 64
#define ROOM_LEAST ((uint64_t)1 << 20) /* cells that a pass has room for, at least */
#define CELL_BYTES (2 * sizeof(double))

static const struct setting options[] = {
    {"tries", SETTING_INT, .min = 1, .max = TRIES_MOST, .fallback = "4",
     .help = "sets of coefficients that are tried"},
};

struct work {
    const struct fit *fit;
    struct robe hash[TRIES_MOST];
    double energy[TRIES_MOST]; /* that the set's array explains: the more, the less error */
    uint64_t cells;            /* of the array */
    uint64_t first, room;      /* the pass in hand has the cells [first, first + room) */
    double *sum, *weight;
    struct scan scan;
};

/* Add a row to the cells of one set; `low` and `high` are those of its cells that are in hand. */
static void add_row(struct work *k, unsigned set, uint64_t low, uint64_t high, uint64_t row,
                    const float *x, double w)
{
    const struct robe *m = &k->hash[set];
    struct robe_walk walk = robe_begin(m, row);
    size_t cell, n, column = 0;

    for (; (n = robe_run(m, &walk, &cell)); column += n) {
        uint64_t from = cell > low ? cell : low, to = cell + n < high ? cell + n : high;
        uint64_t at = set * k->cells + from - k->first, j = column + from - cell;
        uint32_t sign = 1;

        if (from >= to)
            continue;
        if (m->signs)
            sign = (uint32_t)((walk.sign + j * m->sign_step) % m->prime);
        for (; from < to; from++, at++, j++) {
            k->sum[at] += sign & 1 ? w * x[j] : -w * x[j];
            k->weight[at] += w;
            sign = m->signs ? robe_add(sign, m->sign_step, m->prime) : 1;
        }
    }
}

/* Sum the cells [first, first + room) up, in one pass over the table. */
static enum status pass(struct work *k, struct error *e)
{
    uint64_t end = k->first + k->room;
    struct scan *s = &k->scan;
    enum status st;

    for (uint64_t i = 0; i < k->room; i++)
        k->sum[i] = k->weight[i] = 0;
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (uint64_t set = k->first / k->cells; set * k->cells < end; set++) {
            uint64_t base = set * k->cells, low = base < k->first ? k->first - base : 0;
            uint64_t high = end - base < k->cells ? end - base : k->cells;

            for (size_t i = 0; i < s->n; i++)
                add_row(k, (unsigned)set, low, high, s->first + i, s->rows + i * k->fit->dim,
                        fit_weight(k->fit, s->first + i));
        }
    return st;
}

static void add_energy(struct work *k)
{
    for (uint64_t i = 0; i < k->room; i++)
        if (k->weight[i] > 0)
            k->energy[(k->first + i) / k->cells] += k->sum[i] * k->sum[i] / k->weight[i];
}

/* Write those cells of a set that are in hand. */
static void write_cells(const struct work *k, unsigned set, float *array)
{
    for (uint64_t i = 0; i < k->room; i++) {
        uint64_t cell = k->first + i - set * k->cells;

        if (k->first + i >= set * k->cells && cell < k->cells)
            array[cell] = k->weight[i] > 0 ? (float)(k->sum[i] / k->weight[i]) : 0;
    }
}

/* Passes over the cells [from, to), which are the `done` to `done` + passes of `total`. */
static enum status passes(struct work *k, uint64_t from, uint64_t to, uint64_t *done,
                          uint64_t total, float *array, unsigned set, struct error *e)
{
    uint64_t most = k->room;
    enum status st = ST_OK;

    for (k->first = from; st == ST_OK && k->first < to; k->first += most, ++*done) {
        k->room = to - k->first < most ? to - k->first : most;
        scan_start(&k->scan, (double)*done / (double)total, (double)(*done + 1) / (double)total);
        if ((st = pass(k, e)) != ST_OK)
            break;
        if (array)
            write_cells(k, set, array);
        else
            add_energy(k);
    }
    return st;
}

static unsigned best_set(const struct work *k, unsigned sets)
{
    unsigned best = 0;

    for (unsigned i = 1; i < sets; i++)
        if (k->energy[i] > k->energy[best])
            best = i;
    return best;
}

/* Half of the table's own bytes, or what is little for any machine. */
static uint64_t room_of(const struct fit *fit, uint64_t cells)
{
    uint64_t room = fit->rows * fit->dim * sizeof(float) / 2 / CELL_BYTES;

    room = room < ROOM_LEAST ? ROOM_LEAST : room;
    return room < cells ? room : cells;
}

static enum status run(struct work *k, struct parameters *p, unsigned sets, struct error *e)
{
    uint64_t all = sets * k->cells, most = k->room, done = 0, total;
    float *array = p->tensor[ROBE_ARRAY].data;
    int64_t *rand = p->tensor[ROBE_RAND].data;
    bool at_once = most >= all;
    enum status st;
    unsigned best;

    total = (all + most - 1) / most + (at_once ? 0 : (k->cells + most - 1) / most);
    if ((st = passes(k, 0, all, &done, total, NULL, 0, e)) != ST_OK)
        return st;
    best = best_set(k, sets);
    robe_draw(p, k->fit->seed, best, rand);
    k->room = most;
    if (!at_once)
        return passes(k, best * k->cells, (best + 1) * k->cells, &done, total, array, best, e);
    k->first = 0;
    write_cells(k, best, array);
    return ST_OK;
}

static enum status fit(const struct fit *from, struct parameters *p, struct error *e)
{
    unsigned sets = from->option[0].set ? (unsigned)from->option[0].i : TRIES;
    struct work *k = mem_zero(1, sizeof *k);
    enum status st;

    if (!k)
        return error_memory(e, "sums of the cells");
    k->fit = from;
    k->cells = p->tensor[ROBE_ARRAY].shape[0];
    for (unsigned i = 0; i < sets; i++) {
        robe_draw(p, from->seed, i, p->tensor[ROBE_RAND].data);
        k->hash[i] = robe_of(p, p->tensor[ROBE_RAND].data);
    }
    k->room = room_of(from, sets * k->cells);
    k->sum = mem_zero(k->room, sizeof *k->sum);
    k->weight = mem_zero(k->room, sizeof *k->weight);
    if (!k->sum || !k->weight)
        st = error_memory(e, "sums of the cells");
    else if ((st = scan_open(&k->scan, from, e)) == ST_OK && k->cells)
        st = run(k, p, sets, e);
    scan_close(&k->scan);
    mem_free(k->weight);
    mem_free(k->sum);
    mem_free(k);
    return st;
}

const struct fitter fitter_robe = {
    .fit = fit, .options = options, .options_count = sizeof options / sizeof options[0]};
