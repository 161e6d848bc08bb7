/* SPDX-License-Identifier: Apache-2.0 */
/* The options that every command takes. */
#pragma once

#include "client/embctl/command.h"

extern const struct option_decl globals[];
extern const size_t global_count;
