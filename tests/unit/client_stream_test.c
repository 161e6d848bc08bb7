/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of pushes: answers in order, and every way in which a stream can end badly. */
#include "tests/unit/client_pushes.h"

#define FLIGHT 20

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_answers_in_order),
        cmocka_unit_test(test_close_takes_what_is_due),
        cmocka_unit_test(test_streams_that_end_badly),
        cmocka_unit_test(test_answer_to_nothing),
        cmocka_unit_test(test_stream_that_was_refused_unseen_is_sent_again),
        cmocka_unit_test(test_large_pushes),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
