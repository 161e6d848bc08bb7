/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes of the client: what comes back, calls in flight, what it makes of answers that do not fit,
   and memory that runs out anywhere. client_stream_test.c has streams. */
#include "base/memory.h"
#include "client/body.h"
#include "tests/unit/client_pushes.h"

static void test_push_fills_versions_and_result(void **state)
{
    char error[EMBD_CLIENT_ERROR_MAX];
    embd_client *client = open_client();
    embd_push pushes[] = {push_to("gradient"), push_to("other"), push_to("third")};
    embd_push_options options = number(7);
    embd_push_result result;

    (void)state;
    must(embd_client_push(client, pushes, 3, &options, &result, error), error);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pushes[i].version, 7);
    assert_false(result.duplicate);
    assert_int_equal(result.lsn, 107);
    assert_int_equal(result.skipped, 5);
    options = number(77);
    must(embd_client_push(client, pushes, 3, &options, &result, error), error);
    assert_true(result.duplicate);
    must(embd_client_push(client, pushes, 1, NULL, NULL, error), error); /* no trainer */
    assert_int_equal(pushes[0].version, 0);
    embd_client_close(client);
}

static void test_bad_arguments(void **state)
{
    embd_client *client = open_client();
    embd_push_options options = {0};
    embd_push_stream *stream;
    struct error e;
    static const struct {
        embd_push push;
        const char *words;
    } cases[] = {
        {{0}, "names no table"},
        {{.table = "t", .id_count = 1}, "NULL but has a length"},
        {{.table = "t", .gradient_bytes = 1}, "NULL but has a length"},
        {{.table = "t", .offset_count = 1}, "NULL but has a length"},
        {{.table = "t", .pooling = -1}, "no pooling -1"},
        {{.table = "t", .format = EMBD_FORMAT_INT8}, "no format 3"},
        {{.table = "t", .format = -1}, "no format -1"},
        {{.table = "t", .gradients = gradients, .gradient_bytes = 7}, "7 bytes of gradients"},
    };

    (void)state;
    must(embd_push_stream_open(client, 0, &stream, e.text), e.text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        embd_push p = cases[i].push;

        assert_fails((enum status)embd_client_push(client, &p, 1, NULL, NULL, e.text), ST_INVALID,
                     e, cases[i].words);
        assert_fails((enum status)embd_push_stream_push(stream, &p, 1, NULL, NULL, e.text),
                     ST_INVALID, e, cases[i].words);
    }
    options.unknown = -1;
    assert_fails((enum status)embd_client_push(client, NULL, 0, &options, NULL, e.text), ST_INVALID,
                 e, "no policy -1");
    /* A push that was not taken does not harm the stream. */
    assert_fails((enum status)embd_push_stream_next(stream, e.text), ST_PRECONDITION, e,
                 "no push is waiting");
    must(embd_push_stream_close(stream, e.text), e.text);
    assert_int_equal(embd_push_stream_close(NULL, NULL), 0);
    embd_push_stream_cancel(NULL);
    embd_client_close(client);
}

static void test_answers_that_do_not_fit(void **state)
{
    static const struct {
        const char *table;
        enum status status;
        const char *words;
    } cases[] = {
        {"status:10:the next number is 4", ST_ABORTED, "the next number is 4"},
        {"status:9:read-only", ST_PRECONDITION, "read-only"},
        {"versions", ST_INTERNAL, "2 versions for 1 tables"},
        {"raw:ff", ST_INTERNAL, "not a PushResponse"},
        {"raw:", ST_INTERNAL, "0 versions for 1 tables"},
        {"two_messages", ST_INTERNAL, "more than one message"},
        {"close", ST_UNAVAILABLE, "closed the connection"},
        {"silence", ST_DEADLINE, "within 50.0 ms"},
    };
    embd_client *client = open_client();
    struct error e;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        embd_push p = push_to(cases[i].table);
        embd_push_options options = {.timeout_ms = 50};
        embd_push_result result = {.lsn = 99};

        p.version = 98;
        if (cases[i].status != ST_DEADLINE)
            options.timeout_ms = 20000;
        assert_fails((enum status)embd_client_push(client, &p, 1, &options, &result, e.text),
                     cases[i].status, e, cases[i].words);
        assert_int_equal(p.version, 98); /* as they were */
        assert_int_equal(result.lsn, 99);
    }
    embd_client_close(client);
}

#define FLIGHT 20

static void test_pushes_and_lookups_in_flight(void **state)
{
    char error[EMBD_CLIENT_ERROR_MAX];
    embd_client *client = open_client();
    embd_push p[FLIGHT];
    embd_push_result result[FLIGHT];
    embd_lookup l = {.table = "words", .ids = ids, .id_count = 4};
    embd_call *call[FLIGHT], *lookup;

    (void)state;
    for (int i = 0; i < FLIGHT; i++) {
        embd_push_options options = number((uint64_t)i + 1);

        p[i] = push_to("gradient");
        must(embd_client_push_start(client, &p[i], 1, &options, &result[i], &call[i], error),
             error);
    }
    must(embd_client_start(client, &l, 1, NULL, &lookup, error), error);
    embd_call_cancel(call[5]);
    assert_true(embd_client_poll(client, -1) > 0);
    must(embd_call_wait(lookup, error), error);
    for (int i = 0; i < FLIGHT; i++) {
        if (i == 5)
            continue;
        must(embd_call_wait(call[i], error), error);
        assert_int_equal(p[i].version, i + 1);
        assert_int_equal(result[i].lsn, i + 101);
    }
    embd_client_close(client);
}

static void test_body_is_read_in_any_portions(void **state)
{
    static const struct bytes first[] = {{"abc", 3}, {NULL, 0}, {"defgh", 5}},
                              second[] = {{"ij", 2}};

    (void)state;
    for (size_t room = 1; room < 12; room++) {
        struct parcel a = {.piece = first, .pieces = 3}, b = {.piece = second, .pieces = 1};
        struct body body = {0};
        char got[16] = "";
        size_t n = 0, part;

        body_add(&body, &a);
        for (int again = 0; again < 2; again++) {
            memset(got, 0, sizeof got);
            n = 0;
            while ((part = body_read(&body, got + n, room)))
                n += part;
            if (!again) {
                assert_string_equal(got, "abcdefgh");
                assert_true(body_sent(&body, &a));
                body_add(&body, &b);
                assert_false(body_sent(&body, &b));
                body_rewind(&body);
                assert_false(body_sent(&body, &a));
            }
        }
        assert_string_equal(got, "abcdefghij");
        assert_ptr_equal(body_take(&body), &a);
        assert_ptr_equal(body_take(&body), &b);
        assert_null(body.first);
        assert_null(body.last);
    }
}

#ifdef EMBD_DEVELOPER
/* Each allocation fails once: the push fails with a sentence, and the client can be used again. */
static void test_memory_runs_out_anywhere(void **state)
{
    uint64_t at = 0;
    bool failed;

    (void)state;
    do {
        char error[EMBD_CLIENT_ERROR_MAX] = "";
        embd_push p[] = {push_to("gradient"), push_to("gradient")};
        embd_push_stream *stream = NULL;
        embd_client *client = NULL;
        int st;

        mem_fail_at(++at, false);
        st = embd_client_open(&client, server.address, NULL, error);
        if (!st)
            st = embd_client_push(client, p, 2, NULL, NULL, error);
        if (!st)
            st = embd_push_stream_open(client, 0, &stream, error);
        if (!st)
            st = embd_push_stream_push(stream, p, 2, NULL, NULL, error);
        if (!st)
            st = embd_push_stream_push(stream, p, 1, NULL, NULL, error);
        if (!st)
            st = embd_push_stream_next(stream, error);
        if (st)
            embd_push_stream_cancel(stream);
        else
            st = embd_push_stream_close(stream, error);
        mem_fail_at(0, false);
        failed = mem_failed();
        if (!failed)
            assert_int_equal(st, 0);
        if (st)
            assert_true(error[0]);
        if (client)
            must(embd_client_push(client, p, 2, NULL, NULL, error), error);
        embd_client_close(client);
    } while (failed);
    assert_true(at > 20);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push_fills_versions_and_result),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_answers_that_do_not_fit),
        cmocka_unit_test(test_pushes_and_lookups_in_flight),
        cmocka_unit_test(test_body_is_read_in_any_portions),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_memory_runs_out_anywhere),
#endif
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
