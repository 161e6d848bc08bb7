/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a table is a walk through the steps of load.h; the rest are small questions to an open
   one. Opened and closed by one thread, read by any. */
#include "table/table.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "table/key_index.h"
#include "table/load.h"

static enum status check_parts(struct table *t, struct error *e)
{
    enum status st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < t->part_count; i++) {
        st = parameters_check(&t->part[i], e);
        if (st != ST_OK && t->part[i].of_field)
            error_prefix(e, st, "field %zu", i);
    }
    return st;
}

/* A table without an optimizer is read-only, so its methods may keep what follows from its values.
 */
static void keep_parts(struct table *t)
{
    size_t most = t->optimizer ? 0 : TABLE_KEPT_MOST;

    for (size_t i = 0; most && i < t->part_count; i++)
        if (t->part[i].method->keep) {
            t->part[i].method->keep(&t->part[i], most);
            most -= t->part[i].kept_bytes;
        }
}

static enum status check_touched(const struct table *t, const void *touched, struct error *e)
{
    for (uint64_t i = 0; i < t->rows; i++) {
        int64_t seconds;

        memcpy(&seconds, (const unsigned char *)touched + i * sizeof seconds, sizeof seconds);
        if (seconds < -1)
            return error_set(e, ST_INVALID, "tensor \"touched\": element [%llu] is below -1",
                             (unsigned long long)i);
    }
    return ST_OK;
}

static enum status build_keys(struct table *t, struct error *e)
{
    const struct file_tensor *keys = header_tensor(&t->header, "keys"),
                             *touched = header_tensor(&t->header, "touched");
    enum status st = ST_OK;

    if (!keys)
        return ST_OK;
    if (touched && t->part->pool_first)
        st = error_set(e, ST_INVALID, "tensor \"touched\": a table that pools first cannot grow");
    if (st == ST_OK && touched)
        st = check_touched(t, table_tensor(t, touched), e);
    if (st != ST_OK)
        return st;
    st = key_index_new(&t->keys, table_tensor(t, keys), touched ? table_tensor(t, touched) : NULL,
                       t->rows, e);
    if (st != ST_OK)
        return st == ST_INVALID ? error_prefix(e, st, "tensor \"keys\"") : st;
    t->used = key_index_count(t->keys);
    return ST_OK;
}

enum status table_may_grow(const struct method *m, size_t fields, struct error *e)
{
    if (!m->grows)
        return error_set(e, ST_INVALID,
                         "tensor \"touched\": a table of the method %s cannot grow, since its "
                         "rows were made for the ids that they have",
                         m->name);
    if (fields)
        return error_set(e, ST_INVALID,
                         "tensor \"touched\": a table with fields cannot grow, since a new id "
                         "does not say which field it is of");
    return ST_OK;
}

/* Values, index tensors, keys. */
static enum status check_contents(struct loading *l, struct error *e)
{
    enum status st = l->trusted ? ST_OK : load_values(l, e);

    if (st == ST_OK)
        st = check_parts(l->t, e);
    if (st == ST_OK)
        st = build_keys(l->t, e);
    return st;
}

/* Whatever else was found: in a file that changed meanwhile it means nothing. */
static enum status check_unchanged(const struct loading *l, enum status st, struct error *e)
{
    struct file_identity now;
    struct stat file;

    if (st == ST_EXHAUSTED || st == ST_CANCELLED)
        return st;
    if (fstat(l->fd, &file) < 0)
        return error_errno(e, errno, "cannot look at the file");
    file_identity_from(&now, &file);
    if (!file_same(&now, &l->t->identity) || (l->t->region && table_damaged(l->t)))
        return error_set(e, ST_DATA_LOSS, "the file changed while it was read");
    return st;
}

static void count(struct table *t)
{
    uint64_t data = t->header.data_bytes;

    for (size_t i = 0; i < t->part_count; i++) {
        uint64_t work = parameters_work(&t->part[i]);

        t->bytes += parameters_bytes(&t->part[i]);
        if (work > t->work)
            t->work = work;
    }
    t->extra_bytes = data - t->bytes;
}

static enum status load(struct loading *l, struct error *e)
{
    struct table *t = l->t;
    enum status st = header_read(&t->header, l->fd, t->identity.size, &l->limits, e);

    if (st == ST_OK)
        st = load_metadata(l, e);
    if (st == ST_OK)
        st = load_config(l, e);
    if (st == ST_OK)
        st = load_bind(l, e);
    if (st == ST_OK)
        st = load_optimizer(l, e);
    if (st == ST_OK)
        st = load_memory(l, e);
    if (st == ST_OK)
        st = check_contents(l, e);
    if (st == ST_OK) {
        count(t);
        keep_parts(t);
    }
    return check_unchanged(l, st, e);
}

/* A path as people wrote it, or quoted when it has something to hide. */
static enum status with_path(struct error *e, enum status st, const char *path)
{
    const char *quoted = QUOTE(path);
    size_t n = strlen(path);

    if (strlen(quoted) == n + 2 && !memcmp(quoted + 1, path, n))
        return error_prefix(e, st, "%s", path);
    return error_prefix(e, st, "%s", quoted);
}

enum status table_open_fd(struct table **out, int fd, const char *path,
                          const struct table_options *options, struct error *e)
{
    struct loading l = {.fd = fd, .options = options, .limits = options->limits};
    struct stat file;
    enum status st;

    if (!l.limits.bytes)
        l.limits.bytes = HEADER_BYTES_DEFAULT;
    if (!l.limits.tokens)
        l.limits.tokens = HEADER_TOKENS_DEFAULT;
    l.t = mem_zero(1, sizeof *l.t);
    if (!l.t || !(l.t->path = mem_text(path, strlen(path)))) {
        st = error_memory(e, "table");
        goto out;
    }
    if (fstat(fd, &file) < 0) {
        st = error_errno(e, errno, "cannot look at the file");
        goto out;
    }
    if (!S_ISREG(file.st_mode)) {
        st = error_set(e, ST_INVALID, "not a regular file");
        goto out;
    }
    l.t->memory = options->memory;
    file_identity_from(&l.t->identity, &file);
    l.trusted = options->trusted && file_same(&l.t->identity, &options->expected);
    st = load(&l, e);
out:
    mem_free(l.use);
    if (st == ST_OK) {
        *out = l.t;
        return ST_OK;
    }
    table_close(l.t);
    return with_path(e, st, path);
}

enum status table_open(struct table **out, const char *path, const struct table_options *options,
                       struct error *e)
{
    enum status st;
    int fd;

    st = file_open(&fd, path, NULL, e);
    if (st != ST_OK)
        return st;
    st = table_open_fd(out, fd, path, options, e);
    close(fd);
    return st;
}

void table_close(struct table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->part_count; i++)
        parameters_done(&t->part[i]);
    key_index_free(t->keys);
    region_free(t->private);
    region_free(t->region);
    header_done(&t->header);
    mem_free(t->part);
    mem_free(t->part_first);
    mem_free(t->field_rows);
    mem_free(t->field_first);
    mem_free(t->origin);
    mem_free(t->config);
    mem_free(t->optimizer);
    mem_free(t->path);
    mem_free(t);
}

const void *table_tensor(const struct table *t, const struct file_tensor *ft)
{
    return t->region->data + (ft->offset - (t->memory == REGION_MAP ? 0 : t->header.data_offset));
}

double table_ratio(const struct table *t)
{
    return t->rows ? (double)t->bytes / (4.0 * (double)t->rows * (double)t->dim) : 0;
}

void table_touch(const struct table *t)
{
    region_touch(t->region);
    if (t->private)
        region_touch(t->private);
}

bool table_fetch(struct table *t)
{
    return region_fetch(t->region);
}

bool table_damaged(const struct table *t)
{
    return region_damaged(t->region);
}

void table_mark_damaged(struct table *t)
{
    region_mark_damaged(t->region);
}

bool table_file_changed(const struct table *t)
{
    struct stat file;
    struct file_identity now;

    if (t->memory != REGION_MAP || stat(t->path, &file) < 0)
        return false;
    file_identity_from(&now, &file);
    return now.device == t->identity.device && now.inode == t->identity.inode &&
           (now.size != t->identity.size || now.mtime_ns != t->identity.mtime_ns);
}

void table_memory(const struct table *t, uint64_t *private_bytes, uint64_t *mapped_bytes)
{
    bool mapped = t->memory == REGION_MAP;

    *mapped_bytes = mapped ? t->region->size : 0;
    *private_bytes = (mapped ? 0 : t->region->size) + (t->private ? t->private->size : 0) +
                     key_index_bytes(t->keys) + t->header.memory_bytes;
    for (size_t i = 0; i < t->part_count; i++)
        *private_bytes += t->part[i].kept_bytes;
}
