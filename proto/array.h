/* SPDX-License-Identifier: Apache-2.0 */
/* A repeated field of fixed-size numbers in all the forms that protobuf allows: packed in one
   piece, packed in several, one by one, or mixed. One piece stays where it is in the message; more
   are joined in an arena. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/status.h"
#include "proto/wire.h"

struct wire_array {
    size_t width;              /* bytes of an element, 4 or 8 */
    size_t size;               /* bytes of all pieces */
    size_t pieces;             /* that are not empty */
    const unsigned char *data; /* of the latest piece; after wire_array_join() of the whole */
};

/* Note one appearance of the field. False if it is neither an element nor packed elements. */
bool wire_array_add(struct wire_array *a, const struct wire_field *f);
/* After all fields of the message [data, data + n) were read without fault: make `a->data` the
   whole array of the field `number`. False if the arena has no room. */
bool wire_array_join(struct wire_array *a, uint32_t number, const void *data, size_t n,
                     struct arena *arena);
