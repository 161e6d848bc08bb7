/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes of the client: what comes back, calls in flight, streams, and what it makes of servers
   that break the rules. The other side is fake_server.py, which does what a push's table is called;
   the version of a table is the push's sequence, its lsn 100 more. */
#include "base/clock.h"
#include "base/memory.h"
#include "client/body.h"
#include "tests/unit/fake_server.h"

#define DIM 4

static struct fake_server server;
static const int64_t ids[] = {3, 1, 4, 1};
static const float gradients[4 * DIM] = {1, 2, 3};

static embd_client *open_client(void)
{
    embd_client *client;

    assert_int_equal(embd_client_open(&client, server.address, NULL, NULL), 0);
    return client;
}

static embd_push push_to(const char *table)
{
    return (embd_push){.table = table,
                       .ids = ids,
                       .id_count = 4,
                       .gradients = gradients,
                       .gradient_bytes = sizeof gradients};
}

static embd_push_options number(uint64_t sequence)
{
    return (embd_push_options){.trainer = "t", .sequence = sequence};
}

static void must(int failed, const char *error)
{
    if (failed)
        fail_msg("%s", error);
}

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

static void test_stream_answers_in_order(void **state)
{
    char error[EMBD_CLIENT_ERROR_MAX];
    embd_client *client = open_client();
    embd_push p[FLIGHT];
    embd_push_result result[FLIGHT];
    embd_push_stream *stream;

    (void)state;
    must(embd_push_stream_open(client, 0, &stream, error), error);
    assert_int_equal(embd_client_poll(client, 0), 0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < FLIGHT; i++) {
            /* All but the last are held until the last comes. */
            embd_push_options options = number((uint64_t)(100 * round + i + 1));

            p[i] = push_to(i < FLIGHT - 1 ? "hold" : "release");
            must(embd_push_stream_push(stream, &p[i], 1, &options, &result[i], error), error);
            assert_int_equal(embd_push_stream_in_flight(stream), i + 1);
        }
        assert_int_equal(embd_client_poll(client, -1), 1);
        assert_true(embd_push_stream_answered(stream) > 0);
        for (int i = 0; i < FLIGHT; i++) {
            must(embd_push_stream_next(stream, error), error);
            assert_int_equal(p[i].version, 100 * round + i + 1);
            assert_int_equal(result[i].lsn, 100 * round + i + 101);
            assert_int_equal(embd_push_stream_in_flight(stream), FLIGHT - i - 1);
        }
        assert_int_equal(embd_push_stream_answered(stream), 0);
    }
    must(embd_push_stream_close(stream, error), error);
    embd_client_close(client);
}

static void test_close_takes_what_is_due(void **state)
{
    char error[EMBD_CLIENT_ERROR_MAX];
    embd_client *client = open_client();
    embd_push p[] = {push_to("gradient"), push_to("hold"), push_to("release")};
    embd_push_stream *stream;

    (void)state;
    must(embd_push_stream_open(client, 0, &stream, error), error);
    for (int i = 0; i < 3; i++) {
        embd_push_options options = number((uint64_t)i + 1);

        must(embd_push_stream_push(stream, &p[i], 1, &options, NULL, error), error);
        if (i == 0)
            must(embd_push_stream_next(stream, error), error);
    }
    must(embd_push_stream_close(stream, error), error);
    assert_int_equal(p[1].version, 2);
    assert_int_equal(p[2].version, 3);
    must(embd_push_stream_open(client, 0, &stream, error), error);
    must(embd_push_stream_close(stream, error), error); /* of nothing */
    embd_client_close(client);
}

/* The first push is answered, the second one meets its fate, the third one has none of its own. */
static void test_streams_that_end_badly(void **state)
{
    static const struct {
        const char *table;
        enum status status;
        const char *words;
    } cases[] = {
        {"status:10:the next number is 4", ST_ABORTED, "the next number is 4"},
        {"status:3:row 7", ST_INVALID, "row 7"},
        {"leave", ST_UNAVAILABLE, "has ended the stream"},
        {"versions", ST_INTERNAL, "2 versions for 1 tables"},
        {"rubbish", ST_INTERNAL, "not a PushResponse"},
        {"truncated", ST_INTERNAL, "cut short"},
        {"length:4294967295", ST_EXHAUSTED, "67108864"},
        {"reset:2", ST_INTERNAL, "INTERNAL_ERROR"},
        {"reset:7", ST_UNAVAILABLE, "REFUSED_STREAM"}, /* not sent again: the first was taken */
        {"close", ST_UNAVAILABLE, "closed the connection"},
        {"silence", ST_DEADLINE, "within 100 ms"},
    };
    embd_client *client = open_client();
    struct error e;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        embd_push p[] = {push_to("gradient"),
                         push_to(cases[i].status == ST_DEADLINE ? "hold" : cases[i].table),
                         push_to("hold")};
        embd_push_stream *stream;

        for (int closed = 0; closed < 2; closed++) { /* by next, and by close alone */
            must(embd_push_stream_open(client, cases[i].status == ST_DEADLINE ? 100 : 20000,
                                       &stream, e.text),
                 e.text);
            for (int k = 0; k < 3; k++)
                if (embd_push_stream_push(stream, &p[k], 1, NULL, NULL, e.text))
                    assert_true(k > 0); /* the end may have come by then */
            must(closed ? 0 : embd_push_stream_next(stream, e.text), e.text);
            for (int again = 0; again < 2 && !closed; again++)
                assert_fails((enum status)embd_push_stream_next(stream, e.text), cases[i].status, e,
                             cases[i].words);
            if (!closed)
                assert_fails((enum status)embd_push_stream_push(stream, p, 1, NULL, NULL, e.text),
                             cases[i].status, e, cases[i].words);
            assert_fails((enum status)embd_push_stream_close(stream, e.text), cases[i].status, e,
                         cases[i].words);
        }
        must(embd_client_push(client, p, 1, NULL, NULL, e.text), e.text); /* and it goes on */
    }
    embd_client_close(client);
}

static void test_answer_to_nothing(void **state)
{
    const size_t count = 1 << 20;
    int64_t *many = calloc(count, sizeof *many);
    embd_client *client = open_client();
    embd_push twice = push_to("twice"),
              large = {.table = "gradient", .ids = many, .id_count = count};
    embd_push_stream *stream;
    struct error e;

    (void)state;
    assert_non_null(many);
    must(embd_push_stream_open(client, 0, &stream, e.text), e.text);
    must(embd_push_stream_push(stream, &twice, 1, NULL, NULL, e.text), e.text);
    assert_fails((enum status)embd_push_stream_close(stream, e.text), ST_INTERNAL, e,
                 "answers a push that it has not got");
    /* Nor is it the answer to one that is still on its way there. */
    must(embd_push_stream_open(client, 0, &stream, e.text), e.text);
    must(embd_push_stream_push(stream, &twice, 1, NULL, NULL, e.text), e.text);
    must(embd_push_stream_push(stream, &large, 1, NULL, NULL, e.text), e.text);
    must(embd_push_stream_next(stream, e.text), e.text);
    assert_fails((enum status)embd_push_stream_next(stream, e.text), ST_INTERNAL, e,
                 "answers a push that it has not got");
    embd_push_stream_cancel(stream);
    free(many);
    embd_client_close(client);
}

static void test_stream_that_was_refused_unseen_is_sent_again(void **state)
{
    embd_client *client = open_client();
    embd_push p[] = {push_to("refuse:1:x"), push_to("gradient")};
    embd_push_stream *stream;
    struct error e;

    (void)state;
    must(embd_push_stream_open(client, 0, &stream, e.text), e.text);
    for (int i = 0; i < 2; i++) {
        embd_push_options options = number((uint64_t)i + 5);

        must(embd_push_stream_push(stream, &p[i], 1, &options, NULL, e.text), e.text);
    }
    must(embd_push_stream_close(stream, e.text), e.text);
    assert_int_equal(p[0].version, 5);
    assert_int_equal(p[1].version, 6);

    p[0] = push_to("refuse:9:y");
    must(embd_push_stream_open(client, 0, &stream, e.text), e.text);
    must(embd_push_stream_push(stream, &p[0], 1, NULL, NULL, e.text), e.text);
    assert_fails((enum status)embd_push_stream_next(stream, e.text), ST_UNAVAILABLE, e,
                 "refused the call, twice");
    embd_push_stream_cancel(stream);
    embd_client_close(client);
}

/* Arrays that are sent from where they are, in more pieces than a frame holds. */
static void test_large_pushes(void **state)
{
    const size_t count = 100000;
    float *large = calloc(count * DIM, sizeof *large);
    int64_t *many = calloc(count, sizeof *many);
    embd_client *client = open_client();
    embd_push p[3];
    embd_push_stream *stream;
    struct error e;

    (void)state;
    assert_true(large && many);
    must(embd_push_stream_open(client, 0, &stream, e.text), e.text);
    for (int i = 0; i < 3; i++) {
        embd_push_options options = number((uint64_t)i + 1);

        p[i] = (embd_push){.table = "gradient",
                           .ids = many,
                           .id_count = count,
                           .gradients = large,
                           .gradient_bytes = count * DIM * sizeof *large};
        must(embd_push_stream_push(stream, &p[i], 1, &options, NULL, e.text), e.text);
    }
    must(embd_push_stream_close(stream, e.text), e.text);
    for (int i = 0; i < 3; i++)
        assert_int_equal(p[i].version, i + 1);
    must(embd_client_push(client, p, 3, NULL, NULL, e.text), e.text);
    /* A client that is closed takes its streams along. */
    must(embd_push_stream_open(client, 0, &stream, e.text), e.text);
    must(embd_push_stream_push(stream, &p[0], 1, NULL, NULL, e.text), e.text);
    embd_client_close(client);
    free(large);
    free(many);
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
        cmocka_unit_test(test_push_fills_versions_and_result),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_answers_that_do_not_fit),
        cmocka_unit_test(test_pushes_and_lookups_in_flight),
        cmocka_unit_test(test_stream_answers_in_order),
        cmocka_unit_test(test_close_takes_what_is_due),
        cmocka_unit_test(test_streams_that_end_badly),
        cmocka_unit_test(test_answer_to_nothing),
        cmocka_unit_test(test_stream_that_was_refused_unseen_is_sent_again),
        cmocka_unit_test(test_large_pushes),
        cmocka_unit_test(test_body_is_read_in_any_portions),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_memory_runs_out_anywhere),
#endif
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
