/* The grammar of fields in HTTP/2, held against nghttp2's own checks byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "http/h2/check.h"

/** Puts each byte at each place of texts of each length. */
static void for_each_byte(void (*check)(struct span text))
{
    char text[24];

    for (size_t len = 1; len <= sizeof text; len++) {
        for (size_t at = 0; at < len; at++) {
            for (int byte = 0; byte < 256; byte++) {
                memset(text, 'a', len);
                text[at] = (char)byte;
                check(span_of(text, len));
            }
        }
    }
}

static void check_name(struct span text)
{
    if (text.ptr[0] == ':') /* pseudo-headers have a check of their own */
        return;
    assert_int_equal(h2_name_valid(text),
                     !!nghttp2_check_header_name((const uint8_t *)text.ptr, text.len));
}

static void check_value(struct span text)
{
    assert_int_equal(h2_value_valid(text),
                     !!nghttp2_check_header_value_rfc9113((const uint8_t *)text.ptr, text.len));
}

static void check_token(struct span text)
{
    assert_int_equal(h2_token_valid(text),
                     !!nghttp2_check_method((const uint8_t *)text.ptr, text.len));
}

static void check_path(struct span text)
{
    assert_int_equal(h2_visible(text, false),
                     !!nghttp2_check_path((const uint8_t *)text.ptr, text.len));
}

static void test_check_judges_bytes_as_nghttp2_does(void **state)
{
    for_each_byte(check_name);
    for_each_byte(check_value);
    for_each_byte(check_token);
    for_each_byte(check_path);
    assert_false(h2_name_valid(SPAN("")));
    assert_false(h2_token_valid(SPAN("")));
    assert_true(h2_value_valid(SPAN("")));
    assert_true(h2_value_valid((struct span){0}));
}

static void test_check_lets_no_space_into_authorities(void **state)
{
    assert_true(h2_visible(SPAN("example.com:443"), true));
    assert_false(h2_visible(SPAN("a b"), true));
    assert_false(h2_visible(SPAN("exampl\xc3\xa9.com"), true));
    assert_false(h2_visible(SPAN("\xc3\xa9"), true));
    assert_false(h2_visible(SPAN("a\x7f"), true));
}

static void test_check_knows_the_pseudo_headers_of_requests(void **state)
{
    assert_int_equal(h2_pseudo_of(SPAN(":method")), H2_METHOD);
    assert_int_equal(h2_pseudo_of(SPAN(":scheme")), H2_SCHEME);
    assert_int_equal(h2_pseudo_of(SPAN(":authority")), H2_AUTHORITY);
    assert_int_equal(h2_pseudo_of(SPAN(":path")), H2_PATH);
    assert_int_equal(h2_pseudo_of(SPAN(":status")), 0);
    assert_int_equal(h2_pseudo_of(SPAN(":protocol")), 0);
    assert_int_equal(h2_pseudo_of(SPAN(":Path")), 0);
    assert_int_equal(h2_pseudo_of(SPAN(":")), 0);
}

static void test_check_knows_the_fields_of_a_connection(void **state)
{
    static const struct span names[] = {{"connection", 10},
                                        {"keep-alive", 10},
                                        {"proxy-connection", 16},
                                        {"transfer-encoding", 17},
                                        {"upgrade", 7}};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_true(h2_is_connection_field(names[i], SPAN("x")));
    assert_true(h2_is_connection_field(SPAN("te"), SPAN("gzip")));
    assert_false(h2_is_connection_field(SPAN("te"), SPAN("trailers")));
    assert_false(h2_is_connection_field(SPAN("tf"), SPAN("gzip")));
    assert_false(h2_is_connection_field(SPAN("user-agent"), SPAN("x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_judges_bytes_as_nghttp2_does),
        cmocka_unit_test(test_check_lets_no_space_into_authorities),
        cmocka_unit_test(test_check_knows_the_pseudo_headers_of_requests),
        cmocka_unit_test(test_check_knows_the_fields_of_a_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
