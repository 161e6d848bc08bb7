/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes -> file of changed blocks. A header that is right only with its checksums is rarely met, so
   each input is read as it is, and again with both checksums put right. What is accepted changes no
   byte beyond its target, changes the same bytes when it is read again, and is, written again by
   our own means, the same file. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/memory.h"
#include "fuzz/check.h"
#include "table/blocks_file.h"

#define SIZE ((size_t)40 * BLOCK_BYTES + 100) /* of the table that the blocks are of */
#define GUARD ((size_t)2 * BLOCK_BYTES)

static const struct header_limits limits = {HEADER_BYTES_DEFAULT, HEADER_TOKENS_DEFAULT};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int memory_file(const uint8_t *data, size_t size)
{
    int fd = memfd_create("blocks", MFD_CLOEXEC);

    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    return fd;
}

/* Read into a target that is full of `fill`; true if it was accepted. */
static bool read_into(const struct blocks_file *f, int fd, unsigned char *memory, int fill)
{
    const struct blocks_target target = {.data = memory + GUARD, .size = SIZE};
    struct error e;
    enum status st;

    memset(memory, fill, SIZE + 2 * GUARD);
    st = blocks_file_read(f, fd, &target, &e);
    CHECK(st == ST_OK || (st == ST_INVALID && e.text[0]) || (st == ST_DATA_LOSS && e.text[0]));
    for (size_t i = 0; i < GUARD; i++)
        CHECK(memory[i] == fill && memory[GUARD + SIZE + i] == fill);
    return st == ST_OK;
}

/* The same header from what was read of it. */
static void write_again(const struct blocks_file *f)
{
    const struct header *h = &f->header;
    struct metadata *metadata = mem_alloc(h->metadata_count * sizeof *metadata);
    struct tensor tensor[2];
    size_t place[2], n;
    struct header again;
    unsigned char *bytes;

    memcpy(metadata, h->metadata, h->metadata_count * sizeof *metadata);
    for (size_t i = 0; i < h->metadata_count; i++)
        if (!strcmp(metadata[i].key, "embd.header"))
            metadata[i].value = HEADER_UNSEALED;
    for (size_t i = 0; i < 2; i++) {
        tensor[i] = h->tensor[i].tensor;
        place[i] = (size_t)(h->tensor[i].offset - h->data_offset);
    }
    CHECK(header_build(&bytes, &n, metadata, h->metadata_count, tensor, place, 2, NULL) == ST_OK);
    CHECK(header_seal(bytes, n));
    CHECK(header_parse(&again, bytes, n, n + h->data_bytes, &limits, NULL) == ST_OK);
    CHECK(again.sealed && again.metadata_count == h->metadata_count && again.tensor_count == 2);
    for (size_t i = 0; i < h->metadata_count; i++)
        CHECK(!strcmp(h->metadata[i].key, "embd.header") ||
              !strcmp(header_metadata(&again, h->metadata[i].key), h->metadata[i].value));
    for (size_t i = 0; i < 2; i++)
        CHECK(again.tensor[i].offset - again.data_offset == place[i]);
    header_done(&again);
    mem_free(bytes);
    mem_free(metadata);
}

static void try(const uint8_t *data, size_t size, bool righted)
{
    static unsigned char one[SIZE + 2 * GUARD], two[SIZE + 2 * GUARD];
    int fd = memory_file(data, size);
    struct blocks_file f;
    struct error e;
    enum status st = blocks_file_header(&f, fd, size, &limits, &e);

    if (st == ST_OK) {
        CHECK(f.header.sealed && f.base_version < f.moment.applied);
        CHECK(f.count <= size / (BLOCK_BYTES + 8));
        if (righted) {
            unsigned char *area = mem_alloc(f.header.data_bytes + 1);

            CHECK(file_pread(fd, area, f.header.data_bytes, f.header.data_offset, &e) == ST_OK);
            f.moment.checksum = hash_bytes(area, f.header.data_bytes);
            mem_free(area);
        }
        if (read_into(&f, fd, one, 0x55)) {
            CHECK(read_into(&f, fd, two, 0xaa));
            for (size_t i = 0; i < SIZE; i++) /* written the same both times, or not at all */
                CHECK(one[GUARD + i] == two[GUARD + i] ||
                      (one[GUARD + i] == 0x55 && two[GUARD + i] == 0xaa));
        }
        write_again(&f);
        blocks_file_done(&f);
    } else {
        CHECK((st == ST_INVALID || st == ST_DATA_LOSS) && e.text[0]);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t length;
    uint8_t *copy;

    try(data, size, false);
    if (size < 8)
        return 0;
    memcpy(&length, data, 8);
    if (length > size - 8)
        return 0;
    copy = mem_alloc(size);
    memcpy(copy, data, size);
    if (header_seal(copy, 8 + (size_t)length))
        try(copy, size, true);
    mem_free(copy);
    return 0;
}
