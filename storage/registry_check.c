/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of a log when it is opened: every row, in order, and that tables and trainers are what
   the rows add up to. Rows are read one by one and forgotten; what is kept is a few numbers for
   each table and for each trainer. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "storage/registry_parts.h"

/* A log that is read. */
struct reading {
    struct registry *r;
    struct trainers seen; /* positions as the rows so far make them */
    uint64_t indexed;     /* pushes that have to be in the index */
    uint64_t older;       /* sum of name_hash() of those that rows name and deleted rows had, too */
};

static enum status not_as_logged(const struct registry *r, const char *what, const char *name,
                                 size_t n, struct error *e)
{
    return error_set(e, ST_DATA_LOSS, "%s is damaged: %s %s is not as the log says",
                     QUOTE(r->db->path), what, QUOTE_N(name, n));
}

static enum status load_front(struct registry *r, struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, FRONT_GET);
    enum status st;
    bool row;

    if ((st = database_step(r->db, s, &row, e)) != ST_OK)
        return st;
    if (row) {
        r->front = (struct front){column_u64(s, 0), column_u64(s, 1), column_u64(s, 2)};
        row = front_seal(&r->front) == column_u64(s, 3);
    }
    sqlite3_reset(s);
    if (!row)
        return error_set(e, ST_DATA_LOSS,
                         "%s is damaged: how far it was deleted does not fit its seal",
                         QUOTE(r->db->path));
    r->lsn = r->front.lsn;
    r->checksum = r->front.checksum;
    return ST_OK;
}

static struct name *find(struct registry *r, const char *name)
{
    bool found;
    size_t place = names_find(r, name, &found);

    return found ? r->names[place] : NULL;
}

/* A change of a table after those that were read before. */
static enum status read_change(struct reading *read, const struct row *row, struct error *e)
{
    struct registered change;
    struct name *name;
    enum status st;

    if ((st = row_change(read->r, row, &change, e)) != ST_OK)
        return st;
    name = find(read->r, change.name);
    if (!name || name->now.lsn < row->lsn || change.generation > name->now.generation)
        return not_as_logged(read->r, "table", change.name, strlen(change.name), e);
    if (name->generation && (row->kind == CHANGE_LOAD ? change.generation <= name->generation
                                                      : change.generation != name->generation))
        return row_damaged(read->r, e, "is of another life of its table", row->lsn);
    if (!name->changed && (row->kind != CHANGE_LOAD || change.generation > 1))
        read->older += name_hash(name->now.name);
    if (row->kind == CHANGE_LOAD)
        name->pushed = 0;
    name->changed = true;
    name->generation = change.generation;
    name->gone = !change.served;
    return ST_OK;
}

static enum status read_tables(struct reading *read, struct row *row, struct error *e)
{
    struct push_table table;

    while (push_body_table(&row->push, &table)) {
        struct name *name = find(read->r, table.name);

        if (!name || table.generation > name->now.generation)
            return not_as_logged(read->r, "table", table.name, strlen(table.name), e);
        if (name->gone || !table.generation ||
            (name->generation && table.generation != name->generation))
            return row_damaged(read->r, e, "is of another life of its table", row->lsn);
        if (table.version <= name->pushed)
            return row_damaged(read->r, e, "goes back in the versions of its table", row->lsn);
        name->generation = table.generation;
        name->pushed = table.version;
    }
    return ST_OK;
}

/* Whether the index, by which earlier pushes are found, leads to the row. */
static enum status read_index(struct reading *read, const struct row *row, struct error *e)
{
    sqlite3_stmt *s = database_statement(read->r->db, PUSH_INDEXED);
    enum status st;
    bool found;

    bind_text(s, 1, row->trainer);
    bind_u64(s, 2, row->sequence);
    bind_u64(s, 3, row->lsn);
    if ((st = database_step(read->r->db, s, &found, e)) != ST_OK)
        return st;
    sqlite3_reset(s);
    read->indexed++;
    return found ? ST_OK : row_damaged(read->r, e, "is not in the index of pushes", row->lsn);
}

static enum status read_push(struct reading *read, struct row *row, struct error *e)
{
    struct trainer *trainer;
    enum status st;

    if ((st = read_tables(read, row, e)) != ST_OK || !row->trainer)
        return st;
    trainer = trainers_find(&read->seen, row->trainer);
    /* The first one of a trainer may follow others that were deleted. */
    if (trainer ? row->sequence != trainer->now.sequence + 1
                : row->sequence != 1 && !read->r->front.lsn)
        return row_damaged(read->r, e, "is out of its trainer's sequence", row->lsn);
    if (!trainer) {
        if (row->sequence != 1)
            read->older += name_hash(row->trainer);
        if ((st = trainers_add(&read->seen, row->trainer, &trainer, e)) != ST_OK)
            return st;
    }
    trainer->now.sequence = row->sequence;
    trainer->now.content[0] = row->push.row.content[0];
    trainer->now.content[1] = row->push.row.content[1];
    trainer->now.lsn = row->lsn;
    trainer->now.time_us = row->time_us;
    return read_index(read, row, e);
}

static enum status read_count(struct reading *read, const struct row *row, struct error *e)
{
    const struct count_row *count = &row->count.row;
    struct name *name = find(read->r, count->name);

    if (!name || count->generation > name->now.generation)
        return not_as_logged(read->r, "table", count->name, strlen(count->name), e);
    if (name->gone || !count->generation ||
        (name->generation && count->generation != name->generation))
        return row_damaged(read->r, e, "is of another life of its table", row->lsn);
    if (count->version < name->pushed)
        return row_damaged(read->r, e, "goes back in the versions of its table", row->lsn);
    name->generation = count->generation;
    return ST_OK;
}

static enum status read_forgotten(struct reading *read, const struct row *row, struct error *e)
{
    struct trainer *trainer = trainers_find(&read->seen, row->trainer);

    if (trainer ? row->sequence != trainer->now.sequence : !read->r->front.lsn)
        return row_damaged(read->r, e, "is out of its trainer's sequence", row->lsn);
    if (trainer)
        trainers_remove(&read->seen, trainer);
    else
        read->older += name_hash(row->trainer);
    return ST_OK;
}

static enum status read_rows(struct reading *read, uint64_t marked, struct error *e)
{
    struct registry *r = read->r;
    sqlite3_stmt *s = database_statement(r->db, LOG_ROWS);
    struct row row;
    enum status st;
    bool found;

    if (r->lsn == marked)
        r->marked = r->checksum;
    while ((st = database_step(r->db, s, &found, e)) == ST_OK && found) {
        if ((st = row_read(r, s, r->lsn + 1, &row, e)) != ST_OK)
            break;
        if (row.kind == CHANGE_PUSH)
            st = read_push(read, &row, e);
        else if (row.kind == CHANGE_COUNT)
            st = read_count(read, &row, e);
        else if (row.kind == CHANGE_FORGET_TRAINER)
            st = read_forgotten(read, &row, e);
        else
            st = read_change(read, &row, e);
        if (st != ST_OK)
            break;
        r->lsn = row.lsn;
        r->checksum = row.checksum;
        r->bytes += row.n;
        if (r->lsn == marked)
            r->marked = r->checksum;
    }
    sqlite3_reset(s);
    return st;
}

/* The tables whose last change the log still has. */
static enum status check_logged_names(struct registry *r, struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, TABLE_NOT_AS_LOGGED);
    enum status st;
    bool row;

    bind_u64(s, 1, r->front.lsn);
    st = database_step(r->db, s, &row, e);
    if (st == ST_INTERNAL) /* an expression that fails on its data */
        st = error_set(e, ST_DATA_LOSS, "%s is damaged: its bodies cannot be read",
                       QUOTE(r->db->path));
    else if (st == ST_OK && row)
        st = not_as_logged(r, "table", sqlite3_column_blob(s, 0),
                           (size_t)sqlite3_column_bytes(s, 0), e);
    sqlite3_reset(s);
    return st;
}

/* All tables. One that version 1 wrote has no seal, but its row is in the log. */
static enum status check_names(struct registry *r, struct error *e)
{
    uint64_t seal = 0;
    enum status st;

    for (size_t i = 0; i < r->count; i++) {
        const struct name *name = r->names[i];

        if ((st = name_seal(&seal, name, e)) != ST_OK)
            return st;
        if (name->sealed ? seal != name->seal : name->now.lsn <= r->front.lsn)
            return error_set(e, ST_DATA_LOSS, "%s is damaged: table %s does not fit its seal",
                             QUOTE(r->db->path), QUOTE(name->now.name));
        if (name->generation && name->generation != name->now.generation)
            return not_as_logged(r, "table", name->now.name, strlen(name->now.name), e);
    }
    return ST_OK;
}

static bool same_position(const struct position *a, const struct position *b)
{
    return a->sequence == b->sequence && a->content[0] == b->content[0] &&
           a->content[1] == b->content[1] && a->lsn == b->lsn && a->time_us == b->time_us;
}

static enum status check_trainers(const struct reading *read, struct error *e)
{
    const struct registry *r = read->r;
    const struct trainers *a = &r->trainers, *b = &read->seen;

    for (size_t i = 0; i < a->slots; i++) {
        const struct position *is = a->slot[i] ? &a->slot[i]->now : NULL;
        const struct trainer *seen = is ? trainers_find(b, is->trainer) : NULL;

        if (is && (seen ? !same_position(is, &seen->now) : is->lsn > r->front.lsn))
            return not_as_logged(r, "trainer", is->trainer, strlen(is->trainer), e);
    }
    for (size_t i = 0; i < b->slots; i++)
        if (b->slot[i] && !trainers_find(a, b->slot[i]->now.trainer))
            return not_as_logged(r, "trainer", b->slot[i]->now.trainer,
                                 strlen(b->slot[i]->now.trainer), e);
    return ST_OK;
}

/* The sum of name_hash() of the tables and trainers that no row of the log names. */
static uint64_t unnamed(const struct registry *r)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < r->count; i++)
        if (r->names[i]->now.lsn <= r->front.lsn)
            sum += name_hash(r->names[i]->now.name);
    for (size_t i = 0; i < r->trainers.slots; i++)
        if (r->trainers.slot[i] && r->trainers.slot[i]->now.lsn <= r->front.lsn)
            sum += name_hash(r->trainers.slot[i]->now.trainer);
    return sum;
}

/* Whether all are there that were when the log was deleted so far, and no others. */
static enum status check_older(const struct reading *read, struct error *e)
{
    const struct registry *r = read->r;

    if (read->older + unnamed(r) != r->front.names)
        return error_set(e, ST_DATA_LOSS,
                         "%s is damaged: a table or a trainer that it had is missing",
                         QUOTE(r->db->path));
    return ST_OK;
}

static enum status check_index(const struct reading *read, struct error *e)
{
    struct registry *r = read->r;
    sqlite3_stmt *s = database_statement(r->db, PUSHES_INDEXED);
    uint64_t count = 0;
    enum status st;
    bool row;

    if ((st = database_step(r->db, s, &row, e)) != ST_OK)
        return st;
    count = column_u64(s, 0);
    sqlite3_reset(s);
    if (count != read->indexed)
        return error_set(e, ST_DATA_LOSS,
                         "%s is damaged: its index has %" PRIu64 " pushes, the log %" PRIu64,
                         QUOTE(r->db->path), count, read->indexed);
    return ST_OK;
}

enum status registry_load(struct registry *r, uint64_t marked, struct error *e)
{
    struct reading read = {.r = r};
    enum status st;

    if ((st = load_front(r, e)) == ST_OK && (st = load_names(r, e)) == ST_OK &&
        (st = load_trainers(r, e)) == ST_OK && (st = read_rows(&read, marked, e)) == ST_OK &&
        (st = check_logged_names(r, e)) == ST_OK && (st = check_names(r, e)) == ST_OK &&
        (st = check_trainers(&read, e)) == ST_OK && (st = check_older(&read, e)) == ST_OK)
        st = check_index(&read, e);
    trainers_done(&read.seen);
    return st;
}
