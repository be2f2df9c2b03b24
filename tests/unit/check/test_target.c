/* What people paste: hosts, ports, addresses, URLs; where redirects lead; what may be expected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "check/check.h"
#include "check/internal.h"

static void test_targets_as_people_write_them(void **state)
{
    static const struct {
        const char *text, *host, *path;
        unsigned port;
        bool is_ip;
    } fine[] = {
        {"example.com", "example.com", "/", 443, false},
        {" EXAMPLE.com. ", "example.com", "/", 443, false},
        {"example.com:8443", "example.com", "/", 8443, false},
        {"https://example.com/page?a=b#c", "example.com", "/page?a=b", 443, false},
        {"http://user:secret@example.com:80", "example.com", "/", 80, false},
        {"https://example.com?a", "example.com", "/?a", 443, false},
        {"192.0.2.1", "192.0.2.1", "/", 443, true},
        {"192.0.2.1:1", "192.0.2.1", "/", 1, true},
        {"2001:DB8::1", "2001:db8::1", "/", 443, true},
        {"[2001:db8::1]:8443", "2001:db8::1", "/", 8443, true},
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example", "/", 443, false},
        {"_a-b.example", "_a-b.example", "/", 443, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++) {
        struct diags diags = {0};
        struct target target;
        assert_int_equal(target_parse(fine[i].text, &diags, &target), 0);
        assert_string_equal(target.host, fine[i].host);
        assert_string_equal(target.path, fine[i].path);
        assert_int_equal(target.port, fine[i].port);
        assert_int_equal(target.is_ip, fine[i].is_ip);
        target_finish(&target);
        diags_finish(&diags);
    }
}

static void test_what_is_no_target_is_explained(void **state)
{
    static const char *const wrong[] = {
        "",          "  ",          "ftp://example.com",  "example.com:0", "example.com:65536",
        "a:b",       "a..b",        "192.0.2.400",        "[::1",          "[::1]x",
        "1:2:3:4",   "exa mple.de", "https://",           "a/\x01",        "example.com:",
        "-\xff\xfe", "[]:443",      "https://a/\xc3\xbc",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct diags diags = {0};
        struct target target;
        assert_int_equal(target_parse(wrong[i], &diags, &target), ERR_SYNTAX);
        assert_int_equal(diags.count, 1);
        assert_non_null(diags.items[0].hint);
        diags_finish(&diags);
    }
}

static void test_pins(void **state)
{
    static const char *const fine[] = {"a.example:192.0.2.7", "a.example:443:192.0.2.7"};
    static const char *const wrong[] = {"a.example", "a.example:", ":192.0.2.7", "a.example:b"};
    struct socket_address address;
    char ip[ADDRESS_TEXT], *name;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++) {
        struct diags diags = {0};
        assert_int_equal(target_parse_pin(fine[i], &diags, &name, &address), 0);
        assert_string_equal(name, "a.example");
        assert_string_equal(address_ip_text(&address, ip), "192.0.2.7");
        free(name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct diags diags = {0};
        assert_int_equal(target_parse_pin(wrong[i], &diags, &name, &address), ERR_SYNTAX);
        diags_finish(&diags);
    }
    struct diags diags = {0};
    assert_int_equal(target_parse_pin("a:2001:db8::1", &diags, &name, &address), 0);
    assert_string_equal(address_ip_text(&address, ip), "2001:db8::1");
    free(name);
}

static void test_where_a_redirect_leads(void **state)
{
    static const struct {
        const char *location, *host, *path;
        unsigned port;
        bool https;
    } ways[] = {
        {"https://b.example/x", "b.example", "/x", 443, true},
        {"http://b.example", "b.example", "/", 80, false},
        {"http://b.example:8080/", "b.example", "/", 8080, false},
        {"//b.example/x", "b.example", "/x", 443, true},
        {"/y?z", "a.example", "/y?z", 8443, true},
        {"y", "a.example", "/dir/y", 8443, true},
        {"?q", "a.example", "/dir/page?q", 8443, true},
        {"HTTPS://[2001:db8::1]/", "2001:db8::1", "/", 443, true},
    };
    struct target from = {.host = (char *)(uintptr_t) "a.example",
                          .path = (char *)(uintptr_t) "/dir/page?old",
                          .port = 8443};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        struct target target;
        bool https;
        assert_int_equal(follow_parse(ways[i].location, &from, true, &target, &https), 0);
        assert_string_equal(target.host, ways[i].host);
        assert_string_equal(target.path, ways[i].path);
        assert_int_equal(target.port, ways[i].port);
        assert_int_equal(https, ways[i].https);
        target_finish(&target);
    }
    struct target target;
    bool https;
    assert_int_equal(follow_parse("mailto:a@b", &from, true, &target, &https), ERR_NOT_FOUND);
    assert_int_equal(follow_parse("https://a b/", &from, true, &target, &https), ERR_SYNTAX);
}

static void test_expectations_hold_or_not(void **state)
{
    struct check_metrics metrics = check_metrics_none();
    struct expectations expectations;
    struct findings findings = {NULL};
    struct diags diags = {0};

    (void)state;
    metrics.status = 200;
    metrics.days = -3;
    metrics.time = 499 * NSEC_PER_MSEC;
    metrics.tls = 13;
    metrics.http = 20;
    metrics.hsts = 1;
    assert_int_equal(expectations_parse("status=200, days<0,time<=499ms,tls>=1.2,http==2,hsts=yes,"
                                        "status!=404",
                                        &diags, &expectations),
                     0);
    assert_int_equal(expectations_judge(&expectations, &metrics, &findings), 0);
    expectations_finish(&expectations);
    assert_int_equal(
        expectations_parse("status>200,days>=0,time<499ms,tls=1.2,hsts=no,rtt<1s,h3=no", &diags,
                           &expectations),
        0);
    assert_int_equal(expectations_judge(&expectations, &metrics, &findings), 7); /* unknown: no */
    expectations_finish(&expectations);
    assert_int_equal(findings.count, 14);
    findings_finish(&findings);
}

static void test_expectations_that_cannot_be_read_are_explained(void **state)
{
    static const char *const wrong[] = {"",           "status",   "status=",  "state=1",
                                        "status=abc", "time<5",   "tls=1.33", "hsts=maybe",
                                        "status!200", "days>14,,"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct expectations expectations;
        struct diags diags = {0};
        if (expectations_parse(wrong[i], &diags, &expectations) != ERR_SYNTAX)
            fail_msg("\"%s\" was taken", wrong[i]);
        assert_true(diags.count > 0 && diags.items[0].hint);
        diags_finish(&diags);
    }
}

static void test_versions_of_quic_are_read(void **state)
{
    static const unsigned char to[] = "12345678", from[] = "abcdefgh";
    static const char packet[] = "\x80\0\0\0\0\x08"
                                 "abcdefgh\x08"
                                 "12345678\0\0\0\1\x6b\x33\x43\xcf";
    uint32_t versions[QUIC_VERSIONS_MAX];

    (void)state;
    struct span whole = span_of(packet, sizeof packet - 1);
    assert_int_equal(quic_read_versions(whole, to, from, versions), 2);
    assert_int_equal(versions[0], 1);
    assert_int_equal(versions[1], 0x6b3343cf);
    assert_int_equal(quic_read_versions(whole, from, to, versions), ERR_SYNTAX);
    assert_int_equal(quic_read_versions(span_of(packet, 20), to, from, versions), ERR_SYNTAX);
}

static void test_kinds_of_addresses(void **state)
{
    static const char *const common[] = {"8.8.8.8", "2606:4700::1", "172.32.0.1"};
    static const char *const special[] = {"10.0.0.1",   "127.0.0.1",   "169.254.1.1", "172.16.0.1",
                                          "100.64.0.1", "fd00::1",     "fe80::1",     "::1",
                                          "0.0.0.0",    "2001:db8::1", "224.0.0.1"};
    struct socket_address address;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(common); i++) {
        assert_int_equal(address_from_ip(common[i], 443, &address), 0);
        assert_null(address_special(&address));
    }
    for (size_t i = 0; i < ARRAY_SIZE(special); i++) {
        assert_int_equal(address_from_ip(special[i], 443, &address), 0);
        assert_non_null(address_special(&address));
    }
}

static void test_metrics_are_read_again(void **state)
{
    struct check_metrics before = check_metrics_none(), after;

    (void)state;
    before.status = 200;
    before.days = -3;
    before.time = 1500 * NSEC_PER_MSEC;
    before.addresses = 2;
    before.failing = 0;
    before.tls = 13;
    before.http = 20;
    before.h3 = 0;
    before.trusted = 1;
    json_t *json = check_metrics_json(&before);
    check_metrics_read(json, &after);
    json_decref(json);
    assert_memory_equal(&before, &after, sizeof before);
}

static void test_metrics_beyond_reason_stay_unknown(void **state)
{
    static const char *const texts[] = {
        "{\"status\": \"200\"}",
        "{\"status\": -1}",
        "{\"days\": 99999999999}",
        "{\"days\": 1.5}",
        "{\"rtt_milliseconds\": -1}",
        "{\"rtt_milliseconds\": 1e300}",
        "{\"tls\": 1.3}",
        "{\"tls\": \"1.3x\"}",
        "{\"h3\": 1}",
        "{\"rtt\": 1}",
        "[]",
        "{}",
    };
    struct check_metrics none = check_metrics_none(), metrics;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        json_t *json = json_loads(texts[i], 0, NULL);
        assert_non_null(json);
        check_metrics_read(json, &metrics);
        assert_memory_equal(&metrics, &none, sizeof none);
        json_decref(json);
    }
    check_metrics_read(NULL, &metrics);
    assert_memory_equal(&metrics, &none, sizeof none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets_as_people_write_them),
        cmocka_unit_test(test_what_is_no_target_is_explained),
        cmocka_unit_test(test_pins),
        cmocka_unit_test(test_where_a_redirect_leads),
        cmocka_unit_test(test_expectations_hold_or_not),
        cmocka_unit_test(test_expectations_that_cannot_be_read_are_explained),
        cmocka_unit_test(test_versions_of_quic_are_read),
        cmocka_unit_test(test_kinds_of_addresses),
        cmocka_unit_test(test_metrics_are_read_again),
        cmocka_unit_test(test_metrics_beyond_reason_stay_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
