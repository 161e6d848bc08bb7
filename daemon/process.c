/* SPDX-License-Identifier: Apache-2.0 */
/* What the process takes of the machine. */
#include "daemon/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef HAVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#else
#include <malloc.h>
#endif

static uint64_t resident(void)
{
    char text[128];
    unsigned long long pages;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    if (sscanf(text, "%*u %llu", &pages) != 1)
        return 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t allocated(void)
{
#ifdef HAVE_JEMALLOC
    uint64_t epoch = 1;
    size_t n = sizeof epoch, bytes, bytes_size = sizeof bytes;

    if (mallctl("epoch", &epoch, &n, &epoch, n) ||
        mallctl("stats.allocated", &bytes, &bytes_size, NULL, 0))
        return 0;
    return bytes;
#else
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
#endif
}

static uint64_t open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    uint64_t n = 0;

    if (!folder)
        return 0;
    while (readdir(folder))
        n++;
    closedir(folder);
    return n > 3 ? n - 3 : 0; /* ".", ".." and the folder itself */
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

void process_look(struct process_usage *u)
{
    struct rusage r = {.ru_majflt = 0};
    struct rlimit files = {.rlim_cur = 0};

    getrusage(RUSAGE_SELF, &r);
    getrlimit(RLIMIT_NOFILE, &files);
    *u = (struct process_usage){
        .resident_bytes = resident(),
        .allocated_bytes = allocated(),
        .open_files = open_files(),
        .most_open_files = files.rlim_cur,
        .cpu_s = seconds(r.ru_utime) + seconds(r.ru_stime),
        .major_faults = (uint64_t)r.ru_majflt,
    };
}

uint64_t process_raise_files(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 0;
    if (files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        /* Under a filter of system calls it stays as it is, which max_connections then meets first.
         */
        setrlimit(RLIMIT_NOFILE, &files);
        getrlimit(RLIMIT_NOFILE, &files);
    }
    return files.rlim_cur;
}
