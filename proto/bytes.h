/* SPDX-License-Identifier: Apache-2.0 */
/* A view of bytes that belong to a message. */
#pragma once

#include <stddef.h>

/* Arrays are little-endian elements of any alignment. */
struct bytes {
    const void *data;
    size_t size; /* bytes */
};
