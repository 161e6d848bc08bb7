/* SPDX-License-Identifier: Apache-2.0 */
/* The reply of a lookup, made and handed over in pieces: what is decoded is on its way while the
   rest is decoded, and it leaves from the processor's cache. A small reply is one piece. */
#include "daemon/lookup_call.h"

#include <assert.h>
#include <string.h>

#include "daemon/call.h"
#include "proto/grpc.h"

/* As much as a DATA frame takes, and a small part of a processor's cache. */
#define PIECE ((size_t)256 << 10)
#define REST ((size_t)4 << 10) /* so little goes along with the piece before */

static size_t piece_of(size_t left, size_t least)
{
    size_t n = left <= PIECE + REST ? left : PIECE;

    return n > least ? n : least;
}

bool lookup_pieces_begin(struct lookup_call *c, size_t bytes)
{
    c->left = bytes;
    c->piece = call_message_begin(bytes, piece_of(bytes, 0));
    return c->piece;
}

static void send_piece(struct lookup_call *c)
{
    struct block *piece = c->piece;

    c->piece = NULL;
    c->pieces++;
    if (piece->size)
        call_send(c->call, piece);
    else
        block_unref(piece);
}

unsigned char *lookup_pieces_room(struct lookup_call *c, size_t least, size_t *room)
{
    assert(least <= c->left);
    if (c->piece && c->piece->capacity - c->piece->size < least)
        send_piece(c);
    if (!c->piece)
        c->piece = block_new(piece_of(c->left, least));
    if (!c->piece)
        return NULL;
    *room = c->piece->capacity - c->piece->size;
    return c->piece->data + c->piece->size;
}

void lookup_pieces_add(struct lookup_call *c, size_t n, size_t next)
{
    size_t room;

    c->piece->size += n;
    c->left -= n;
    room = c->piece->capacity - c->piece->size;
    if (room < next && room < c->left)
        send_piece(c);
}

static enum status copy(struct lookup_call *c, const void *data, size_t n, struct error *e)
{
    size_t room;
    unsigned char *to = lookup_pieces_room(c, n, &room);

    if (!to)
        return error_memory(e, "the reply");
    memcpy(to, data, n);
    lookup_pieces_add(c, n, 0);
    return ST_OK;
}

enum status lookup_pieces_head(struct lookup_call *c, const struct table_vectors *v,
                               struct error *e)
{
    unsigned char head[LOOKUP_HEAD_MAX];

    return copy(c, head, lookup_reply_head(v, head), e);
}

enum status lookup_pieces_tail(struct lookup_call *c, const struct table_vectors *v,
                               struct error *e)
{
    size_t room;
    unsigned char *to = lookup_pieces_room(c, lookup_reply_tail_size(v), &room);

    if (!to)
        return error_memory(e, "the reply");
    lookup_pieces_add(c, lookup_reply_tail(v, to), 0);
    return ST_OK;
}

enum status lookup_pieces_end(struct lookup_call *c, uint64_t lsn, struct error *e)
{
    unsigned char end[LOOKUP_HEAD_MAX];
    enum status st = copy(c, end, lookup_reply_end(lsn, end), e);

    if (st == ST_OK)
        send_piece(c);
    return st;
}
