/* Ports and networks as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "os/ports.h"

static void assert_port(const char *text, const char *expected)
{
    struct diags diags = {0};
    struct port port;
    char out[PORT_TEXT];

    assert_int_equal(port_parse(text, &diags, &port), 0);
    assert_string_equal(port_text(port, out), expected);
    assert_int_equal(diags.count, 0);
}

static void assert_no_port(const char *text, const char *hint)
{
    struct diags diags = {0};
    struct port port;

    assert_int_equal(port_parse(text, &diags, &port), ERR_SYNTAX);
    assert_int_equal(diags.errors, 1);
    assert_non_null(strstr(diags.items[0].sentence, text));
    assert_non_null(strstr(diags.items[0].hint, hint));
    diags_finish(&diags);
}

static void test_port_alone_is_tcp(void **state)
{
    assert_port("443", "443/tcp");
    assert_port("443/udp", "443/udp");
    assert_port("1/TCP", "1/tcp");
    assert_port("65535/tcp", "65535/tcp");
}

static void test_wrong_port_shows_the_right_form(void **state)
{
    static const char *const wrong[] = {
        "",     "0",        "65536", "443/sctp", "443/", "-443",  "443.0",
        "443 ", "443/tcp/", "/tcp",  "+443",     "1e3",  "0x1bb", "99999999999999999999"};

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_no_port(wrong[i], "443, 8443/tcp, 443/udp");
}

static void test_a_range_is_each_of_its_ports(void **state)
{
    const char *words[] = {"440-443/udp", "442", "8443-8443"};
    struct diags diags = {0};
    struct ports ports;
    char text[PORT_TEXT];

    assert_int_equal(ports_parse(words, 3, &diags, &ports), 0);
    assert_int_equal(ports.count, 6);
    assert_string_equal(port_text(ports.items[3], text), "443/udp");
    assert_string_equal(port_text(ports.items[4], text), "442/tcp");
    assert_string_equal(port_text(ports.items[5], text), "8443/tcp");
}

static void test_wrong_ranges_are_told(void **state)
{
    static const struct {
        const char *word, *hint;
        int error;
    } cases[] = {
        {"443-440", "the lower one comes first", ERR_SYNTAX},
        {"0-3", "from 1 to 65535", ERR_SYNTAX},
        {"65000-65536", "from 1 to 65535", ERR_SYNTAX},
        {"440-443/sctp", "443/udp", ERR_SYNTAX},
        {"440-", "443, 8443/tcp, 443/udp", ERR_SYNTAX},
        {"1000-1064", "in several runs", ERR_LIMIT},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct diags diags = {0};
        struct ports ports;
        assert_int_equal(ports_parse(&cases[i].word, 1, &diags, &ports), cases[i].error);
        assert_int_equal(diags.count, 1);
        assert_non_null(strstr(diags.items[0].hint, cases[i].hint));
        diags_finish(&diags);
    }
}

static void test_names_of_services_lead_to_their_ports(void **state)
{
    static const char *const cases[][2] = {
        {"https", "443?"}, {"HTTP", "80?"}, {"https/tcp", "443?"}, {"h3", "443/udp?"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct diags diags = {0};
        struct port port;
        assert_int_equal(port_parse(cases[i][0], &diags, &port), ERR_SYNTAX);
        assert_non_null(strstr(diags.items[0].hint, cases[i][1]));
        diags_finish(&diags);
    }
}

static void test_one_port_is_no_range_and_no_list(void **state)
{
    assert_no_port("8000-8010", "a word of its own");
    assert_no_port("80,443", "a word of its own");
    assert_no_port("8000:8010/tcp", "a word of its own");
}

static void test_list_keeps_each_port_once(void **state)
{
    const char *words[] = {"443", "443/tcp", "443/udp"};
    struct diags diags = {0};
    struct ports ports;

    assert_int_equal(ports_parse(words, 3, &diags, &ports), 0);
    assert_int_equal(ports.count, 2);
}

static void test_all_wrong_ports_of_a_list_are_told(void **state)
{
    const char *words[] = {"x", "443", "y"};
    struct diags diags = {0};
    struct ports ports;

    assert_int_equal(ports_parse(words, 3, &diags, &ports), ERR_SYNTAX);
    assert_int_equal(diags.errors, 2);
    diags_finish(&diags);
}

static void test_more_ports_than_the_bound_are_refused(void **state)
{
    struct ports ports = {.count = 0};

    for (unsigned i = 1; i <= PORTS_MAX; i++)
        assert_int_equal(ports_add(&ports, (struct port){(uint16_t)i, PORT_TCP}), 0);
    assert_int_equal(ports_add(&ports, (struct port){1, PORT_TCP}), 0);
    assert_int_equal(ports_add(&ports, (struct port){1, PORT_UDP}), ERR_LIMIT);
}

static void assert_network(const char *text, int family, const char *expected)
{
    struct diags diags = {0};
    struct network network;
    char out[NETWORK_TEXT];

    assert_int_equal(network_parse(text, &diags, &network), 0);
    assert_int_equal(network.family, family);
    assert_string_equal(network_text(&network, out), expected);
}

static void test_networks_of_both_families(void **state)
{
    assert_network("192.0.2.0/24", 4, "192.0.2.0/24");
    assert_network("192.0.2.7", 4, "192.0.2.7");
    assert_network("192.0.2.7/32", 4, "192.0.2.7");
    assert_network("0.0.0.0/0", 4, "0.0.0.0/0");
    assert_network("2001:DB8::/32", 6, "2001:db8::/32");
    assert_network("::1", 6, "::1");
}

static void test_wrong_networks_are_refused(void **state)
{
    static const char *const wrong[] = {"192.0.2.0/33", "192.0.2/24", "2001:db8::/129",
                                        "here",         "10.0.0.0/",  "/8",
                                        "10.0.0.0/8/8", "",           "10.0.0.0-10.0.0.9"};

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct diags diags = {0};
        struct network network;
        assert_int_equal(network_parse(wrong[i], &diags, &network), ERR_SYNTAX);
        assert_int_equal(diags.errors, 1);
        diags_finish(&diags);
    }
}

static void test_bits_beyond_the_prefix_name_the_network_that_was_meant(void **state)
{
    struct diags diags = {0};
    struct network network;

    assert_int_equal(network_parse("192.0.2.7/24", &diags, &network), ERR_SYNTAX);
    assert_non_null(strstr(diags.items[0].hint, "192.0.2.0/24"));
    diags_finish(&diags);
    assert_int_equal(network_parse("2001:db8::1/33", &diags, &network), ERR_SYNTAX);
    assert_non_null(strstr(diags.items[0].hint, "2001:db8::/33"));
    diags_finish(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_port_alone_is_tcp),
        cmocka_unit_test(test_wrong_port_shows_the_right_form),
        cmocka_unit_test(test_a_range_is_each_of_its_ports),
        cmocka_unit_test(test_wrong_ranges_are_told),
        cmocka_unit_test(test_names_of_services_lead_to_their_ports),
        cmocka_unit_test(test_one_port_is_no_range_and_no_list),
        cmocka_unit_test(test_list_keeps_each_port_once),
        cmocka_unit_test(test_all_wrong_ports_of_a_list_are_told),
        cmocka_unit_test(test_more_ports_than_the_bound_are_refused),
        cmocka_unit_test(test_networks_of_both_families),
        cmocka_unit_test(test_wrong_networks_are_refused),
        cmocka_unit_test(test_bits_beyond_the_prefix_name_the_network_that_was_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
