/* SPDX-License-Identifier: Apache-2.0 */
/* The data folder. The lock is on a file of its own, since opening and closing a database by hand
   would let go of SQLite's locks. */
#include "daemon/data_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/creation.h"

static enum status lock_folder(int folder, int *lock, const char *path, struct error *e)
{
    int fd = openat(folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    char pid[32] = "";

    if (fd < 0)
        return error_errno(e, errno, "cannot open the lock of the data folder %s", QUOTE(path));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int failed = errno;
        ssize_t n = pread(fd, pid, sizeof pid - 1, 0);

        close(fd);
        if (failed != EWOULDBLOCK)
            return error_errno(e, failed, "cannot lock the data folder %s", QUOTE(path));
        return error_set(e, ST_UNAVAILABLE, "another daemon (process %.*s) uses the data folder %s",
                         n > 1 ? (int)n - 1 : 1, n > 1 ? pid : "?", QUOTE(path));
    }
    /* For the sentence above alone: failing to write it is no failure. */
    snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, strnlen(pid, sizeof pid), 0) < 0)
        errno = 0;
    *lock = fd;
    return ST_OK;
}

/* Tables that were being made when a daemon died. */
static void remove_unfinished(int folder)
{
    int again = dup(folder);
    DIR *list = again < 0 ? NULL : fdopendir(again);

    if (!list) {
        if (again >= 0)
            close(again);
        return; /* they only take room */
    }
    for (struct dirent *entry; (entry = readdir(list));)
        if (!strncmp(entry->d_name, CREATION_PREFIX, strlen(CREATION_PREFIX)))
            unlinkat(folder, entry->d_name, 0);
    closedir(list);
}

enum status data_folder_open(int *lock, const char *path, struct error *e)
{
    enum status st;
    int folder;

    if (mkdir(path, 0750) < 0 && errno != EEXIST)
        return error_errno(e, errno, "cannot make the data folder %s", QUOTE(path));
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return error_errno(e, errno, "cannot open the data folder %s", QUOTE(path));
    st = lock_folder(folder, lock, path, e);
    if (st == ST_OK)
        remove_unfinished(folder);
    close(folder);
    return st;
}
