/* SPDX-License-Identifier: Apache-2.0 */
/* Whole connections: anything that a peer may send, to the real transport with small methods. What
   comes back is judged by tests/system/drive.c; memory is the sanitizer's. */
#include <stdint.h>
#include <stdlib.h>

#include "base/log.h"
#include "tests/system/drive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct drive *drive;

    if (!drive) {
        log_set_level(LOG_ERROR);
        drive = drive_new();
    }
    if (drive)
        drive_session(drive, data, n);
    return 0;
}
