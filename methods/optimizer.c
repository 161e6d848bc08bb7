/* SPDX-License-Identifier: Apache-2.0 */
/* The list of optimizers, made from OPTIMIZERS in Makefile.am; which parameters they train, and the
   numbers of a step. */
#include "methods/optimizer.h"

#include <math.h>
#include <string.h>

#include "methods/gradient.h"

#define OPTIMIZER(name) extern const struct optimizer optimizer_##name;
#include "methods/optimizers.def"
#undef OPTIMIZER

#define OPTIMIZER(name) &optimizer_##name,
const struct optimizer *const optimizers[] = {
#include "methods/optimizers.def"
    NULL,
};
#undef OPTIMIZER

const struct optimizer *optimizer_find(const char *name, size_t n)
{
    for (const struct optimizer *const *o = optimizers; *o; o++)
        if (strlen((*o)->name) == n && memcmp((*o)->name, name, n) == 0)
            return *o;
    return NULL;
}

void optimizer_settings_init(struct optimizer_settings *s)
{
    *s = (struct optimizer_settings){
        .learning_rate = LEARNING_RATE_DEFAULT,
        .epsilon = 1e-8,
        .beta1 = 0.9,
        .beta2 = 0.999,
        .scale_lr = -1,
    };
}

enum status optimizer_suits(const struct optimizer_settings *s, const struct parameters *p,
                            struct error *e)
{
    enum status st;

    if (!p->method->gradient)
        return error_set(e, ST_PRECONDITION, "a table of the method %s cannot be trained",
                         p->method->name);
    if (p->method->trainable && (st = p->method->trainable(p, e)) != ST_OK)
        return st;
    if (!s->optimizer)
        return error_set(e, ST_PRECONDITION, "the table has no optimizer");
    for (unsigned i = 0; s->optimizer->full_only && i < p->method->tensors_count; i++)
        if (tensor_trained(p, i) && p->tensor[i].dtype != DT_F32)
            return error_set(e, ST_INVALID,
                             "%s is for tensors of F32, and \"%s\" holds %s; sgd and "
                             "rowwise_adagrad train it",
                             s->optimizer->name, p->tensor[i].name, dtype_name(p->tensor[i].dtype));
    return ST_OK;
}

static double rate_of(const struct optimizer_settings *s, const char *name, double rate)
{
    for (size_t i = 0; i < s->rates; i++)
        if (strcmp(s->rate[i].name, name) == 0)
            return s->rate[i].learning_rate;
    return rate;
}

void optimizer_step_make(struct optimizer_step *out, const struct optimizer_settings *s,
                         const char *name, bool element_wise, double rate, uint64_t t)
{
    rate = rate_of(s, name, rate);
    *out = (struct optimizer_step){
        .learning_rate = (float)rate,
        .epsilon = (float)s->epsilon,
        .l2 = s->decoupled ? 0 : (float)s->weight_decay,
        .shrink = s->decoupled ? (float)(rate * s->weight_decay) : 0,
        .element_wise = element_wise,
        .beta1 = (float)s->beta1,
        .beta2 = (float)s->beta2,
        .rest1 = (float)(1 - s->beta1),
        .rest2 = (float)(1 - s->beta2),
        .correction1 = (float)(1 - pow(s->beta1, (double)t)),
        .correction2 = (float)(1 - pow(s->beta2, (double)t)),
    };
}

uint64_t optimizer_state_count(const struct optimizer *o, unsigned i, const struct parameters *p,
                               unsigned tensor)
{
    if (!o->state[i])
        return 0;
    return o->scalar && !tensor_element_wise(p, tensor) ? unit_count(p, tensor)
                                                        : p->tensor[tensor].count;
}

bool tensor_trained(const struct parameters *p, unsigned tensor)
{
    return p->tensor[tensor].data && p->method->tensors[tensor].flags & TENSOR_TRAINED;
}

bool tensor_element_wise(const struct parameters *p, unsigned tensor)
{
    unsigned flags = p->method->tensors[tensor].flags;

    return flags & TENSOR_ELEMENTWISE || (p->tensor[tensor].rank < 2 && !(flags & TENSOR_BY_ROW));
}
