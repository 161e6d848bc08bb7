/* SPDX-License-Identifier: Apache-2.0 */
/* `embctl bench` in parts: options to a plan, tables and traces, the report. One thread, the main
   one; those of the load are within load_measure(). */
#pragma once

#include "client/embctl/command.h"
#include "client/load/load.h"
#include "table/npy.h"

struct bench {
    struct load_plan plan;
    struct load_table *table; /* the plan's */
    struct npy *trace;
    size_t traces;
};

/* Read the options. Returns -1, or the exit status with its sentence printed. Release with
   bench_done() in any case. */
int bench_options(struct bench *b, const struct arguments *a);
void bench_done(struct bench *b);
/* Open the traces and ask the server for what is not known of the tables. Returns the same. */
int bench_tables(struct bench *b, const struct arguments *a);

/* The report, to standard output. */
void bench_text(const struct bench *b, const struct load_result *r);
int bench_json(const struct bench *b, const struct load_result *r); /* as doc_finish() */

#define BENCH_OPTIONS 19
extern const struct option_decl bench_option_list[BENCH_OPTIONS];
extern const char *const bench_formats[4], *const bench_poolings[3];
