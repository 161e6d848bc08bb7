/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON document, written as it goes: results of any size need no memory, keys come in the order in
   which they are written, and numbers have as many digits as it takes to read the same number again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *out;
    unsigned depth;
    bool flat[16];  /* the container is written on one line */
    bool begun[16]; /* it has something inside */
    char closing[16];
};

/* Begin a document on standard output. */
void json_begin(struct json *j);
/* End it, with a newline; all containers must be closed. Returns finish_output(). */
int json_finish(struct json *j);

/* `key` is NULL within arrays and for the document itself. */
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_array_flat(struct json *j, const char *key); /* numbers, on one line */
void json_close(struct json *j);

void json_text(struct json *j, const char *key, const char *value); /* NULL: null */
void json_bool(struct json *j, const char *key, bool value);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_real(struct json *j, const char *key, double value);  /* null if not finite */
void json_float(struct json *j, const char *key, float value);  /* the same, float32's digits */
/* A JSON text from elsewhere, taken over if it is one and as a plain string if not. */
void json_embedded(struct json *j, const char *key, const char *text);
