/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands about several tables at once share with those about one: save, restore and
   load. Each returns the exit status and has printed its sentence. */
#pragma once

#include "client/embctl/document.h"
#include "proto/embd.pb-c.h"

struct arguments;

int group_save(const struct arguments *a, const char *label);    /* of the operands, or of all */
int group_restore(const struct arguments *a, const char *label); /* no operands */
int group_load(const struct arguments *a); /* operands NAME=FILE[,KEY=VALUE…] */

/* The tables of a checkpoint, as the array "tables" of the object that is open. */
void json_group_tables(struct document *j, Embd__V1__GroupTable *const *table, size_t count);
/* The same, one a line. */
void print_group_tables(Embd__V1__GroupTable *const *table, size_t count);
