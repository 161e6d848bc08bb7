/* SPDX-License-Identifier: Apache-2.0 */
/* log.mark, a line "lsn 00000000000000000017 row 0123456789abcdef checksum 0123456789abcdef". Owned
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

enum status log_mark_read(struct log_mark *m, const char *data_dir, struct error *e)
{
    char *path, line[LINE];
    struct stat stat;
    enum status st;
    int fd = -1;

    if ((st = path_of(&path, data_dir, e)) != ST_OK)
        return st;
    st = file_open(&fd, path, &stat, e);
    if (st == ST_NOT_FOUND) {
        m->lsn = m->checksum = 0;
        st = ST_OK;
    } else if (st == ST_OK) {
        if (stat.st_size != LINE || file_pread(fd, line, LINE, 0, NULL) != ST_OK ||
            !read_line(line, m))
            st = error_set(e, ST_DATA_LOSS, "%s is damaged: it is no mark with its checksum",
                           QUOTE(path));
        close(fd);
    }
    mem_free(path);
    return st;
}

enum status log_mark_open(struct log_mark *m, const char *data_dir, struct error *e)
{
    struct file_writer w = {.fd = -1};
    char line[LINE + 1], *path;
    enum status st;

    write_line(line, m);
    if ((st = path_of(&path, data_dir, e)) != ST_OK)
        return st;
    m->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (m->fd < 0 && errno == ENOENT) {
        if ((st = file_writer_open(&w, path, e)) != ST_OK ||
            (st = file_writer_add(&w, line, LINE, e)) != ST_OK ||
            (st = file_writer_commit(&w, e)) != ST_OK)
            goto out;
        m->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (m->fd < 0)
        st = error_errno(e, errno, "cannot open %s", QUOTE(path));
    else
        log_mark_set(m, m->lsn, m->checksum);
out:
    file_writer_abort(&w);
    mem_free(path);
    return st;
}

void log_mark_set(struct log_mark *m, uint64_t lsn, uint64_t checksum)
{
    char line[LINE + 1];
    ssize_t done;

    m->lsn = lsn;
    m->checksum = checksum;
    write_line(line, m);
    if (FAILPOINT("log.mark.before"))
        return;
    done = pwrite(m->fd, line, LINE, 0);
    (void)done;
    (void)FAILPOINT("log.mark.after");
}

void log_mark_close(struct log_mark *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}
