/* SPDX-License-Identifier: Apache-2.0 */
/* From the workers' counters and the tables' gauges to stats.db: once a second, what has happened
   since the last time is added to the row of its minute. What could not be written is kept and
   tried again. Knows which name a slot belongs to. The main thread's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "storage/statistics.h"

struct catalog;
struct entry;
struct recorder;
struct refusal;
struct server;
struct training_sums;

/* The workers' counters are there. A stats.db that cannot be opened is logged, and everything else
   goes on without it. */
MUST_CHECK enum status recorder_new(struct recorder **out, struct server *server, struct error *e);
/* Write what is left, and close the database. NULL is fine. */
void recorder_free(struct recorder *r);

/* Another catalog: names may have got slots. It is used until the next one. */
void recorder_take_catalog(struct recorder *r, const struct catalog *c);
/* Once a second. */
void recorder_tick(struct recorder *r);

/* The open database, or NULL and why there is none. */
struct statistics *recorder_statistics(struct recorder *r, struct error *e);
/* True while statistics cannot be written. */
bool recorder_failing(const struct recorder *r);

/* Slots that have names, from 0 on; "*" and "?" are among them. */
unsigned recorder_slots(const struct recorder *r);
/* The name of a slot; NULL if it has none yet. */
const char *recorder_name(const struct recorder *r, unsigned slot);
/* What happened under that name since the start; false if nothing did. */
bool recorder_totals(const struct recorder *r, unsigned slot, unsigned call,
                     struct call_counts *out);
/* The same of the pushes and snapshots of a trainable table; see training_recorder_totals(). */
void recorder_training(const struct recorder *r, const struct entry *entry,
                       struct training_sums *out);
/* Refused pushes since the start; borrowed until the next call into the recorder. */
size_t recorder_refusals(struct recorder *r, const struct refusal **out);
