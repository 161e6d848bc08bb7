/* SPDX-License-Identifier: Apache-2.0 */
/* What a compression method is. Each method is one const struct in one file and one line in the
   list of methods (METHODS in Makefile.am); everything else (reading and checking files, lookups,
   pooling, planning bytes, conformance tests, documents) follows from what it declares here.

   A method knows nothing of files, sockets or threads. Its parameters are immutable while lookups
   run; all its functions may be called from any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "methods/tensor.h"

/* ---- Settings: the keys of `embd.config` ---- */

enum setting_type {
    SETTING_INT,    /* value.i, within [min, max] */
    SETTING_REAL,   /* value.r, finite */
    SETTING_BOOL,   /* value.i 0 or 1 */
    SETTING_CHOICE, /* value.i, place in `choices` */
    SETTING_INTS    /* value.list, value.n, each within [min, max] */
};

struct setting {
    const char *name;
    enum setting_type type;
    const char *choices;  /* "mult add concat" */
    int64_t min, max;     /* integers; both 0: any */
    const char *fallback; /* the value if the key is absent, as text; NULL: see `optional` */
    bool optional;        /* without a fallback: may be absent (value.set tells); else required */
    /* A list with an entry for each field: a layout whose parts are fields gives each part its own
       entry, as a list of one. */
    bool by_field;
    const char *when; /* "qparam=table": the key is due only then, and refused otherwise; or NULL.
                         See condition_holds() */
    const char *help; /* one sentence for people */
};

struct value {
    bool set; /* present in the file, or given by its fallback */
    int64_t i;
    double r;
    int64_t *list;
    size_t n;
};

/* ---- Tensors: the parameters ---- */

enum tensor_flag {
    TENSOR_OPTIONAL = 1,     /* may be absent */
    TENSOR_ADDRESS = 2,      /* its values form addresses: copied to private memory at load */
    TENSOR_NONNEGATIVE = 4,  /* every value >= 0 */
    TENSOR_POSITIVE = 8,     /* every value > 0 */
    TENSOR_TRAINED = 16,     /* gets gradients and optimizer state */
    TENSOR_ELEMENTWISE = 32, /* its optimizer state is never one scalar a row */
    TENSOR_FOLLOWS = 64,     /* written along with a trained tensor, without gradients of its own */
    TENSOR_BY_ROW = 128      /* one dimension, but its units are rows (method->unit_place) */
};

struct tensor_decl {
    const char *name;
    unsigned dtypes; /* set of DT(…) bits */
    /* Dimensions, separated by spaces. Each is an expression of factors joined by * and /, read
       from left to right: a number, N (rows), D (dim), an integer setting's name, or any other
       word, a size that the file chooses: bound by the first tensor that names it alone, the same
       in all. */
    const char *shape;
    const char *when; /* "signed=true": the tensor belongs to the table only then; or NULL */
    unsigned flags;
    const char *help;
};

#define METHOD_DIM_MAX 65536 /* columns of a table; it has at least one */
#define METHOD_TENSORS_MAX 40
#define METHOD_SETTINGS_MAX 16

/* Fields of a table: field f has the rows [first[f], first[f + 1]). */
struct fields {
    const uint64_t *first; /* [count + 1], never falling; NULL with count 0 */
    size_t count;
};
/* The field of a row; 0 where there are no fields. */
size_t field_of(const struct fields *f, uint64_t row);

/* One method's parameters for one range of rows: a whole table, or one field of it. Rows are
   numbered from 0 within the range. */
struct parameters {
    const struct method *method;
    uint64_t rows;                           /* N */
    uint32_t dim;                            /* D, the table's */
    struct value value[METHOD_SETTINGS_MAX]; /* in the order of method->settings */
    struct tensor
        tensor[METHOD_TENSORS_MAX]; /* in the order of method->tensors; data NULL: absent */
    bool of_field;        /* the range is one field of several, each with parameters of its own */
    struct fields fields; /* of the range, where it spans several (embd.fields); borrowed */
    bool pool_first;      /* set by check(): bags must go through method->pool */
    void *state;          /* made by check(), released by release() */
    void *kept;           /* made by keep(); NULL: nothing. Freed by parameters_done() */
    size_t kept_bytes;
};

struct explanation;
struct gradients;
struct init;
struct layout;
struct patch;
struct plan;
struct unit_change;

struct method {
    const char *name;   /* in files: "compo" */
    const char *title;  /* for people: "CompoEmb (quotient-remainder)" */
    const char *source; /* paper or "extension" */
    bool per_field;     /* may have one set of parameters for each field */
    bool keeps_fields;  /* a field is never replaced by a full one because it is not smaller */
    const char *per_field_unless; /* condition on settings under which it may not; or NULL */
    bool extension;               /* the method itself is not in the paper */
    bool fit_extension;           /* its fit is our own extension, not the authors' */
    const struct setting *settings;
    size_t settings_count;
    const struct tensor_decl *tensors;
    size_t tensors_count;

    /* What the declarations cannot say: relations between settings and shapes, ranges of index
       tensors. Called once, when all tensors are there, before the first lookup. The sentence names
       the tensor or key and the rule. NULL: nothing more to check. */
    enum status (*check)(struct parameters *p, struct error *e);
    void (*release)(struct parameters *p); /* state made by check(); may be NULL */
    /* Of parameters that nobody will change any more: put into p->kept, of at most `most` bytes,
       what makes rows faster to make, with the same bits; or nothing. After check(). May be NULL.
     */
    void (*keep)(struct parameters *p, size_t most);

    /* Write `n` rows of D float32 to `out` (any alignment), row[i] < N. Cannot fail; may use up to
       1 MiB of stack. A row's bits do not depend on the others. */
    void (*rows)(const struct parameters *p, const uint64_t *row, size_t n, void *out);
    /* Only for parameters with pool_first: out = the bag of the n rows, pooled as the method
       defines, with weights (n float32 of any alignment, or NULL for 1) and each factor divided by
       `divisor` (1 for a sum, the length of the bag for a mean). `scratch` has room for 2 * D
       float32. */
    void (*pool)(const struct parameters *p, const uint64_t *row, const void *weights, size_t n,
                 float divisor, void *out, float *scratch);
    /* Multiply-adds for one row (0 for plain copies): counted against max_work. NULL: 0. */
    uint64_t (*work)(const struct parameters *p);

    /* Training, in the serving form; see methods/gradient.h. NULL: the method cannot be trained.
       Add the gradients of the tensors with TENSOR_TRAINED for `n` different rows, grad [n][D]
       float32; both arrays stay until the step. Reads the parameters, writes none. Cannot fail
       within gradients_reserve(). */
    void (*gradient)(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                     struct gradients *out);
    /* Where some settings rule training out: ST_PRECONDITION with the sentence why. Looks at
       settings and shapes alone. NULL: nothing rules it out. */
    enum status (*trainable)(const struct parameters *p, struct error *e);
    /* Only for parameters with pool_first: the gradient `grad` [D] of one bag, whose lookup was
       pool() with the same arguments. A row may come more than once. `scratch` as there. */
    void (*pool_gradient)(const struct parameters *p, const uint64_t *row, const void *weights,
                          size_t n, float divisor, const float *grad, struct gradients *out,
                          float *scratch);
    /* Floats that gradient() may use as out->scratch, for a call with up to `rows` rows; NULL: 0.
     */
    size_t (*gradient_scratch)(const struct parameters *p, size_t rows);
    /* The most units of a tensor that `rows` different rows touch; NULL: one unit a row, in tensors
       with TENSOR_TRAINED or TENSOR_FOLLOWS, none in others. */
    size_t (*touched)(const struct parameters *p, unsigned tensor, size_t rows);
    /* For tensors whose units are not equal places along the first dimension: rows of a sparse
       table, rows of which only the first columns count. unit_place() gives the elements [*first,
       *first + *n) of the tensor that are the unit; a gradient has unit_most() floats, of which the
       first n count. NULL: unit u of width w is [u w, (u + 1) w). unit_count: how many units there
       are (with TENSOR_BY_ROW they are not shape[0]). */
    void (*unit_place)(const struct parameters *p, unsigned tensor, uint64_t unit, uint64_t *first,
                       size_t *n);
    size_t (*unit_most)(const struct parameters *p, unsigned tensor);
    uint64_t (*unit_count)(const struct parameters *p, unsigned tensor);
    /* Stored form of a unit to float32 and back; NULL: by the tensor's type. unit_store() may also
       put units of tensors with TENSOR_FOLLOWS into the patch, of the same place. */
    void (*unit_load)(const struct parameters *p, unsigned tensor, uint64_t unit, float *out);
    void (*unit_store)(const struct parameters *p, const struct unit_change *c,
                       struct patch *patch);

    /* Choose the settings and free sizes that fit the budget; see methods/plan.h. NULL: nothing is
       open. */
    enum status (*plan)(struct plan *plan, struct error *e);
    /* Share a layout's budget among its fields: settings, sizes or budgets of the parts, which add
       up to no more than the layout's; each part is then planned. NULL: one ratio for all. */
    enum status (*share)(struct layout *l, struct error *e);
    /* 32-bit words of a plan by the authors' way of counting (methods.md, "Memory"). NULL: they
       have none. */
    double (*author_words)(const struct plan *plan);
    /* Random parameters to train from; see methods/init.h. NULL: normal numbers in what is trained.
     */
    enum status (*init)(const struct init *init, struct parameters *p, struct error *e);
    /* Whether a table of the method may grow, which gives rows to other ids: nothing was ever
       chosen for the id of a row (codes, groups of rows, which elements are stored). */
    bool grows;
    /* Where each row has cells of its own: begin those of a row anew, in every tensor that is
       trained or follows, as `init` would with the same numbers. Cannot fail. NULL: rows share
       cells, which stay as they are. */
    void (*init_row)(const struct init *init, struct parameters *p, uint64_t row);
    /* How a row is made, for people; see methods/explain.h. NULL: it is the row of its tensor. */
    void (*explain)(const struct parameters *p, uint64_t row, struct explanation *x);
};

/* All methods, in the order of the list; NULL at the end. */
extern const struct method *const methods[];
const struct method *method_find(const char *name, size_t n); /* NULL if unknown */

/* Place of a setting in the method's declarations, or -1. */
int method_setting(const struct method *m, const char *name, size_t n);
/* Place of the tensor `name` that these settings call for, or -1: a name may be declared several
   times, with conditions of which one holds. */
int method_tensor(const struct method *m, const struct value *value, const char *name, size_t n);

/* Whether a `when` condition holds: "key=choice" or "key=true", with "a|b" for either of two, and
   several, separated by spaces, all of which must hold. NULL always does. */
bool condition_holds(const struct method *m, const struct value *value, const char *when);

/* Read the text of a fallback or of a --set option into a value; ST_INVALID with a sentence that
   names the setting. A list is comma-separated. value->list is yours (mem_free). */
MUST_CHECK enum status setting_parse(const struct setting *s, const char *text, struct value *value,
                                     struct error *e);
/* Write a set value as setting_parse() reads it, cut to the room; a cut text ends in "…". Returns
   `out`. */
const char *setting_format(char *out, size_t room, const struct setting *s,
                           const struct value *value);
/* Check an integer (or each of a list) against the declaration. */
MUST_CHECK enum status setting_check(const struct setting *s, const struct value *value,
                                     struct error *e);
/* Give absent settings their fallbacks; refuse missing required ones and ones whose `when` does not
   hold. A `when` names a setting that is declared earlier. */
MUST_CHECK enum status settings_complete(const struct method *m, struct value *value,
                                         struct error *e);

/* Sizes that expressions in shapes refer to by name. */
#define SYMBOLS_MAX 24
struct symbols {
    struct {
        char name[16];
        uint64_t size;
    } entry[SYMBOLS_MAX];
    size_t count;
};
void symbols_init(struct symbols *s, const struct method *m, uint64_t rows, uint32_t dim,
                  const struct value *value); /* N, D and the integer settings */
/* The size behind a name; false if it has none yet. */
bool symbols_get(const struct symbols *s, const char *name, size_t n, uint64_t *size);
/* Give a name its size, or another one. */
MUST_CHECK enum status symbols_set(struct symbols *s, const char *name, size_t n, uint64_t size,
                                   struct error *e);
/* Compute a declared shape, and from it and t->dtype the count and bytes; every word must be known,
   and a division leaves no remainder. */
MUST_CHECK enum status shape_evaluate(const struct tensor_decl *d, const struct symbols *s,
                                      struct tensor *t, struct error *e);
/* Hold a tensor's actual shape against its declaration and bind unknown words. */
MUST_CHECK enum status shape_match(const struct tensor_decl *d, struct symbols *s,
                                   const struct tensor *t, struct error *e);

/* After all tensors are in place (`data` set, or NULL for an absent one): presence, types and
   shapes against declarations, then method->check. The values themselves (finite, the flags of
   tensor_decl) are for whoever reads them from outside. */
MUST_CHECK enum status parameters_check(struct parameters *p, struct error *e);
/* Release state and lists; not the tensors' memory. Safe on zeroed parameters, and twice. */
void parameters_done(struct parameters *p);
/* Bytes of all tensors. */
uint64_t parameters_bytes(const struct parameters *p);
/* Multiply-adds for one row. */
uint64_t parameters_work(const struct parameters *p);
