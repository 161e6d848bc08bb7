/* SPDX-License-Identifier: Apache-2.0 */
/* A lookup call, for the files that run it: service_lookup.c (request, reply, rows),
   lookup_tables.c (tables, gates, waiting) and lookup_pieces.c (the reply's bytes). On the worker's
   thread. */
#pragma once

#include <event2/event.h>

#include "daemon/worker.h"
#include "proto/lookup_coding.h"
#include "table/lookup.h"

struct call;

struct part {
    struct lookup lookup; /* if `ready` */
    struct entry *entry;  /* NULL: no such table */
    unsigned slot;        /* for the counters; outlives the entry */
    size_t cached;        /* ids of rows that came through a cache, … */
    size_t decoded;       /* … and how many had to be decoded */
    uint32_t first;       /* place of the first part of the same table, which enters for all */
    bool shared;          /* there are others of the same table */
    bool ready;           /* prepared for that entry */
    bool inside;          /* the entry's gate */
};

struct lookup_call {
    struct call *call;
    struct lookup_request request;
    struct part *part;            /* [request.count] */
    struct table_vectors *vector; /* [request.count] */
    struct block *piece;          /* of the reply, being filled; NULL between two of them */
    size_t left;                  /* bytes of the reply that are not made yet */
    size_t pieces;                /* that were handed over */
    uint64_t catalog;             /* number of the one that `part` was last looked up in */
    bool stays;                   /* inside gates over several turns */
    size_t at, row;               /* next row to decode: part[at], row */
    bool headed;                  /* what comes before the rows of part[at] is written */
    uint64_t lsn;
    struct job job;
    struct waiter waiter;
    struct event *patience; /* armed while waiting for min_version */
};

/* Fail the call because of one of its parts. */
void lookup_fail(struct lookup_call *c, size_t i, enum status st, struct error *e);

/* A reply of so many bytes begins; false without memory. */
bool lookup_pieces_begin(struct lookup_call *c, size_t bytes);
/* What stands before and behind the rows of a part, and at the end: with it all is handed over. */
MUST_CHECK enum status lookup_pieces_head(struct lookup_call *c, const struct table_vectors *v,
                                          struct error *e);
MUST_CHECK enum status lookup_pieces_tail(struct lookup_call *c, const struct table_vectors *v,
                                          struct error *e);
MUST_CHECK enum status lookup_pieces_end(struct lookup_call *c, uint64_t lsn, struct error *e);
/* Where rows go: there is room for *room bytes, and for `least`, one row. A piece without that goes
   out before. NULL without memory. */
unsigned char *lookup_pieces_room(struct lookup_call *c, size_t least, size_t *room);
/* `n` bytes were written there. The piece goes out if `next` more have no room in it, unless it is
   the last one. */
void lookup_pieces_add(struct lookup_call *c, size_t n, size_t next);

/* Find out which parts are about the same table. */
MUST_CHECK enum status lookup_tables_compare(struct lookup_call *c, struct error *e);
/* Find the entry of each part in the catalog of now; those that have another one than before are
   not `ready` any more. */
void lookup_tables_find(struct lookup_call *c);
/* Whether some table has not reached its min_version. The writer will rouse us when it has. */
bool lookup_tables_late(struct lookup_call *c);
/* Put a call aside that is late, at most for max_wait. Until then it is inside no gate. */
void lookup_tables_wait(struct lookup_call *c);
/* Go inside all gates; false if one has to be waited for: then the call is put aside, and stays
   inside the gates that it has passed. It waits for the writing of one push for each table at most,
   however many pushes there are, since the writer has one gate closed at a time and wakes us before
   it closes another one. */
bool lookup_tables_enter(struct lookup_call *c, bool stays);
/* Whether the writer waits for this call. */
bool lookup_tables_wanted(const struct lookup_call *c);
/* The rows of a part are done: leave its gate, unless other parts need it. */
void lookup_tables_pass(struct lookup_call *c, size_t i);
void lookup_tables_leave(struct lookup_call *c);
/* The call is over: stop waiting. */
void lookup_tables_done(struct lookup_call *c);
