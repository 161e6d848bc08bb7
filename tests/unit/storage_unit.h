/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of storage/ share: plain SQL on a file, copies of files, and sample tables. */
#pragma once

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "storage/registry.h"
#include "tests/unit/unit.h"

/* Run SQL on a file as another program would; it has to work. */
static inline void sql_run(const char *path, const char *sql)
{
    sqlite3 *db;
    char *message = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
}

/* The first column of the first row as text, "" if there is none. Good until the next call. */
static inline const char *sql_text(const char *path, const char *sql)
{
    static char text[4096];
    sqlite3_stmt *s = NULL;
    sqlite3 *db;
    int code;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    code = sqlite3_step(s);
    assert_true(code == SQLITE_ROW || code == SQLITE_DONE);
    snprintf(text, sizeof text, "%s",
             code == SQLITE_ROW && sqlite3_column_text(s, 0)
                 ? (const char *)sqlite3_column_text(s, 0)
                 : "");
    sqlite3_finalize(s);
    sqlite3_close(db);
    return text;
}

/* All bytes of a regular file; yours to free(). Anything else has none. */
static inline unsigned char *bytes_of(const char *path, size_t *n)
{
    unsigned char *data;
    struct stat st;
    FILE *file;

    *n = 0;
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return malloc(1);
    data = malloc((size_t)st.st_size + 1);
    file = fopen(path, "rb");
    assert_true(data && file);
    *n = fread(data, 1, (size_t)st.st_size + 1, file);
    assert_int_equal(*n, st.st_size);
    fclose(file);
    return data;
}

static inline void copy_file(const char *from, const char *to)
{
    size_t n;
    unsigned char *data = bytes_of(from, &n);

    unit_write(to, data, n);
    free(data);
}

/* A table to register; file and options are constant texts. */
static inline struct registered sample(const char *name, const char *file, const char *options)
{
    struct registered r = {
        .file = (char *)(uintptr_t)file,
        .options = (char *)(uintptr_t)options,
        .version = 7,
        .by = BY_CALL,
        .identity = {.device = 2049, .inode = 77, .size = 4096, .mtime_ns = 5, .ctime_ns = 6},
        .checksum = 0xfedcba9876543210,
    };

    snprintf(r.name, sizeof r.name, "%s", name);
    return r;
}

/* Make a change that has to work. */
static inline void change_ok(struct registry *r, enum change_kind kind, const char *name)
{
    struct registered change = sample(name, "/srv/file.safetensors", "{\"memory\":\"map\"}");
    struct error e;

    assert_ok(registry_change(r, kind, &change, &e), e);
}

static inline struct registry *open_ok(const char *folder)
{
    struct registry *r = NULL;
    struct error e;

    assert_ok(registry_open(&r, folder, &e), e);
    return r;
}
