/* SPDX-License-Identifier: Apache-2.0 */
/* What the service Tables says about a table. What it points at belongs to the entry (or the
   arena), so pack it before the catalog can change. On the worker's thread. */
#pragma once

#include "base/arena.h"
#include "base/status.h"
#include "proto/embd.pb-c.h"
#include "table/catalog.h"

/* Why the table cannot be served, or NULL while it can. */
const char *entry_trouble(const struct entry *entry);

struct kept;

void snapshot_info(Embd__V1__SnapshotInfo *info, const struct kept *kept);
void table_info(Embd__V1__TableInfo *info, const struct entry *entry);
MUST_CHECK enum status table_describe(Embd__V1__DescribeResponse *reply, Embd__V1__TableInfo *info,
                                      const struct entry *entry, struct arena *arena,
                                      struct error *e);
