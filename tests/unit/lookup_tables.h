/* SPDX-License-Identifier: Apache-2.0 */
/* The tables that lookups are tested on. */
#pragma once

#include "table_file.h"

#include "kernels/kernels.h"

/* Tables of the cases; their data are small numbers that differ everywhere. */
static const struct {
    const char *name, *header;
    size_t floats;
} tables[] = {
    {"full", HEAD(META("full", "7", "5"), TENSOR("weight", "F32", "[7,5]", "0", "140")), 35},
    {"full with a default",
     HEAD(META("full", "7", "3"), TENSOR("weight", "F32", "[7,3]", "0",
                                         "84") "," TENSOR("default", "F32", "[3]", "84", "96")),
     24},
    {"one column", HEAD(META("full", "3", "1"), TENSOR("weight", "F32", "[3,1]", "0", "12")), 3},
    {"wide", HEAD(META("full", "2", "2000"), TENSOR("weight", "F32", "[2,2000]", "0", "16000")),
     4000},
    {"empty",
     HEAD(META("full", "0", "3"), TENSOR("weight", "F32", "[0,3]", "0",
                                         "0") "," TENSOR("default", "F32", "[3]", "0", "12")),
     3},
    {"compo",
     HEAD(META("compo", "9", "4") CONFIG("{`collisions`:3,`op`:`mult`}"),
          TENSOR("q.weight", "F32", "[3,4]", "0", "48") "," TENSOR("r.weight", "F32", "[3,4]", "48",
                                                                   "96")),
     24},
    {"compo that pools first",
     HEAD(META("compo", "9", "4") CONFIG("{`collisions`:3,`op`:`mult`,`pool`:`pool_first`}"),
          TENSOR("q.weight", "F32", "[3,4]", "0",
                 "48") "," TENSOR("r.weight", "F32", "[3,4]", "48",
                                  "96") "," TENSOR("default", "F32", "[4]", "96", "112")),
     28},
    {"fields",
     HEAD(META("hash", "7",
               "2") ",'embd.fields':'[3,0,4]'" CONFIG("{`per_field`:[{},{},{`method`:`full`}]}"),
          TENSOR("f0.table", "F32", "[2,2]", "0",
                 "16") "," TENSOR("f1.table", "F32", "[0,2]", "16",
                                  "16") "," TENSOR("f2.weight", "F32", "[4,2]", "16", "48")),
     12},
    {"fields of which some pool first",
     HEAD(META("compo", "11", "2") ",'embd.fields':'[4,3,4]'" CONFIG(
              "{`per_field`:[{`collisions`:2,`op`:`mult`,`pool`:`pool_first`},{`method`:`full`},"
              "{`collisions`:2,`op`:`add`,`pool`:`pool_first`}]}"),
          TENSOR("f0.q.weight", "F32", "[2,2]", "0", "16") "," TENSOR(
              "f0.r.weight", "F32", "[2,2]", "16",
              "32") "," TENSOR("f1.weight", "F32", "[3,2]", "32",
                               "56") "," TENSOR("f2.q.weight", "F32", "[2,2]", "56",
                                                "72") "," TENSOR("f2.r.weight", "F32", "[2,2]",
                                                                 "72",
                                                                 "88") "," TENSOR("default", "F32",
                                                                                  "[2]", "88",
                                                                                  "96")),
     24},
};

static struct unit_folder folder;

static inline struct table *open_table(size_t which)
{
    static float data[4000];
    const struct table_file f = {.header = tables[which].header,
                                 .zeros = tables[which].floats * 4,
                                 .patch = (const char *)data,
                                 .patch_n = tables[which].floats * 4,
                                 .align = 64};

    for (size_t i = 0; i < tables[which].floats; i++)
        data[i] = (float)(i * 37 % 101) / 16 - 2.5f;
    return table_file_load(&folder, &f, REGION_MAP);
}

static inline int lookup_start(void **state)
{
    struct error e;

    (void)state;
    unit_folder_make(&folder);
    return kernels_init(NULL, &e) == ST_OK ? 0 : -1;
}

static inline int lookup_stop(void **state)
{
    (void)state;
    unit_folder_remove(&folder);
    return 0;
}
