/* SPDX-License-Identifier: Apache-2.0 */
/* What the arrays of each method tell of its settings, and of rows and dimension where that is not
   the shape of one of them. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/import/import.h"

static void set_dim(struct part *p, uint64_t dim)
{
    if (dim && dim <= METHOD_DIM_MAX)
        p->dim = (uint32_t)dim;
}

enum status measure_compo(struct part *p, struct error *e)
{
    const struct tensor *q = part_shape(p, "q.weight"), *r = part_shape(p, "r.weight");

    (void)e;
    set_dim(p, condition_holds(p->method, p->value, "op=concat") ? part_last(q) + part_last(r)
                                                                 : part_last(r));
    return ST_OK;
}

enum status derive_compo(struct part *p, struct error *e)
{
    (void)e;
    part_integer(p, "collisions", part_shape(p, "r.weight")->shape[0]);
    return ST_OK;
}

enum status measure_mde(struct part *p, struct error *e)
{
    const struct tensor *proj = part_shape(p, "proj");

    (void)e;
    set_dim(p, part_last(proj ? proj : part_shape(p, "emb")));
    return ST_OK;
}

/* ---- Tensor trains ---- */

static void core_shapes(struct part *p, uint64_t rows[3], uint64_t columns[3])
{
    static const char *const name[3] = {"core.0", "core.1", "core.2"};

    for (size_t t = 0; t < 3; t++) {
        const struct tensor *core = part_shape(p, name[t]);

        rows[t] = core->rank ? core->shape[0] : 0;
        columns[t] = part_last(core);
    }
}

enum status measure_tt(struct part *p, struct error *e)
{
    uint64_t d[3], dim;

    (void)e;
    if (!p->wish->dim && part_given_list(p, "d", d) && !__builtin_mul_overflow(d[0], d[1], &dim) &&
        !__builtin_mul_overflow(dim, d[2], &dim))
        set_dim(p, dim);
    return ST_OK;
}

/* The one rank that D columns and these cores have, if both inner ranks are the same: their widths
   d0 r, r d1 r and r d2 have the product D r^4. 0: none. */
static uint64_t common_rank(const uint64_t columns[3], uint32_t dim)
{
    double product = (double)columns[0] * (double)columns[1] * (double)columns[2];
    double rank = rint(sqrt(sqrt(product / dim)));
    uint64_t r = rank >= 1 && rank < 65536 ? (uint64_t)rank : 0;

    if (!r || columns[0] % r || columns[1] % (r * r) || columns[2] % r)
        return 0;
    return (double)(columns[0] / r) * (double)(columns[1] / (r * r)) * (double)(columns[2] / r) ==
                   dim
               ? r
               : 0;
}

static enum status set_tt(struct part *p, const uint64_t n[3], const uint64_t d[3], uint64_t r1,
                          uint64_t r2, struct error *e)
{
    const uint64_t r[4] = {1, r1, r2, 1};
    enum status st = part_integers(p, "n", n, 3, e);

    if (st == ST_OK)
        st = part_integers(p, "d", d, 3, e);
    return st == ST_OK ? part_integers(p, "r", r, 4, e) : st;
}

/* Cores as matrices: the widths alone do not tell columns and ranks apart. */
enum status derive_tt(struct part *p, struct error *e)
{
    uint64_t n[3], columns[3], d[3], r;

    core_shapes(p, n, columns);
    if (part_given_list(p, "d", d))
        return set_tt(p, n, d, columns[0] / d[0], columns[2] / d[2], e);
    r = p->wish->dim ? common_rank(columns, p->dim) : 0;
    if (!r)
        return error_set(e, ST_INVALID,
                         "cores of %llu, %llu and %llu columns do not tell how a row is split: "
                         "give --set d=… (three factors of its columns)",
                         (unsigned long long)columns[0], (unsigned long long)columns[1],
                         (unsigned long long)columns[2]);
    d[0] = columns[0] / r;
    d[1] = columns[1] / (r * r);
    d[2] = columns[2] / r;
    return set_tt(p, n, d, r, r, e);
}

/* Cores with all their dimensions. */
enum status derive_tt_slices(struct part *p, struct error *e)
{
    const struct tensor *a = &part_find(p, "core.0")->array->tensor,
                        *b = &part_find(p, "core.1")->array->tensor,
                        *c = &part_find(p, "core.2")->array->tensor;
    const uint64_t n[3] = {a->shape[0], b->shape[0], c->shape[0]};
    const uint64_t d[3] = {a->shape[1], b->shape[2], c->shape[2]};

    if (a->rank != 3 || b->rank != 4 || c->rank != 3 || a->shape[2] != b->shape[1] ||
        b->shape[3] != c->shape[1])
        return error_set(e, ST_INVALID,
                         "the cores a, b and c must be [n,d,r], [n,r,d,s] and [n,s,d]");
    return set_tt(p, n, d, a->shape[2], c->shape[1], e);
}

/* ---- Others ---- */

enum status derive_dhe(struct part *p, struct error *e)
{
    const struct tensor *first = part_shape(p, "mlp.1.weight");
    uint64_t k = part_shape(p, "hash.a")->count;

    part_integer(p, "k", k);
    if (first->rank == 2 && first->shape[0] != k && first->shape[1] == k)
        return error_set(e, ST_INVALID, "the layers' weights are %s: give %s",
                         p->wish->linear_out_in ? "[in,out]" : "[out,in]",
                         p->wish->linear_out_in ? "no --linear" : "--linear out-in");
    return ST_OK;
}

enum status derive_dedup(struct part *p, struct error *e)
{
    (void)e;
    part_integer(p, "by", p->dim);
    return ST_OK;
}

enum status measure_codes(struct part *p, struct error *e)
{
    uint64_t dim;

    (void)e;
    if (!__builtin_mul_overflow(part_last(part_shape(p, "codes")),
                                part_last(part_shape(p, "codebook")), &dim))
        set_dim(p, dim);
    return ST_OK;
}

/* Centroids of a part: rows of the codebook, of all parts or of the one that they share. */
static uint64_t derive_codes(struct part *p)
{
    const struct tensor *codebook = part_shape(p, "codebook");
    uint64_t parts = part_last(part_shape(p, "codes")), k = codebook->shape[0];

    part_integer(p, "parts", parts);
    if (parts && !condition_holds(p->method, p->value, "shared=true"))
        k /= parts;
    part_narrow(p, "codes", k);
    if (part_find(p, "codes")->wanted.dtype == DT_I32)
        part_find(p, "codes")->typed = false; /* refused by the method */
    return k;
}

enum status derive_mgqe(struct part *p, struct error *e)
{
    (void)e;
    part_integer(p, "k_high", derive_codes(p));
    return ST_OK;
}

enum status derive_dpq(struct part *p, struct error *e)
{
    (void)e;
    part_integer(p, "k", derive_codes(p));
    return ST_OK;
}

static bool is_signed(enum dtype t)
{
    return t == DT_I8 || t == DT_I16;
}

static enum status bits_of(const struct part_source *s, uint64_t *bits, struct error *e)
{
    enum dtype t = s->array->tensor.dtype;

    *bits = 8 * dtype_size(t);
    return t == DT_U8 || t == DT_U16 || is_signed(t)
               ? ST_OK
               : error_set(e, ST_INVALID,
                           "array %s holds %s; integers of 8 or 16 bits can be imported",
                           QUOTE(s->array->name), dtype_name(t));
}

enum status derive_integers(struct part *p, struct error *e)
{
    struct part_source *q = part_find(p, "q");
    uint64_t bits;
    enum status st = bits_of(q, &bits, e);

    if (st != ST_OK)
        return st;
    part_integer(p, "digit", bits);
    st = part_text(p, "signed", is_signed(q->array->tensor.dtype) ? "true" : "false", e);
    return st == ST_OK ? part_text(p, "qparam", part_find(p, "qparams") ? "row" : "table", e) : st;
}

enum status derive_alpt(struct part *p, struct error *e)
{
    uint64_t bits;
    enum status st = bits_of(part_find(p, "q"), &bits, e);

    if (st == ST_OK)
        part_integer(p, "digit", bits);
    return st;
}
