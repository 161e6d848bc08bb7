/* SPDX-License-Identifier: Apache-2.0 */
/* log.mark, two lines "lsn 00000000000000000017 row 0123456789abcdef checksum 0123456789abcdef"
   that are written in turns, so that a write which fails half way leaves the one before it. Owned
   by the registry. */
#include "storage/log_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"

#define WORDS 45 /* "lsn <20 digits> row <hex>", which the checksum is of */
#define LINE 72  /* with " checksum <hex>" and the end of the line; always as long */
#define LINES 2U

static void write_line(char line[LINE + 1], const struct log_mark *m)
{
    snprintf(line, LINE + 1, "lsn %020" PRIu64 " row %016" PRIx64, m->lsn, m->checksum);
    snprintf(line + WORDS, LINE + 1 - WORDS, " checksum %016" PRIx64 "\n", hash_bytes(line, WORDS));
}

static bool read_line(const char line[LINE], struct log_mark *m)
{
    char again[LINE + 1];

    memcpy(again, line, LINE);
    again[LINE] = '\0';
    if (sscanf(again, "lsn %20" SCNu64 " row %16" SCNx64, &m->lsn, &m->checksum) != 2)
        return false;
    write_line(again, m); /* what is written in another way is not ours */
    return !memcmp(line, again, LINE);
}

static enum status path_of(char **out, const char *data_dir, struct error *e)
{
    size_t size = strlen(data_dir) + sizeof "/log.mark";

    *out = mem_alloc(size);
    if (!*out)
        return error_memory(e, "path of log.mark");
    snprintf(*out, size, "%s/log.mark", data_dir);
    return ST_OK;
}

/* The better line of an open file: the one that is whole and further on. */
static bool read_file(struct log_mark *m, int fd, off_t size)
{
    struct log_mark one;
    char line[LINE];
    bool found = false;

    if (size != LINE && size != LINES * LINE) /* one line: as it was written before */
        return false;
    for (unsigned i = 0; i < size / LINE; i++) {
        if (file_pread(fd, line, LINE, i * LINE, NULL) != ST_OK || !read_line(line, &one) ||
            (found && one.lsn <= m->lsn))
            continue;
        m->lsn = one.lsn;
        m->checksum = one.checksum;
        m->line = i;
        found = true;
    }
    m->lines = (unsigned)(size / LINE);
    return found;
}

enum status log_mark_read(struct log_mark *m, const char *data_dir, struct error *e)
{
    char *path;
    struct stat stat;
    enum status st;
    int fd = -1;

    *m = (struct log_mark){.fd = -1};
    if ((st = path_of(&path, data_dir, e)) != ST_OK)
        return st;
    st = file_open(&fd, path, &stat, e);
    if (st == ST_NOT_FOUND) {
        st = ST_OK;
    } else if (st == ST_OK) {
        if (!read_file(m, fd, stat.st_size))
            st = error_set(e, ST_DATA_LOSS, "%s is damaged: it is no mark with its checksum",
                           QUOTE(path));
        close(fd);
    }
    mem_free(path);
    return st;
}

/* A new file, both lines of which say the same. */
static enum status write_file(const struct log_mark *m, const char *path, struct error *e)
{
    struct file_writer w = {.fd = -1};
    char line[LINE + 1];
    enum status st;

    write_line(line, m);
    if ((st = file_writer_open(&w, path, e)) != ST_OK ||
        (st = file_writer_add(&w, line, LINE, e)) != ST_OK ||
        (st = file_writer_add(&w, line, LINE, e)) != ST_OK ||
        (st = file_writer_commit(&w, e)) != ST_OK)
        file_writer_abort(&w);
    return st;
}

enum status log_mark_open(struct log_mark *m, const char *data_dir, struct error *e)
{
    struct log_mark old;
    char *path;
    enum status st = log_mark_read(&old, data_dir, e);

    if (st != ST_OK || (st = path_of(&path, data_dir, e)) != ST_OK)
        return st;
    m->line = old.line;
    m->lines = LINES;
    if (old.lines != LINES && (st = write_file(m, path, e)) != ST_OK)
        goto out;
    m->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (m->fd < 0)
        st = error_errno(e, errno, "cannot open %s", QUOTE(path));
    else
        log_mark_set(m, m->lsn, m->checksum);
out:
    mem_free(path);
    return st;
}

void log_mark_set(struct log_mark *m, uint64_t lsn, uint64_t checksum)
{
    char line[LINE + 1];

    m->lsn = lsn;
    m->checksum = checksum;
    write_line(line, m);
    if (FAILPOINT("log.mark.before"))
        return;
    if (pwrite(m->fd, line, LINE, (off_t)(m->lines - 1 - m->line) * LINE) == LINE)
        m->line = m->lines - 1 - m->line; /* else the same line is tried again */
    (void)FAILPOINT("log.mark.after");
}

void log_mark_close(struct log_mark *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}
