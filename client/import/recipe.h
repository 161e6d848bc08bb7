/* SPDX-License-Identifier: Apache-2.0 */
/* How the arrays of others become parameters: for each source and each of its methods, which array
   is which tensor and how it is turned, as data; and what the arrays tell of the settings, in a
   function where a table cannot say it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* How an array is turned on its way. */
enum change {
    AS_IS,
    FLAT,   /* any shape: one dimension of all elements */
    MATRIX, /* the first dimension, and all others as one */
    TURNED, /* transposed */
    LINEAR, /* a layer's weights: as is, or transposed if the caller says that they are [out,in] */
    BLOCKS, /* blocks of rows: [blocks, bx, by] by the settings */
    TABLE   /* of [tables, …] the one that was asked for; two dimensions are one table */
};

enum piece_flag {
    PIECE_OPTIONAL = 1,
    PIECE_ASIDE = 2 /* belongs to the method's arrays and is not stored, or is read by derive() */
};

/* An array is known by its name: `stem`, a rate as in "(0.1)" or "0.1" or none, the number of a
   field ("_3", ".3") or none, `suffix`. A suffix begins with "_" or ".", which are the same. */
struct piece {
    const char *tensor; /* of ours */
    const char *stem, *suffix;
    enum change change;
    unsigned flags;
};

struct part;

struct recipe {
    const char *source;  /* "hetu" */
    const char *title;   /* "CompoEmb" */
    const char *method;  /* "compo"; two, "int8 int16", by the bytes of the first piece's element */
    const char *set;     /* settings that follow from the source: "op=mult quotient=int"; or NULL */
    const char *rows_of; /* the tensor whose first dimension is N, or NULL */
    const char *dim_of;  /* the tensor whose last dimension is D, or NULL */
    const struct piece *piece;
    size_t pieces;
    /* Rows and dimension where no shape alone is one, and settings. `measure` comes before the rows
       and the dimension are known, `derive` after it. Both may be NULL. */
    enum status (*measure)(struct part *p, struct error *e);
    enum status (*derive)(struct part *p, struct error *e);
};

/* All of them; the end has no source. Of one source, tables that are not compressed come last. */
extern const struct recipe hetu_recipes[], other_recipes[];

/* Whether the name is one of the piece; `*field` is its field, -1 for none. */
bool piece_matches(const struct piece *piece, const char *name, long *field);

/* In choose.c. The recipe of a source (and of a method, unless it is NULL) whose arrays are there;
   ST_INVALID if there are none, or of several. */
struct arrays;
struct method;
MUST_CHECK enum status recipe_find(const struct recipe **out, const struct arrays *a,
                                   const char *source, const char *method, struct error *e);
/* Fields may be left full: the recipe of such tables, or NULL. */
const struct recipe *recipe_of_full(const char *source);
bool recipe_is_full(const struct recipe *r);
/* Whether there is an array of the field; -1 for the whole table. */
bool recipe_has_field(const struct recipe *r, const struct arrays *a, long field);
/* How many fields the names number; 0: none, the table is one. */
size_t recipe_fields(const struct recipe *r, const struct arrays *a);
MUST_CHECK enum status recipe_method(const struct method **out, const struct recipe *r,
                                     const struct arrays *a, struct error *e);

/* In derive.c and sparse.c. */
enum status measure_compo(struct part *p, struct error *e);
enum status derive_compo(struct part *p, struct error *e);
enum status measure_tt(struct part *p, struct error *e);
enum status derive_tt(struct part *p, struct error *e);
enum status derive_tt_slices(struct part *p, struct error *e);
enum status derive_dhe(struct part *p, struct error *e);
enum status derive_dedup(struct part *p, struct error *e);
enum status measure_codes(struct part *p, struct error *e);
enum status derive_mgqe(struct part *p, struct error *e);
enum status derive_dpq(struct part *p, struct error *e);
enum status derive_integers(struct part *p, struct error *e);
enum status derive_alpt(struct part *p, struct error *e);
enum status measure_mde(struct part *p, struct error *e);
enum status measure_csr(struct part *p, struct error *e);
enum status derive_csr(struct part *p, struct error *e);
enum status derive_coo(struct part *p, struct error *e);
enum status derive_dense(struct part *p, struct error *e);
