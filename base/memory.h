/* SPDX-License-Identifier: Apache-2.0 */
/* All heap memory of embd goes through these, so that developer builds can make the n-th
   allocation fail. They keep errno meaningless and never abort: NULL means out of memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t bytes); /* uninitialised; 0 bytes gives a unique pointer */
/* Uninitialised and aligned to `alignment`, a power of two of at least 8; mem_free() takes it back,
   mem_resize() would lose the alignment. */
void *mem_aligned(size_t alignment, size_t bytes);
void *mem_zero(size_t count, size_t bytes); /* zeroed; NULL on overflow of count * bytes */
void *mem_resize(void *p, size_t count, size_t bytes); /* realloc with overflow check */
/* Room for `need` elements whose old contents nobody needs: `p` if it has room for `*have`, and
   that is enough; else it is freed, and the new memory returned. NULL leaves nothing, and *have 0.
 */
void *mem_room(void *p, size_t *have, size_t need, size_t bytes);
char *mem_text(const char *s, size_t n); /* NUL-terminated copy of n bytes */
void mem_free(void *p);                  /* NULL is fine */

/* a * b into *out; false if it would not fit. The one way to multiply sizes that a file or a peer
   controls. */
static inline bool size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

#ifdef EMBD_DEVELOPER
/* Make the n-th allocation of this thread from now on fail (1 = the next one), and every later one
   too if `for_ever`. 0 switches it off. For tests. */
void mem_fail_at(uint64_t n, bool for_ever);
/* Whether the failure armed by mem_fail_at() has happened. */
bool mem_failed(void);
#endif
