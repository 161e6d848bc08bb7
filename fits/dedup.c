/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting dedup: different blocks, then alike ones, then near ones, until the budget is met; see
   dedup.h. The study counts what is different, so that a table which repeats itself takes no more
   than it needs. The table's different blocks are held in memory. One thread. */
#include "base/memory.h"
#include "fits/dedup.h"

#define SIM 0.7 /* as the authors have it */

static const struct setting options[] = {
    [DEDUP_FP] = {"fp", SETTING_REAL, .fallback = "0",
                  .help =
                      "how far an element of a block may be from that of one which replaces it"},
    [DEDUP_SIM] = {"sim", SETTING_REAL, .fallback = "0.7",
                   .help = "the share of a block's elements that must be within fp"},
    [DEDUP_LSH_THRESHOLD] = {"lsh_threshold", SETTING_INT, .min = 0, .max = 32, .fallback = "1",
                             .help = "hashes that two blocks share before they are compared"},
};

static enum status check_options(const struct fit *f, struct error *e)
{
    const struct value *fp = &f->option[DEDUP_FP], *sim = &f->option[DEDUP_SIM];

    if (fp->set && !(fp->r >= 0 && fp->r <= 1e30))
        return error_set(e, ST_INVALID, "fp must be 0 or more, not %g", fp->r);
    if (sim->set && !(sim->r > 0 && sim->r <= 1))
        return error_set(e, ST_INVALID, "sim must be above 0 and at most 1, not %g", sim->r);
    return ST_OK;
}

/* Different blocks, and of them those that nothing replaces. Progress goes up to `to`. */
static enum status find(struct dedup_work *k, double to, struct error *e)
{
    const struct value *o = k->fit->option;
    bool replace = o[DEDUP_FP].set && o[DEDUP_FP].r > 0;
    enum status st = dedup_read(k, replace ? to / 2 : to, e);

    if (st != ST_OK || !replace || k->count <= k->target)
        return st;
    return dedup_replace(k, o[DEDUP_FP].r, o[DEDUP_SIM].set ? o[DEDUP_SIM].r : SIM,
                         o[DEDUP_LSH_THRESHOLD].set ? (unsigned)o[DEDUP_LSH_THRESHOLD].i : 1,
                         to / 2, to, e);
}

static struct dedup_work work_for(const struct fit *f, const struct dedup_cut *cut, uint64_t target)
{
    return (struct dedup_work){
        .fit = f,
        .cut = *cut,
        .places = (size_t)(cut->nbx * cut->nby),
        .size = (size_t)(cut->bx * cut->by),
        .target = (size_t)target,
    };
}

static enum status fit(const struct fit *from, struct parameters *p, struct error *e)
{
    struct dedup_cut cut = dedup_cut_of(p);
    struct dedup_work k = work_for(from, &cut, p->tensor[DEDUP_BLOCKS].shape[0]);
    enum status st = check_options(from, e);

    if (st == ST_OK && (st = find(&k, 0.2, e)) == ST_OK &&
        (st = dedup_merge(&k, 0.2, 0.7, e)) == ST_OK)
        st = dedup_settle_blocks(&k, p, k.told, e);
    dedup_work_done(&k);
    return st;
}

/* ---- The study ---- */

static enum status study_part(const struct fit *fit, struct plan *part, uint64_t budget,
                              struct error *e)
{
    struct plan trial = *part;
    struct dedup_work k;
    struct dedup_cut cut;
    enum status st;
    uint64_t most;

    trial.budget = budget;
    if ((st = dedup_settle(&trial, e)) != ST_OK)
        return st;
    for (size_t i = 0; i < METHOD_SETTINGS_MAX; i++)
        part->value[i] = trial.value[i]; /* integers and choices: nothing is owned twice */
    cut = dedup_cut(fit->rows, fit->dim, (uint64_t)trial.value[DEDUP_BX].i,
                    (uint64_t)trial.value[DEDUP_BY].i);
    most = dedup_affordable(&trial);
    k = work_for(fit, &cut, budget ? most : 1); /* without a budget all that is alike */
    st = find(&k, 1, e);
    if (st == ST_OK)
        st = plan_size(part, "U", k.count < most ? k.count : most, e);
    dedup_work_done(&k);
    return st;
}

static enum status study(const struct fit *fit, struct layout *l, struct error *e)
{
    double rows = fit->rows ? (double)fit->rows : 1;
    struct layout made;
    uint64_t first = 0;
    enum status st = check_options(fit, e);

    if (st != ST_OK)
        return st;
    st = layout_open(&made, l->method, l->rows, l->dim, &l->fields, l->budget, l->part[0].value, e);
    if (st == ST_OK)
        st = layout_make(&made, e);
    l->need = made.need;
    for (size_t i = 0; st == ST_OK && i < l->part_count; first += l->part[i++].rows) {
        struct fit_part own;

        if (made.part[i].method != l->method)
            continue;
        fit_part_init(&own, fit, first, l->part[i].rows, (double)first / rows,
                      (double)(first + l->part[i].rows) / rows);
        st = study_part(&own.fit, &l->part[i], made.part[i].budget, e);
    }
    layout_done(&made);
    return st;
}

const struct fitter fitter_dedup = {
    .study = study,
    .fit = fit,
    .in_memory = true,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
};
