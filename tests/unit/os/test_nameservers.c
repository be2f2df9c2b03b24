/* The servers of a resolv.conf(5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "os/nameservers.h"

static void is_server(const struct socket_address *server, const char *text)
{
    char out[ADDRESS_TEXT];

    assert_string_equal(address_text(server, out), text);
}

static void servers_are_read_in_their_order(void **state)
{
    struct socket_address servers[NAMESERVERS_MAX];

    assert_int_equal(nameservers_parse(SPAN("# nameserver 192.0.2.9\nsearch example.com\n"
                                            "nameserver 192.0.2.1\nnameserver\t2001:db8::1  \n"
                                            "options edns0\nnameserver  192.0.2.2"),
                                       servers),
                     3);
    is_server(&servers[0], "192.0.2.1:53");
    is_server(&servers[1], "[2001:db8::1]:53");
    is_server(&servers[2], "192.0.2.2:53");
}

static void what_is_no_server_is_passed_over(void **state)
{
    struct socket_address servers[NAMESERVERS_MAX];

    assert_int_equal(nameservers_parse(SPAN("nameserver\nnameserver \nnameservers 192.0.2.1\n"
                                            "nameserver dns.example\nnameserver 192.0.2.300\n"
                                            "nameserver 192.0.2.4 # the router\n"),
                                       servers),
                     1);
    is_server(&servers[0], "192.0.2.4:53");
}

static void three_are_enough(void **state)
{
    struct socket_address servers[NAMESERVERS_MAX];

    assert_int_equal(nameservers_parse(SPAN("nameserver 192.0.2.1\nnameserver 192.0.2.2\n"
                                            "nameserver 192.0.2.3\nnameserver 192.0.2.4\n"),
                                       servers),
                     NAMESERVERS_MAX);
    is_server(&servers[2], "192.0.2.3:53");
}

static void none_is_this_machine(void **state)
{
    struct socket_address servers[NAMESERVERS_MAX];

    assert_int_equal(nameservers_parse(SPAN(""), servers), 1);
    is_server(&servers[0], "127.0.0.1:53");
    assert_int_equal(nameservers_parse(SPAN("nameserver"), servers), 1);
    is_server(&servers[0], "127.0.0.1:53");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_are_read_in_their_order),
        cmocka_unit_test(what_is_no_server_is_passed_over),
        cmocka_unit_test(three_are_enough),
        cmocka_unit_test(none_is_this_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
