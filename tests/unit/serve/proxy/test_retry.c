/* What may be sent again, how often in all, and how long each stage may take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "serve/proxy/deadline.h"
#include "serve/proxy/retry.h"

#define S NSEC_PER_SEC

static void test_retries_are_safe(void **state)
{
    static const struct {
        struct retry_question question;
        bool safe;
    } rows[] = {
        /* idempotent, body touched, sent, received, timed out, attempt, most */
        {{true, false, false, false, false, 1, 3}, true},
        {{false, false, false, false, false, 1, 3}, true}, /* a POST that has not left */
        {{true, false, true, false, false, 1, 3}, true},
        {{false, false, true, false, false, 1, 3}, false}, /* a POST that may have run */
        {{true, true, false, false, false, 1, 3}, false},  /* its body is gone */
        {{true, true, true, false, false, 1, 3}, false},
        {{true, false, true, true, false, 1, 3}, false}, /* bytes came back */
        {{true, false, true, false, true, 1, 3}, false}, /* it may still be at work */
        {{true, false, false, false, true, 1, 3}, true}, /* no connection in time */
        {{true, false, false, false, false, 2, 3}, true},
        {{true, false, false, false, false, 3, 3}, false},
        {{true, false, false, false, false, 1, 1}, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(retry_is_safe(&rows[i].question), rows[i].safe);
}

static void test_a_thousand_failures_are_tried_twelve_hundred_times_at_most(void **state)
{
    struct retry_budget budget = {0};
    unsigned tries = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        retry_budget_request(&budget, S);
        tries++;
        for (int attempt = 1; attempt < 3 && retry_budget_take(&budget, S); attempt++)
            tries++;
    }
    assert_in_range(tries, 1150, 1203);
}

static void test_few_requests_may_be_tried_again(void **state)
{
    struct retry_budget budget = {0};

    (void)state;
    for (nsec_t now = S; now < 100 * S; now += 20 * S) {
        retry_budget_request(&budget, now);
        for (int i = 0; i < 3; i++)
            assert_true(retry_budget_take(&budget, now));
        assert_false(retry_budget_take(&budget, now));
    }
}

static void test_a_long_good_time_saves_up_no_storm(void **state)
{
    struct retry_budget budget = {0};
    unsigned retries = 0;

    (void)state;
    for (int i = 0; i < 1000000; i++)
        retry_budget_request(&budget, S);
    while (retry_budget_take(&budget, S))
        retries++;
    assert_in_range(retries, 1, RETRY_MOST / 1000);
}

static void test_deadlines_by_stage(void **state)
{
    static const struct proxy_timeouts timeouts = {.connect = 5 * S,
                                                   .first_byte = 60 * S,
                                                   .between = 30 * S,
                                                   .whole = 100 * S,
                                                   .tunnel = 600 * S};
    static const struct {
        struct proxy_clock clock;
        nsec_t deadline;
    } rows[] = {
        {{PROXY_CONNECT, S, 2 * S, 4 * S, false}, 7 * S},
        {{PROXY_SEND, S, 2 * S, 4 * S, false}, 34 * S},
        {{PROXY_SEND, S, 2 * S, 4 * S, true}, 101 * S},     /* the client's upload is slow */
        {{PROXY_ANSWER, S, 30 * S, 31 * S, false}, 90 * S}, /* from the upload's end */
        {{PROXY_ANSWER, S, 50 * S, 51 * S, false}, 101 * S},
        {{PROXY_BODY, S, 2 * S, 60 * S, false}, 90 * S}, /* progress counts, not its length */
        {{PROXY_BODY, S, 2 * S, 80 * S, false}, 101 * S},
        {{PROXY_TUNNEL, S, 2 * S, 8000 * S, false}, 8600 * S},
        {{PROXY_TUNNEL, S, 2 * S, 8000 * S, true}, 8600 * S},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(proxy_clock_deadline(&rows[i].clock, &timeouts), rows[i].deadline);
}

static void test_without_a_whole_bound_a_slow_client_has_none_here(void **state)
{
    static const struct proxy_timeouts timeouts = {.connect = S, .first_byte = S, .between = S};
    struct proxy_clock clock = {.began = S};

    (void)state;
    proxy_clock_enter(&clock, PROXY_BODY, 5 * S);
    assert_int_equal(proxy_clock_deadline(&clock, &timeouts), 6 * S);
    clock.waits_for_client = true;
    assert_int_equal(proxy_clock_deadline(&clock, &timeouts), NSEC_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retries_are_safe),
        cmocka_unit_test(test_a_thousand_failures_are_tried_twelve_hundred_times_at_most),
        cmocka_unit_test(test_few_requests_may_be_tried_again),
        cmocka_unit_test(test_a_long_good_time_saves_up_no_storm),
        cmocka_unit_test(test_deadlines_by_stage),
        cmocka_unit_test(test_without_a_whole_bound_a_slow_client_has_none_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
