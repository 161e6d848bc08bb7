/* SPDX-License-Identifier: Apache-2.0 */
/* Regions: making, freeing and walking them. What happens when a mapped file shrinks is in
   region_fault.c. A region is made and freed by one thread; any thread may read it. */
#include "base/region.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/give_way.h"
#include "base/memory.h"
#include "base/region_fault.h"
#include "base/text.h"

#define PAGE_LEAST 4096 /* no Linux has smaller pages */
#define UNMAP_STEP (2 * REGION_CHUNK)
#define ROOMY 2 /* files that together take 1 / ROOMY of the memory, or less, stay there */

static unsigned char nothing[1]; /* where an empty region points */
static atomic_size_t mapped;     /* bytes of files, in all regions */

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static struct region *region_new(size_t size, enum region_mode mode)
{
    struct region *r = mem_alloc(sizeof *r);

    if (r) {
        *r = (struct region){.data = nothing, .size = size, .mode = mode, .slot = -1};
        atomic_init(&r->damaged, false);
    }
    return r;
}

void region_init(void)
{
    region_fault_install();
}

/* What the system reads for us from now on comes as huge pages, where the file system has them
   (ext4 and XFS do): a random row costs a fifth less. It is a wish. Not once there is more than
   memory may hold: there a miss should bring in little. */
static void ask_for_huge_pages(const struct region *r)
{
    size_t all = atomic_load_explicit(&mapped, memory_order_relaxed);
    long pages = sysconf(_SC_PHYS_PAGES);

    if (r->size >= REGION_CHUNK && pages > 0 && all / page_size() <= (size_t)pages / ROOMY)
        madvise(r->base, r->size, MADV_HUGEPAGE);
}

enum status region_map(struct region **out, int fd, size_t size, struct error *e)
{
    struct region *r;
    struct stat st;
    void *base;

    if (fstat(fd, &st) < 0)
        return error_errno(e, errno, "cannot look at the file");
    if (st.st_size < 0 || (uint64_t)st.st_size < size)
        return error_set(e, ST_DATA_LOSS, "the file has %lld bytes, %zu are needed",
                         (long long)st.st_size, size);
    r = region_new(size, REGION_MAP);
    if (!r)
        return error_memory(e, "region");
    if (size) {
        base = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (base == MAP_FAILED) {
            enum status st_map = error_errno(e, errno, "cannot map %zu bytes", size);

            region_free(r);
            return st_map;
        }
        r->base = base;
        r->base_size = (size + page_size() - 1) & ~(page_size() - 1);
        r->data = base;
        atomic_fetch_add_explicit(&mapped, r->base_size, memory_order_relaxed);
        ask_for_huge_pages(r);
        r->slot = region_fault_add(r);
        if (r->slot < 0) {
            region_free(r);
            return error_set(e, ST_EXHAUSTED, "more than %d files are mapped", REGION_SLOTS);
        }
    }
    *out = r;
    return ST_OK;
}

/* `size` bytes of zeros at a multiple of REGION_CHUNK, or MAP_FAILED. */
static void *map_aligned(size_t size)
{
    size_t whole, before;
    unsigned char *base;

    if (!size_add(size, REGION_CHUNK, &whole)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    base = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return MAP_FAILED;
    before = -(uintptr_t)base & (REGION_CHUNK - 1);
    if (before)
        munmap(base, before);
    munmap(base + before + size, REGION_CHUNK - before); /* before < REGION_CHUNK */
    return base + before;
}

enum status region_borrow(struct region **out, int fd, uint64_t offset, size_t size,
                          struct error *e)
{
    size_t page = page_size(), before = (size_t)(offset % page), whole;
    struct region *r;
    enum status st;
    void *base;

    if (!size_add(size, before + page - 1, &whole))
        return error_memory(e, "region");
    whole &= ~(page - 1);
    r = region_new(size, REGION_COPY);
    if (!r)
        return error_memory(e, "region");
    if (size) {
        base = map_aligned(whole);
        if (base == MAP_FAILED)
            goto failed;
        r->base = base;
        r->base_size = whole;
        if (mmap(base, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd,
                 (off_t)(offset - before)) == MAP_FAILED)
            goto failed;
        r->data = (unsigned char *)r->base + before;
        base = map_aligned(whole);
        if (base == MAP_FAILED)
            goto failed;
        r->spare = base;
        madvise(base, whole, MADV_HUGEPAGE);
        r->slot = region_fault_add(r);
        if (r->slot < 0) {
            region_free(r);
            return error_set(e, ST_EXHAUSTED, "more than %d files are mapped", REGION_SLOTS);
        }
    }
    *out = r;
    return ST_OK;
failed:
    st = error_errno(e, errno, "cannot take %zu bytes of memory", size);
    region_free(r);
    return st;
}

static enum status lock_error(struct error *e, int error_number, size_t size)
{
    struct rlimit limit;
    char need[32], have[32];

    if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
        limit.rlim_cur = 0;
    return error_set(e, ST_EXHAUSTED, "cannot lock %s in memory: %s (RLIMIT_MEMLOCK is %s)",
                     format_bytes(need, size),
                     error_number == EPERM ? "not permitted" : "over the limit or out of memory",
                     limit.rlim_cur == RLIM_INFINITY ? "unlimited"
                                                     : format_bytes(have, limit.rlim_cur));
}

enum status region_private(struct region **out, size_t size, enum region_mode mode, struct error *e)
{
    size_t page = page_size(), whole;
    enum status st;
    struct region *r;
    void *base;

    assert(mode == REGION_COPY || mode == REGION_LOCK);
    /* To a page, not to a chunk: ten thousand small tables must not take a huge page each. */
    if (!size_add(size, page - 1, &whole))
        return error_memory(e, "region");
    whole &= ~(page - 1);
    r = region_new(size, mode);
    if (!r)
        return error_memory(e, "region");
    if (whole) {
        base = map_aligned(whole);
        if (base == MAP_FAILED) {
            st = error_errno(e, errno, "cannot take %zu bytes of memory", size);
            goto out;
        }
        r->data = r->base = base;
        r->base_size = whole;
        if (whole >= REGION_CHUNK)
            madvise(base, whole, MADV_HUGEPAGE); /* a wish: kernels without it serve as well */
        if (mode == REGION_LOCK && mlock(base, whole) < 0) {
            st = lock_error(e, errno, size);
            goto out;
        }
    }
    *out = r;
    return ST_OK;
out:
    region_free(r);
    return st;
}

/* In pieces: the others can map and unmap nothing while the pages of one munmap() go, which for 1
   GB of a file takes tens of milliseconds. */
static void unmap(unsigned char *base, size_t size)
{
    for (size_t at = 0; size - at > UNMAP_STEP; at += UNMAP_STEP) {
        madvise(base + at, UNMAP_STEP, MADV_DONTNEED);
        give_way(GIVE_WAY_BYTES);
    }
    munmap(base, size);
}

void region_free(struct region *r)
{
    if (!r)
        return;
    if (r->slot >= 0)
        region_fault_remove(r->slot);
    if (r->base)
        unmap(r->base, r->base_size);
    if (r->base && r->mode == REGION_MAP)
        atomic_fetch_sub_explicit(&mapped, r->base_size, memory_order_relaxed);
    if (r->spare) /* what went over is not there any more */
        munmap(r->spare + r->fetched, r->base_size - r->fetched);
    mem_free(r);
}

size_t region_chunks(const struct region *r)
{
    return r->size / REGION_CHUNK + (r->size % REGION_CHUNK != 0);
}

void region_chunk(const struct region *r, size_t i, size_t *offset, size_t *n)
{
    assert(i < region_chunks(r));
    *offset = i * REGION_CHUNK;
    *n = r->size - *offset < REGION_CHUNK ? r->size - *offset : REGION_CHUNK;
}

void region_touch(const struct region *r)
{
    size_t page = page_size(), offset, n;

    for (size_t i = 0; i < region_chunks(r) && !region_damaged(r); i++) {
        region_chunk(r, i, &offset, &n);
        for (size_t at = 0; at < n; at += page)
            (void)*(const volatile unsigned char *)(r->data + offset + at);
        give_way(GIVE_WAY_BYTES);
    }
}

bool region_damaged(const struct region *r)
{
    return atomic_load_explicit(&r->damaged, memory_order_acquire);
}

void region_mark_damaged(struct region *r)
{
    atomic_store_explicit(&r->damaged, true, memory_order_release);
}

size_t region_resident(const struct region *r)
{
    unsigned char in_memory[REGION_CHUNK / PAGE_LEAST];
    size_t page = page_size(), resident = 0, offset, n;

    for (size_t i = 0; i < region_chunks(r); i++) {
        region_chunk(r, i, &offset, &n);
        /* What is borrowed does not begin with a page: the one before it says as much. */
        if (mincore((void *)((uintptr_t)(r->data + offset) & ~(uintptr_t)(page - 1)), n,
                    in_memory) < 0)
            continue;
        for (size_t at = 0; at < n; at += page)
            if (in_memory[at / page] & 1)
                resident += n - at < page ? n - at : page;
    }
    return resident;
}
