/* SPDX-License-Identifier: Apache-2.0 */
/* From arrays trained elsewhere to a table file. One thread. */
#pragma once

#include "client/import/arrays.h"
#include "client/import/part.h"
#include "methods/plan.h"
#include "table/begin.h"

/* What is said beside the arrays. All is borrowed; zeros are what was not said. */
struct import_wish {
    const char *source; /* "hetu" */
    const char *method; /* if the arrays are of several */
    uint64_t rows;      /* with rows_given */
    bool rows_given;
    uint32_t dim;
    uint64_t place;        /* of the table among several in one array */
    bool linear_out_in;    /* layers keep their weights [out,in] */
    const uint64_t *field; /* rows of each field */
    size_t fields;
    const struct begin_setting *setting;
    size_t settings;
};

struct import {
    struct layout layout; /* for table_create() */
    uint64_t *first;      /* of its fields */
    struct part *part;
    size_t parts;
    struct arrays *arrays;
    bool (*progress)(void *context, double done); /* false: stop */
    void *context;
};

#define IMPORT_SOURCES "hetu, dlrm, fbtt, robez, npy, hugectr"
bool import_source_known(const char *source);

/* Find out what the arrays are and lay the table out. Every refusal is a sentence that says what is
   missing or what does not fit. Release with import_close(), also after a failure; the arrays stay
   open until then. */
MUST_CHECK enum status import_open(struct import *in, struct arrays *a,
                                   const struct import_wish *wish, struct error *e);
void import_close(struct import *in);
/* For struct table_source: fill the parameters; `context` is the import. */
MUST_CHECK enum status import_fill(void *context, struct parameters *part, size_t parts,
                                   struct error *e);

/* In fill.c: one tensor from its array. `done` is called now and then with the share; false stops.
 */
MUST_CHECK enum status import_copy(struct tensor *to, const struct part_source *from,
                                   bool (*done)(void *context, double share), void *context,
                                   struct error *e);
/* Whether the array's numbers fit the type: integers in integers, numbers in float32. */
bool import_convertible(enum dtype from, enum dtype to);

/* Whether an array is an optimizer's state, which stays behind. */
bool import_is_state(const char *name);
