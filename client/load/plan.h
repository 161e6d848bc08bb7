/* SPDX-License-Identifier: Apache-2.0 */
/* What a load is made of: the tables, the shape of every request and how the requests follow each
   other. Filled by `embctl bench` from its arguments, constant while the load runs. */
#pragma once

#include "client/load/ids.h"

#define LOAD_TABLES_MAX 1000
#define LOAD_THREADS_MAX 1024
#define LOAD_IDS_MAX (1u << 24) /* of one table in one request */

struct load_table {
    const char *name;
    uint64_t rows; /* ids are drawn below this */
    uint32_t dim;
    struct id_trace trace;
};

struct load_plan {
    const char *server;
    const struct load_table *table;
    size_t tables;
    bool by_key;               /* ids of some table are keys, of which we know none */
    uint32_t ids;              /* of each table in each request */
    uint32_t bag_min, bag_max; /* ids in a bag, with pooling */
    uint32_t pooling, format;  /* numbers of the wire */
    enum distribution distribution;
    double exponent;
    uint64_t seed;

    unsigned threads;
    size_t connections, streams; /* over all threads; calls in flight on each connection */
    double rate;                 /* calls a second; 0: closed loop */
    bool poisson;
    uint64_t warmup_ns;
    uint64_t duration_ns; /* of what is measured; 0: until `calls` are done */
    uint64_t calls;       /* to be measured; 0: until the time is over */
    uint64_t timeout_ns;  /* of a call, from when it is due */
    int server_pid;       /* 0: find out, if the server is at a Unix socket */
};

/* Bytes of one row in the plan's format. */
size_t load_row_bytes(uint32_t format, uint32_t dim);
