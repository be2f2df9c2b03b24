/* Ports and targets as people write them, and arithmetic on addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "base/error.h"
#include "scan/scan.h"

static struct scan_address address(const char *text)
{
    struct scan_address a = {.family = strchr(text, ':') ? 6 : 4};

    assert_int_equal(inet_pton(a.family == 4 ? AF_INET : AF_INET6, text, a.bytes), 1);
    return a;
}

/* ---- ports ---- */

static void test_ports_are_read_sorted_and_each_once(void **state)
{
    struct scan_ports ports;
    struct diags diags = {0};

    assert_int_equal(
        scan_ports_parse("8443, 440-443,442/tcp,443/udp,T:80,U:53,5353", &diags, &ports), 0);
    const uint16_t tcp[] = {80, 440, 441, 442, 443, 8443}, udp[] = {53, 443, 5353};
    assert_int_equal(ports.tcp_count, ARRAY_SIZE(tcp));
    assert_memory_equal(ports.tcp, tcp, sizeof tcp);
    assert_int_equal(ports.udp_count, ARRAY_SIZE(udp));
    assert_memory_equal(ports.udp, udp, sizeof udp);
    scan_ports_finish(&ports);
}

static void test_a_dash_means_all_ports(void **state)
{
    struct scan_ports ports;
    struct diags diags = {0};

    assert_int_equal(scan_ports_parse("-", &diags, &ports), 0);
    assert_int_equal(ports.tcp_count, 65535);
    assert_int_equal(ports.tcp[65534], 65535);
    assert_int_equal(ports.udp_count, 0);
    scan_ports_finish(&ports);
    assert_int_equal(scan_ports_parse("65530-,-2", &diags, &ports), 0);
    assert_int_equal(ports.tcp_count, 8);
    scan_ports_finish(&ports);
}

static void test_every_wrong_port_is_told_with_the_right_form(void **state)
{
    static const char *const wrong[] = {"",         "0",       "65536", "http",
                                        "443/sctp", "443-440", "4 43",  "1--2",
                                        "+1",       "443,,80", "U:",    "99999999999999999999"};

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct scan_ports ports;
        struct diags diags = {0};
        if (scan_ports_parse(wrong[i], &diags, &ports) != ERR_SYNTAX)
            fail_msg("\"%s\" was taken", wrong[i]);
        assert_int_equal(diags.errors, 1);
        assert_non_null(diags.items[0].hint);
        diags_finish(&diags);
    }
    struct scan_ports ports;
    struct diags diags = {0};
    assert_int_equal(scan_ports_parse("443-440,x", &diags, &ports), ERR_SYNTAX);
    assert_string_equal(diags.items[0].hint, "write 440-443");
    assert_int_equal(diags.errors, 2);
    diags_finish(&diags);
}

/* ---- addresses ---- */

static void test_addresses_count_with_carry(void **state)
{
    char text[SCAN_ADDRESS_TEXT];
    struct scan_address a = address("192.0.2.255"), b = address("2001:db8::ffff:ffff");
    uint64_t offset;

    a = scan_address_add(&a, 1);
    assert_string_equal(scan_address_text(&a, text), "192.0.3.0");
    b = scan_address_add(&b, 2);
    assert_string_equal(scan_address_text(&b, text), "2001:db8::1:0:1");
    b = address("2001:db8::1:2");
    struct scan_address first = scan_address_mask(&b, 112);
    assert_string_equal(scan_address_text(&first, text), "2001:db8::1:0");
    assert_true(scan_address_offset(&first, &b, &offset));
    assert_int_equal(offset, 2);
    assert_false(scan_address_offset(&b, &first, &offset));
    assert_false(scan_address_offset(&a, &b, &offset));
}

/* ---- targets ---- */

static int add(struct scan_targets *targets, const char *word, struct diags *diags)
{
    return scan_targets_add(targets, word, SCAN_FAMILY_ANY, diags);
}

static void test_a_network_counts_its_addresses_and_swallows_its_hosts(void **state)
{
    struct scan_targets targets = {NULL};
    struct diags diags = {0};
    const struct scan_block *block;
    char text[SCAN_ADDRESS_TEXT];

    assert_int_equal(add(&targets, "192.0.2.7", &diags), 0);
    assert_int_equal(add(&targets, "192.0.2.7", &diags), 0);
    assert_int_equal(targets.count, 1);
    assert_int_equal(add(&targets, "192.0.2.0/24", &diags), 0);
    assert_int_equal(add(&targets, "192.0.2.128/25", &diags), 0);
    assert_int_equal(add(&targets, "[2001:db8::]/126", &diags), 0);
    assert_int_equal(add(&targets, "::1", &diags), 0);
    assert_int_equal(targets.count, 256 + 4 + 1);
    struct scan_address last = scan_targets_at(&targets, 259, &block);
    assert_string_equal(scan_address_text(&last, text), "2001:db8::3");
    assert_null(block->name);
    scan_targets_finish(&targets);
}

static void test_wrong_targets_are_told_with_the_right_form(void **state)
{
    static const struct {
        const char *word, *hint;
    } wrong[] = {
        {"", "gardien scan example.com"},
        {"192.0.2.7/24", "write 192.0.2.0/24 for the network, or 192.0.2.7 for the host"},
        {"192.0.2.0/33", "from /0 to /32"},
        {"2001:db8::/64", "from /96 to /128"},
        {"192.0.2.0/", "from /0 to /32"},
        {"example.com/24",
         "write it like 192.0.2.0/24 or 2001:db8::/120; a name stands without a slash"},
        {"192.0.2.256/24",
         "write it like 192.0.2.0/24 or 2001:db8::/120; a name stands without a slash"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct scan_targets targets = {NULL};
        struct diags diags = {0};
        assert_true(add(&targets, wrong[i].word, &diags) < 0);
        assert_int_equal(targets.count, 0);
        assert_string_equal(diags.items[0].hint, wrong[i].hint);
        diags_finish(&diags);
        scan_targets_finish(&targets);
    }
}

static void test_families_are_kept_apart(void **state)
{
    struct scan_targets targets = {NULL};
    struct diags diags = {0};

    assert_true(scan_targets_add(&targets, "::1", SCAN_FAMILY_4, &diags) < 0);
    assert_string_equal(diags.items[0].hint, "leave out -4");
    diags_finish(&diags);
    assert_int_equal(scan_targets_add(&targets, "127.0.0.1", SCAN_FAMILY_4, &diags), 0);
    scan_targets_finish(&targets);
}

/* ---- certainty ---- */

static void test_doubt_falls_with_every_round_and_is_unknown_without_answers(void **state)
{
    struct scan_summary summary = {.silent = 10, .rounds = 3};

    assert_true(scan_doubt(&summary) < 0);
    summary.canaries = 100;
    summary.canaries_lost = 10;
    assert_true(scan_doubt(&summary) > 0.00099 && scan_doubt(&summary) < 0.00101);
    summary.canaries_lost = 0;
    assert_true(scan_doubt(&summary) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports_are_read_sorted_and_each_once),
        cmocka_unit_test(test_a_dash_means_all_ports),
        cmocka_unit_test(test_every_wrong_port_is_told_with_the_right_form),
        cmocka_unit_test(test_addresses_count_with_carry),
        cmocka_unit_test(test_a_network_counts_its_addresses_and_swallows_its_hosts),
        cmocka_unit_test(test_wrong_targets_are_told_with_the_right_form),
        cmocka_unit_test(test_families_are_kept_apart),
        cmocka_unit_test(test_doubt_falls_with_every_round_and_is_unknown_without_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
