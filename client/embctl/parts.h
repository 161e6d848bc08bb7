/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a table, planned or loaded, for people and scripts: one, or one for each field. */
#pragma once

#include "client/embctl/document.h"
#include "methods/plan.h"
#include "table/table.h"

struct part_line {
    const struct method *method;
    const struct value *value; /* borrowed */
    uint64_t rows, bytes;
};

struct parts {
    const struct method *method; /* the table's */
    uint32_t dim;
    bool per_field;
    struct part_line *line;
    size_t count;
};

/* Both hold on to what they are made from. Release with parts_done(). */
void parts_of_layout(struct parts *p, const struct layout *l);
void parts_of_table(struct parts *p, const struct table *t);
void parts_done(struct parts *p);

/* The settings on one line: "collisions=12 op=mult", or what holds for all fields: "collisions=2…90
   op=mult; 3 of 26 fields full". Those that are as usual are left out. Returns `out`. */
const char *parts_summary(char *out, size_t room, const struct parts *p);
/* A line for each field. */
void print_parts(const struct parts *p);
/* "config": the settings of the one part, or "parts": a list of all fields. */
void json_parts(struct document *j, const struct parts *p);
