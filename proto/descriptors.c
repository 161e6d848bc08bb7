/* SPDX-License-Identifier: Apache-2.0 */
/* Searches in the tables that tools/embed_descriptors.py makes. Any thread. */
#include "proto/descriptors.h"

#include <stdlib.h>
#include <string.h>

const struct proto_file *proto_file_find(const char *name)
{
    for (size_t i = 0; i < proto_file_count; i++)
        if (strcmp(proto_files[i].name, name) == 0)
            return &proto_files[i];
    return NULL;
}

static int compare_names(const void *name, const void *symbol)
{
    return strcmp(name, ((const struct proto_symbol *)symbol)->name);
}

const struct proto_symbol *proto_symbol_find(const char *name)
{
    return bsearch(name, proto_symbols, proto_symbol_count, sizeof proto_symbols[0], compare_names);
}
