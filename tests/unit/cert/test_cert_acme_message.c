/* The JSON documents of an ACME server: what is taken, what is refused, and the bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "cert/acme/message.h"

#define TOKEN "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"

static void test_directory_keeps_urls_profiles_and_terms(void **state)
{
    struct acme_directory directory;

    assert_int_equal(
        acme_directory_read(
            SPAN("{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\",\"newOrder\":"
                 "\"https://ca/o\",\"renewalInfo\":\"http://ca/r\",\"meta\":{\"termsOfService\":"
                 "\"https://ca/tos\",\"externalAccountRequired\":true,\"profiles\":{\"classic\":"
                 "\"x\",\"shortlived\":\"y\"},\"caaIdentities\":[\"ca.example\",7]}}"),
            &directory),
        0);
    assert_string_equal(directory.new_order, "https://ca/o");
    assert_null(directory.renewal_info); /* not https */
    assert_null(directory.revoke_cert);
    assert_string_equal(directory.terms, "https://ca/tos");
    assert_true(directory.needs_eab);
    assert_int_equal(directory.profile_count, 2);
    assert_int_equal(directory.caa_count, 1);
    acme_directory_finish(&directory);
}

static void test_what_is_no_directory_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "[]",
        "null",
        "{",
        "{}",
        "<html>",
        "{\"newNonce\":\"https://ca/n\",\"newAccount\":\"https://ca/a\"}",
        "{\"newNonce\":\"http://ca/n\",\"newAccount\":\"https://ca/a\",\"newOrder\":\"https://ca/"
        "o\"}",
        "{\"newNonce\":\"https://ca/\\u0001\",\"newAccount\":\"https://ca/"
        "a\",\"newOrder\":\"https://"
        "ca/o\"}",
        "{\"newNonce\":\"https://ca/n\",\"newNonce\":\"https://ca/m\",\"newAccount\":\"https://ca/"
        "a\",\"newOrder\":\"https://ca/o\"}",
    };
    struct acme_directory directory;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(acme_directory_read(span_str(texts[i]), &directory), ERR_SYNTAX);
}

static void test_orders_are_read_with_status_and_error(void **state)
{
    struct acme_order order;

    assert_int_equal(
        acme_order_read(SPAN("{\"status\":\"invalid\",\"finalize\":\"https://ca/f\","
                             "\"authorizations\":[\"https://ca/1\",\"https://ca/2\"],\"error\":{"
                             "\"type\":\"urn:ietf:params:acme:error:caa\",\"detail\":\"no\","
                             "\"subproblems\":[{\"identifier\":{\"value\":\"a.test\"}}]}}"),
                        &order),
        0);
    assert_int_equal(order.status, ACME_INVALID);
    assert_int_equal(order.authorization_count, 2);
    assert_string_equal(order.error.type, "caa");
    assert_string_equal(order.error.identifier, "a.test");
    acme_order_finish(&order);
}

static void test_orders_that_lack_something_are_refused(void **state)
{
    static const char *const texts[] = {
        "{\"status\":\"pending\",\"finalize\":\"https://ca/f\",\"authorizations\":[]}",
        "{\"status\":\"pending\",\"finalize\":\"https://ca/f\"}",
        "{\"status\":\"pending\",\"authorizations\":[\"https://ca/1\"]}",
        "{\"status\":\"new\",\"finalize\":\"https://ca/f\",\"authorizations\":[\"https://ca/1\"]}",
        "{\"status\":\"valid\",\"finalize\":\"https://ca/f\",\"authorizations\":[\"https://ca/"
        "1\"]}",
        "{\"status\":\"pending\",\"finalize\":\"https://ca/f\",\"authorizations\":[\"file:///"
        "etc\"]}",
        "{\"status\":\"pending\",\"finalize\":\"https://ca/f\",\"authorizations\":[1]}",
    };
    struct acme_order order;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(acme_order_read(span_str(texts[i]), &order), ERR_SYNTAX);
}

static void test_an_order_of_too_many_names_is_a_limit(void **state)
{
    struct buffer text = buffer_make(1 << 16);
    struct acme_order order;

    assert_int_equal(buffer_printf(&text, "{\"status\":\"pending\",\"finalize\":\"https://ca/f\","
                                          "\"authorizations\":[\"https://ca/0\""),
                     0);
    for (int i = 0; i < ACME_NAMES_MAX; i++)
        assert_int_equal(buffer_printf(&text, ",\"https://ca/%d\"", i), 0);
    assert_int_equal(buffer_printf(&text, "]}"), 0);
    assert_int_equal(acme_order_read(buffer_span(&text), &order), ERR_LIMIT);
    buffer_finish(&text);
}

static void test_challenges_of_other_types_and_bad_tokens_are_passed_over(void **state)
{
    struct acme_authorization authorization;

    assert_int_equal(
        acme_authorization_read(
            SPAN("{\"status\":\"pending\",\"identifier\":{\"type\":\"dns\",\"value\":\"a.test\"},"
                 "\"wildcard\":true,\"challenges\":["
                 "{\"type\":\"sectigo-email-01\",\"url\":\"https://ca/1\",\"token\":\"" TOKEN "\"},"
                 "{\"type\":\"http-01\",\"url\":\"https://ca/2\",\"token\":\"../../etc/"
                 "passwd-xxxxxxx"
                 "\"},"
                 "{\"type\":\"http-01\",\"url\":\"https://ca/3\",\"token\":\"short\"},"
                 "{\"type\":\"http-01\",\"url\":\"ftp://ca/4\",\"token\":\"" TOKEN "\"},"
                 "{\"type\":\"dns-01\",\"url\":\"https://ca/5\",\"status\":\"pending\",\"token\":"
                 "\"" TOKEN "\"},"
                 "7]}"),
            &authorization),
        0);
    assert_true(authorization.wildcard);
    assert_int_equal(authorization.challenge_count, 1);
    assert_int_equal(authorization.challenges[0].type, ACME_DNS_01);
    assert_string_equal(authorization.challenges[0].token, TOKEN);
    acme_authorization_finish(&authorization);
}

static void test_times_of_rfc_3339_are_read(void **state)
{
    static const struct {
        const char *text;
        nsec_t seconds; /* -1: refused */
    } rows[] = {
        {"2025-01-02T04:00:00Z", 1735790400},
        {"2025-01-02T04:00:00.123456789Z", 1735790400},
        {"2025-01-02T05:30:00+01:30", 1735790400},
        {"2025-01-01T23:00:00-05:00", 1735790400},
        {"2025-01-02t04:00:00z", 1735790400},
        {"2025-01-02 04:00:00Z", -1},
        {"2025-13-02T04:00:00Z", -1},
        {"2025-01-02T04:00:00", -1},
        {"2025-01-02T04:00:00.Z", -1},
        {"2025-01-02T04:00:00+1", -1},
        {"9999-01-02T04:00:00Z", -1},
        {"", -1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        nsec_t at = 0;
        int r = acme_time_read(span_str(rows[i].text), &at);
        assert_int_equal(r, rows[i].seconds < 0 ? ERR_SYNTAX : 0);
        if (r == 0)
            assert_int_equal(at, rows[i].seconds * NSEC_PER_SEC);
    }
}

static void test_a_renewal_window_needs_its_end_after_its_start(void **state)
{
    struct acme_renewal_info info;

    assert_int_equal(acme_renewal_info_read(
                         SPAN("{\"suggestedWindow\":{\"start\":\"2025-01-02T04:00:00Z\",\"end\":"
                              "\"2025-01-03T04:00:00Z\"},\"explanationURL\":\"https://ca/why\"}"),
                         &info),
                     0);
    assert_int_equal(info.end - info.start, 86400 * NSEC_PER_SEC);
    assert_string_equal(info.explanation_url, "https://ca/why");
    acme_renewal_info_finish(&info);
    assert_int_equal(acme_renewal_info_read(
                         SPAN("{\"suggestedWindow\":{\"start\":\"2025-01-02T04:00:00Z\",\"end\":"
                              "\"2025-01-02T04:00:00Z\"}}"),
                         &info),
                     ERR_SYNTAX);
}

static void test_a_problem_that_is_no_json_has_an_empty_type(void **state)
{
    struct acme_problem problem;

    acme_problem_read(SPAN("<html>busy</html>"), &problem);
    assert_string_equal(problem.type, "");
    acme_problem_finish(&problem);
    acme_problem_read(SPAN("{\"type\":\"urn:ietf:params:acme:error:badNonce\",\"detail\":\"x\"}"),
                      &problem);
    assert_string_equal(problem.type, "badNonce");
    assert_string_equal(problem.detail, "x");
    acme_problem_finish(&problem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory_keeps_urls_profiles_and_terms),
        cmocka_unit_test(test_what_is_no_directory_is_refused),
        cmocka_unit_test(test_orders_are_read_with_status_and_error),
        cmocka_unit_test(test_orders_that_lack_something_are_refused),
        cmocka_unit_test(test_an_order_of_too_many_names_is_a_limit),
        cmocka_unit_test(test_challenges_of_other_types_and_bad_tokens_are_passed_over),
        cmocka_unit_test(test_times_of_rfc_3339_are_read),
        cmocka_unit_test(test_a_renewal_window_needs_its_end_after_its_start),
        cmocka_unit_test(test_a_problem_that_is_no_json_has_an_empty_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
