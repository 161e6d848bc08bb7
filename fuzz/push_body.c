/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes -> the body of a push in the log. What is accepted adds up, and written again it is the
   same bytes. */
#include "storage/push_body.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct push_row *row, const uint8_t *data, size_t size)
{
    unsigned char *again;
    size_t n = 0;

    CHECK(push_body_size(row, &n) && n == size);
    again = mem_alloc(size);
    CHECK(again);
    push_body_write(again, row);
    CHECK(!memcmp(again, data, size));
    mem_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct push_body body;
    struct push_table *table;
    size_t count = 0;

    if (!push_body_read(&body, data, size))
        return 0;
    CHECK(body.row.tables <= size && body.row.bytes <= size);
    CHECK(strlen(body.trainer) <= TRAINER_MAX && !body.row.sequence == !body.trainer[0]);
    CHECK((const uint8_t *)body.row.message + body.row.bytes == data + size);
    table = mem_zero(body.row.tables + 1, sizeof *table);
    CHECK(table);
    while (push_body_table(&body, &table[count])) {
        CHECK(table_name_valid(table[count].name, strlen(table[count].name)));
        count++;
    }
    CHECK(count == body.row.tables);
    body.row.table = table;
    check_again(&body.row, data, size);
    mem_free(table);
    return 0;
}
