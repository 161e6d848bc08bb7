/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of daemons. */
#include "client/address.h"

#include <netinet/in.h>
#include <sys/un.h>

#include "tests/unit/unit.h"

static const struct {
    const char *text, *host, *port, *authority;
} good[] = {
    {"127.0.0.1:3623", "127.0.0.1", "3623", "127.0.0.1:3623"},
    {"localhost:1", "localhost", "1", "localhost:1"},
    {"[::1]:65535", "::1", "65535", "[::1]:65535"},
    {"unix:/run/embd/socket", "/run/embd/socket", NULL, "localhost"},
    {"unix:here", "here", NULL, "localhost"},
};

static void test_good_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct address a;
        struct error e;

        assert_ok(address_parse(&a, good[i].text, &e), e);
        assert_string_equal(a.text, good[i].text);
        assert_string_equal(a.host, good[i].host);
        if (good[i].port)
            assert_string_equal(a.port, good[i].port);
        else
            assert_null(a.port);
        assert_string_equal(address_authority(&a), good[i].authority);
        address_done(&a);
    }
}

static const struct {
    const char *text, *words;
} bad[] = {
    {"", "is not host:port"},
    {"localhost", "is not host:port"},
    {":3623", "is not host:port"},
    {"::1:3623", "in brackets"},
    {"[]:3623", "has no host"},
    {"host:", "a port is 1 to 65535"},
    {"host:0", "a port is 1 to 65535"},
    {"host:65536", "a port is 1 to 65535"},
    {"host:3623x", "a port is 1 to 65535"},
    {"host:-1", "a port is 1 to 65535"},
    {"host:03623", "a port is 1 to 65535"},
    {"unix:", "has no path"},
    {"unix:/"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "at most 107 bytes"},
};

static void test_bad_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct address a;
        struct error e;

        assert_fails(address_parse(&a, bad[i].text, &e), ST_INVALID, e, bad[i].words);
    }
}

static void resolve(const char *text, struct endpoint *endpoint, size_t *count)
{
    struct address a;
    struct error e;

    assert_ok(address_parse(&a, text, &e), e);
    assert_ok(address_resolve(&a, endpoint, count, &e), e);
    address_done(&a);
}

static void test_resolving(void **state)
{
    struct endpoint endpoint[ENDPOINTS_MAX];
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
    size_t count;

    (void)state;
    resolve("127.0.0.1:3623", endpoint, &count);
    assert_int_equal(count, 1);
    memcpy(&v4, &endpoint[0].address, sizeof v4);
    assert_int_equal(v4.sin_family, AF_INET);
    assert_int_equal(v4.sin_port, htons(3623));
    resolve("[::1]:80", endpoint, &count);
    memcpy(&v6, &endpoint[0].address, sizeof v6);
    assert_int_equal(v6.sin6_family, AF_INET6);
    assert_int_equal(v6.sin6_port, htons(80));
    resolve("unix:/tmp/x", endpoint, &count);
    memcpy(&local, &endpoint[0].address, sizeof local);
    assert_int_equal(local.sun_family, AF_UNIX);
    assert_string_equal(local.sun_path, "/tmp/x");
}

static void test_name_that_cannot_be(void **state)
{
    struct endpoint endpoint[ENDPOINTS_MAX];
    struct address a;
    struct error e;
    size_t count;

    (void)state;
    assert_ok(address_parse(&a, "no such host:1", &e), e);
    assert_fails(address_resolve(&a, endpoint, &count, &e), ST_UNAVAILABLE, e,
                 "cannot find \"no such host\"");
    address_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_addresses),
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_resolving),
        cmocka_unit_test(test_name_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
