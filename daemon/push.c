/* SPDX-License-Identifier: Apache-2.0 */
/* A push as it came: its message is copied and read, its trainer and sequence are held against
   their rules. */
#include "daemon/push.h"

#include <string.h>

#include "base/failpoint.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/call.h"

/* What reading the message may take beside its copy, as for any call's arena. */
#define READING(n) (CALL_ARENA + 4 * (n))

static bool is_trainer(const struct bytes *name)
{
    static const char punctuation[] = "_.:-";
    const unsigned char *s = name->data;

    for (size_t i = 0; i < name->size; i++) {
        unsigned char c = s[i] | 0x20;

        if (!(c >= 'a' && c <= 'z' && s[i] >= 'A') && !(s[i] >= '0' && s[i] <= '9') &&
            !(s[i] && strchr(punctuation, s[i])))
            return false;
    }
    return true;
}

static enum status check_identity(const struct push_request *r, struct error *e)
{
    if (!r->trainer.size)
        return r->sequence == 0
                   ? ST_OK
                   : error_set(e, ST_INVALID,
                               "sequence = %llu without a trainer; both are given, or neither",
                               (unsigned long long)r->sequence);
    if (r->trainer.size > TRAINER_MAX)
        return error_set(e, ST_INVALID, "trainer has %zu bytes; it may have %d", r->trainer.size,
                         TRAINER_MAX);
    if (!is_trainer(&r->trainer))
        return error_set(e, ST_INVALID, "trainer = %s; it may have A-Z a-z 0-9 _ . : - only",
                         QUOTE_N(r->trainer.data, r->trainer.size));
    if (r->sequence == 0 || r->sequence > INT64_MAX)
        return error_set(e, ST_INVALID, "sequence = %llu; it must be 1 to 2^63 - 1",
                         (unsigned long long)r->sequence);
    return ST_OK;
}

enum status push_new(struct push **out, const void *message, size_t n, struct error *e)
{
    struct push *p = mem_zero(1, sizeof *p);
    enum status st;

    if (!p || FAILPOINT("push.read")) {
        mem_free(p);
        return error_memory(e, "the push");
    }
    arena_init(&p->arena, READING(n));
    arena_init(&p->prepared, 0);
    p->bytes = n;
    p->message = mem_alloc(n);
    if (!p->message) {
        st = error_memory(e, "the push");
        goto out;
    }
    memcpy(p->message, message, n);
    st = push_request_read(&p->request, p->message, n, &p->arena, e);
    if (st == ST_OK)
        st = check_identity(&p->request, e);
    if (st != ST_OK)
        goto out;
    p->versions = arena_zero(&p->arena, p->request.count, sizeof *p->versions);
    if (!p->versions) {
        st = error_memory(e, "the push");
        goto out;
    }
    memcpy(p->trainer, p->request.trainer.data, p->request.trainer.size);
    push_content(p->content, message, n);
    *out = p;
    p = NULL;
out:
    push_free(p);
    return st;
}

void push_free(struct push *p)
{
    if (!p)
        return;
    arena_done(&p->prepared);
    arena_done(&p->arena);
    mem_free(p->message);
    mem_free(p);
}

size_t push_memory(const struct push *p)
{
    return sizeof *p + p->bytes + p->arena.used + p->prepared.used;
}
