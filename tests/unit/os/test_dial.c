/* Connecting out, addresses as text, and the system's resolver in a child. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "os/dial.h"
#include "os/lookup.h"

#ifndef PORTABLE /* the code of systems that tell neither paths nor the box that refused */
#define PORTABLE 0
#endif

static void wait_for(int fd, short events)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};

    assert_int_equal(poll(&poll_fd, 1, 10000), 1);
}

/* A listening socket on a free port of loopback. @return its descriptor */
static int listen_somewhere(struct socket_address *ret_address)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(address_from_ip("127.0.0.1", 1, ret_address), 0);
    address_set_port(ret_address, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&ret_address->storage, ret_address->len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&ret_address->storage, &ret_address->len),
                     0);
    return fd;
}

static void test_a_connection_is_made_and_measured(void **state)
{
    struct socket_address address;
    struct dial_failure failure;
    struct dial_path path;
    char byte;

    (void)state;
    int listener = listen_somewhere(&address);
    int fd = dial_tcp(&address, 0);
    assert_true(fd >= 0);
    wait_for(fd, POLLOUT);
    assert_int_equal(dial_result(fd, &failure), 0);
    assert_int_equal(dial_receive(fd, &byte, 1), -EAGAIN);
    assert_int_equal(dial_send(fd, "x", 1), 1);
    dial_path(fd, &path);
    assert_true(PORTABLE ? path.mss == 0 : path.rtt > 0 && path.mss > 0);
    dial_close(fd);
    fd = dial_tcp(&address, 536);
    wait_for(fd, POLLOUT);
    dial_path(fd, &path);
    assert_true(path.mss <= 536);
    dial_close(fd);
    close(listener);
}

static void test_a_refusal_is_told(void **state)
{
    struct socket_address address;
    struct dial_failure failure;

    (void)state;
    close(listen_somewhere(&address)); /* now nobody listens there */
    int fd = dial_tcp(&address, 0);
    if (fd >= 0) {
        wait_for(fd, POLLOUT);
        assert_int_equal(dial_result(fd, &failure), -ECONNREFUSED);
        assert_int_equal(failure.error, ECONNREFUSED);
        assert_false(failure.icmp); /* a reset */
        dial_close(fd);
    } else {
        assert_int_equal(fd, -ECONNREFUSED);
    }
}

static void test_a_closed_udp_port_is_told_with_its_icmp(void **state)
{
    struct socket_address address;
    struct dial_failure failure;
    char byte;

    (void)state;
    close(listen_somewhere(&address));
    int fd = dial_udp(&address);
    assert_true(fd >= 0);
    assert_int_equal(dial_send(fd, "x", 1), 1);
    wait_for(fd, POLLIN);
    ssize_t r = dial_receive(fd, &byte, 1);
    assert_int_equal(r, -ECONNREFUSED);
    dial_take_failure(fd, (int)-r, &failure);
    if (!PORTABLE) {
        assert_true(failure.icmp && failure.type == 3 && failure.code == 3);
        assert_true(failure.has_offender);
    }
    dial_close(fd);
}

static void test_addresses_go_to_text_and_back(void **state)
{
    static const char *const same[] = {"192.0.2.1", "2001:db8::1", "::1"};
    static const char *const wrong[] = {"",     "1.2.3", "1.2.3.4.5",  "::g",
                                        "[::1", "a",     "fe80::1%no0"};
    struct socket_address address;
    char text[ADDRESS_TEXT];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        assert_int_equal(address_from_ip(same[i], 443, &address), 0);
        assert_string_equal(address_ip_text(&address, text), same[i]);
    }
    assert_int_equal(address_from_ip("[fe80::1%lo]", 443, &address), 0);
    assert_string_equal(address_text(&address, text), "[fe80::1%lo]:443");
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(address_from_ip(wrong[i], 443, &address), ERR_SYNTAX);
}

static void test_the_systems_resolver_answers_through_a_pipe(void **state)
{
    struct lookup lookup;
    struct lookup_result result;
    char text[ADDRESS_TEXT];
    int r;

    (void)state;
    assert_int_equal(lookup_start(&lookup, "127.0.0.2"), 0);
    while ((r = lookup_read(&lookup, 443, &result)) == 0)
        wait_for(lookup.fd, POLLIN);
    assert_int_equal(r, 1);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.count, 1);
    assert_string_equal(address_text(&result.addresses[0], text), "127.0.0.2:443");
    lookup_finish(&lookup);
    assert_int_equal(lookup_start(&lookup, "not a name"), 0);
    while ((r = lookup_read(&lookup, 443, &result)) == 0)
        wait_for(lookup.fd, POLLIN);
    assert_int_equal(r, 1);
    assert_true(result.error != 0 && result.count == 0);
    lookup_finish(&lookup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_connection_is_made_and_measured),
        cmocka_unit_test(test_a_refusal_is_told),
        cmocka_unit_test(test_a_closed_udp_port_is_told_with_its_icmp),
        cmocka_unit_test(test_addresses_go_to_text_and_back),
        cmocka_unit_test(test_the_systems_resolver_answers_through_a_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
