/* SPDX-License-Identifier: Apache-2.0 */
/* Files of changed blocks in words. No state. */
#include "client/embctl/blocks_info.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/text.h"
#include "client/embctl/file_info.h"
#include "client/embctl/info.h"
#include "client/embctl/print.h"

enum status blocks_open(struct blocks_file *f, int *out, const char *path, struct error *e)
{
    const struct header_limits limits = file_options().limits;
    struct header h = {0};
    struct stat file;
    enum status st;
    bool blocks;
    int fd;

    *out = -1;
    if (file_open(&fd, path, &file, NULL) != ST_OK)
        return ST_OK;
    blocks =
        header_read(&h, fd, (uint64_t)file.st_size, &limits, NULL) == ST_OK && header_is_blocks(&h);
    header_done(&h);
    st = blocks ? blocks_file_header(f, fd, (uint64_t)file.st_size, &limits, e) : ST_OK;
    if (blocks && st == ST_OK)
        *out = fd;
    else
        close(fd);
    return st == ST_OK ? st : error_prefix(e, st, "%s", path);
}

void json_blocks(struct document *j, const struct blocks_file *f)
{
    char text[32];

    doc_u64(j, "blocks", f->count);
    doc_u64(j, "version", f->moment.applied);
    doc_u64(j, "generation", f->moment.generation);
    doc_u64(j, "lsn", f->moment.lsn);
    doc_u64(j, "base_version", f->base_version);
    snprintf(text, sizeof text, "%016" PRIx64, f->base_checksum);
    doc_text(j, "base_checksum", text);
    doc_embedded(j, "optimizer", f->moment.optimizer);
    snprintf(text, sizeof text, "%016" PRIx64, f->moment.checksum);
    doc_text(j, "checksum", text);
}

const char *blocks_summary(char *out, size_t room, const struct blocks_file *f)
{
    char blocks[32];

    snprintf(out, room,
             "version %" PRIu64 " of generation %" PRIu64 ", %s blocks on top of version %" PRIu64,
             f->moment.applied, f->moment.generation, format_count(blocks, f->count),
             f->base_version);
    return out;
}

void print_blocks(unsigned width, const struct blocks_file *f)
{
    char a[32], b[32], optimizer[512];

    print_pair(width, "blocks", "%s of %zu bytes, %s", format_count(a, f->count), BLOCK_BYTES,
               format_bytes(b, f->count * BLOCK_BYTES));
    print_pair(width, "optimizer", "%s",
               optimizer_format(optimizer, sizeof optimizer, f->moment.optimizer));
    print_pair(width, "version", "%" PRIu64 ", generation %" PRIu64 ", lsn %" PRIu64,
               f->moment.applied, f->moment.generation, f->moment.lsn);
    print_pair(width, "goes on", "from version %" PRIu64 ", checksum %016" PRIx64, f->base_version,
               f->base_checksum);
    print_pair(width, "checksum", "%016" PRIx64, f->moment.checksum);
}
