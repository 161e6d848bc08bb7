/* SPDX-License-Identifier: Apache-2.0 */
/* Optimizers: how a gradient becomes a step. Each is one const struct in one file and one line in
   the list of optimizers (OPTIMIZERS in Makefile.am); it sees floats and knows no method, no tensor
   and no file. Formulas and settings are those of methods.md 0.7 and
   21.5 (as in torch.optim restricted to the touched rows, with FBGEMM's epsilon outside the root).
 */
#pragma once

#include "methods/method.h"

#define OPTIMIZER_STATES 2 /* most that an optimizer keeps for a tensor */
#define LEARNING_RATE_DEFAULT 0.01

struct optimizer;

/* One tensor's exception; see `tensors` in methods.md 21.5. */
struct tensor_rate {
    char name[64]; /* with the field's prefix */
    double learning_rate;
};

/* `embd.optimizer` of a table: settings are doubles as in its JSON. */
struct optimizer_settings {
    const struct optimizer *optimizer; /* NULL: the table cannot be trained */
    double learning_rate;              /* 0.01; a push may bring its own */
    double epsilon;                    /* 1e-8 */
    double beta1, beta2;               /* 0.9, 0.999; adam */
    double weight_decay;               /* 0 */
    bool decoupled;                    /* weight_decay_mode; else l2 */
    double initial_accumulator;        /* 0; adagrad and rowwise_adagrad */
    double clip_norm;                  /* 0: off; L2 norm of a row's summed gradient */
    double scale_lr;                   /* alpt; below 0: the table's own, of its config */
    uint64_t step;                     /* pushes applied since the optimizer was made: adam's t */
    struct tensor_rate *rate;          /* exceptions; they stand in the place of any other rate */
    size_t rates;
};

/* One step of one tensor: what is the same for all its units. */
struct optimizer_step {
    float learning_rate, epsilon;
    float l2;          /* weight_decay: g + l2 * w takes the place of g; 0 if decoupled */
    float shrink;      /* decoupled: w - shrink * w takes the place of w; else 0 */
    bool element_wise; /* also where the optimizer would keep one scalar a unit: 1-D tensors and
                          tensors with TENSOR_ELEMENTWISE */
    float beta1, beta2, rest1, rest2; /* adam: rest = 1 - beta */
    float correction1, correction2;   /* adam: 1 - beta^t */
};

struct optimizer {
    const char *name;                    /* "rowwise_adagrad" */
    const char *help;                    /* one sentence */
    const char *state[OPTIMIZER_STATES]; /* "sum"; "m", "v"; NULL: none */
    bool scalar;                         /* one state value a unit, unless element_wise */
    bool full_only;                      /* refused for integers and halves (methods.md 21.4) */
    /* Step `n` elements of a unit in place: w, and state[i] of n elements (of 1 if scalar and not
       element_wise). An element whose value the step does not change keeps its bits, and one whose
       new value or state would not be finite keeps both; returns how many of these (n if a scalar
       state would not be finite). The order of all sums is fixed. */
    size_t (*step)(const struct optimizer_step *s, float *w, const float *gradient,
                   float *const state[OPTIMIZER_STATES], size_t n);
};

extern const struct optimizer *const optimizers[]; /* sgd adagrad rowwise_adagrad adam, NULL */
const struct optimizer *optimizer_find(const char *name, size_t n);

/* Defaults, no optimizer. */
void optimizer_settings_init(struct optimizer_settings *s);
/* ST_INVALID if the optimizer cannot train these parameters; a method that cannot be trained at all
   is ST_PRECONDITION. */
MUST_CHECK enum status optimizer_suits(const struct optimizer_settings *s,
                                       const struct parameters *p, struct error *e);
/* The step of a tensor at learning rate `rate` (the push's or the table's) and count `t`, 1 for the
   first push. `name` is the tensor's, for its exception. */
void optimizer_step_make(struct optimizer_step *out, const struct optimizer_settings *s,
                         const char *name, bool element_wise, double rate, uint64_t t);
/* How many values state `i` of a tensor has, 0 if none: optimizer.<tensor>.<state>. */
uint64_t optimizer_state_count(const struct optimizer *o, unsigned i, const struct parameters *p,
                               unsigned tensor);
/* Whether a tensor of these parameters is trained, and whether element by element: by its flags and
   its shape. */
bool tensor_trained(const struct parameters *p, unsigned tensor);
bool tensor_element_wise(const struct parameters *p, unsigned tensor);
