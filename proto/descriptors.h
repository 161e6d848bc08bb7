/* SPDX-License-Identifier: Apache-2.0 */
/* What server reflection tells: the .proto files that the daemon speaks, as serialized
   FileDescriptorProtos, and every name that they define. Made at build time from the .proto files
   (tools/embed_descriptors.py); constant. */
#pragma once

#include <stddef.h>

struct proto_file {
    const char *name; /* "embd.proto"; the files import nothing */
    const unsigned char *data;
    size_t size;
};

enum proto_kind {
    PROTO_PACKAGE,
    PROTO_MESSAGE,
    PROTO_FIELD,
    PROTO_ONEOF,
    PROTO_ENUM,
    PROTO_VALUE,
    PROTO_SERVICE,
    PROTO_METHOD
};

struct proto_symbol {
    const char *name; /* in full: "embd.v1.Embedding.Lookup" */
    enum proto_kind kind;
    const struct proto_file *file;
};

extern const struct proto_file proto_files[];
extern const size_t proto_file_count;
extern const struct proto_symbol proto_symbols[]; /* sorted by name */
extern const size_t proto_symbol_count;

/* The file or the symbol of that name, or NULL. Names are case-sensitive. */
const struct proto_file *proto_file_find(const char *name);
const struct proto_symbol *proto_symbol_find(const char *name);
