/* SPDX-License-Identifier: Apache-2.0 */
/* What a made layout will cost beside its bytes, told before there is a table. */
#pragma once

#include "methods/optimizer.h"
#include "methods/plan.h"

/* The most multiply-adds that a lookup of one row may cost. */
MUST_CHECK enum status layout_work(const struct layout *l, uint64_t *work, struct error *e);
/* optimizer_suits() for every part. */
MUST_CHECK enum status layout_suits(const struct layout *l, const struct optimizer_settings *s,
                                    struct error *e);
/* Bytes of the optimizer's states for all parts. */
MUST_CHECK enum status layout_state_bytes(const struct layout *l, const struct optimizer *o,
                                          uint64_t *bytes, struct error *e);
/* How many tensors the file will hold. */
uint64_t layout_tensors(const struct layout *l);
