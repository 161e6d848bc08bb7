/* SPDX-License-Identifier: Apache-2.0 */
/* log.mark, a line "lsn 00000000000000000017 checksum 0123456789abcdef". Owned by the registry. */
#include "storage/log_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"

#define NUMBER 24 /* "lsn " and 20 digits: what the checksum is of, and always as long */
#define LINE (NUMBER + sizeof " checksum 0123456789abcdef\n" - 1)

static void write_line(char line[LINE + 1], uint64_t lsn)
{
    snprintf(line, NUMBER + 1, "lsn %020" PRIu64, lsn);
    snprintf(line + NUMBER, LINE + 1 - NUMBER, " checksum %016" PRIx64 "\n",
             hash_bytes(line, NUMBER));
}

static bool read_line(const char line[LINE], uint64_t *lsn)
{
    char again[LINE + 1];
    size_t zeros;

    for (zeros = 4; zeros < NUMBER - 1 && line[zeros] == '0'; zeros++)
        ;
    if (!parse_u64(line + zeros, NUMBER - zeros, lsn))
        return false;
    write_line(again, *lsn);
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

enum status log_mark_read(const char *data_dir, uint64_t *lsn, struct error *e)
{
    char *path, line[LINE];
    struct stat stat;
    enum status st;
    int fd = -1;

    if ((st = path_of(&path, data_dir, e)) != ST_OK)
        return st;
    st = file_open(&fd, path, &stat, e);
    if (st == ST_NOT_FOUND) {
        *lsn = 0;
        st = ST_OK;
    } else if (st == ST_OK) {
        if (stat.st_size != LINE || file_pread(fd, line, LINE, 0, NULL) != ST_OK ||
            !read_line(line, lsn))
            st = error_set(e, ST_DATA_LOSS, "%s is damaged: it is no lsn with its checksum",
                           QUOTE(path));
        close(fd);
    }
    mem_free(path);
    return st;
}

enum status log_mark_open(struct log_mark *m, const char *data_dir, uint64_t lsn, struct error *e)
{
    struct file_writer w = {.fd = -1};
    char line[LINE + 1], *path;
    enum status st;

    write_line(line, lsn);
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
        log_mark_set(m, lsn);
out:
    file_writer_abort(&w);
    mem_free(path);
    return st;
}

void log_mark_set(struct log_mark *m, uint64_t lsn)
{
    char line[LINE + 1];
    ssize_t done;

    write_line(line, lsn);
    done = pwrite(m->fd, line, LINE, 0);
    (void)done;
}

void log_mark_close(struct log_mark *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}
