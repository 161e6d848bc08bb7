/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes to fake_server.py, which does what a push's table is called; the version of a table is the
   push's sequence, its lsn 100 more. For the tests of the client's pushes. */
#pragma once

#include "tests/unit/fake_server.h"

#define DIM 4

static struct fake_server server;
static const int64_t ids[] = {3, 1, 4, 1};
static const float gradients[4 * DIM] = {1, 2, 3};

static inline embd_client *open_client(void)
{
    embd_client *client;

    assert_int_equal(embd_client_open(&client, server.address, NULL, NULL), 0);
    return client;
}

static inline embd_push push_to(const char *table)
{
    return (embd_push){.table = table,
                       .ids = ids,
                       .id_count = 4,
                       .gradients = gradients,
                       .gradient_bytes = sizeof gradients};
}

static inline embd_push_options number(uint64_t sequence)
{
    return (embd_push_options){.trainer = "t", .sequence = sequence};
}

static inline void must(int failed, const char *error)
{
    if (failed)
        fail_msg("%s", error);
}

static inline int start_server(void **state)
{
    (void)state;
    fake_server_start(&server);
    return 0;
}

static inline int stop_server(void **state)
{
    (void)state;
    fake_server_stop(&server);
    return 0;
}
