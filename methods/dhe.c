/* SPDX-License-Identifier: Apache-2.0 */
/* Deep hash embedding: what its files hold and which of them are refused. Hashing, lookups,
   gradients, budgets and starts are in files of their own. */
#include "methods/dhe.h"

#include <inttypes.h>

#include "base/memory.h"
#include "methods/explain.h"

static const struct setting settings[] = {
    [DHE_K] = {"k", SETTING_INT, .min = 1, .max = DHE_MOST, .help = "hash values of an id"},
    [DHE_M] = {"m", SETTING_INT, .min = 2, .max = INT64_MAX, .help = "hash values lie below it"},
    [DHE_ARITH] = {"hash_arith", SETTING_CHOICE, .choices = "u64 i32_trunc i32_floor",
                   .help = "exact, or wrapped to 32 bits as some weights were trained"},
    [DHE_DIST] = {"dist", SETTING_CHOICE, .choices = "uniform normal",
                  .help = "what hash values are scaled to"},
    [DHE_WIDTH] = {"width", SETTING_INT, .min = 1, .max = DHE_MOST, .optional = true,
                   .help = "columns of the hidden layers"},
    [DHE_BN_EPS] = {"bn_eps", SETTING_REAL, .fallback = "1e-5", .help = "added to variances"},
    [DHE_BN_MOMENTUM] = {"bn_momentum", SETTING_REAL, .fallback = "0.1",
                         .help = "how the statistics were gathered; no lookup reads it"},
    [DHE_NORM_EPS] = {"norm_eps", SETTING_REAL, .fallback = "1e-12",
                      .help = "the least that a logarithm is taken of, with dist=normal"},
    [DHE_ACT] = {"act", SETTING_CHOICE, .choices = "mish", .fallback = "mish",
                 .help = "what bends the hidden layers"},
};

#define HASH(name, text)                                                                           \
    {                                                                                              \
        name, DT(I64), "k", .flags = TENSOR_ADDRESS, .help = text                                  \
    }
#define LINEAR(number, shape, out)                                                                 \
    {"mlp." number ".weight", DT(F32), shape, .flags = TENSOR_TRAINED | TENSOR_ELEMENTWISE,        \
     .help = "what layer " number " multiplies by"},                                               \
    {                                                                                              \
        "mlp." number ".bias", DT(F32), out, .flags = TENSOR_TRAINED,                              \
                                             .help = "what layer " number " adds"                  \
    }
#define NORM(number)                                                                               \
    {"bn." number ".weight", DT(F32), "width", .flags = TENSOR_TRAINED,                            \
     .help = "scale of normalised columns"},                                                       \
        {"bn." number ".bias", DT(F32), "width", .flags = TENSOR_TRAINED,                          \
         .help = "added to normalised columns"},                                                   \
        {"bn." number ".running_mean", DT(F32), "width", .help = "mean of columns"},               \
    {                                                                                              \
        "bn." number ".running_var", DT(F32), "width", .flags = TENSOR_NONNEGATIVE,                \
                                                       .help = "variance of columns"               \
    }

static const struct tensor_decl tensors[] = {
    HASH("hash.a", "factors of the hashes"),
    HASH("hash.b", "summands of the hashes"),
    HASH("hash.p", "primes of the hashes"),
    LINEAR("1", "k width", "width"),
    LINEAR("2", "width width", "width"),
    LINEAR("3", "width width", "width"),
    LINEAR("4", "width width", "width"),
    LINEAR("5", "width width", "width"),
    LINEAR("6", "width D", "D"),
    NORM("1"),
    NORM("2"),
    NORM("3"),
    NORM("4"),
    NORM("5"),
};

enum status dhe_check_settings(const struct value *value, uint64_t rows, struct error *e)
{
    int64_t k = value[DHE_K].i, m = value[DHE_M].i;

    if (value[DHE_DIST].i == DHE_NORMAL && k % 2)
        return error_set(e, ST_INVALID, "dist=normal takes hashes in pairs, and k is %" PRId64, k);
    if (value[DHE_ARITH].i == DHE_U64)
        return ST_OK;
    if (m > INT32_MAX)
        return error_set(e, ST_INVALID, "m must be below 2^31 with 32-bit hashes, not %" PRId64, m);
    if (rows > (uint64_t)1 << 31)
        return error_set(e, ST_INVALID,
                         "32-bit hashes are for at most 2^31 rows, and there are %" PRIu64, rows);
    return ST_OK;
}

static enum status check_reals(const struct parameters *p, struct error *e)
{
    double eps = p->value[DHE_BN_EPS].r, momentum = p->value[DHE_BN_MOMENTUM].r;

    if (eps < 0)
        return error_set(e, ST_INVALID, "bn_eps must not be negative, and is %g", eps);
    if (momentum < 0 || momentum > 1)
        return error_set(e, ST_INVALID, "bn_momentum must be from 0 to 1, not %g", momentum);
    if (p->value[DHE_NORM_EPS].r <= 0)
        return error_set(e, ST_INVALID, "norm_eps must be above 0, not %g",
                         p->value[DHE_NORM_EPS].r);
    return ST_OK;
}

/* As in the file, where a field's tensors have a prefix. */
static const char *name_of(const struct parameters *p, unsigned tensor)
{
    return p->tensor[tensor].name ? p->tensor[tensor].name : p->method->tensors[tensor].name;
}

static enum status refuse_constant(const struct parameters *p, unsigned tensor, int64_t t,
                                   int64_t below, struct error *e)
{
    return error_set(e, ST_INVALID, "%s[%" PRId64 "] is %" PRId64 "; it must be from 0 to %" PRId64,
                     name_of(p, tensor), t, ((const int64_t *)p->tensor[tensor].data)[t],
                     below - 1);
}

/* a, b and p of every hash: u64 reduces by p, 32 bits wrap first. */
static enum status check_hashes(const struct parameters *p, struct error *e)
{
    const int64_t *a = p->tensor[DHE_A].data, *b = p->tensor[DHE_B].data,
                  *prime = p->tensor[DHE_P].data;
    int64_t k = p->value[DHE_K].i, m = p->value[DHE_M].i;
    bool wide = p->value[DHE_ARITH].i == DHE_U64;

    for (int64_t t = 0; t < k; t++) {
        int64_t below = wide ? prime[t] : (int64_t)1 << 31;

        if (wide ? prime[t] <= m : prime[t] < m || prime[t] > INT32_MAX)
            return error_set(
                e, ST_INVALID, "%s[%" PRId64 "] is %" PRId64 "; with m = %" PRId64 " it must be %s",
                name_of(p, DHE_P), t, prime[t], m, wide ? "above m" : "at least m and below 2^31");
        if (a[t] < 0 || a[t] >= below)
            return refuse_constant(p, DHE_A, t, below, e);
        if (b[t] < 0 || b[t] >= below)
            return refuse_constant(p, DHE_B, t, below, e);
    }
    return ST_OK;
}

static enum status check_variances(const struct parameters *p, struct error *e)
{
    double eps = p->value[DHE_BN_EPS].r;

    for (unsigned l = 0; l < DHE_HIDDEN; l++) {
        const struct tensor *t = &p->tensor[dhe_bn(l, DHE_VAR)];
        const float *var = t->data;

        for (size_t j = 0; j < t->count; j++)
            if (!(var[j] >= 0) || !isfinite(dhe_inverse(var[j], eps)))
                return error_set(e, ST_INVALID,
                                 "%s[%zu] is %g: with bn_eps = %g a column cannot be "
                                 "divided by its root",
                                 name_of(p, dhe_bn(l, DHE_VAR)), j, (double)var[j], eps);
    }
    return ST_OK;
}

static enum status check(struct parameters *p, struct error *e)
{
    size_t width = dhe_width(p);
    double *small;
    enum status st;

    if (width < 1 || width > DHE_MOST)
        return error_set(e, ST_INVALID, "tensor \"%s\" has %zu columns; a layer has from 1 to %d",
                         name_of(p, dhe_weight(0)), width, DHE_MOST);
    if ((st = dhe_check_settings(p->value, p->rows, e)) != ST_OK ||
        (st = check_reals(p, e)) != ST_OK || (st = check_hashes(p, e)) != ST_OK ||
        (st = check_variances(p, e)) != ST_OK || (st = dhe_small(p, &small, e)) != ST_OK)
        return st;
    p->state = small;
    return ST_OK;
}

static void release(struct parameters *p)
{
    mem_free(p->state);
}

static uint64_t work(const struct parameters *p)
{
    uint64_t width = dhe_width(p);

    return width * ((uint64_t)p->value[DHE_K].i + 4 * width + p->dim);
}

#define SHOWN 8 /* hash values that people get to see */

static void explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    int64_t hash[SHOWN], layer[DHE_LAYERS + 1];
    size_t k = (size_t)p->value[DHE_K].i, n = k < SHOWN ? k : SHOWN;

    for (size_t t = 0; t < n; t++)
        hash[t] = dhe_hash(p, t, row);
    explain_number(x, "hash values", (int64_t)k);
    explain_numbers(x, k > n ? "the first" : "all", hash, n);
    for (unsigned l = 0; l < DHE_LAYERS; l++)
        layer[l] = (int64_t)dhe_in(p, l);
    layer[DHE_LAYERS] = p->dim;
    explain_numbers(x, "layers", layer, DHE_LAYERS + 1);
    explain_text(x, "weights", "all of them, for every id");
    explain_number(x, "sharers", (int64_t)p->rows - 1);
}

const struct method method_dhe = {
    .name = "dhe",
    .title = "DHE (deep hash embedding)",
    .source = "Kang et al., KDD 2021",
    .per_field = true,
    .fit_extension = true,
    .settings = settings,
    .settings_count = sizeof settings / sizeof settings[0],
    .tensors = tensors,
    .tensors_count = sizeof tensors / sizeof tensors[0],
    .check = check,
    .release = release,
    .rows = dhe_rows,
    .work = work,
    .gradient = dhe_gradient,
    .gradient_scratch = dhe_gradient_scratch,
    .touched = dhe_touched,
    .plan = dhe_plan,
    .share = dhe_share,
    .author_words = dhe_author_words,
    .init = dhe_init,
    .explain = explain,
    .grows = true,
};
