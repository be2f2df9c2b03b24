/* Where a Location field leads, in every form in which servers write it (RFC 3986 section 5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "check/internal.h"

static struct target target_of(const char *text)
{
    struct diags diags = {0};
    struct target target;

    assert_int_equal(target_parse(text, &diags, &target), 0);
    diags_finish(&diags);
    return target;
}

static void test_locations_are_resolved_as_browsers_do(void **state)
{
    static const struct {
        const char *location, *from, *host, *path;
        uint16_t port;
        bool https;
    } cases[] = {
        {"https://b.example/x", "a.example/", "b.example", "/x", 443, true},
        {"HTTP://b.example", "a.example/", "b.example", "/", 80, false},
        {"http://b.example:8080/x?y#z", "a.example/", "b.example", "/x?y", 8080, false},
        {"//b.example/x", "a.example/", "b.example", "/x", 443, true},
        {"/x", "a.example:8443/y/z", "a.example", "/x", 8443, true},
        {"x", "a.example/y/z?q=/a/b", "a.example", "/y/x", 443, true},
        {"?x", "a.example/y/z?q", "a.example", "/y/z?x", 443, true},
        {"./x/../login", "a.example/", "a.example", "/login", 443, true},
        {"../../../x", "a.example/y/z/", "a.example", "/x", 443, true},
        {"..", "a.example/y/z/a", "a.example", "/y/", 443, true},
        {".", "a.example/y/z", "a.example", "/y/", 443, true},
        {"/a/./b/../c?d=/../e", "a.example/", "a.example", "/a/c?d=/../e", 443, true},
        {"/..a/b...", "a.example/", "a.example", "/..a/b...", 443, true},
        {"/b\303\274cher/a b", "a.example/", "a.example", "/b%C3%BCcher/a%20b", 443, true},
        {" /x ", "a.example/", "a.example", "/x", 443, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct target from = target_of(cases[i].from), to;
        bool https = false;
        assert_int_equal(follow_parse(cases[i].location, &from, true, &to, &https), 0);
        assert_string_equal(to.host, cases[i].host);
        assert_string_equal(to.path, cases[i].path);
        assert_int_equal(to.port, cases[i].port);
        assert_int_equal(https, cases[i].https);
        target_finish(&to);
        target_finish(&from);
    }
}

static void test_locations_that_lead_nowhere(void **state)
{
    static const struct {
        const char *location;
        int result;
    } cases[] = {
        {"mailto:a@example.com", ERR_NOT_FOUND},
        {"ftp://b.example/", ERR_NOT_FOUND},
        {"https://", ERR_SYNTAX},
        {"https://a b/", ERR_SYNTAX},
        {"https://b.example:99999/", ERR_SYNTAX},
    };
    struct target from = target_of("a.example/"), to;
    bool https;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(follow_parse(cases[i].location, &from, true, &to, &https),
                         cases[i].result);
    target_finish(&from);
}

static void test_addresses_that_lead_nowhere_are_explained(void **state)
{
    static const char *const wrong[] = {"::ffff:192.0.2.1", "[::ffff:192.0.2.1]:443", "fe80::1"};

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_locations_are_resolved_as_browsers_do),
        cmocka_unit_test(test_locations_that_lead_nowhere),
        cmocka_unit_test(test_addresses_that_lead_nowhere_are_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
