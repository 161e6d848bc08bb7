/* SPDX-License-Identifier: Apache-2.0 */
/* The open calls of a worker by id, for mail that comes back. Chains through the streams
   themselves, so that adding needs no memory. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct stream;

struct call_map {
    struct stream **bucket; /* [mask + 1] */
    size_t mask, count;
};

int call_map_init(struct call_map *m); /* -1: no memory */
void call_map_done(struct call_map *m);
void call_map_add(struct call_map *m, struct stream *s);
void call_map_remove(struct call_map *m, struct stream *s);
struct stream *call_map_find(const struct call_map *m, uint64_t id);
