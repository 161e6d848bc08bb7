/* SPDX-License-Identifier: Apache-2.0 */
/* What the client makes of good, odd and hostile replies. The other side is fake_server.py, which
   knows the scenarios by the names used here. */
#include "tests/unit/fake_server.h"

#define LENGTH(a) (sizeof(a) / sizeof *(a))
#define REPLY_MAX 65536

static struct fake_server server;

struct scenario {
    const char *name;
    enum status status;
    const char *words; /* of the sentence; of a good reply the whole message */
};

static const struct scenario scenarios[] = {
    {"ok", ST_OK, "pong"},
    {"empty", ST_OK, ""},
    {"bytewise", ST_OK, "pong"},
    {"continued", ST_OK, "pong"},
    {"informed", ST_OK, "pong"},
    {"type:application/grpc+proto", ST_OK, "pong"},
    {"type:application/grpc;charset=x", ST_OK, "pong"},
    {"reset_after", ST_OK, "pong"},
    {"flag:0", ST_OK, "pong"},

    {"status:1:x", ST_CANCELLED, "x"},
    {"status:3:row 7 is odd", ST_INVALID, "row 7 is odd"},
    {"status:5:no table %22%C3%BC%25%22", ST_NOT_FOUND, "no table \"\u00fc%\""},
    {"status:5:bad %zz escape %", ST_NOT_FOUND, "bad %zz escape %"},
    {"status:9:two%0Alines%1B[31m", ST_PRECONDITION, "two lines [31m"},
    {"status:14", ST_UNAVAILABLE, "the server says UNAVAILABLE"},
    {"status:16:who", ST_UNAUTHENTICATED, "who"},
    {"status:17:x", ST_UNKNOWN, "x"},
    {"status:05:x", ST_UNKNOWN, "x"},
    {"status:-1:x", ST_UNKNOWN, "x"},
    {"status:abc:x", ST_UNKNOWN, "x"},
    {"late_status:5", ST_NOT_FOUND, "after all"},
    {"status:0", ST_INTERNAL, "sent no message"},

    {"http:400", ST_INTERNAL, "HTTP status 400"},
    {"http:401", ST_UNAUTHENTICATED, "HTTP status 401"},
    {"http:403", ST_PERMISSION, "HTTP status 403"},
    {"http:404", ST_UNIMPLEMENTED, "HTTP status 404"},
    {"http:415", ST_UNKNOWN, "HTTP status 415"},
    {"http:429", ST_UNAVAILABLE, "HTTP status 429"},
    {"http:431", ST_INTERNAL, "HTTP status 431"},
    {"http:500", ST_UNKNOWN, "HTTP status 500"},
    {"http:502", ST_UNAVAILABLE, "HTTP status 502"},
    {"http:503", ST_UNAVAILABLE, "HTTP status 503"},
    {"http:504", ST_UNAVAILABLE, "HTTP status 504"},
    {"http:200", ST_UNKNOWN, "not gRPC (HTTP status 200)"},
    {"http_grpc:405:13", ST_INTERNAL, "the server says INTERNAL"},
    {"http_grpc:500:0", ST_UNKNOWN, "HTTP status 500"},
    {"html_ok", ST_UNKNOWN, "not gRPC"},
    {"untyped", ST_UNKNOWN, "not gRPC"},
    {"type:application/grpc+json", ST_UNKNOWN, "not gRPC"},
    {"type:application/grpcx", ST_UNKNOWN, "not gRPC"},

    {"reset:0", ST_INTERNAL, "NO_ERROR"},
    {"reset:1", ST_INTERNAL, "PROTOCOL_ERROR"},
    {"reset:2", ST_INTERNAL, "INTERNAL_ERROR"},
    {"reset:3", ST_INTERNAL, "FLOW_CONTROL_ERROR"},
    {"reset:4", ST_INTERNAL, "SETTINGS_TIMEOUT"},
    {"reset:5", ST_INTERNAL, "STREAM_CLOSED"},
    {"reset:6", ST_INTERNAL, "FRAME_SIZE_ERROR"},
    {"reset:7", ST_UNAVAILABLE, "refused the call, twice"},
    {"reset:8", ST_CANCELLED, "CANCEL"},
    {"reset:9", ST_INTERNAL, "COMPRESSION_ERROR"},
    {"reset:10", ST_INTERNAL, "CONNECT_ERROR"},
    {"reset:11", ST_EXHAUSTED, "ENHANCE_YOUR_CALM"},
    {"reset:12", ST_PERMISSION, "INADEQUATE_SECURITY"},
    {"reset:13", ST_INTERNAL, "HTTP_1_1_REQUIRED"},
    {"reset:4294967295", ST_INTERNAL, "unknown"},

    {"no_trailers", ST_UNKNOWN, "without a status"},
    {"no_message", ST_INTERNAL, "sent no message"},
    {"short_prefix", ST_INTERNAL, "cut short"},
    {"truncated", ST_INTERNAL, "cut short"},
    {"two_messages", ST_INTERNAL, "more than one message"},
    {"flag:1", ST_INTERNAL, ""},
    {"flag:2", ST_INTERNAL, ""},
    {"length:65537", ST_EXHAUSTED, "65536"},
    {"length:4294967295", ST_EXHAUSTED, "65536"},
    {"large:65537", ST_EXHAUSTED, "65536"},

    {"data_first", ST_UNAVAILABLE, "does not keep to HTTP/2"},
    {"bad_length", ST_INTERNAL, "PROTOCOL_ERROR"},
    {"upper_case", ST_INTERNAL, "PROTOCOL_ERROR"},
    {"many_headers", ST_EXHAUSTED, "headers take more than 16384 bytes"},
    {"continuations", ST_UNAVAILABLE, "does not keep to HTTP/2"},
    {"bad_hpack", ST_UNAVAILABLE, "does not keep to HTTP/2"},
    {"huge_frame", ST_UNAVAILABLE, "does not keep to HTTP/2"},
    {"push", ST_UNAVAILABLE, "does not keep to HTTP/2"},
    {"garbage", ST_UNAVAILABLE, "does not keep to HTTP/2"},
    {"http1", ST_UNAVAILABLE, "does not keep to HTTP/2"},
    {"pings", ST_UNAVAILABLE, "does not keep to HTTP/2"},
    {"close", ST_UNAVAILABLE, "closed the connection"},
    {"close_within", ST_UNAVAILABLE, "closed the connection"},
};

static embd_client *open_client(void)
{
    const embd_client_options options = {.max_reply_bytes = REPLY_MAX, .timeout_ms = 20000};
    embd_client *client;

    assert_int_equal(embd_client_open(&client, server.address, &options, NULL), 0);
    return client;
}

static void test_scenarios(void **state)
{
    embd_client *client = open_client();

    (void)state;
    for (size_t i = 0; i < LENGTH(scenarios); i++) {
        const struct scenario *s = &scenarios[i];
        char error[EMBD_CLIENT_ERROR_MAX] = "", reply[256] = "";
        int st = fake_ask(client, s->name, 0, reply, sizeof reply, error);

        if (st != (int)s->status)
            fail_msg("%s: %s \"%s\", not %s", s->name, status_name((enum status)st), error,
                     status_name(s->status));
        if (st == 0)
            assert_string_equal(reply, s->words);
        else if (!error[0] || !strstr(error, s->words))
            fail_msg("%s: \"%s\" does not say \"%s\"", s->name, error, s->words);
        /* Whatever happened, the client goes on. */
        assert_int_equal(fake_ask(client, "ok", 0, reply, sizeof reply, error), 0);
        assert_string_equal(reply, "pong");
    }
    embd_client_close(client);
}

/* The deadline is kept by the client itself, whatever the server does. */
static void test_deadline(void **state)
{
    static const char *const endless[] = {"silence", "begin", "dribble"};
    embd_client *client = open_client();
    char reply[REPLY_MAX];

    (void)state;
    for (size_t i = 0; i < LENGTH(endless); i++) {
        struct error e = {""};

        assert_fails((enum status)fake_ask(client, endless[i], 50, reply, sizeof reply, e.text),
                     ST_DEADLINE, e, "within 50.0 ms");
    }
    embd_client_close(client);
}

static unsigned count_of(const char *text, const char *line)
{
    unsigned n = 0;

    for (; (text = strstr(text, line)); text++)
        n++;
    return n;
}

/* What the server has seen of resets and settings up to now. */
static void see(embd_client *client, char *out, size_t room)
{
    char error[EMBD_CLIENT_ERROR_MAX];

    if (fake_ask(client, "seen", 0, out, room, error) != 0)
        fail_msg("%s", error);
}

static void test_deadline_and_bad_replies_cancel_the_stream(void **state)
{
    static const char *const left[] = {"silence", "two_messages", "http:503", "length:65537"};
    embd_client *client = open_client();
    static char before[REPLY_MAX], after[REPLY_MAX], reply[256];

    (void)state;
    see(client, before, sizeof before);
    for (size_t i = 0; i < LENGTH(left); i++)
        assert_int_not_equal(fake_ask(client, left[i], 50, reply, sizeof reply, NULL), 0);
    see(client, after, sizeof after);
    /* One reset each, but none after a reply that came to its end. */
    assert_int_equal(count_of(after, "reset 8") - count_of(before, "reset 8"), 4);
    assert_int_equal(fake_ask(client, "ok", 0, reply, sizeof reply, NULL), 0);
    assert_int_equal(fake_ask(client, "status:5", 0, reply, sizeof reply, NULL), ST_NOT_FOUND);
    see(client, before, sizeof before);
    assert_int_equal(count_of(after, "reset"), count_of(before, "reset"));
    embd_client_close(client);
}

static void test_windows_and_frames_are_large(void **state)
{
    static char seen[REPLY_MAX];
    embd_client *client = open_client();
    char error[EMBD_CLIENT_ERROR_MAX];
    void *reply;
    size_t n;

    (void)state;
    see(client, seen, sizeof seen);
    assert_non_null(strstr(seen, "2=0"));
    assert_non_null(strstr(seen, "4=67108864"));
    assert_non_null(strstr(seen, "5=1048576"));
    assert_non_null(strstr(seen, "window 268369921")); /* 256 MiB less the first 65,535 bytes */
    embd_client_close(client);

    /* Sixteen frames of 1 MiB, sent without waiting for a window. */
    assert_int_equal(embd_client_open(&client, server.address, NULL, NULL), 0);
    if (embd_client_unary(client, "/fake.Fake/Do", "large:16777216", 14, 0, &reply, &n, error))
        fail_msg("%s", error);
    assert_int_equal(n, 16777216);
    for (size_t i = 0; i < n; i++)
        assert_true(((char *)reply)[i] == 'x');
    embd_client_free(reply);
    embd_client_close(client);
}

static void test_refused_calls_are_sent_again_once(void **state)
{
    static const struct {
        const char *name, *count;
        enum status status;
        const char *times;
    } cases[] = {
        {"refuse:1:a", "count:refuse/1/a", ST_OK, "2"},
        {"refuse:9:b", "count:refuse/9/b", ST_UNAVAILABLE, "2"},
        {"goaway:1:c", "count:goaway/1/c", ST_OK, "2"},
        {"goaway:9:d", "count:goaway/9/d", ST_UNAVAILABLE, "2"},
        {"close", "count:close", ST_UNAVAILABLE, NULL},
    };
    embd_client *client = open_client();

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char before[256], reply[256], error[EMBD_CLIENT_ERROR_MAX];

        assert_int_equal(fake_ask(client, cases[i].count, 0, before, sizeof before, error), 0);
        assert_int_equal(fake_ask(client, cases[i].name, 0, reply, sizeof reply, error),
                         cases[i].status);
        assert_int_equal(fake_ask(client, cases[i].count, 0, reply, sizeof reply, error), 0);
        assert_int_equal(atoi(reply) - atoi(before), cases[i].times ? atoi(cases[i].times) : 1);
    }
    embd_client_close(client);
}

static void test_last_call_of_a_connection(void **state)
{
    embd_client *client = open_client();
    char reply[256], error[EMBD_CLIENT_ERROR_MAX];

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fake_ask(client, "last", 0, reply, sizeof reply, error), 0);
        assert_string_equal(reply, "pong");
    }
    embd_client_close(client);
}

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
        cmocka_unit_test(test_scenarios),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_deadline_and_bad_replies_cancel_the_stream),
        cmocka_unit_test(test_windows_and_frames_are_large),
        cmocka_unit_test(test_refused_calls_are_sent_again_once),
        cmocka_unit_test(test_last_call_of_a_connection),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
