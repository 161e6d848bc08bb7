/* SPDX-License-Identifier: Apache-2.0 */
/* The data folder, which belongs to one daemon at a time. Main thread. */
#pragma once

#include "base/status.h"

/* Make the folder (0750) if it is not there, and lock it for this process; `*lock` is yours to
   close at the end. ST_UNAVAILABLE if another daemon has it. */
MUST_CHECK enum status data_folder_open(int *lock, const char *path, struct error *e);
