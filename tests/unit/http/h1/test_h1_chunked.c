/* The chunked decoder: data, every junk that it refuses, any split; and the heads it writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/h1/chunked.h"

/** Decodes `step` bytes at a time. @return 2 at the end, 0 when incomplete, negative when refused
 */
static int decode_by(struct span body, size_t step, char *out, struct span *ret_rest)
{
    struct h1_chunked decoder = {0};
    size_t length = 0;
    int r = 0;

    for (size_t at = 0; at < body.len && r == 0; at += step) {
        struct span input = span_of(body.ptr + at, body.len - at < step ? body.len - at : step);
        struct span data;
        while ((r = h1_chunked_decode(&decoder, &input, &data)) == 1) {
            memcpy(out + length, data.ptr, data.len);
            length += data.len;
        }
        *ret_rest = span_of(input.ptr, (size_t)(body.ptr + body.len - input.ptr));
    }
    out[length] = '\0';
    return r;
}

static void assert_decodes(struct span body, int expected, const char *data, const char *rest)
{
    for (size_t step = 1; step <= body.len; step++) {
        char out[1024];
        struct span left = {0};
        assert_int_equal(decode_by(body, step, out, &left), expected);
        if (data)
            assert_string_equal(out, data);
        if (rest) {
            assert_int_equal(left.len, strlen(rest));
            assert_memory_equal(left.ptr, rest, left.len);
        }
    }
}

static void test_data_comes_out_whatever_the_split(void **state)
{
    assert_decodes(SPAN("5\r\nhello\r\n0b\r\n, wide \r\nwo\r\n0\r\n\r\nnext"), 2,
                   "hello, wide \r\nwo", "\r\nnext");
    assert_decodes(SPAN("0\r\nT: x\r\n\r\n"), 2, "", "T: x\r\n\r\n");
    assert_decodes(SPAN("0000000000000003\r\nabc\r\n000\r\n"), 2, "abc", "");
    assert_decodes(SPAN("A\r\n0123456789\r\n"), 0, "0123456789", NULL);
}

static void test_extensions_are_checked_and_dropped(void **state)
{
    assert_decodes(SPAN("3;a\r\nabc\r\n0;b=c;d=\"q;\\\" \r\"\r\n"), ERR_SYNTAX, "abc", NULL);
    assert_decodes(SPAN("3;a\r\nabc\r\n0;b=c;d=\"q;\\\" \t\"\r\n"), 2, "abc", "");
    assert_decodes(SPAN("3;\r\nabc"), ERR_SYNTAX, "", NULL);
    assert_decodes(SPAN("3;a=\r\nabc"), ERR_SYNTAX, "", NULL);
    assert_decodes(SPAN("3; a\r\nabc"), ERR_SYNTAX, "", NULL);
    assert_decodes(SPAN("3;a b\r\nabc"), ERR_SYNTAX, "", NULL);
    assert_decodes(SPAN("3;a\nabc"), ERR_SYNTAX, "", NULL);
    assert_decodes(SPAN("3;a=\"b\"c\r\nabc"), ERR_SYNTAX, "", NULL);
    assert_decodes(SPAN("3;a=\"\x80\"\r\nabc"), ERR_SYNTAX, "", NULL);
}

static void test_extensions_are_bounded(void **state)
{
    char body[600];
    int n = snprintf(body, sizeof body, "3;%0254d\r\nabc\r\n3;%0254d\r\nabc\r\n0\r\n", 0, 0);

    assert_decodes(span_of(body, (size_t)n), 2, "abcabc", "");
    n = snprintf(body, sizeof body, "3;%0256d\r\nabc\r\n0\r\n", 0);
    assert_decodes(span_of(body, (size_t)n), ERR_LIMIT, "", NULL);
}

static void test_junk_is_refused(void **state)
{
    static const char *const junk[] = {
        "\r\n",          "g\r\n",           " 3\r\nabc",   "3 \r\nabc",      "3\t\r\nabc",
        "-3\r\nabc",     "+3\r\n",          "0x3\r\n",     "3\nabc",         "3\rabc",
        "3\r\nabcd\r\n", "3\r\nabc\n0\r\n", "3\r\nabc\rX", "3\r\n\r\n\r\nx",
    };

    for (size_t i = 0; i < ARRAY_SIZE(junk); i++)
        assert_decodes(span_str(junk[i]), ERR_SYNTAX, NULL, NULL);
    assert_decodes(SPAN("00000000000000003\r\nabc"), ERR_LIMIT, "", NULL);
    assert_decodes(SPAN("8000000000000000\r\nabc"), ERR_LIMIT, "", NULL);
    assert_decodes(SPAN("fffffffffffffffff\r\nabc"), ERR_LIMIT, "", NULL);
}

static void test_heads_are_shortest_hexadecimal(void **state)
{
    static const struct {
        uint64_t size;
        const char *head;
    } cases[] = {{1, "1\r\n"},         {15, "f\r\n"},      {16, "10\r\n"},
                 {0x4000, "4000\r\n"}, {0xfff, "fff\r\n"}, {UINT64_MAX, "ffffffffffffffff\r\n"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char out[H1_CHUNK_HEAD_MAX];
        size_t n = h1_chunked_head(out, cases[i].size);
        assert_int_equal(n, strlen(cases[i].head));
        assert_memory_equal(out, cases[i].head, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_comes_out_whatever_the_split),
        cmocka_unit_test(test_extensions_are_checked_and_dropped),
        cmocka_unit_test(test_extensions_are_bounded),
        cmocka_unit_test(test_junk_is_refused),
        cmocka_unit_test(test_heads_are_shortest_hexadecimal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
