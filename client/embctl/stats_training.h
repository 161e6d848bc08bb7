/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of training: pushes and snapshots, refused pushes, the log. No state. */
#pragma once

#include <stdbool.h>

#include "client/embctl/document.h"
#include "proto/embd.pb-c.h"

/* For people, each after an empty line, and nothing where there is nothing to say; `times`: with
   the time that a row begins at. */
void print_training(const Embd__V1__StatsResponse *s, bool times);
/* Rows of tables that grow. */
void print_growth(const Embd__V1__StatsResponse *s, bool times);
void print_refusals(const Embd__V1__StatsResponse *s, bool times);
void print_log(const Embd__V1__StatsResponse *s);

/* "training", "refusals" and "log" of an open object. */
void json_training(struct document *j, const Embd__V1__StatsResponse *s);
