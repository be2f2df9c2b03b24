/* Paths that are not for visitors, requests of other origins, cookies that lack attributes, and how
 * settings of three levels become one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protect/protect.h"

static void test_secrets_are_told_by_their_path(void **state)
{
    static const char *const refused[] = {
        "/.git/config",
        "/x/.git",
        "/.GIT/HEAD",
        "/.git./config",
        "/.git;x=1/config",
        "/.env",
        "/app/.env.production",
        "/.aws/credentials",
        "/config.php.bak",
        "/index.html~",
        "/a/.index.php.swp",
        "/backup.sql",
        "/db/dump.sql.gz",
        "/WEB-INF/web.xml",
        "/server-status",
        "/actuator/env",
        "/a/actuator/heapdump/",
        "/debug/pprof/heap",
        "/wp-config.php",
        "/.DS_Store",
        "/.htpasswd",
        "/site.old",
        "/site.bak/",
    };
    static const char *const fine[] = {
        "/",
        "/index.html",
        "/.well-known/security.txt",
        "/git/config",
        "/repo.git/info/refs",
        "/.env.example",
        "/environment",
        "/blog/the.old.man",
        "/actuator/health",
        "/actuator",
        "/owner/repo/src/branch/main/schema.sql",
        "/static/webpack.js",
        "/~user/",
        "/web-information",
        "/serverstatus",
        "/a//b",
        "/x.sqlx",
        "/bold",
        "/.gitignored",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        if (!secrets_judge(span_str(refused[i])))
            fail_msg("%s passes", refused[i]);
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
        if (secrets_judge(span_str(fine[i])))
            fail_msg("%s is refused", fine[i]);
}

static bool is_cross(const char *method, const char *site, const char *origin, const char *host)
{
    struct http_field fields[2];
    struct http_request request = {.method = http_method_of(span_str(method)),
                                   .fields = {fields, 0, 2}};

    if (site)
        fields[request.fields.count++] =
            (struct http_field){SPAN("sec-fetch-site"), span_str(site)};
    if (origin)
        fields[request.fields.count++] = (struct http_field){SPAN("origin"), span_str(origin)};
    return cross_origin_judge(&request, span_str(host)) != NULL;
}

static void test_cross_origin_requests_are_told_as_go_does(void **state)
{
    static const struct {
        const char *method, *site, *origin;
        bool cross;
    } cases[] = {
        {"GET", "cross-site", "https://evil.example", false},
        {"HEAD", "cross-site", NULL, false},
        {"OPTIONS", "cross-site", NULL, false},
        {"POST", "same-origin", "https://evil.example", false},
        {"POST", "none", NULL, false},
        {"POST", "same-site", "https://a.example.com", true},
        {"POST", "cross-site", NULL, true},
        {"POST", "nonsense", "https://example.com", true},
        {"PUT", "cross-site", "https://example.com", true},
        {"BREW", "cross-site", NULL, true},
        {"POST", NULL, NULL, false},
        {"POST", NULL, "https://example.com", false},
        {"POST", NULL, "https://example.com:443", false},
        {"POST", NULL, "https://EXAMPLE.com", false},
        {"POST", NULL, "https://example.com:8443", true},
        {"POST", NULL, "https://evil.example", true},
        {"POST", NULL, "https://example.com.evil.example", true},
        {"POST", NULL, "null", true},
        {"DELETE", NULL, "example.com", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (is_cross(cases[i].method, cases[i].site, cases[i].origin, "example.com") !=
            cases[i].cross)
            fail_msg("case %zu", i);
    assert_false(is_cross("POST", NULL, "https://[::1]:8443", "[::1]:8443"));
}

static void test_cookies_get_what_they_lack(void **state)
{
    enum { ALL = COOKIE_SECURE | COOKIE_HTTP_ONLY | COOKIE_SAME_SITE };

    (void)state;
    assert_int_equal(cookie_lacks(SPAN("a=b"), true), ALL);
    assert_int_equal(cookie_lacks(SPAN("a=b"), false), COOKIE_HTTP_ONLY | COOKIE_SAME_SITE);
    assert_int_equal(cookie_lacks(SPAN("a=b; secure; HTTPONLY; SameSite=None"), true), 0);
    assert_int_equal(cookie_lacks(SPAN("a=secure; Path=/httponly;Secure"), true),
                     COOKIE_HTTP_ONLY | COOKIE_SAME_SITE);
    assert_int_equal(cookie_lacks(SPAN("XSRF-TOKEN=b"), true), COOKIE_SECURE | COOKIE_SAME_SITE);
    assert_int_equal(cookie_lacks(SPAN("my_csrftoken=b"), true), COOKIE_SECURE | COOKIE_SAME_SITE);
    assert_int_equal(cookie_lacks(SPAN(""), true), 0);
}

static void test_inner_levels_win_key_by_key(void **state)
{
    char path[] = "/hooks/", *one[] = {path};
    const struct protect_rules_settings all = {.cross_origin = PROTECT_ON,
                                               .cross_origin_exempt = {one, 1}};
    const struct protect_rules_settings site = {.secrets = PROTECT_OFF};
    const struct protect_rules_settings route = {.cross_origin = PROTECT_WATCH,
                                                 .security_headers = PROTECT_HEADERS_STRICT};
    const struct protect_rules_settings *levels[] = {&all, &site, &route};
    struct protect_rules rules;

    (void)state;
    protect_rules_merge(levels, 3, false, &rules);
    assert_int_equal(rules.secrets, PROTECT_OFF);
    assert_int_equal(rules.cross_origin, PROTECT_WATCH);
    assert_int_equal(rules.security_headers, PROTECT_HEADERS_STRICT);
    assert_int_equal(rules.cross_origin_exempt->count, 1);
    assert_int_equal(rules.cookies, PROTECT_OFF);
    levels[0] = levels[1] = levels[2] = NULL;
    protect_rules_merge(levels, 3, true, &rules);
    assert_int_equal(rules.secrets, PROTECT_ON);
    assert_int_equal(rules.cross_origin, PROTECT_WATCH);
    protect_rules_merge(levels, 3, false, &rules);
    assert_int_equal(rules.cross_origin, PROTECT_OFF);
}

static void test_networks_are_read_compared_and_written(void **state)
{
    static const char *const texts[] = {"192.0.2.1",   "10.0.0.0/8", "2001:db8::/32",
                                        "2001:db8::1", "0.0.0.0/0",  "::/0"};
    struct peer_network network;
    struct peer_address address;
    char text[PEER_NETWORK_TEXT];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        assert_int_equal(peer_network_parse(span_str(texts[i]), &network), 0);
        peer_network_text(&network, text);
        assert_string_equal(text, texts[i]);
    }
    assert_int_equal(peer_network_parse(SPAN("10.20.30.40/12"), &network), 0);
    assert_int_equal(peer_address_parse(SPAN("10.31.0.1"), &address), 0);
    assert_true(peer_network_contains(&network, address));
    network.address = peer_network_mask(network.address, network.bits);
    peer_network_text(&network, text);
    assert_string_equal(text, "10.16.0.0/12");
    assert_int_equal(peer_address_parse(SPAN("10.32.0.1"), &address), 0);
    assert_false(peer_network_contains(&network, address));
    assert_true(peer_network_parse(SPAN("10.0.0.0/33"), &network) < 0);
    assert_true(peer_network_parse(SPAN("10.0.0"), &network) < 0);
    assert_true(peer_network_parse(SPAN("10.0.0.0/x"), &network) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secrets_are_told_by_their_path),
        cmocka_unit_test(test_cross_origin_requests_are_told_as_go_does),
        cmocka_unit_test(test_cookies_get_what_they_lack),
        cmocka_unit_test(test_inner_levels_win_key_by_key),
        cmocka_unit_test(test_networks_are_read_compared_and_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
