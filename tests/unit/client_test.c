/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups of the client: results in the caller's memory, several calls in flight, deadlines,
   connections that break, memory that runs out. The other side is fake_server.py. */
#include "base/clock.h"
#include "base/memory.h"
#include "tests/unit/fake_server.h"

#define DIM 4 /* of every table of the fake server: column j of row i is i + j / 4 */

static struct fake_server server;
static const int64_t ids[] = {3, -1, 4, 1 << 20};

static embd_client *open_client(void)
{
    embd_client *client;

    assert_int_equal(embd_client_open(&client, server.address, NULL, NULL), 0);
    return client;
}

static embd_lookup ask(const char *table, float *out, size_t out_bytes)
{
    return (embd_lookup){
        .table = table, .ids = ids, .id_count = 4, .out = out, .out_bytes = out_bytes};
}

static void check_rows(const embd_lookup *l)
{
    assert_int_equal(l->dim, DIM);
    assert_int_equal(l->rows, l->id_count);
    assert_int_equal(l->version, 7);
    assert_int_equal(l->value_bytes, l->id_count * DIM * sizeof(float));
    for (size_t i = 0; i < l->id_count; i++)
        for (size_t j = 0; j < DIM; j++) {
            float value;

            memcpy(&value, (const char *)l->values + (i * DIM + j) * sizeof value, sizeof value);
            assert_true(value == (float)l->ids[i] + (float)j / 4);
        }
}

static void must(int failed, const char *error)
{
    if (failed)
        fail_msg("%s", error);
}

static void test_lookup_into_callers_memory(void **state)
{
    static const char *const tables[] = {"words", "bytewise"};
    char error[EMBD_CLIENT_ERROR_MAX];
    embd_client *client = open_client();

    (void)state;
    for (int i = 0; i < 2; i++) {
        float out[4 * DIM];
        uint32_t missing[2] = {9, 9};
        embd_lookup l = ask(tables[i], out, sizeof out);

        l.missing = missing;
        l.missing_room = 2;
        must(embd_client_lookup(client, &l, 1, NULL, error), error);
        assert_ptr_equal(l.values, out);
        check_rows(&l);
        assert_int_equal(l.missing_count, 1);
        assert_int_equal(missing[0], 1);
        assert_int_equal(missing[1], 9);
    }
    embd_client_close(client);
}

static void test_lookup_of_several_tables_lends_memory(void **state)
{
    char error[EMBD_CLIENT_ERROR_MAX];
    embd_client *client = open_client();
    float out[4 * DIM];

    (void)state;
    for (int round = 0; round < 3; round++) {
        embd_lookup l[] = {ask("words", NULL, 0), ask("words", out, sizeof out),
                           ask("words", NULL, 0)};

        l[2].id_count = 2;
        must(embd_client_lookup(client, l, 3, NULL, error), error);
        for (int i = 0; i < 3; i++)
            check_rows(&l[i]);
    }
    embd_client_close(client);
}

static void test_too_little_room(void **state)
{
    embd_client *client = open_client();
    float out[4 * DIM];
    embd_lookup l = ask("words", out, sizeof out - 1);
    struct error e;

    (void)state;
    assert_fails((enum status)embd_client_lookup(client, &l, 1, NULL, e.text), ST_EXHAUSTED, e,
                 "table \"words\": the rows take 64 bytes");
    l = ask("words", out, sizeof out);
    must(embd_client_lookup(client, &l, 1, NULL, e.text), e.text);
    check_rows(&l);
    embd_client_close(client);
}

static void test_bad_arguments(void **state)
{
    static const uint32_t offsets[] = {0, 4};
    const embd_lookup_options odd = {.format = 4};
    embd_client *client = open_client();
    struct error e;
    embd_lookup l = {0};

    (void)state;
    assert_fails((enum status)embd_client_lookup(client, &l, 1, NULL, e.text), ST_INVALID, e,
                 "names no table");
    l = ask("words", NULL, 0);
    l.pooling = EMBD_POOLING_SUM;
    assert_fails((enum status)embd_client_lookup(client, &l, 1, NULL, e.text), ST_INVALID, e,
                 "pooling needs offsets");
    l.pooling = -1;
    l.offsets = offsets;
    l.offset_count = 2;
    assert_fails((enum status)embd_client_lookup(client, &l, 1, NULL, e.text), ST_INVALID, e,
                 "no pooling -1");
    l = ask("words", NULL, 0);
    l.ids = NULL;
    assert_fails((enum status)embd_client_lookup(client, &l, 1, NULL, e.text), ST_INVALID, e,
                 "NULL");
    l = ask("words", NULL, 0);
    assert_fails((enum status)embd_client_lookup(client, &l, 1, &odd, e.text), ST_INVALID, e,
                 "no format 4");
    assert_fails((enum status)embd_client_open(&client, "nowhere", NULL, e.text), ST_INVALID, e,
                 "not host:port");
    embd_client_close(client);
    embd_client_close(NULL);
}

#define FLIGHT 50

static void test_calls_in_flight_end_in_any_order(void **state)
{
    char error[EMBD_CLIENT_ERROR_MAX];
    embd_client *client = open_client();
    static float out[FLIGHT][4 * DIM];
    embd_lookup l[FLIGHT];
    embd_call *call[FLIGHT];

    (void)state;
    for (int i = 0; i < FLIGHT; i++) {
        /* All but the last are held until the last arrives, then answered from the last on. */
        l[i] = ask(i < FLIGHT - 1 ? "hold" : "release", i % 2 ? out[i] : NULL, sizeof out[i]);
        if (i == FLIGHT - 1)
            assert_int_equal(embd_client_poll(client, 0), 0);
        must(embd_client_start(client, &l[i], 1, NULL, &call[i], error), error);
    }
    while (embd_client_poll(client, -1) < FLIGHT)
        ;
    for (int i = 0; i < FLIGHT; i++) {
        embd_call *next = call[(i * 7) % FLIGHT];

        assert_true(embd_call_finished(next));
        must(embd_call_wait(next, error), error);
    }
    for (int i = 0; i < FLIGHT; i++)
        check_rows(&l[i]);
    embd_client_close(client);
}

static void test_cancelled_calls_leave_the_others_alone(void **state)
{
    char error[EMBD_CLIENT_ERROR_MAX];
    embd_client *client = open_client();
    embd_lookup l[3] = {ask("hold", NULL, 0), ask("hold", NULL, 0), ask("release", NULL, 0)};
    embd_call *call[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        must(embd_client_start(client, &l[i], 1, NULL, &call[i], error), error);
        if (i == 0)
            embd_call_cancel(call[i]);
    }
    must(embd_call_wait(call[1], error), error);
    must(embd_call_wait(call[2], error), error);
    check_rows(&l[1]);
    /* Those still in flight when the client is closed go with it. */
    must(embd_client_start(client, &l[0], 1, NULL, &call[0], error), error);
    must(embd_client_start(client, &l[1], 1, NULL, &call[1], error), error);
    embd_client_close(client);
}

static void test_each_call_has_its_own_deadline(void **state)
{
    embd_client *client = open_client();
    embd_lookup slow = ask("silence", NULL, 0), quick = ask("words", NULL, 0);
    const embd_lookup_options soon = {.timeout_ms = 30}, never = {.timeout_ms = -1};
    embd_call *call[2];
    uint64_t start_us = clock_now_us();
    struct error e;

    (void)state;
    must(embd_client_start(client, &slow, 1, &soon, &call[0], e.text), e.text);
    must(embd_client_start(client, &quick, 1, &never, &call[1], e.text), e.text);
    assert_fails((enum status)embd_call_wait(call[0], e.text), ST_DEADLINE, e, "within 30.0 ms");
    assert_true(clock_now_us() - start_us >= 30000);
    must(embd_call_wait(call[1], e.text), e.text);
    check_rows(&quick);
    embd_client_close(client);
}

static void test_calls_on_a_broken_connection_fail_and_the_next_connects(void **state)
{
    embd_client *client = open_client();
    embd_lookup l[3] = {ask("hold", NULL, 0), ask("silence", NULL, 0), ask("close", NULL, 0)};
    embd_lookup good = ask("words", NULL, 0);
    embd_call *call[3];
    struct error e;

    (void)state;
    for (int i = 0; i < 3; i++)
        must(embd_client_start(client, &l[i], 1, NULL, &call[i], e.text), e.text);
    for (int i = 0; i < 3; i++)
        assert_fails((enum status)embd_call_wait(call[i], e.text), ST_UNAVAILABLE, e,
                     "closed the connection");
    must(embd_client_lookup(client, &good, 1, NULL, e.text), e.text);
    check_rows(&good);
    embd_client_close(client);
}

static void test_server_that_comes_back(void **state)
{
    struct fake_server own;
    embd_client *client;
    embd_lookup l = ask("words", NULL, 0);
    struct error e;

    (void)state;
    fake_server_start(&own);
    assert_int_equal(embd_client_open(&client, own.address, NULL, NULL), 0);
    must(embd_client_lookup(client, &l, 1, NULL, e.text), e.text);
    fake_server_stop(&own);
    assert_fails((enum status)embd_client_lookup(client, &l, 1, NULL, e.text), ST_UNAVAILABLE, e,
                 "cannot connect to");
    embd_client_close(client);
}

static void test_nobody_listens(void **state)
{
    embd_client *client;
    embd_lookup l = ask("words", NULL, 0);
    struct error e;

    (void)state;
    /* Port 1 of this machine: nothing listens there. */
    assert_int_equal(embd_client_open(&client, "127.0.0.1:1", NULL, e.text), 0);
    assert_fails((enum status)embd_client_lookup(client, &l, 1, NULL, e.text), ST_UNAVAILABLE, e,
                 "cannot connect to \"127.0.0.1:1\": Connection refused");
    embd_client_close(client);
}

static void test_large_request(void **state)
{
    const size_t count = 1 << 20;
    int64_t *many = malloc(count * sizeof *many);
    embd_client *client = open_client();
    struct error e;
    embd_lookup l = {.table = "status:8:too many", .ids = many, .id_count = count};

    (void)state;
    assert_non_null(many);
    memset(many, 0, count * sizeof *many);
    assert_fails((enum status)embd_client_lookup(client, &l, 1, NULL, e.text), ST_EXHAUSTED, e,
                 "too many");
    free(many);
    embd_client_close(client);
}

#ifdef EMBD_DEVELOPER
/* Each allocation fails once: the call fails with a sentence, and the client can be used again. */
static void test_memory_runs_out_anywhere(void **state)
{
    uint64_t at = 0;
    bool failed;

    (void)state;
    do {
        char error[EMBD_CLIENT_ERROR_MAX] = "";
        embd_client *client = NULL;
        embd_lookup l[2] = {ask("words", NULL, 0), ask("words", NULL, 0)};
        int st;

        mem_fail_at(++at, false);
        st = embd_client_open(&client, server.address, NULL, error);
        if (!st)
            st = embd_client_lookup(client, l, 2, NULL, error);
        mem_fail_at(0, false);
        failed = mem_failed();
        if (!failed || !st)
            assert_int_equal(st, 0);
        else
            assert_true(error[0]);
        if (client) {
            must(embd_client_lookup(client, l, 2, NULL, error), error);
            check_rows(&l[1]);
        }
        embd_client_close(client);
    } while (failed);
    assert_true(at > 10);
}
#endif

static int start_server(void **state)
{
    (void)state;
    fake_server_start(&server);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    fake_server_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup_into_callers_memory),
        cmocka_unit_test(test_lookup_of_several_tables_lends_memory),
        cmocka_unit_test(test_too_little_room),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_calls_in_flight_end_in_any_order),
        cmocka_unit_test(test_cancelled_calls_leave_the_others_alone),
        cmocka_unit_test(test_each_call_has_its_own_deadline),
        cmocka_unit_test(test_calls_on_a_broken_connection_fail_and_the_next_connects),
        cmocka_unit_test(test_server_that_comes_back),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_large_request),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_memory_runs_out_anywhere),
#endif
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
