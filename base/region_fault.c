/* SPDX-License-Identifier: Apache-2.0 */
/* What happens when the file under a mapping is gone: SIGBUS, at any instruction of any thread. The
   handler reads the list of mappings without a lock; threads change the list under one. Everything
   in the handler is async-signal-safe: atomics, mmap() and sigaction(). */
#include "base/region_fault.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

/* A slot whose `turn` is odd or moves is just being entered or left. Nobody reads such a region, so
   the fault is not there and the handler need not wait. */
struct slot {
    atomic_uint turn;
    _Atomic uintptr_t base;
    _Atomic size_t size; /* 0 = free */
    _Atomic(struct region *) region;
};

static struct slot slots[REGION_SLOTS];
static atomic_int slots_used; /* slots at and above were never used */

static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER;      /* of what follows, and for writing slots */
static int free_next[REGION_SLOTS]; /* slot + 1 of the next free one, 0 at the end */
static int free_first;              /* likewise */

static size_t page;
static struct sigaction previous;

static struct region *find_region(uintptr_t address)
{
    int n = atomic_load(&slots_used);

    for (int i = 0; i < n; i++) {
        struct slot *s = &slots[i];
        unsigned turn = atomic_load(&s->turn);
        uintptr_t base = atomic_load(&s->base);
        size_t size = atomic_load(&s->size);
        struct region *r = atomic_load(&s->region);

        if (size && address - base < size && turn % 2 == 0 && turn == atomic_load(&s->turn))
            return r;
    }
    return NULL;
}

/* Zeros from the page at `address` to the end of the region. Not only that page: a shrunken file
   lost all that follows, a damaged region is thrown away in any case, and so the hole costs one
   signal and one mapping rather than one a page, of which the kernel has only so many. */
static bool cover_hole(const struct region *r, uintptr_t address)
{
    uintptr_t from = address & ~(uintptr_t)(page - 1);
    size_t n = (uintptr_t)r->base + r->base_size - from;
    int access = r->mode == REGION_MAP ? PROT_READ : PROT_READ | PROT_WRITE;

    return mmap((void *)from, n, access, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
           MAP_FAILED;
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    int kept = errno;
    struct region *r = NULL;

    (void)context;
    if (info->si_code > 0) /* from the kernel, not from kill() */
        r = find_region((uintptr_t)info->si_addr);
    if (r) {
        region_mark_damaged(r); /* before zeros can be seen */
        if (cover_hole(r, (uintptr_t)info->si_addr)) {
            errno = kept;
            return;
        }
    }
    /* Not ours: back to what was there before us. The access is tried again and faults there. */
    sigaction(SIGBUS, &previous, NULL);
    if (info->si_code <= 0)
        raise(number);
    errno = kept;
}

void region_fault_install(void)
{
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK}, now;

    pthread_mutex_lock(&lock);
    page = (size_t)sysconf(_SC_PAGESIZE);
    sigfillset(&action.sa_mask);
    if (sigaction(SIGBUS, NULL, &now) == 0 && now.sa_sigaction != on_sigbus) {
        previous = now;
        sigaction(SIGBUS, &action, NULL);
    }
    pthread_mutex_unlock(&lock);
}

int region_fault_add(struct region *r)
{
    int slot = -1;

    pthread_mutex_lock(&lock);
    if (free_first) {
        slot = free_first - 1;
        free_first = free_next[slot];
    } else if (atomic_load(&slots_used) < REGION_SLOTS) {
        slot = atomic_load(&slots_used);
    }
    if (slot >= 0) {
        struct slot *s = &slots[slot];

        atomic_fetch_add(&s->turn, 1);
        atomic_store(&s->base, (uintptr_t)r->base);
        atomic_store(&s->region, r);
        atomic_store(&s->size, r->base_size);
        atomic_fetch_add(&s->turn, 1);
        if (slot == atomic_load(&slots_used))
            atomic_store(&slots_used, slot + 1);
    }
    pthread_mutex_unlock(&lock);
    return slot;
}

void region_fault_remove(int slot)
{
    struct slot *s = &slots[slot];

    pthread_mutex_lock(&lock);
    atomic_fetch_add(&s->turn, 1);
    atomic_store(&s->size, 0);
    atomic_store(&s->region, NULL);
    atomic_fetch_add(&s->turn, 1);
    free_next[slot] = free_first;
    free_first = slot + 1;
    pthread_mutex_unlock(&lock);
}
