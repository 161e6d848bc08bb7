/* SPDX-License-Identifier: Apache-2.0 */
/* protobuf-c on a short leash: messages are unpacked into an arena with a cap, and what protobuf-c
   lets pass is refused: strings that are not UTF-8 or that hold a NUL (which it cuts in silence),
   fields of another wire type, deep nesting. One thread, that of the arena. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/status.h"

/* The arena cap that suits a message of `n` bytes: 64 KiB + 8 n. protobuf-c may want 52 bytes for a
   byte of a hostile message, and less than 8 for those of honest ones that are not small. */
size_t proto_cap(size_t n);

/* Unpack `n` bytes as a message of type `d`. The message and all it points to, unknown fields too,
   lie in the arena and die with it; never call free_unpacked() on it. ST_INTERNAL if the bytes are
   not such a message or a string is not UTF-8, ST_INVALID if a string holds a NUL (the text names
   the field), ST_EXHAUSTED over the arena's cap. `*out` is untouched on failure. */
MUST_CHECK enum status proto_unpack(ProtobufCMessage **out, const ProtobufCMessageDescriptor *d,
                                    const void *data, size_t n, struct arena *arena,
                                    struct error *e);
