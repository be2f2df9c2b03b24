/* A chain as nft prints it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "firewall/model/listing.h"

static void test_a_base_chain_is_read_rule_by_rule(void **state)
{
    struct listing listing;
    size_t index = 9;

    listing_read(SPAN("table inet filter { # handle 12\n"
                      "\tchain input { # handle 1\n"
                      "\t\ttype filter hook input priority filter - 5; policy drop;\n"
                      "\t\tct state established accept # handle 4\n"
                      "\t\ttcp dport vmap { 22 : accept,\n"
                      "\t\t\t\t 443 : drop } # handle 6\n"
                      "\t\tcounter packets 3 bytes 180 drop comment \"see # handle 9\" # handle 7\n"
                      "\t}\n"
                      "}\n"),
                 &listing);
    assert_string_equal(listing.hook, "input");
    assert_int_equal(listing.priority, -5);
    assert_int_equal(listing.count, 3);
    assert_string_equal(listing_rule_text(&listing, 6, &index),
                        "tcp dport vmap { 22 : accept, 443 : drop }");
    assert_int_equal(index, 1);
    assert_string_equal(listing_rule_text(&listing, 7, NULL),
                        "counter drop comment \"see # handle 9\"");
    assert_null(listing_rule_text(&listing, 9, NULL));
    listing_finish(&listing);
}

static void test_text_of_no_chain_is_an_empty_listing(void **state)
{
    static const char *const texts[] = {
        "", "\n", "}", "chain", "Error: no such chain\n", "\tchain x {\n\t\ttype\n"};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct listing listing;
        listing_read(span_str(texts[i]), &listing);
        assert_int_equal(listing.count, 0);
        assert_null(listing.hook);
        listing_finish(&listing);
    }
}

static void test_names_that_nft_would_read_as_commands_are_refused(void **state)
{
    struct listing listing;

    assert_true(listing_of("inet", "filter", "x; flush ruleset", &listing) < 0);
    assert_true(listing_of("inet", "a\nb", "input", &listing) < 0);
    assert_true(listing_of("inet", "", "input", &listing) < 0);
}

static void test_one_chain_is_found_in_a_whole_ruleset(void **state)
{
    struct span ruleset = SPAN("table ip nat { # handle 1\n"
                               "\tchain input { # handle 1\n"
                               "\t\taccept # handle 2\n"
                               "\t}\n"
                               "}\n"
                               "table ip filter { # handle 2\n"
                               "\tset s {\n"
                               "\t\ttype ipv4_addr\n"
                               "\t}\n"
                               "\n"
                               "\tchain input-2 { # handle 4\n"
                               "\t}\n"
                               "\tchain input { # handle 1\n"
                               "\t\ttype filter hook input priority 5; policy accept;\n"
                               "\t\tdrop # handle 2\n"
                               "\t}\n"
                               "}\n");
    struct listing listing;

    listing_read(listing_find(ruleset, "ip", "filter", "input"), &listing);
    assert_string_equal(listing.hook, "input");
    assert_int_equal(listing.priority, 5);
    assert_int_equal(listing.count, 1);
    assert_string_equal(listing_rule_text(&listing, 2, NULL), "drop");
    listing_finish(&listing);
    assert_int_equal(listing_find(ruleset, "ip6", "filter", "input").len, 0);
    assert_int_equal(listing_find(ruleset, "ip", "filter", "output").len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_base_chain_is_read_rule_by_rule),
        cmocka_unit_test(test_one_chain_is_found_in_a_whole_ruleset),
        cmocka_unit_test(test_text_of_no_chain_is_an_empty_listing),
        cmocka_unit_test(test_names_that_nft_would_read_as_commands_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
