/* Range values against sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/http.h"

/* "partial 0-9 20-29", "ignore" or "unsatisfiable" */
static const char *outcome(const char *value, int64_t size)
{
    static char text[1024];
    struct http_ranges ranges;
    size_t len;

    switch (http_ranges_parse(span_str(value), size, &ranges)) {
    case HTTP_RANGE_IGNORE:
        return "ignore";
    case HTTP_RANGE_UNSATISFIABLE:
        return "unsatisfiable";
    default:
        break;
    }
    len = (size_t)snprintf(text, sizeof text, "partial");
    for (unsigned i = 0; i < ranges.count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, " %lld-%lld",
                                (long long)ranges.items[i].first, (long long)ranges.items[i].last);
    return text;
}

static void test_range_reads_one(void **state)
{
    assert_string_equal(outcome("bytes=0-9", 100), "partial 0-9");
    assert_string_equal(outcome("Bytes=0-9", 100), "partial 0-9");
    assert_string_equal(outcome("bytes=90-", 100), "partial 90-99");
    assert_string_equal(outcome("bytes=0-", 100), "partial 0-99");
    assert_string_equal(outcome("bytes=-10", 100), "partial 90-99");
    assert_string_equal(outcome("bytes=-1000", 100), "partial 0-99");
    assert_string_equal(outcome("bytes=99-1000", 100), "partial 99-99");
    assert_string_equal(outcome("bytes=0-99999999999999999999999", 100), "partial 0-99");
    assert_string_equal(outcome("bytes=-99999999999999999999999", 100), "partial 0-99");
    assert_string_equal(outcome("bytes= 0-1 ", 100), "partial 0-1");
}

static void test_range_reads_several(void **state)
{
    assert_string_equal(outcome("bytes=0-0,-1", 100), "partial 0-0 99-99");
    assert_string_equal(outcome("bytes=50-59 , 0-9,,", 100), "partial 50-59 0-9");
    assert_string_equal(outcome("bytes=0-9,200-300", 100), "partial 0-9");
    assert_string_equal(outcome("bytes=0-9,5-14", 100), "partial 0-9 5-14");
}

static void test_range_unsatisfiable_lies_past_the_end(void **state)
{
    assert_string_equal(outcome("bytes=100-", 100), "unsatisfiable");
    assert_string_equal(outcome("bytes=100-200,300-", 100), "unsatisfiable");
    assert_string_equal(outcome("bytes=99999999999999999999999-", 100), "unsatisfiable");
    assert_string_equal(outcome("bytes=-0", 100), "unsatisfiable");
    assert_string_equal(outcome("bytes=0-", 0), "unsatisfiable");
    assert_string_equal(outcome("bytes=-5", 0), "ignore");
}

static void test_range_ignores_broken_syntax(void **state)
{
    static const char *const broken[] = {
        "",           "bytes",       "bytes=",     "bytes=,",       "items=0-9",  "bytes 0-9",
        "bytes=9-0",  "bytes=a-b",   "bytes=-",    "bytes=--1",     "bytes=+1-2", "bytes=0-9x",
        "bytes=0 -9", "bytes=0-9-9", "bytes=0-1;", "bytes=0x1-0x2", "bytes=1-2,x"};

    for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
        assert_string_equal(outcome(broken[i], 100), "ignore");
}

static void test_range_ignores_sets_that_only_cost(void **state)
{
    assert_string_equal(outcome("bytes=0-,0-", 100), "ignore");
    assert_string_equal(outcome("bytes=0-9,5-14,10-19", 1000), "ignore");
    assert_string_equal(
        outcome("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,"
                "26-26,28-28,30-30",
                100),
        "partial 0-0 2-2 4-4 6-6 8-8 10-10 12-12 14-14 16-16 18-18 20-20 22-22 24-24 26-26 28-28 "
        "30-30");
    assert_string_equal(
        outcome("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,"
                "26-26,28-28,30-30,32-32",
                100),
        "ignore");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range_reads_one),
        cmocka_unit_test(test_range_reads_several),
        cmocka_unit_test(test_range_unsatisfiable_lies_past_the_end),
        cmocka_unit_test(test_range_ignores_broken_syntax),
        cmocka_unit_test(test_range_ignores_sets_that_only_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
