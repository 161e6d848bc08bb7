/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of Push, both directions; the mirror of proto/lookup_coding.h, whose rules for
   malformed messages, repeated fields and unpacked arrays hold here too. */
#pragma once

#include "proto/lookup_coding.h"

struct table_push {
    struct bytes table;       /* valid UTF-8 */
    struct bytes ids;         /* 8 bytes each */
    struct bytes gradients;   /* float32, 4 bytes each */
    struct bytes offsets;     /* 4 bytes each */
    struct bytes weights;     /* 4 bytes each */
    struct bytes packed;      /* gradients in the format, when it is not F32 */
    uint32_t pooling, format; /* as sent */
};

struct push_request {
    struct bytes trainer; /* valid UTF-8; empty: none */
    uint64_t sequence;
    struct table_push *push; /* in the arena */
    size_t count;
    bool has_rate;
    float learning_rate;
    uint32_t missing; /* as sent */
    uint64_t ids;     /* over all pushes */
};

/* Read a PushRequest of `n` bytes; statuses as lookup_request_read(). `r` is untouched on failure.
 */
MUST_CHECK enum status push_request_read(struct push_request *r, const void *data, size_t n,
                                         struct arena *arena, struct error *e);
/* Bytes of the encoded request, and the request itself into exactly that room. */
size_t push_request_size(const struct push_request *r);
void push_request_write(const struct push_request *r, void *out);
/* The same in pieces, as lookup_request_gather(). */
size_t push_request_gather_size(const struct push_request *r, size_t *pieces);
void push_request_gather(const struct push_request *r, void *out, struct bytes *piece);

struct push_reply {
    bool duplicate;
    const uint64_t *versions; /* one for each TablePush */
    size_t count;
    uint64_t lsn, skipped, admitted;
};
size_t push_reply_size(const struct push_reply *r);
void push_reply_write(const struct push_reply *r, void *out);
/* Versions are in the arena. */
MUST_CHECK enum status push_reply_read(struct push_reply *r, const void *data, size_t n,
                                       struct arena *arena, struct error *e);

/* XXH3-128 of a message, low half first: what tells a repeated push from another one. */
void push_content(uint64_t content[2], const void *message, size_t n);
