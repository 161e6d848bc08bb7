/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata that table files and files of changed blocks have in common. No state; any thread. */
#pragma once

#include "table/safetensors.h"

/* Read the value of `key`: a number from 0 to 2^63 - 1 in plain digits. */
MUST_CHECK enum status metadata_number(const char *key, const char *value, uint64_t *out,
                                       struct error *e);
/* The same for a checksum: 16 digits 0-9a-f. */
MUST_CHECK enum status metadata_checksum(const char *key, const char *value, uint64_t *out,
                                         struct error *e);

/* What a file says of the moment that it was written at. */
struct moment {
    uint64_t applied, lsn, generation;
    uint64_t checksum;     /* of its data area */
    const char *optimizer; /* JSON; borrowed from the header */
};

/* ST_INVALID if one of the five keys is missing or wrong. */
MUST_CHECK enum status moment_read(struct moment *out, const struct header *h, struct error *e);
