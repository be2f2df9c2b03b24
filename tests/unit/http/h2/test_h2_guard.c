/* The budgets of cheap frames: how they are counted and how they refill.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "base/error.h"
#include "http/h2/guard.h"

static const struct http_limits limits = {
    .h2_resets_per_minute = 10,
    .h2_settings_per_minute = 5,
    .h2_pings_per_minute = 60,
    .h2_empty_frames_per_minute = 7,
    .h2_continuations = 2,
};

static int see(struct h2_guard *guard, uint8_t type, uint32_t length, nsec_t now)
{
    return h2_guard_frame(guard, (struct h2_frame){.type = type, .length = length}, &limits, now);
}

static void start(struct h2_guard *guard)
{
    h2_guard_init(guard);
    assert_int_equal(see(guard, NGHTTP2_SETTINGS, 0, 1), 0);
    assert_true(guard->settled);
}

static int ping(struct h2_guard *guard, nsec_t now)
{
    return see(guard, NGHTTP2_PING, 8, now);
}

static void test_guard_spends_a_minute_at_once(void **state)
{
    struct h2_guard guard;

    start(&guard);
    for (int i = 0; i < 60; i++)
        assert_int_equal(ping(&guard, NSEC_PER_SEC), 0);
    assert_int_equal(ping(&guard, NSEC_PER_SEC), ERR_LIMIT);
}

static void test_guard_refills_with_time(void **state)
{
    struct h2_guard guard;

    start(&guard);
    for (int i = 0; i < 10; i++)
        assert_int_equal(h2_guard_reset(&guard, &limits, 0), 0);
    assert_int_equal(h2_guard_reset(&guard, &limits, 6 * NSEC_PER_SEC - 1), ERR_LIMIT);
    assert_int_equal(h2_guard_reset(&guard, &limits, 6 * NSEC_PER_SEC), 0);
    assert_int_equal(h2_guard_reset(&guard, &limits, 6 * NSEC_PER_SEC), ERR_LIMIT);
    for (int i = 0; i < 10; i++)
        assert_int_equal(h2_guard_reset(&guard, &limits, 1000 * NSEC_PER_SEC), 0);
    assert_int_equal(h2_guard_reset(&guard, &limits, 1000 * NSEC_PER_SEC), ERR_LIMIT);
}

static void test_guard_counts_continuations_of_one_block(void **state)
{
    struct h2_guard guard;

    start(&guard);
    for (int block = 0; block < 20; block++) {
        assert_int_equal(see(&guard, NGHTTP2_HEADERS, 1, 1), 0);
        assert_int_equal(see(&guard, NGHTTP2_CONTINUATION, 1, 1), 0);
        assert_int_equal(see(&guard, NGHTTP2_CONTINUATION, 1, 1), 0);
    }
    assert_int_equal(see(&guard, NGHTTP2_CONTINUATION, 1, 1), ERR_LIMIT);
}

static void test_guard_lets_data_pay_for_window_updates(void **state)
{
    struct h2_guard guard;
    int taken = 0;

    start(&guard);
    h2_guard_credit(&guard, 16384);
    while (see(&guard, NGHTTP2_WINDOW_UPDATE, 4, 1) == 0)
        taken++;
    assert_int_equal(taken, 64 + 4 + 32 + 7);
    for (int i = 0; i < 1000000; i++)
        h2_guard_credit(&guard, 16384);
    assert_int_equal(guard.credit, 1 << 16);
}

static void test_guard_takes_no_limit_as_none(void **state)
{
    const struct http_limits none = {0};
    struct h2_guard guard;

    start(&guard);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(h2_guard_reset(&guard, &none, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guard_spends_a_minute_at_once),
        cmocka_unit_test(test_guard_refills_with_time),
        cmocka_unit_test(test_guard_counts_continuations_of_one_block),
        cmocka_unit_test(test_guard_lets_data_pay_for_window_updates),
        cmocka_unit_test(test_guard_takes_no_limit_as_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
