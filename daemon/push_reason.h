/* SPDX-License-Identifier: Apache-2.0 */
/* Why a push was refused, in one word: what the statistics count by. Each is one constant, so that
   they may be compared as pointers. No state; any thread. */
#pragma once

#include "base/status.h"
#include "table/update.h"

extern const char REASON_NOT_FOUND[], REASON_DAMAGED[], REASON_READ_ONLY[], REASON_UNKNOWN_ID[],
    REASON_NOT_FINITE[], REASON_NORM[], REASON_DIMENSION[], REASON_MALFORMED[], REASON_LIMIT[],
    REASON_MEMORY[], REASON_GAP[], REASON_CONFLICT[], REASON_REPLACED[], REASON_LOG[],
    REASON_FULL_DISK[], REASON_STOPPING[], REASON_STREAM[];

/* The word for a status that has but one reason; REASON_MALFORMED for others. */
const char *reason_of_status(enum status st);
/* The word for a query that update_prepare() refused with that status. */
const char *reason_of_query(enum status st, const struct update_query *q, const struct table *t);
