/* The protocol of clamd and the parts of multipart bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protect/protect.h"

static void test_streams_are_sent_in_chunks_with_their_length(void **state)
{
    static const char expected[] =
        "zIDSESSION\0zINSTREAM\0\0\0\0\3abc\0\0\0\0zINSTREAM\0\0\0\0\0zEND";
    const struct span streams[] = {SPAN("abc"), SPAN("")};
    struct clamd_session session = {.streams = streams, .count = 2};
    char out[256];
    size_t len = 0, n;

    (void)state;
    while ((n = clamd_produce(&session, out + len, 64)) > 0)
        len += n;
    assert_int_equal(len, sizeof expected);
    assert_memory_equal(out, expected, len);
}

static enum clamd_result hear(const char *answers, size_t len, size_t streams)
{
    struct clamd_session session = {.count = streams};
    enum clamd_result result = CLAMD_WAITING;

    for (size_t i = 0; i < len; i++) /* a byte at a time */
        result = clamd_hear(&session, span_of(answers + i, 1));
    return result;
}

static void test_answers_are_judged(void **state)
{
    (void)state;
    assert_int_equal(hear("1: stream: OK", 14, 1), CLAMD_CLEAN);
    assert_int_equal(hear("1: stream: OK", 14, 2), CLAMD_WAITING);
    assert_int_equal(hear("1: stream: OK\0002: stream: OK", 28, 2), CLAMD_CLEAN);
    assert_int_equal(hear("1: stream: Eicar FOUND", 23, 2), CLAMD_FOUND);
    assert_int_equal(hear("INSTREAM size limit exceeded. ERROR", 36, 1), CLAMD_FAILED);
    assert_int_equal(hear("UNKNOWN COMMAND", 16, 1), CLAMD_FAILED);
    assert_int_equal(hear("1: stream: OK FOUND", 20, 1), CLAMD_FOUND);
    assert_int_equal(hear("OK", 3, 1), CLAMD_FAILED);
}

static void test_parts_are_split_as_their_boundary_says(void **state)
{
    static const char body[] =
        "preamble\r\n--b\r\nContent-Disposition: form-data; name=a\r\n\r\nhello\r\n"
        "--b\r\nX: y\r\n\r\nsecond\r\n\r\n--b--\r\nepilogue";
    struct span parts[4];

    (void)state;
    assert_int_equal(
        malware_split(span_str(body), SPAN("multipart/form-data; boundary=b"), parts, 4), 2);
    assert_true(span_equal(parts[0], SPAN("hello")));
    assert_true(span_equal(parts[1], SPAN("second\r\n")));
    assert_int_equal(
        malware_split(span_str(body), SPAN("multipart/form-data; BOUNDARY=\"b\"; x=y"), parts, 1),
        1);
    assert_int_equal(malware_split(span_str(body), SPAN("text/plain"), parts, 4), 0);
    assert_int_equal(malware_split(SPAN(""), SPAN("multipart/form-data; boundary=b"), parts, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_are_sent_in_chunks_with_their_length),
        cmocka_unit_test(test_answers_are_judged),
        cmocka_unit_test(test_parts_are_split_as_their_boundary_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
