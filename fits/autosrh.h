/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of rows by importance, as AutoSrh has them; shared with its test. */
#pragma once

#include <stddef.h>

#define AUTOSRH_GROUPS 6

/* The least importance in each group; INFINITY for one that is empty. Groups are about equally
   large, and rows of equal importance are in one group: from the least on, a group takes an equal
   share of what is left, cut at the nearest border, or the whole of a class that is larger.
   `importance` is sorted. */
void autosrh_groups(float *importance, size_t n, float first[AUTOSRH_GROUPS]);
unsigned autosrh_group(const float first[AUTOSRH_GROUPS], float importance);
