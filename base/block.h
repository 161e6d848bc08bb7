/* SPDX-License-Identifier: Apache-2.0 */
/* A reference-counted run of bytes: a reply that is handed to the socket by reference, a request
   body that crosses threads. The count is atomic; the bytes belong to whoever fills them until the
   block is shared, and are immutable afterwards. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

struct block {
    atomic_uint refs;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes of room */
    unsigned char data[] __attribute__((aligned(64)));
};

/* A block with one reference, `size` = 0 and room for `capacity` bytes, or NULL. */
struct block *block_new(size_t capacity);
struct block *block_ref(struct block *b);
void block_unref(struct block *b); /* frees with the last reference; NULL is fine */

/* A growing byte buffer over a block. `limit` is the most it may ever hold. */
struct buffer {
    struct block *block; /* NULL while empty */
    size_t limit;
};

void buffer_init(struct buffer *b, size_t limit);
void buffer_done(struct buffer *b);
/* Append; 0 if done, -1 if over the limit or out of memory (the buffer stays as it was). */
int buffer_add(struct buffer *b, const void *data, size_t n);
/* Make room for `n` more bytes and return where they go, without changing the size; NULL as above.
 */
unsigned char *buffer_room(struct buffer *b, size_t n);
/* Forget the first `n` bytes, of those that there are: the others move to the front. */
void buffer_drop(struct buffer *b, size_t n);
size_t buffer_size(const struct buffer *b);
const unsigned char *buffer_data(const struct buffer *b); /* NULL while empty */
/* Hand the block over (NULL if empty) and leave the buffer empty. */
struct block *buffer_take(struct buffer *b);
