/* The lines of an eye and its askers: there and back, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/mem.h"
#include "eye/protocol.h"

#define HEX64 "00000000000000000000000000000000000000000000000000000000000000ff"

static void test_each_line_comes_back_as_it_was(void **state)
{
    struct buffer out = buffer_make(EYE_LINE_MAX);
    struct eye_greeting greeting = {{1, 2}, {3, 0xfe}}, read;
    struct eye_request request = {{9}, 443, 10, "example.com"}, taken;

    (void)state;
    eye_hello_write(&greeting, &out);
    assert_int_equal(eye_hello_read(buffer_span(&out), &read), 0);
    assert_memory_equal(read.nonce, greeting.nonce, EYE_NONCE);
    buffer_finish(&out);
    eye_greeting_write(&greeting, &out);
    assert_int_equal(eye_greeting_read(buffer_span(&out), &read), 0);
    assert_memory_equal(&read, &greeting, sizeof read);
    buffer_finish(&out);
    eye_request_write(&request, &out);
    assert_int_equal(eye_request_read(buffer_span(&out), &taken), 0);
    assert_int_equal(taken.port, 443);
    assert_int_equal(taken.seconds, 10);
    assert_string_equal(taken.name, "example.com");
    assert_memory_equal(taken.proof, request.proof, EYE_PROOF);
    buffer_finish(&out);
}

static int take_request(const char *fields)
{
    struct eye_request request;
    scoped(mem_release) char *line = mem_format("{\"proof\":\"" HEX64 "\",%s}", fields);

    return eye_request_read(span_str(line), &request);
}

static void test_requests_out_of_bounds_are_refused(void **state)
{
    (void)state;
    assert_int_equal(take_request("\"port\":443,\"seconds\":10"), 0);
    assert_int_equal(take_request("\"port\":443,\"seconds\":10,\"more\":[1]"), 0);
    static const char *const wrong[] = {
        "\"port\":0,\"seconds\":10",
        "\"port\":65536,\"seconds\":10",
        "\"port\":\"443\",\"seconds\":10",
        "\"port\":443,\"seconds\":31",
        "\"port\":443,\"seconds\":0",
        "\"port\":443",
        "\"port\":443,\"port\":444,\"seconds\":10",
        "\"port\":443,\"seconds\":10,\"name\":7",
        "\"port\":443,\"seconds\":10,\"name\":\"a b\"",
        "\"port\":443,\"seconds\":10,\"name\":\"a\\u0000b\"",
        "\"port\":443,\"seconds\":10,\"name\":\"a/b\"",
        "\"port\":443,\"seconds\":10,\"name\":\"user@host\"",
        "\"port\":443,\"seconds\":10,\"name\":\"192.0.2.1\"",
        "\"port\":443,\"seconds\":10,\"name\":\"2001:db8::1\"",
        "\"port\":443,\"seconds\":10,\"name\":\"[2001:db8::1]\"",
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(take_request(wrong[i]), ERR_SYNTAX);
}

static void test_what_an_eye_says_cannot_turn_the_terminal(void **state)
{
    struct eye_answer answer;

    (void)state;
    assert_int_equal(
        eye_answer_read(
            SPAN("{\"source\":\"192.0.2.1\",\"check\":{\"open\":true,\"verdict\":"
                 "\"v\\u001b[2J\",\"findings\":[{\"grade\":\"good\",\"topic\":\"tcp\","
                 "\"subject\":\"s\\u009b\",\"sentence\":\"a\\nb\\r%s\",\"hint\":\"\\u0007\","
                 "\"milliseconds\":1.5,\"facts\":{\"x\":1}}]}}"),
            &answer),
        0);
    assert_true(answer.open);
    assert_string_equal(answer.source, "192.0.2.1");
    assert_int_equal(answer.findings.count, 1);
    const struct finding *finding = &answer.findings.items[0];
    assert_int_equal(finding->took, 1500000);
    const char *texts[] = {answer.verdict, finding->subject, finding->sentence, finding->hint};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        for (const char *c = texts[i]; *c; c++)
            assert_true((unsigned char)*c >= ' ' && (unsigned char)*c < 0x7f);
    eye_answer_finish(&answer);
}

static void test_answers_that_are_none_are_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{\"source\":\"here\",\"error\":\"limit\",\"wait\":1}",
        "{\"source\":\"192.0.2.1\"}",
        "{\"source\":\"192.0.2.1\",\"error\":\"other\"}",
        "{\"source\":\"192.0.2.1\",\"error\":\"limit\"}",
        "{\"source\":\"192.0.2.1\",\"check\":{}}",
        "{\"source\":\"192.0.2.1\",\"check\":{\"verdict\":\"v\",\"findings\":[]}}",
        "{\"source\":\"192.0.2.1\",\"check\":{\"verdict\":\"v\",\"findings\":[{\"grade\":\"good\","
        "\"topic\":\"T\\u001b\",\"sentence\":\"s\"}]}}",
        "{\"source\":\"192.0.2.1\",\"check\":{\"verdict\":\"v\",\"findings\":[{\"grade\":\"fine\","
        "\"topic\":\"tcp\",\"sentence\":\"s\"}]}}",
    };
    struct eye_answer answer;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(eye_answer_read(span_str(wrong[i]), &answer), ERR_SYNTAX);
}

static void test_too_many_findings_are_refused(void **state)
{
    struct buffer line = buffer_make(EYE_ANSWER_MAX);
    struct eye_answer answer;

    (void)state;
    assert_int_equal(buffer_add(&line, SPAN("{\"source\":\"::1\",\"check\":{\"verdict\":\"v\","
                                            "\"findings\":[")),
                     0);
    for (int i = 0; i <= EYE_FINDINGS_MAX; i++)
        assert_int_equal(buffer_printf(&line,
                                       "%s{\"grade\":\"bad\",\"topic\":\"x\",\"sentence\":"
                                       "\"s\"}",
                                       i ? "," : ""),
                         0);
    assert_int_equal(buffer_add(&line, SPAN("]}}")), 0);
    assert_int_equal(eye_answer_read(buffer_span(&line), &answer), ERR_SYNTAX);
    buffer_finish(&line);
}

static void test_a_refusal_has_its_wait(void **state)
{
    struct buffer out = buffer_make(EYE_LINE_MAX);
    struct eye_answer said = {.error = EYE_LIMITED, .wait = 12, .source = "2001:db8::1"}, answer;

    (void)state;
    assert_int_equal(eye_answer_write(&said, NULL, &out), 0);
    assert_int_equal(eye_answer_read(buffer_span(&out), &answer), 0);
    assert_int_equal(answer.error, EYE_LIMITED);
    assert_int_equal(answer.wait, 12);
    assert_string_equal(answer.source, "2001:db8::1");
    eye_answer_finish(&answer);
    buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_line_comes_back_as_it_was),
        cmocka_unit_test(test_requests_out_of_bounds_are_refused),
        cmocka_unit_test(test_what_an_eye_says_cannot_turn_the_terminal),
        cmocka_unit_test(test_answers_that_are_none_are_refused),
        cmocka_unit_test(test_too_many_findings_are_refused),
        cmocka_unit_test(test_a_refusal_has_its_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
