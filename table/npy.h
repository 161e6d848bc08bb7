/* SPDX-License-Identifier: Apache-2.0 */
/* NumPy's .npy arrays, format versions 1 to 3, C order, little-endian numbers. Object arrays (they
   hold pickles), Fortran order of two or more dimensions and other types are refused with a
   sentence. */
#pragma once

#include "base/region.h"
#include "base/status.h"
#include "methods/tensor.h"

struct npy {
    struct tensor array;   /* name NULL, data aligned to the element */
    struct region *region; /* the mapped file, or NULL: region_damaged() tells whether it shrank */
    char *memory;          /* what was read from a pipe, or NULL */
};

/* Open an array for reading; "-" is standard input (read whole, at most `limit` bytes). */
MUST_CHECK enum status npy_open(struct npy *a, const char *path, uint64_t limit, struct error *e);
void npy_close(struct npy *a);
/* Parse the header of `n` bytes of a file of `size` bytes: fills `t` (data NULL) and where the data
   begin. For npy_open() and the fuzzer. */
MUST_CHECK enum status npy_parse(struct tensor *t, uint64_t *offset, const unsigned char *start,
                                 size_t n, uint64_t size, struct error *e);
/* Write a whole array; "-" is standard output. */
MUST_CHECK enum status npy_write(const char *path, const struct tensor *t, struct error *e);
/* The header alone (for streaming): written to `out`, which has room for 256 bytes; returns its
   length. */
size_t npy_header(unsigned char out[256], const struct tensor *t);
