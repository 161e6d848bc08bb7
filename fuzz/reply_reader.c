/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as the reply to a lookup, arriving in pieces, at the client: what its streaming reader
   takes, the reader of whole messages takes too, and both see the same. The first byte chooses the
   format and whether the caller gave room, the second the length of the pieces. */
#include "client/reply_reader.h"

#include <string.h>

#include "base/memory.h"
#include "fuzz/check.h"
#include "proto/lookup_coding.h"

#define CAP ((size_t)64 << 20)
#define RESULTS 2
#define ROOM 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_same(const struct table_vectors *v, const embd_lookup *l, const uint32_t *missing)
{
    CHECK(v->dim == l->dim && v->rows == l->rows && v->version == l->version);
    CHECK(v->missing_count == l->missing_count);
    CHECK(v->value_bytes == l->value_bytes);
    CHECK(!v->value_bytes || !memcmp(v->received_values.data, l->values, v->value_bytes));
    for (size_t i = 0; i < v->missing_count; i++) {
        uint32_t position;

        memcpy(&position, (const char *)v->received_missing.data + 4 * i, 4);
        CHECK(position < l->id_count && (i >= ROOM || position == missing[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const int64_t ids[3];
    unsigned char out[RESULTS][ROOM];
    uint32_t missing[RESULTS][ROOM];
    embd_lookup lookup[RESULTS];
    struct reply_result result[RESULTS] = {{0}};
    struct reply_reader reader;
    struct table_vectors *v;
    struct arena arena;
    struct error e;
    enum status st = ST_OK, whole;
    size_t count, piece;
    uint64_t lsn;

    if (n < 2)
        return 0;
    for (size_t i = 0; i < RESULTS; i++) {
        lookup[i] = (embd_lookup){.table = "t",
                                  .ids = ids,
                                  .id_count = 1 + 2 * i,
                                  .out = data[0] & 4 ? out[i] : NULL,
                                  .out_bytes = ROOM,
                                  .missing = missing[i],
                                  .missing_room = ROOM};
        result[i].lookup = &lookup[i];
    }
    piece = data[1] ? data[1] : 256;
    reply_reader_init(&reader, data[0] & 3, result, 1 + (data[0] >> 3 & 1));
    data += 2;
    n -= 2;
    reply_reader_begin(&reader, (uint32_t)n);
    for (size_t at = 0; at < n && st == ST_OK; at += piece)
        st = reply_reader_add(&reader, data + at, n - at < piece ? n - at : piece, &e);
    if (st == ST_OK)
        st = reply_reader_end(&reader, &e);
    arena_init(&arena, CAP);
    whole = lookup_reply_read(&v, &count, &lsn, data, n, &arena, &e);
    CHECK(st == ST_OK || st == ST_INTERNAL || st == ST_EXHAUSTED);
    CHECK(st != ST_OK || (whole == ST_OK && count == reader.result_count));
    for (size_t i = 0; st == ST_OK && i < count; i++)
        check_same(&v[i], &lookup[i], missing[i]);
    for (size_t i = 0; i < RESULTS; i++)
        mem_free(result[i].own);
    arena_done(&arena);
    return 0;
}
