/* SPDX-License-Identifier: Apache-2.0 */
/* A malformed table file as data: how it is made, and what table_open() must say of it. */
#pragma once

#include "table_file.h"

struct malformed {
    const char *name;
    struct table_file file;
    enum status status; /* 0: ST_INVALID, which most are */
    const char *words;  /* part of the sentence */
};

/* Feed one to table_open() in both kinds of memory; false, with a line that says why, if it is not
   refused as it must be. The sentence begins with the path. */
static inline bool malformed_refused(const struct malformed *m, const char *path)
{
    const enum status expected = m->status ? m->status : ST_INVALID;
    bool good = true;

    table_file_write(path, &m->file);
    for (int memory = REGION_MAP; memory <= REGION_COPY && good; memory++) {
        const struct table_options options = {.memory = (enum region_mode)memory};
        struct table *t = NULL;
        struct error e = {""};
        enum status st = table_open(&t, path, &options, &e);

        good = st == expected && strstr(e.text, m->words) && !t &&
               !strncmp(e.text, path, strlen(path)) && !strncmp(e.text + strlen(path), ": ", 2);
        if (!good)
            print_error("%s: %s \"%s\", not %s \"…%s…\"\n", m->name, status_name(st), e.text,
                        status_name(expected), m->words);
        table_close(t);
    }
    return good;
}

static inline void malformed_check(const struct malformed *cases, size_t count)
{
    struct unit_folder folder;
    size_t bad = 0;

    unit_folder_make(&folder);
    for (size_t i = 0; i < count; i++)
        bad += !malformed_refused(&cases[i], unit_path(&folder, "bad.safetensors"));
    unit_folder_remove(&folder);
    assert_int_equal(bad, 0);
}
