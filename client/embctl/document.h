/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON document, written as it goes: results of any size need no memory, keys come in the order
   in which they are written, and numbers have as many digits as it takes to read the same number
   again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct document {
    FILE *out;
    unsigned depth;
    bool flat[16];  /* the container is written on one line */
    bool begun[16]; /* it has something inside */
    char closing[16];
};

/* Begin a document on standard output. */
void doc_begin(struct document *j);
/* End it, with a newline; all containers must be closed. doc_finish() returns finish_output(). */
void doc_end(struct document *j);
int doc_finish(struct document *j);

/* `key` is NULL within arrays and for the document itself. */
void doc_object(struct document *j, const char *key);
void doc_array(struct document *j, const char *key);
void doc_array_flat(struct document *j, const char *key); /* numbers, on one line */
void doc_close(struct document *j);

void doc_text(struct document *j, const char *key, const char *value); /* NULL: null */
void doc_bool(struct document *j, const char *key, bool value);
void doc_u64(struct document *j, const char *key, uint64_t value);
void doc_i64(struct document *j, const char *key, int64_t value);
void doc_real(struct document *j, const char *key, double value); /* null if not finite */
void doc_float(struct document *j, const char *key, float value); /* the same, float32's digits */
/* A JSON text from elsewhere, taken over if it is one and as a plain string if not. */
void doc_embedded(struct document *j, const char *key, const char *text);
