/* Preconditions, alone and in their order of precedence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/http.h"

#define MODIFIED "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"

enum { NOW = 1700000000 };

static const struct http_validators file = {SPAN("\"abc\""), 784111777};

/* Name, value, name, value, NULL. */
static enum http_condition given(const struct http_validators *validators, bool safe,
                                 const char *const *texts)
{
    struct http_field items[8];
    struct http_fields fields = {items, 0, 8};
    struct http_asks asks;

    for (; texts[0]; texts += 2)
        items[fields.count++] = (struct http_field){span_str(texts[0]), span_str(texts[1])};
    http_asks_find(&fields, &asks);
    return http_conditions(&asks, validators, safe, NOW);
}

#define GIVEN(...) given(&file, true, (const char *const[]){__VA_ARGS__, NULL})
#define GIVEN_UNSAFE(...) given(&file, false, (const char *const[]){__VA_ARGS__, NULL})

static void test_condition_none_goes_on(void **state)
{
    assert_int_equal(GIVEN("host", "a"), HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN("if-match-x", "\"no\""), HTTP_CONDITION_GO_ON);
}

static void test_condition_if_none_match(void **state)
{
    assert_int_equal(GIVEN("if-none-match", "\"abc\""), HTTP_CONDITION_NOT_MODIFIED);
    assert_int_equal(GIVEN("if-none-match", "W/\"abc\""), HTTP_CONDITION_NOT_MODIFIED);
    assert_int_equal(GIVEN("if-none-match", "*"), HTTP_CONDITION_NOT_MODIFIED);
    assert_int_equal(GIVEN("if-none-match", "\"x,y\" ,, \"abc\""), HTTP_CONDITION_NOT_MODIFIED);
    assert_int_equal(GIVEN("if-none-match", "\"x\"", "if-none-match", "\"abc\""),
                     HTTP_CONDITION_NOT_MODIFIED);
    assert_int_equal(GIVEN("if-none-match", "\"x\""), HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN("if-none-match", "abc"), HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN("if-none-match", "\"abc"), HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN("if-none-match", "\"x\" \"abc\""), HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN("if-none-match", "w/\"abc\""), HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN_UNSAFE("if-none-match", "*"), HTTP_CONDITION_FAILED);
}

static void test_condition_if_match_compares_strongly(void **state)
{
    assert_int_equal(GIVEN("if-match", "\"abc\""), HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN("if-match", "*"), HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN("if-match", "\"x\", \"abc\""), HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN("if-match", "W/\"abc\""), HTTP_CONDITION_FAILED);
    assert_int_equal(GIVEN("if-match", "\"x\""), HTTP_CONDITION_FAILED);
    assert_int_equal(GIVEN("if-match", ""), HTTP_CONDITION_FAILED);
}

static void test_condition_if_modified_since(void **state)
{
    assert_int_equal(GIVEN("if-modified-since", MODIFIED), HTTP_CONDITION_NOT_MODIFIED);
    assert_int_equal(GIVEN("if-modified-since", AFTER), HTTP_CONDITION_NOT_MODIFIED);
    assert_int_equal(GIVEN("if-modified-since", BEFORE), HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN("if-modified-since", "yesterday"), HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN_UNSAFE("if-modified-since", MODIFIED), HTTP_CONDITION_GO_ON);
}

static void test_condition_if_unmodified_since(void **state)
{
    assert_int_equal(GIVEN("if-unmodified-since", MODIFIED), HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN("if-unmodified-since", BEFORE), HTTP_CONDITION_FAILED);
    assert_int_equal(GIVEN("if-unmodified-since", "never"), HTTP_CONDITION_GO_ON);
}

static void test_condition_entity_tags_outrank_dates(void **state)
{
    assert_int_equal(GIVEN("if-none-match", "\"x\"", "if-modified-since", AFTER),
                     HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN("if-match", "\"abc\"", "if-unmodified-since", BEFORE),
                     HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN("if-none-match", "\"abc\"", "if-match", "\"x\""), HTTP_CONDITION_FAILED);
    assert_int_equal(GIVEN("if-match", "\"abc\"", "if-none-match", "\"abc\""),
                     HTTP_CONDITION_NOT_MODIFIED);
}

static void test_condition_if_range(void **state)
{
    const struct http_validators fresh = {SPAN("\"abc\""), NOW - 1};
    const char *const date[] = {"if-range", "Tue, 14 Nov 2023 22:13:19 GMT", NULL};

    assert_int_equal(GIVEN("if-range", "\"abc\""), HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN("if-range", MODIFIED), HTTP_CONDITION_GO_ON);
    assert_int_equal(GIVEN("if-range", "\"x\""), HTTP_CONDITION_NO_RANGE);
    assert_int_equal(GIVEN("if-range", "W/\"abc\""), HTTP_CONDITION_NO_RANGE);
    assert_int_equal(GIVEN("if-range", AFTER), HTTP_CONDITION_NO_RANGE);
    assert_int_equal(GIVEN("if-range", BEFORE), HTTP_CONDITION_NO_RANGE);
    assert_int_equal(GIVEN("if-range", "*"), HTTP_CONDITION_NO_RANGE);
    assert_int_equal(given(&fresh, true, date), HTTP_CONDITION_NO_RANGE);
}

static void test_condition_without_validators(void **state)
{
    const struct http_validators bare = {{NULL, 0}, -1};
    const char *const dates[] = {"if-modified-since", AFTER, "if-unmodified-since", BEFORE, NULL};
    const char *const any[] = {"if-match", "*", NULL};
    const char *const tag[] = {"if-range", "\"\"", NULL};

    assert_int_equal(given(&bare, true, dates), HTTP_CONDITION_GO_ON);
    assert_int_equal(given(&bare, true, any), HTTP_CONDITION_GO_ON);
    assert_int_equal(given(&bare, true, tag), HTTP_CONDITION_NO_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_condition_none_goes_on),
        cmocka_unit_test(test_condition_if_none_match),
        cmocka_unit_test(test_condition_if_match_compares_strongly),
        cmocka_unit_test(test_condition_if_modified_since),
        cmocka_unit_test(test_condition_if_unmodified_since),
        cmocka_unit_test(test_condition_entity_tags_outrank_dates),
        cmocka_unit_test(test_condition_if_range),
        cmocka_unit_test(test_condition_without_validators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
