/* SPDX-License-Identifier: Apache-2.0 */
/* The methods of the daemon by path. Made once, constant afterwards. */
#pragma once

#include <stddef.h>

struct rpc;

struct rpc_map {
    struct rpc_place *place; /* [mask + 1], open addressing */
    size_t mask;
};

int rpc_map_init(struct rpc_map *m, const struct rpc *const *rpcs); /* -1: no memory */
void rpc_map_done(struct rpc_map *m);
const struct rpc *rpc_map_find(const struct rpc_map *m, const void *path, size_t n);
