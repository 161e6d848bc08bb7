/* SPDX-License-Identifier: Apache-2.0 */
/* What the disk alone gives: append so many bytes to a file, fdatasync it, again and again.

       append_sync FILE BYTES SECONDS

   Prints appends a second and the median and 99th percentile of one, in microseconds. The file is
   begun anew whenever it has grown to 256 MiB, and removed at the end. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

#define FILE_MOST ((size_t)256 << 20)
#define TIMES_MOST ((size_t)1 << 22)

static int fail(const char *what)
{
    fprintf(stderr, "append_sync: %s: %s\n", what, strerror(errno));
    return 1;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int append(int fd, const unsigned char *data, size_t bytes)
{
    while (bytes) {
        ssize_t n = write(fd, data, bytes);

        if (n < 0)
            return -1;
        data += n;
        bytes -= (size_t)n;
    }
    return fdatasync(fd);
}

/* Number of appends within the time, each one's time in `took`; 0 after a failure. */
static size_t measure(int fd, const unsigned char *data, size_t bytes, double seconds,
                      uint64_t *took, uint64_t *all_us)
{
    uint64_t start = clock_now_us(), end = start + (uint64_t)(seconds * 1e6), before = start;
    size_t count = 0, size = 0;

    while (before < end && count < TIMES_MOST) {
        if (size + bytes > FILE_MOST) {
            if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
                return 0;
            size = 0;
        }
        if (append(fd, data, bytes) < 0)
            return 0;
        size += bytes;
        uint64_t now = clock_now_us();

        took[count++] = now - before;
        before = now;
    }
    *all_us = before - start;
    return count;
}

int main(int argc, char **argv)
{
    size_t bytes = argc == 4 ? strtoul(argv[2], NULL, 10) : 0, count;
    double seconds = argc == 4 ? strtod(argv[3], NULL) : 0;
    unsigned char *data = bytes ? mem_alloc(bytes) : NULL;
    uint64_t *took = mem_zero(TIMES_MOST, sizeof *took), all_us;
    int fd;

    if (!bytes || seconds <= 0 || !data || !took) {
        fprintf(stderr, "usage: append_sync FILE BYTES SECONDS\n");
        return 2;
    }
    for (size_t i = 0; i < bytes; i++) /* nothing that could be compressed away */
        data[i] = (unsigned char)(i * 2654435761u >> 13);
    fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(argv[1]);
    count = measure(fd, data, bytes, seconds, took, &all_us);
    unlink(argv[1]);
    if (!count)
        return fail("cannot append");
    qsort(took, count, sizeof *took, by_value);
    printf("%.1f %llu %llu\n", (double)count * 1e6 / (double)all_us,
           (unsigned long long)took[count / 2], (unsigned long long)took[count * 99 / 100]);
    close(fd);
    mem_free(took);
    mem_free(data);
    return 0;
}
