/* SPDX-License-Identifier: Apache-2.0 */
/* The file that a trainable table was made from. The table has gone on from there by snapshots of
   its own, so the file is only compared: size, and hash of the header. The writer's. */
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/writer_parts.h"

enum origin { SAME, OTHER, GONE };

/* How the file stands; what it says of the optimizer, if it is the same. `*settings` is yours. */
static enum origin compare(struct optimizer_settings *settings, const struct config *config,
                           const struct registered *r, const char *file, struct error *why)
{
    struct header_limits limits = {config->max_header_bytes, config->max_header_tokens};
    struct header header;
    const char *optimizer;
    struct stat info;
    enum status st;
    bool same;
    int fd;

    optimizer_settings_init(settings);
    st = file_open(&fd, file, &info, why);
    if (st != ST_OK)
        return GONE;
    st = header_read(&header, fd, (uint64_t)info.st_size, &limits, why);
    close(fd);
    if (st != ST_OK)
        return OTHER;
    same = (uint64_t)info.st_size == r->identity.size && header.hash == r->header_hash;
    optimizer = header_metadata(&header, "embd.optimizer");
    if (same && optimizer && optimizer_settings_read(settings, optimizer, 0, why) != ST_OK)
        same = false;
    header_done(&header);
    return same ? SAME : OTHER;
}

static enum status judge(enum origin origin, const struct table_config *t, bool *replace,
                         const struct error *why, struct error *e)
{
    *replace = origin == OTHER && t->replace;
    if (origin == GONE)
        log_warn("the file that a trained table was made from cannot be read table=%s error=%s",
                 t->name, why->text);
    if (origin == OTHER && !t->replace)
        return error_set(e, ST_PRECONDITION,
                         "table %s: %s is not the file that the trained table was made from; "
                         "replace=yes takes it and drops the training",
                         t->name, QUOTE(t->file));
    return ST_OK;
}

enum status origin_check(struct writer *w, const struct registered *r, const struct table_config *t,
                         bool *replace, struct error *e)
{
    struct optimizer_settings file;
    struct error why;
    enum origin origin = compare(&file, w->config, r, t->file, &why);

    optimizer_settings_done(&file);
    return judge(origin, t, replace, &why, e);
}

enum status origin_apply(struct writer *w, struct entry *entry, const struct registered *r,
                         const struct table_config *t, bool *replace, struct error *e)
{
    struct optimizer_settings file;
    struct table_settings settings;
    struct error why;
    enum origin origin = compare(&file, w->config, r, t->file, &why);
    enum status st = judge(origin, t, replace, &why, e);

    if (st == ST_OK && entry && entry->refusal)
        st = error_set(e, ST_ABORTED, "table %s %s", t->name, entry->refusal);
    if (st == ST_OK && !*replace && entry && entry->keep) {
        st = table_settings_read(&settings, r->options, e);
        if (st == ST_OK && !table_settings_same(&settings, &t->settings)) {
            if (settings.memory != t->settings.memory)
                log_info("the memory of a trained table changes at the next start table=%s",
                         t->name);
            st = settings_change(w, entry, t, origin == SAME ? &file : NULL, e);
        }
        if (st != ST_OK)
            st = error_prefix(e, st, "table %s", t->name);
    }
    optimizer_settings_done(&file);
    return st;
}
