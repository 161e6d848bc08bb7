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

/* The value of embd.header: ST_DATA_LOSS if it is not the header's checksum. */
MUST_CHECK enum status metadata_seal(const struct header *h, const char *value, struct error *e);

/* What a file says of the moment that it was written at. */
struct moment {
    uint64_t applied, lsn, generation;
    uint64_t checksum;     /* of its data area */
    const char *optimizer; /* JSON; borrowed from the header */
};

/* ST_INVALID if one of the five keys, or embd.header, is missing or wrong; ST_DATA_LOSS if the
   header is not what embd.header says. */
MUST_CHECK enum status moment_read(struct moment *out, const struct header *h, struct error *e);
