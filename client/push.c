/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes: how one is packed, and what its answer means. Owned by the thread that uses the client.
 */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/client.h"
#include "proto/push_coding.h"

#define ANSWER_ROOM 4096 /* bytes of an answer's versions beside those asked for */

/* What could not be written as it is meant; all else is the daemon's to judge. */
static enum status check(const embd_push *p, struct error *e)
{
    if (!p->table)
        return error_set(e, ST_INVALID, "a push names no table");
    if ((p->id_count && !p->ids) || (p->offset_count && !p->offsets) ||
        (p->gradient_bytes && !p->gradients))
        return error_set(e, ST_INVALID, "table %s: an array is NULL but has a length",
                         QUOTE(p->table));
    if (p->pooling < 0)
        return error_set(e, ST_INVALID, "table %s: there is no pooling %d", QUOTE(p->table),
                         p->pooling);
    if (p->format < EMBD_FORMAT_F32 || p->format > EMBD_FORMAT_BF16)
        return error_set(e, ST_INVALID, "table %s: gradients have no format %d", QUOTE(p->table),
                         p->format);
    if (p->format == EMBD_FORMAT_F32 && p->gradient_bytes % sizeof(float))
        return error_set(e, ST_INVALID, "table %s: %zu bytes of gradients are no float32 numbers",
                         QUOTE(p->table), p->gradient_bytes);
    return ST_OK;
}

static struct table_push pack(const embd_push *p)
{
    struct bytes gradients = {p->gradients, p->gradient_bytes};
    struct table_push out = {
        .table = {p->table, strlen(p->table)},
        .ids = {p->ids, p->id_count * sizeof *p->ids},
        .offsets = {p->offsets, p->offset_count * sizeof *p->offsets},
        .weights = {p->weights, p->weights ? p->id_count * sizeof *p->weights : 0},
        .pooling = (uint32_t)p->pooling,
        .format = (uint32_t)p->format,
    };

    if (p->format == EMBD_FORMAT_F32)
        out.gradients = gradients;
    else
        out.packed = gradients;
    return out;
}

enum status push_letter(struct letter **out, embd_push *pushes, size_t count,
                        const embd_push_options *options, embd_push_result *result, struct error *e)
{
    static const embd_push_options defaults;
    struct push_request request = {.count = count};
    struct letter *letter;
    size_t pieces, head;
    enum status st = ST_OK;

    if (!options)
        options = &defaults;
    if (options->unknown < 0)
        return error_set(e, ST_INVALID, "there is no policy %d for unknown ids", options->unknown);
    if (options->trainer)
        request.trainer = (struct bytes){options->trainer, strlen(options->trainer)};
    request.sequence = options->sequence;
    request.missing = (uint32_t)options->unknown;
    request.has_rate = options->learning_rate != NULL;
    request.learning_rate = options->learning_rate ? *options->learning_rate : 0;
    request.push = mem_zero(count, sizeof *request.push);
    if (!request.push)
        return error_memory(e, "push");
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        st = check(&pushes[i], e);
        if (st == ST_OK)
            request.push[i] = pack(&pushes[i]);
    }
    if (st == ST_OK) {
        head = push_request_gather_size(&request, &pieces);
        st = letter_new(&letter, push_request_size(&request), head, pieces, e);
    }
    if (st == ST_OK) {
        push_request_gather(&request, letter->head, letter->piece);
        letter->push = pushes;
        letter->count = count;
        letter->result = result;
        *out = letter;
    }
    mem_free(request.push);
    return st;
}

enum status push_answer(const embd_call *call, const struct letter *letter, struct error *e)
{
    struct push_reply reply;
    struct arena arena;
    enum status st;

    arena_init(&arena, letter->count * sizeof *reply.versions + ANSWER_ROOM);
    st = push_reply_read(&reply, call->reply, call->reply_bytes, &arena, e);
    if (st == ST_OK && reply.count != letter->count)
        st = error_set(e, ST_INTERNAL, "the answer has %zu versions for %zu tables", reply.count,
                       letter->count);
    for (size_t i = 0; i < letter->count && st == ST_OK; i++)
        letter->push[i].version = reply.versions[i];
    if (st == ST_OK && letter->result)
        *letter->result =
            (embd_push_result){reply.duplicate, reply.lsn, reply.skipped, reply.admitted};
    arena_done(&arena);
    return st;
}

static enum status answer_end(void *context, struct error *e)
{
    embd_call *call = context;

    return push_answer(call, (const struct letter *)call->call.body.first, e);
}

int embd_client_push_start(embd_client *client, embd_push *pushes, size_t count,
                           const embd_push_options *options, embd_push_result *result,
                           embd_call **call, char *error)
{
    int64_t timeout_ms = options ? options->timeout_ms : 0;
    struct letter *letter = NULL;
    embd_call *made = NULL;
    struct error e;
    enum status st;

    client_return_loans(client);
    st = push_letter(&letter, pushes, count, options, result, &e);
    if (st == ST_OK)
        st = client_call_new(&made, client, "/embd.v1.Embedding/Push", sizeof *made, letter,
                             client_microseconds(timeout_ms, client->timeout_us), &e);
    if (st == ST_OK) {
        letter = NULL;
        made->call.sink =
            (struct reply_sink){client_reply_begin, client_reply_add, answer_end, made};
        st = client_start(client, made, &e);
    }
    if (st == ST_OK) {
        *call = made;
    } else {
        mem_free(letter);
        client_call_free(made);
    }
    return client_result(st, &e, error);
}

int embd_client_push(embd_client *client, embd_push *pushes, size_t count,
                     const embd_push_options *options, embd_push_result *result, char *error)
{
    embd_call *call;
    int failed = embd_client_push_start(client, pushes, count, options, result, &call, error);

    return failed ? failed : embd_call_wait(call, error);
}
