/* Addresses as users write them, and listening sockets with their probe. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "os/socket.h"

static void test_addresses_that_users_write(void **state)
{
    static const struct {
        const char *text;
        int family;
        uint16_t port;
        bool any;
    } fine[] = {
        {":443", AF_INET6, 443, true},
        {"443", AF_INET6, 443, true},
        {"127.0.0.1:8443", AF_INET, 8443, false},
        {"localhost:1", AF_INET, 1, false},
        {"[::1]:65535", AF_INET6, 65535, false},
        {"[::]:80", AF_INET6, 80, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++) {
        struct socket_address address;
        assert_int_equal(socket_address_parse(fine[i].text, &address), 0);
        assert_int_equal(address.storage.ss_family, fine[i].family);
        assert_int_equal(socket_address_port(&address), fine[i].port);
        assert_int_equal(address.any, fine[i].any);
        assert_null(socket_address_check(fine[i].text));
    }
}

static void test_addresses_that_are_none(void **state)
{
    static const char *const wrong[] = {
        "",
        ":",
        ":0",
        ":65536",
        "x",
        "1.2.3.4",
        "1.2.3:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[]:80",
        "[1.2.3.4]:80",
        ":+443",
        ": 443",
        ":443 ",
        "example.com:443",
        "[::1%nix]:80",
        "1.2.3.4:0443x",
        ":000443",
    };
    char longest[300];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct socket_address address;
        assert_int_equal(socket_address_parse(wrong[i], &address), ERR_SYNTAX);
        assert_non_null(socket_address_check(wrong[i]));
    }
    memset(longest, '1', sizeof longest);
    strcpy(longest + sizeof longest - 5, ":443");
    struct socket_address address;
    assert_int_equal(socket_address_parse(longest, &address), ERR_SYNTAX);
}

static void test_equal_addresses(void **state)
{
    struct socket_address a, b, c, d;

    (void)state;
    assert_int_equal(socket_address_parse(":443", &a), 0);
    assert_int_equal(socket_address_parse("443", &b), 0);
    assert_int_equal(socket_address_parse("[::]:443", &c), 0);
    assert_int_equal(socket_address_parse("127.0.0.1:443", &d), 0);
    assert_true(socket_address_equal(&a, &b));
    assert_false(socket_address_equal(&a, &c));
    assert_false(socket_address_equal(&a, &d));
    assert_true(socket_address_equal(&d, &d));
}

/* A port that is free, on the loopback only. */
static struct socket_address free_address(void)
{
    struct socket_address address;
    struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t len = sizeof any;
    char text[32];

    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    close(fd);
    snprintf(text, sizeof text, "127.0.0.1:%u", (unsigned)ntohs(any.sin_port));
    assert_int_equal(socket_address_parse(text, &address), 0);
    return address;
}

static void test_the_probe_finds_sockets_that_share_their_port(void **state)
{
    struct socket_address address = free_address(), bound;
    int nodelay = 0;
    socklen_t len = sizeof nodelay;

    (void)state;
    assert_int_equal(socket_probe(&address), 0);
    int one = socket_listen(&address), two = socket_listen(&address);
    assert_true(one >= 0 && two >= 0);
    assert_int_equal(socket_probe(&address), -EADDRINUSE);
    assert_int_equal(socket_listening_address(one, &bound), 0);
    assert_true(socket_address_equal(&bound, &address));
    assert_int_equal(getsockopt(one, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len), 0);
    assert_int_not_equal(nodelay, 0);
    close(one);
    close(two);
    assert_int_equal(socket_probe(&address), 0);
}

static void test_a_socket_that_does_not_listen_has_no_address(void **state)
{
    struct socket_address address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_true(socket_listening_address(fd, &address) < 0);
    close(fd);
    assert_true(socket_listening_address(0, &address) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_that_users_write),
        cmocka_unit_test(test_addresses_that_are_none),
        cmocka_unit_test(test_equal_addresses),
        cmocka_unit_test(test_the_probe_finds_sockets_that_share_their_port),
        cmocka_unit_test(test_a_socket_that_does_not_listen_has_no_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
