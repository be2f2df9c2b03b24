/* Dates of HTTP: what is written, what is read, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "http/http.h"

enum { NOW = 1700000000 /* 2023-11-14 */ };

static void expect(const char *text, int64_t seconds)
{
    int64_t got = -1;

    assert_int_equal(http_date_parse(span_str(text), NOW, &got), 0);
    assert_int_equal(got, seconds);
}

static void refuse(const char *text)
{
    int64_t got = 42;

    assert_int_equal(http_date_parse(span_str(text), NOW, &got), ERR_SYNTAX);
    assert_int_equal(got, 42);
}

static void test_date_reads_the_three_forms(void **state)
{
    expect("Sun, 06 Nov 1994 08:49:37 GMT", 784111777);
    expect("Sunday, 06-Nov-94 08:49:37 GMT", 784111777);
    expect("Sun Nov  6 08:49:37 1994", 784111777);
    expect("Wed Nov 16 08:49:37 1994", 784975777);
    expect("Thu, 01 Jan 1970 00:00:00 GMT", 0);
    expect("Thu, 29 Feb 2024 12:00:00 GMT", 1709208000);
    expect("Tue, 29 Feb 2000 00:00:00 GMT", 951782400);
}

static void test_date_counts_a_leap_second_as_the_next(void **state)
{
    expect("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800);
}

static void test_date_places_two_digit_years_within_fifty_ahead(void **state)
{
    expect("Friday, 01-Jan-99 00:00:00 GMT", 915148800);   /* 1999 */
    expect("Monday, 01-Jan-73 00:00:00 GMT", 3250454400);  /* 2073: exactly 50 ahead */
    expect("Tuesday, 01-Jan-74 00:00:00 GMT", 126230400);  /* 1974 */
    expect("Saturday, 01-Jan-00 00:00:00 GMT", 946684800); /* 2000 */

    int64_t got;
    /* seen from 2080, 20 is 2120 */
    assert_int_equal(http_date_parse(SPAN("Monday, 01-Jan-20 00:00:00 GMT"), 3471292800, &got), 0);
    assert_int_equal(got, 4733510400);
}

static void test_date_refuses_what_is_not_one(void **state)
{
    refuse("");
    refuse("0");
    refuse("Sun");
    refuse("Sun,");
    refuse("sun, 06 Nov 1994 08:49:37 GMT");
    refuse("Sun, 06 nov 1994 08:49:37 GMT");
    refuse("Sun, 6 Nov 1994 08:49:37 GMT");
    refuse("Sun, 06 Nov 1994 08:49:37 UTC");
    refuse("Sun, 06 Nov 1994 08:49:37 GMT ");
    refuse("Sun, 06 Nov 1994 08:49:37");
    refuse("Sun, 06 Nov 1994 24:00:00 GMT");
    refuse("Sun, 06 Nov 1994 08:60:37 GMT");
    refuse("Sun, 06 Nov 1994 08:49:61 GMT");
    refuse("Sun, 31 Nov 1994 08:49:37 GMT");
    refuse("Wed, 29 Feb 2023 12:00:00 GMT");
    refuse("Thu, 29 Feb 1900 12:00:00 GMT");
    refuse("Sun, 00 Nov 1994 08:49:37 GMT");
    refuse("Sun, +6 Nov 1994 08:49:37 GMT");
    refuse("Xyz, 06 Nov 1994 08:49:37 GMT");
    refuse("Sunday, 06-Nov-1994 08:49:37 GMT");
    refuse("Sun Nov 6 08:49:37 1994");
}

static void test_date_writes_what_libc_would(void **state)
{
    for (int64_t seconds = 0; seconds < 253402300800; seconds += 86399 * 977) {
        char ours[HTTP_DATE_SIZE + 1], theirs[64];
        time_t t = (time_t)seconds;
        struct tm tm;
        int64_t back;

        http_date_format(seconds, ours);
        strftime(theirs, sizeof theirs, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&t, &tm));
        assert_string_equal(ours, theirs);
        assert_int_equal(http_date_parse(span_of(ours, HTTP_DATE_SIZE), NOW, &back), 0);
        assert_int_equal(back, seconds);
    }
}

static void test_date_clips_to_what_the_form_can_say(void **state)
{
    char text[HTTP_DATE_SIZE + 1];

    http_date_format(-1, text);
    assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    http_date_format(INT64_MAX, text);
    assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void test_date_writes_rfc_3339_too(void **state)
{
    char text[HTTP_DATE_ISO_SIZE + 1];

    http_date_format_iso(784111777, text);
    assert_string_equal(text, "1994-11-06T08:49:37Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_date_reads_the_three_forms),
        cmocka_unit_test(test_date_counts_a_leap_second_as_the_next),
        cmocka_unit_test(test_date_places_two_digit_years_within_fifty_ahead),
        cmocka_unit_test(test_date_refuses_what_is_not_one),
        cmocka_unit_test(test_date_writes_what_libc_would),
        cmocka_unit_test(test_date_clips_to_what_the_form_can_say),
        cmocka_unit_test(test_date_writes_rfc_3339_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
