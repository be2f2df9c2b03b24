/* Which route a path leads to, and what stands beneath it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "serve/route.h"

static struct route routes[] = {
    {.path = {"/", 1}},
    {.path = {"/api", 4}},
    {.path = {"/api/", 5}},
    {.path = {"/api", 4}, .exact = true},
    {.path = {"/api/v2/users", 13}},
    {.path = {"/x/", 3}},
};

static const struct {
    const char *path;
    const char *wanted; /* the route's path; "=" in front: the exact one */
    const char *rest;
} cases[] = {
    {"/", "/", "/"},
    {"/apis", "/", "/apis"},
    {"/api", "=/api", "/"},
    {"/api/", "/api/", "/"},
    {"/api/v2", "/api/", "/v2"},
    {"/api/v2/users", "/api/v2/users", "/"},
    {"/api/v2/users/7", "/api/v2/users", "/7"},
    {"/api/v2/usersx", "/api/", "/v2/usersx"},
    {"/x", "/", "/x"},
    {"/x/y", "/x/", "/y"},
    {"/API", "/", "/API"},
};

static void test_routes_find_the_longest_whole_segments(void **state)
{
    (void)state;
    routes_sort(routes, ARRAY_SIZE(routes));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool exact = cases[i].wanted[0] == '=';
        const struct route *found =
            routes_find(routes, ARRAY_SIZE(routes), span_str(cases[i].path));
        assert_non_null(found);
        assert_true(span_equal(found->path, span_str(cases[i].wanted + exact)));
        assert_int_equal(found->exact, exact);
        assert_true(
            span_equal(route_rest(found, span_str(cases[i].path)), span_str(cases[i].rest)));
    }
}

static void test_routes_may_have_none(void **state)
{
    (void)state;
    struct route only = {.path = {"/only", 5}};

    assert_null(routes_find(&only, 1, SPAN("/other")));
    assert_null(routes_find(NULL, 0, SPAN("/")));
}

static void test_routes_of_one_path_keep_their_order(void **state)
{
    (void)state;
    int first, second;
    struct route two[] = {{.path = {"/a", 2}, .config = &first},
                          {.path = {"/a", 2}, .config = &second}};

    routes_sort(two, 2);
    assert_ptr_equal(routes_find(two, 2, SPAN("/a/b"))->config, &first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes_find_the_longest_whole_segments),
        cmocka_unit_test(test_routes_may_have_none),
        cmocka_unit_test(test_routes_of_one_path_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
