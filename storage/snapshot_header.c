/* SPDX-License-Identifier: Apache-2.0 */
/* What a snapshot says of itself. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "storage/snapshot_parts.h"
#include "table/optimizer_settings.h"

#define OURS 9 /* keys that one file has of us, at most */

/* Keys that say something of the moment, and so are another's in a file that is copied. */
static bool is_moment(const char *key)
{
    static const char *const keys[] = {"embd.applied",  "embd.lsn",       "embd.generation",
                                       "embd.checksum", "embd.optimizer", "embd.header"};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!strcmp(key, keys[i]))
            return true;
    return false;
}

static void add(struct snapshot_header *h, const char *key, const char *value)
{
    h->metadata[h->metadatas++] = (struct metadata){key, value};
}

static const char *number(char out[24], uint64_t value)
{
    snprintf(out, 24, "%" PRIu64, value);
    return out;
}

static const char *checksum(char out[24], uint64_t value)
{
    snprintf(out, 24, "%016" PRIx64, value);
    return out;
}

enum status snapshot_header_init(struct snapshot_header *h, const struct header *from,
                                 const struct snapshot *s,
                                 const struct optimizer_settings *settings, size_t tensors,
                                 struct error *e)
{
    size_t foreign = from ? from->metadata_count : 0;
    enum status st;

    *h = (struct snapshot_header){.tensors = tensors};
    h->metadata = mem_zero(foreign + OURS, sizeof *h->metadata);
    h->tensor = mem_zero(tensors, sizeof *h->tensor);
    h->place = mem_zero(tensors, sizeof *h->place);
    if (!h->metadata || !h->tensor || !h->place)
        return error_memory(e, "snapshot");
    st = optimizer_settings_write(&h->optimizer, settings, e);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < foreign; i++)
        if (!is_moment(from->metadata[i].key))
            h->metadata[h->metadatas++] = from->metadata[i];
    if (!from)
        add(h, "embd.version", "1");
    add(h, "embd.header", HEADER_UNSEALED);
    add(h, "embd.applied", number(h->applied, s->version));
    add(h, "embd.lsn", number(h->lsn, s->lsn));
    add(h, "embd.generation", number(h->generation, s->generation));
    add(h, "embd.checksum", h->checksum);
    add(h, "embd.optimizer", h->optimizer);
    return ST_OK;
}

void snapshot_header_blocks(struct snapshot_header *h, const struct snapshot *base)
{
    add(h, "embd.blocks", number(h->blocks, base->version));
    add(h, "embd.base", checksum(h->base, base->checksum));
}

enum status snapshot_header_build(unsigned char **out, size_t *n, struct snapshot_header *h,
                                  uint64_t sum, struct error *e)
{
    enum status st;

    checksum(h->checksum, sum);
    st = header_build(out, n, h->metadata, h->metadatas, h->tensor, h->place, h->tensors, e);
    if (st == ST_OK && !header_seal(*out, *n))
        return error_set(e, ST_INTERNAL, "the header of a snapshot has no embd.header");
    return st;
}

void snapshot_header_done(struct snapshot_header *h)
{
    mem_free(h->metadata);
    mem_free(h->tensor);
    mem_free(h->place);
    mem_free(h->optimizer);
    *h = (struct snapshot_header){0};
}
