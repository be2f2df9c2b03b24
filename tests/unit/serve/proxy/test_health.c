/* Passive health: when a server is left alone, and when it is asked again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "serve/proxy/health.h"

#define S NSEC_PER_SEC

static const struct health_settings settings = {
    .failures = 3, .window = 10 * S, .pause = S, .pause_max = 4 * S, .slow_start = 10 * S};

static void fail_at(struct health *health, nsec_t now)
{
    health_chosen(health, now);
    health_failed(health, &settings, now);
}

static void test_health_counts_failures_within_its_window(void **state)
{
    struct health health = {0};

    (void)state;
    fail_at(&health, S);
    fail_at(&health, 2 * S);
    assert_true(health_usable(&health, 2 * S));
    fail_at(&health, 12 * S); /* a new window */
    fail_at(&health, 13 * S);
    assert_true(health_usable(&health, 13 * S));
    fail_at(&health, 14 * S);
    assert_false(health_usable(&health, 14 * S));
    assert_int_equal(health_retry_at(&health, 14 * S), 15 * S);
}

static void test_health_success_forgets_failures(void **state)
{
    struct health health = {0};

    (void)state;
    for (int i = 0; i < 10; i++) {
        fail_at(&health, S);
        fail_at(&health, S);
        health_succeeded(&health, S);
    }
    assert_true(health_usable(&health, S));
}

static void test_health_lets_one_request_find_out(void **state)
{
    struct health health = {0};

    (void)state;
    for (int i = 0; i < 3; i++)
        fail_at(&health, S);
    assert_false(health_usable(&health, 2 * S - 1));
    assert_true(health_usable(&health, 2 * S));
    health_chosen(&health, 2 * S);
    assert_false(health_usable(&health, 2 * S));
    health_unknown(&health); /* its client left: another may try */
    assert_true(health_usable(&health, 2 * S));
    health_chosen(&health, 2 * S);
    health_succeeded(&health, 3 * S);
    assert_true(health_usable(&health, 3 * S));
}

static void test_health_pauses_grow_up_to_a_bound(void **state)
{
    static const nsec_t pauses[] = {1, 2, 4, 4, 4};
    struct health health = {0};
    nsec_t now = S;

    (void)state;
    fail_at(&health, now);
    fail_at(&health, now);
    for (size_t i = 0; i < ARRAY_SIZE(pauses); i++) {
        fail_at(&health, now);
        assert_int_equal(health_retry_at(&health, now), now + pauses[i] * S);
        now += pauses[i] * S;
    }
    health_chosen(&health, now);
    health_succeeded(&health, now);
    for (int i = 0; i < 3; i++)
        fail_at(&health, now);
    assert_int_equal(health_retry_at(&health, now), now + S);
}

static void test_health_failures_of_old_requests_do_not_prolong_an_outage(void **state)
{
    struct health health = {0};

    (void)state;
    for (int i = 0; i < 30; i++)
        health_failed(&health, &settings, S);
    assert_int_equal(health_retry_at(&health, S), 2 * S);
}

static void test_health_share_grows_after_an_outage(void **state)
{
    struct health health = {0};

    (void)state;
    assert_int_equal(health_share(&health, &settings, S), HEALTH_FULL);
    for (int i = 0; i < 3; i++)
        fail_at(&health, S);
    health_chosen(&health, 2 * S);
    health_succeeded(&health, 2 * S);
    assert_int_equal(health_share(&health, &settings, 2 * S), HEALTH_LEAST);
    assert_int_equal(health_share(&health, &settings, 7 * S), HEALTH_FULL / 2);
    assert_int_equal(health_share(&health, &settings, 12 * S), HEALTH_FULL);
}

static void test_health_can_be_switched_off(void **state)
{
    static const struct health_settings off = {.failures = 0, .window = S, .pause = S};
    struct health health = {0};

    (void)state;
    for (int i = 0; i < 100; i++)
        health_failed(&health, &off, S);
    assert_true(health_usable(&health, S));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_health_counts_failures_within_its_window),
        cmocka_unit_test(test_health_success_forgets_failures),
        cmocka_unit_test(test_health_lets_one_request_find_out),
        cmocka_unit_test(test_health_pauses_grow_up_to_a_bound),
        cmocka_unit_test(test_health_failures_of_old_requests_do_not_prolong_an_outage),
        cmocka_unit_test(test_health_share_grows_after_an_outage),
        cmocka_unit_test(test_health_can_be_switched_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
