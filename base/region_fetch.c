/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing a region into memory piece by piece, while others read it. What is borrowed from a file
   is copied into spare room, whose pages then take the place of the file's by mremap(): a reader
   meets either, with the same bytes, or waits in the kernel for a moment. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/region.h"
#include "base/region_fault.h"

#define STEP (2 * REGION_CHUNK)

/* Its pages, without reading them one by one where the kernel can do so (Linux 5.14). */
static void fetch_mapped(const unsigned char *at, size_t n)
{
#ifdef MADV_POPULATE_READ
    if (madvise((void *)at, n, MADV_POPULATE_READ) == 0)
        return;
#endif
    for (size_t i = 0, page = (size_t)sysconf(_SC_PAGESIZE); i < n; i += page)
        (void)*(const volatile unsigned char *)(at + i);
}

/* The writer of the region does this, so that nothing is written between copy and move. (The move
   fails, with nothing changed, when the process has too many mappings.) */
static bool fetch_borrowed(struct region *r, unsigned char *at, size_t n)
{
    unsigned char *copy = r->spare + r->fetched;

    memcpy(copy, at, n);
    if (region_damaged(r) || mremap(copy, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, at) == MAP_FAILED)
        return false;
    return true;
}

/* All of it is memory of its own now, and no file can take it away. */
static void settle(struct region *r)
{
    if (!r->spare)
        return;
    region_fault_remove(r->slot);
    r->slot = -1;
    r->spare = NULL;
}

bool region_fetch(struct region *r)
{
    size_t left = r->base_size - r->fetched, n = left < STEP ? left : STEP;
    unsigned char *at = (unsigned char *)r->base + r->fetched;

    if (n == 0 || region_damaged(r) || (r->mode != REGION_MAP && !r->spare))
        return false;
    if (r->spare && !fetch_borrowed(r, at, n))
        return false; /* it stays as it is: the file's, and as good as before */
    if (r->mode == REGION_MAP)
        fetch_mapped(at, n);
    r->fetched += n;
    if (r->fetched < r->base_size)
        return true;
    settle(r);
    return false;
}
