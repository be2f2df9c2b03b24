/* Which cookies go along with a redirect (RFC 6265 sections 5.1 to 5.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "check/cookies.h"
#include "check/target.h"

static struct target target_of(const char *text)
{
    struct diags diags = {0};
    struct target target;

    assert_int_equal(target_parse(text, &diags, &target), 0);
    diags_finish(&diags);
    return target;
}

static void test_cookies_go_where_domain_and_path_say(void **state)
{
    static const struct {
        const char *from, *said, *to, *sent;
        bool plain; /* asked for over plain HTTP */
    } cases[] = {
        {"a.example/", "x=1", "a.example/y", "x=1", false},
        {"a.example/", "x=1", "b.a.example/", NULL, false},
        {"a.example/", "x=1; Domain=a.example", "b.a.example/", "x=1", false},
        {"b.a.example/", "x=1; domain=.A.example", "c.a.example/", "x=1", false},
        {"a.example/", "x=1; Domain=b.example", "b.example/", NULL, false},
        {"a.example/", "x=1; Domain=b.example", "a.example/", NULL, false},
        {"a.example/", "x=1; Domain=ample", "other.ample/", NULL, false},
        {"a.example/", "x=1; Domain=example", "b.example/", NULL, false}, /* a public suffix */
        {"xa.example/", "x=1; Domain=a.example", "a.example/", NULL, false},
        {"a.example/", "x=1; Path=/app", "a.example/app/login?q", "x=1", false},
        {"a.example/", "x=1; Path=/app", "a.example/app?q", "x=1", false},
        {"a.example/", "x=1; Path=/app", "a.example/apple", NULL, false},
        {"a.example/", "x=1; Path=/app/", "a.example/app", NULL, false},
        {"a.example/one/two", "x=1", "a.example/one/", "x=1", false},
        {"a.example/one/two", "x=1", "a.example/", NULL, false},
        {"a.example/one/two", "x=1; Path=wrong", "a.example/one", "x=1", false},
        {"a.example/", "x=1; Secure", "a.example/", NULL, true},
        {"a.example/", "x=1; Secure", "a.example/", "x=1", false},
        {"a.example/", "x=1\nx=2\ny=3", "a.example/", "x=2; y=3", false},
        {"a.example/", "x=1\nx=; Max-Age=0", "a.example/", NULL, false},
        {"a.example/", "x=1\nx=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a.example/", NULL, false},
        {"a.example/", "x=1; Expires=Thu, 01 Jan 2037 00:00:00 GMT", "a.example/", "x=1", false},
        {"a.example/", "nothing; Path=/", "a.example/", NULL, false},
        {"a.example/", "=1", "a.example/", NULL, false},
        {"192.0.2.1/", "x=1; Domain=192.0.2.1", "192.0.2.1/", "x=1", false},
        {"192.0.2.1/", "x=1; Domain=0.2.1", "192.0.2.1/", NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct target from = target_of(cases[i].from), to = target_of(cases[i].to);
        struct cookie_jar jar = {.count = 0};
        cookies_take(&jar, cases[i].said, &from, 1800000000);
        scoped(mem_release) char *sent = cookies_send(&jar, &to, !cases[i].plain);
        if (cases[i].sent)
            assert_string_equal(sent ? sent : "none", cases[i].sent);
        else if (sent)
            fail_msg("case %zu: %s is sent", i, sent);
        cookies_finish(&jar);
        target_finish(&to);
        target_finish(&from);
    }
}

static void test_cookies_are_bounded(void **state)
{
    struct target from = target_of("a.example/");
    struct cookie_jar jar = {.count = 0};
    char line[32];

    (void)state;
    for (int i = 0; i < 2 * COOKIES_KEPT; i++) {
        snprintf(line, sizeof line, "c%d=1", i);
        cookies_take(&jar, line, &from, 0);
    }
    assert_int_equal(jar.count, COOKIES_KEPT);
    cookies_take(&jar, NULL, &from, 0);
    cookies_finish(&jar);
    target_finish(&from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cookies_go_where_domain_and_path_say),
        cmocka_unit_test(test_cookies_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
