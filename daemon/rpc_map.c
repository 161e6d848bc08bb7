/* SPDX-License-Identifier: Apache-2.0 */
/* A hash of paths, at most half full. */
#include "daemon/rpc_map.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "daemon/call.h"

struct rpc_place {
    const struct rpc *rpc; /* NULL: empty */
    size_t path_size;
};

int rpc_map_init(struct rpc_map *m, const struct rpc *const *rpcs)
{
    size_t count = 0, size = 2, at;

    while (rpcs[count])
        count++;
    while (size < 2 * count)
        size *= 2;
    m->place = mem_zero(size, sizeof *m->place);
    m->mask = size - 1;
    if (!m->place)
        return -1;
    for (; *rpcs; rpcs++) {
        size_t n = strlen((*rpcs)->path);

        for (at = hash_bytes((*rpcs)->path, n) & m->mask; m->place[at].rpc; at = (at + 1) & m->mask)
            ;
        m->place[at] = (struct rpc_place){*rpcs, n};
    }
    return 0;
}

void rpc_map_done(struct rpc_map *m)
{
    mem_free(m->place);
    m->place = NULL;
}

const struct rpc *rpc_map_find(const struct rpc_map *m, const void *path, size_t n)
{
    const struct rpc_place *p;

    for (size_t at = hash_bytes(path, n) & m->mask; (p = &m->place[at])->rpc;
         at = (at + 1) & m->mask)
        if (p->path_size == n && memcmp(p->rpc->path, path, n) == 0)
            return p->rpc;
    return NULL;
}
