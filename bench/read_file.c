/* SPDX-License-Identifier: Apache-2.0 */
/* What reading a file gives: from one end to the other with read(2), into one buffer or into new
   memory on huge pages.

       read_file FILE map|copy

   Prints bytes a second. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"

#define PIECE ((size_t)64 << 10)
#define HUGE_PAGE ((size_t)2 << 20)

static int fail(const char *what)
{
    fprintf(stderr, "read_file: %s: %s\n", what, strerror(errno));
    return 1;
}

int main(int argc, char **argv)
{
    bool copy = argc == 3 && !strcmp(argv[2], "copy");
    size_t size, room, at = 0;
    unsigned char *memory;
    uint64_t start;
    off_t end;
    ssize_t n;
    int fd;

    if (argc != 3 || (!copy && strcmp(argv[2], "map")))
        return errno = EINVAL, fail("read_file FILE map|copy");
    fd = open(argv[1], O_RDONLY);
    end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (end < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return fail(argv[1]);
    size = (size_t)end;
    room = copy ? size + HUGE_PAGE : PIECE;
    memory = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return fail("memory");
    if (copy) {
        memory += -(uintptr_t)memory & (HUGE_PAGE - 1);
        madvise(memory, size, MADV_HUGEPAGE);
    }
    start = clock_now_us();
    for (; at < size; at += (size_t)n) {
        n = read(fd, copy ? memory + at : memory, size - at < PIECE ? size - at : PIECE);
        if (n <= 0)
            return fail("read");
    }
    printf("%.0f\n", (double)size / (double)(clock_now_us() - start) * 1e6);
    return 0;
}
