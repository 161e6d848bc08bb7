/* SPDX-License-Identifier: Apache-2.0 */
/* The SIGBUS handler of the process and its list of mappings; for the files of region.h alone. */
#pragma once

#include "base/region.h"

#define REGION_SLOTS 65536 /* as many as the kernel's own default allows mappings */

void region_fault_install(void);
/* Enter a mapping whose data and size are set; its slot, or -1 if the list is full. */
int region_fault_add(struct region *r);
/* Take it out, before munmap(). */
void region_fault_remove(int slot);
