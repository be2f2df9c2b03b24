/* Paths on their way to a server that knows another prefix, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "serve/proxy/prefix.h"

static struct arena arena;

static const char *text_of(struct span span)
{
    return span.ptr ? arena_copy(&arena, span) : "(unclear)";
}

static void test_the_routes_path_gives_way(void **state)
{
    static const struct {
        const char *route, *server, *path, *result;
    } rows[] = {
        {"/api", "/", "/api", "/"},
        {"/api", "/", "/api/", "/"},
        {"/api", "/", "/api/x/y", "/x/y"},
        {"/api/", "/", "/api/x", "/x"},
        {"/api", "/v2", "/api", "/v2"},
        {"/api", "/v2/", "/api", "/v2/"},
        {"/api", "/v2/", "/api/x", "/v2/x"},
        {"/api", "/v2", "/api/x%2Fy", "/v2/x%2Fy"},
        {"/", "/app", "/", "/app/"},
        {"/", "/app", "/x", "/app/x"},
        {"/a/b", "/c", "/a/b/d", "/c/d"},
        {"/a/b", "/", "/a//b//d", "/d"}, /* no "//d", which names a host */
        {"/", "/", "//d", "/d"},
        {"/caf\xc3\xa9", "/k\xc3\xa4se", "/caf%C3%A9/x", "/k%C3%A4se/x"},
        {"/api", "/", "/%61pi/x", "/x"},
        {"/a b", "/", "/a%20b/x", "/x"},
        {"/api", "/", "/other/x", "(unclear)"},
        {"/a/b", "/", "/a%2Fb/x", "(unclear)"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct prefix prefix;
        prefix_create(span_str(rows[i].route), rows[i].server, &prefix);
        assert_string_equal(text_of(prefix_to_server(&prefix, &arena, span_str(rows[i].path))),
                            rows[i].result);
        prefix_finish(&prefix);
    }
}

static void test_answers_name_the_clients_paths(void **state)
{
    static const struct {
        const char *route, *server, *name, *value, *result;
    } rows[] = {
        {"/api", "/", "location", "/login", "/api/login"},
        {"/api", "/", "location", "/", "/api/"},
        {"/api", "/", "location", "/api/x", "/api/x"}, /* it knows its prefix */
        {"/api", "/", "location", "/apix", "/api/apix"},
        {"/api", "/", "location", "x?to=/y", "x?to=/y"},
        {"/api", "/", "location", "https://a.test/x", "https://a.test/api/x"},
        {"/api", "/", "location", "HTTP://A.test/x", "HTTP://A.test/api/x"},
        {"/api", "/", "location", "//a.test/x", "//a.test/api/x"},
        {"/api", "/", "location", "https://a.test", "https://a.test"},
        {"/api", "/", "location", "https://a.test.evil/x", "https://a.test.evil/x"},
        {"/api", "/", "location", "https://b.test/x", "https://b.test/x"},
        {"/api", "/", "location", "//b.test/x", "//b.test/x"},
        {"/api", "/v2", "location", "/v2?a#b", "/api?a#b"},
        {"/api", "/v2", "location", "/v22/x", "/v22/x"},
        {"/api", "/v2", "location", "/other", "/other"},
        {"/", "/app", "location", "/app", "/"},
        {"/", "/app", "location", "/app/x", "/x"},
        {"/", "/app", "location", "/app//evil.test/x", "/evil.test/x"},
        {"/", "/app", "location", "/other", "/other"},
        {"/api", "/", "content-location", "/x", "/api/x"},
        {"/api", "/", "link", "</x>", "</x>"},
        {"/api", "/", "set-cookie", "a=1; Path=/; Secure", "a=1; Path=/api/; Secure"},
        {"/api", "/v2", "set-cookie", "a=path=/v2; PATH=/v2/x", "a=path=/v2; PATH=/api/x"},
        {"/api", "/v2", "set-cookie", "path=/v2", "path=/v2"}, /* a cookie of this name */
        {"/api", "/", "set-cookie", "a=1", "a=1"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct prefix prefix;
        struct http_fields fields = {0};
        prefix_create(span_str(rows[i].route), rows[i].server, &prefix);
        assert_int_equal(http_add(&arena, &fields, span_str(rows[i].name), span_str(rows[i].value)),
                         0);
        assert_int_equal(prefix_fields(&prefix, &arena, SPAN("a.test"), &fields), 0);
        assert_string_equal(text_of(fields.items[0].value), rows[i].result);
        prefix_finish(&prefix);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_routes_path_gives_way),
        cmocka_unit_test(test_answers_name_the_clients_paths),
    };

    arena_init(&arena, NULL, 0, 1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_reset(&arena, NULL, 0);
    return failed;
}
