/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes -> the body of counts in the log. What is accepted, written again, is the same bytes. */
#include "storage/count_body.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct count_body body;
    struct counted *counted;
    unsigned char *again;
    size_t n = 0;

    if (!count_body_read(&body, data, size))
        return 0;
    CHECK(table_name_valid(body.row.name, strlen(body.row.name)) && body.row.count <= size);
    counted = mem_zero(body.row.count + 1, sizeof *counted);
    CHECK(counted);
    while (count_body_next(&body, &counted[n])) {
        CHECK(counted[n].times && (!n || counted[n - 1].row < counted[n].row));
        n++;
    }
    CHECK(n == body.row.count);
    body.row.counted = counted;
    again = mem_alloc(count_body_most(&body.row));
    CHECK(again);
    CHECK(count_body_write(again, &body.row) == size && !memcmp(again, data, size));
    mem_free(again);
    mem_free(counted);
    return 0;
}
