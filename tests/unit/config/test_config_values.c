/* Sizes, durations, flags, numbers and the word that was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "config/values.h"

static void test_values_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {{"0", 0},
                {"1500", 1500},
                {"64KiB", 65536},
                {"64 KiB", 65536},
                {"10MB", 10000000},
                {"1gib", 1 << 30},
                {"3TB", 3000000000000},
                {"2TiB", INT64_C(2) << 40},
                {"7B", 7},
                {"9223372036854775807", INT64_MAX}};
    static const char *const bad[] = {"",     "KiB",   "64K",    "64k", "-1",  "1.5MiB", "64KiBs",
                                      " 64B", "64  B", "64\tKB", "0x4", "64 ", "+1"};
    int64_t bytes;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(config_parse_size(span_str(good[i].text), &bytes), 0);
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(config_parse_size(span_str(bad[i]), &bytes), ERR_SYNTAX);
    assert_int_equal(config_parse_size(SPAN("9223372036854775808"), &bytes), ERR_LIMIT);
    assert_int_equal(config_parse_size(SPAN("99999999999GiB"), &bytes), ERR_LIMIT);
}

static void test_values_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        nsec_t time;
    } good[] = {{"0", 0},
                {"0s", 0},
                {"500ms", 500 * NSEC_PER_MSEC},
                {"10s", 10 * NSEC_PER_SEC},
                {"5m", 300 * NSEC_PER_SEC},
                {"2h", 7200 * NSEC_PER_SEC},
                {"30d", 30 * 86400 * NSEC_PER_SEC},
                {"1w", 7 * 86400 * NSEC_PER_SEC},
                {"1h30m", 5400 * NSEC_PER_SEC},
                {"3us", 3000},
                {"7ns", 7}};
    static const char *const bad[] = {"",     "10",  "s",     "10 s", "-1s", "1.5h", "30m1h",
                                      "1h1h", "10S", "10min", "1h ",  " 1h", "1h30"};
    int64_t time;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(config_parse_duration(span_str(good[i].text), &time), 0);
        assert_true(time == good[i].time);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(config_parse_duration(span_str(bad[i]), &time), ERR_SYNTAX);
    assert_int_equal(config_parse_duration(SPAN("20000w"), &time), ERR_LIMIT);
    assert_int_equal(config_parse_duration(SPAN("15250w9999999d"), &time), ERR_LIMIT);
}

static void test_values_flags_and_numbers(void **state)
{
    (void)state;
    bool flag = false;
    int64_t number;

    assert_int_equal(value_parse_bool(SPAN("On"), &flag), 0);
    assert_true(flag);
    assert_int_equal(value_parse_bool(SPAN("no"), &flag), 0);
    assert_false(flag);
    assert_int_equal(value_parse_bool(SPAN("1"), &flag), ERR_SYNTAX);
    assert_int_equal(value_parse_bool(SPAN("y"), &flag), ERR_SYNTAX);
    assert_int_equal(value_parse_int(SPAN("-12"), &number), 0);
    assert_int_equal(number, -12);
    assert_int_equal(value_parse_int(SPAN("+7"), &number), 0);
    assert_int_equal(number, 7);
    assert_int_equal(value_parse_int(SPAN("-"), &number), ERR_SYNTAX);
    assert_int_equal(value_parse_int(SPAN("1e3"), &number), ERR_SYNTAX);
    assert_int_equal(value_parse_int(SPAN("--1"), &number), ERR_SYNTAX);
    assert_int_equal(value_parse_int(SPAN("9223372036854775808"), &number), ERR_LIMIT);
}

static void expect_text(char *text, const char *expected)
{
    assert_string_equal(text, expected);
    free(text);
}

static void test_values_are_written_as_a_user_would(void **state)
{
    (void)state;

    expect_text(value_format_size(0), "0");
    expect_text(value_format_size(65536), "64KiB");
    expect_text(value_format_size(65537), "65537");
    expect_text(value_format_size(INT64_C(1) << 50), "1024TiB");
    expect_text(value_format_duration(0), "0");
    expect_text(value_format_duration(5400 * NSEC_PER_SEC), "1h30m");
    expect_text(value_format_duration(7 * 86400 * NSEC_PER_SEC), "1w");
    expect_text(value_format_duration(8 * 86400 * NSEC_PER_SEC), "8d");
    expect_text(value_format_duration(NSEC_PER_SEC + 1), "1s1ns");
}

static void test_values_text_is_cut_between_characters(void **state)
{
    (void)state;

    expect_text(text_cut(SPAN("a\tb\x1b[1m"), 100), "a\tb\x1b[1m");
    expect_text(text_cut(SPAN("\xc3\xbc\xc3"), 100), "\xc3\xbc\xc3");
    expect_text(text_cut(SPAN("a\0b"), 100), "a?b");
    expect_text(text_cut(SPAN("ab\xe2\x82\xac"), 4), "ab");
    expect_text(text_cut(SPAN("ab\xe2\x82\xac"), 5), "ab\xe2\x82\xac");
}

static void test_nearest_word(void **state)
{
    (void)state;
    static const char *const keys[] = {"files",       "fallback", "certificate",
                                       "header_size", "on",       "names"};
    static const struct {
        const char *word;
        const char *meant;
    } cases[] = {{"fils", "files"},
                 {"flies", "files"},
                 {"FILES", "files"},
                 {"header-size", "header_size"},
                 {"headersize", "header_size"},
                 {"cert", "certificate"},
                 {"certificates", "certificate"},
                 {"fallbak", "fallback"},
                 {"name", "names"},
                 {"fi", NULL},
                 {"xyz", NULL},
                 {"", NULL},
                 {"a", NULL},
                 {"ni", NULL},
                 {"root", NULL}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *found = config_nearest(cases[i].word, keys, ARRAY_SIZE(keys));
        assert_string_equal(found ? found : "(none)", cases[i].meant ? cases[i].meant : "(none)");
    }
    char longest[200];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(config_nearest(longest, keys, ARRAY_SIZE(keys)));
    assert_null(config_nearest("files", NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_sizes),
        cmocka_unit_test(test_values_durations),
        cmocka_unit_test(test_values_flags_and_numbers),
        cmocka_unit_test(test_values_are_written_as_a_user_would),
        cmocka_unit_test(test_values_text_is_cut_between_characters),
        cmocka_unit_test(test_nearest_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
