/* SPDX-License-Identifier: Apache-2.0 */
/* The one door to the heap. jemalloc, where it is linked, stands behind malloc() itself; developer
   builds can make an allocation of their own thread fail here. Any thread. */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#ifdef EMBD_DEVELOPER
static _Thread_local uint64_t fail_after; /* allocations until the failing one, 0 = never */
static _Thread_local bool fail_for_ever, failed;

void mem_fail_at(uint64_t n, bool for_ever)
{
    fail_after = n;
    fail_for_ever = for_ever;
    if (n)
        failed = false; /* stays readable after switching off */
}

bool mem_failed(void)
{
    return failed;
}

static bool must_fail(void)
{
    if (!fail_after)
        return false;
    if (fail_after > 1) {
        fail_after--;
        return false;
    }
    failed = true;
    if (!fail_for_ever)
        fail_after = 0;
    return true;
}
#else
static inline bool must_fail(void)
{
    return false;
}
#endif

void *mem_alloc(size_t bytes)
{
    if (must_fail())
        return NULL;
    return malloc(bytes ? bytes : 1);
}

void *mem_aligned(size_t alignment, size_t bytes)
{
    void *p;

    if (must_fail() || posix_memalign(&p, alignment, bytes ? bytes : 1))
        return NULL;
    return p;
}

void *mem_zero(size_t count, size_t bytes)
{
    size_t total; /* checked here, because sanitizers end the process over it */

    if (must_fail() || !size_mul(count, bytes, &total))
        return NULL;
    return calloc(total ? total : 1, 1);
}

void *mem_resize(void *p, size_t count, size_t bytes)
{
    size_t total;

    if (must_fail() || !size_mul(count, bytes, &total))
        return NULL;
    return realloc(p, total ? total : 1);
}

void *mem_room(void *p, size_t *have, size_t need, size_t bytes)
{
    size_t total;

    if (p && need <= *have)
        return p;
    mem_free(p);
    *have = 0;
    if (!size_mul(need, bytes, &total) || !(p = mem_alloc(total)))
        return NULL;
    *have = need;
    return p;
}

char *mem_text(const char *s, size_t n)
{
    size_t total;
    char *copy;

    if (!size_add(n, 1, &total) || !(copy = mem_alloc(total)))
        return NULL;
    if (n)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

void mem_free(void *p)
{
    free(p);
}
