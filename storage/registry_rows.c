/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the log: read with every check that a row alone allows, and added. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "storage/registry_parts.h"

enum status row_damaged(const struct registry *r, struct error *e, const char *what, uint64_t lsn)
{
    return error_set(e, ST_DATA_LOSS, "%s is damaged: change %" PRIu64 " %s", QUOTE(r->db->path),
                     lsn, what);
}

const char *forget_body(char out[FORGET_BODY_MAX], const char *trainer, uint64_t sequence)
{
    snprintf(out, FORGET_BODY_MAX, "{\"sequence\":%" PRIu64 ",\"trainer\":\"%s\"}", sequence,
             trainer);
    return out;
}

static bool same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

/* Whether the columns and the body of a row say the same, and something that its kind may say. */
static bool row_fits(struct row *row, bool text)
{
    char forget[FORGET_BODY_MAX];

    if (row->kind == CHANGE_PUSH)
        return !text && push_body_read(&row->push, row->body, row->n) &&
               same(row->trainer, row->push.trainer[0] ? row->push.trainer : NULL) &&
               row->sequence == row->push.row.sequence;
    if (row->kind == CHANGE_COUNT)
        return !text && !row->trainer && !row->sequence &&
               count_body_read(&row->count, row->body, row->n);
    if (row->kind != CHANGE_FORGET_TRAINER)
        return text && !row->trainer && !row->sequence;
    return text && row->trainer && trainer_valid(row->trainer, strlen(row->trainer)) &&
           strlen(forget_body(forget, row->trainer, row->sequence)) == row->n &&
           !memcmp(forget, row->body, row->n);
}

static bool kind_known(uint64_t kind)
{
    return (kind >= CHANGE_LOAD && kind <= CHANGE_FORGET_TRAINER) || kind == CHANGE_COUNT;
}

enum status row_read(struct registry *r, sqlite3_stmt *s, uint64_t expected, struct row *row,
                     struct error *e)
{
    uint64_t numbers[3] = {column_u64(s, 0), column_u64(s, 1), column_u64(s, 2)}, checksum = 0;
    bool text = sqlite3_column_type(s, 6) == SQLITE_TEXT;
    enum status st;

    if (numbers[0] != expected)
        return row_damaged(r, e, "is missing", expected);
    row->lsn = numbers[0];
    row->time_us = sqlite3_column_int64(s, 2);
    row->checksum = column_u64(s, 3);
    row->trainer = (const char *)sqlite3_column_text(s, 4);
    if (!row->trainer && sqlite3_column_type(s, 4) != SQLITE_NULL)
        return error_memory(e, "row of the log");
    row->sequence = column_u64(s, 5);
    row->body = sqlite3_column_blob(s, 6);
    row->n = (size_t)sqlite3_column_bytes(s, 6);
    st = row_checksum(&checksum, numbers, 3, row->body, row->n, e);
    if (st != ST_OK)
        return st;
    if (checksum != row->checksum)
        return row_damaged(r, e, "does not fit its checksum", expected);
    if (!kind_known(numbers[1]))
        return row_damaged(r, e, "is of a kind that does not exist", expected);
    row->kind = (enum change_kind)numbers[1];
    if (!row_fits(row, text))
        return row_damaged(r, e, "does not say what its kind does", expected);
    return ST_OK;
}

/* The texts are the statement's. */
static bool read_fields(sqlite3_stmt *s, struct registered *change)
{
    const char *text[14];
    size_t n;

    for (int i = 0; i < 14; i++) {
        text[i] = (const char *)sqlite3_column_text(s, i);
        if (!text[i] && i < 12) /* version 1 did not have the others */
            return false;
    }
    n = strlen(text[0]);
    if (!table_name_valid(text[0], n))
        return false;
    memcpy(change->name, text[0], n + 1);
    change->generation = column_u64(s, 1);
    change->version = column_u64(s, 2);
    change->by = strcmp(text[3], "call") ? BY_CONFIGURATION : BY_CALL;
    change->file = (char *)(uintptr_t)text[4];
    change->options = (char *)(uintptr_t)text[5];
    change->identity =
        (struct file_identity){column_u64(s, 6), column_u64(s, 7), column_u64(s, 8),
                               sqlite3_column_int64(s, 9), sqlite3_column_int64(s, 10)};
    change->checksum = strtoull(text[11], NULL, 16);
    change->trainable = sqlite3_column_int(s, 12) != 0;
    change->header_hash = text[13] ? strtoull(text[13], NULL, 16) : 0;
    return true;
}

enum status row_change(struct registry *r, const struct row *row, struct registered *change,
                       struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, CHANGE_FIELDS);
    enum status st;
    bool found;

    *change = (struct registered){.lsn = row->lsn, .time_us = row->time_us};
    change->served = row->kind != CHANGE_UNLOAD && row->kind != CHANGE_FORGET;
    sqlite3_bind_text64(s, 1, row->body, row->n, SQLITE_STATIC, SQLITE_UTF8);
    st = database_step(r->db, s, &found, e);
    if (st == ST_INTERNAL || (st == ST_OK && (!found || !read_fields(s, change))))
        st = row_damaged(r, e, "cannot be read", row->lsn);
    return st;
}

enum status row_add(struct registry *r, const struct row *row, struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, LOG_ADD);
    int code;

    bind_u64(s, 1, row->lsn);
    sqlite3_bind_int(s, 2, row->kind);
    sqlite3_bind_int64(s, 3, row->time_us);
    bind_u64(s, 4, row->checksum);
    bind_text(s, 5, row->trainer);
    if (row->sequence)
        bind_u64(s, 6, row->sequence);
    if (row->kind == CHANGE_PUSH || row->kind == CHANGE_COUNT)
        code = sqlite3_bind_blob64(s, 7, row->body, row->n, SQLITE_STATIC);
    else
        code = sqlite3_bind_text64(s, 7, row->body, row->n, SQLITE_STATIC, SQLITE_UTF8);
    return code == SQLITE_OK ? database_run(r->db, s, e) : database_error(r->db, code, e);
}
