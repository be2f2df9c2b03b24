/* The budgets of cheap frames: how they are counted however the bytes are cut, and how they refill.
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

static int watch(struct h2_guard *guard, const void *bytes, size_t len, nsec_t now)
{
    return h2_guard_watch(guard, span_of(bytes, len), &limits, now);
}

static void start(struct h2_guard *guard)
{
    h2_guard_init(guard);
    assert_int_equal(watch(guard, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN, 1), 0);
    assert_int_equal(watch(guard, "\0\0\0\x04\0\0\0\0\0", 9, 1), 0);
    assert_true(guard->settled);
}

static int ping(struct h2_guard *guard, nsec_t now)
{
    return watch(guard, "\0\0\x08\x06\0\0\0\0\0abcdefgh", 17, now);
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

static void test_guard_counts_frames_cut_anywhere(void **state)
{
    static const char frame[] = "\0\0\x04\x03\0\0\0\0\x01wxyz\0\0\x04\x03\0\0\0\0\x03wxyz";
    struct h2_guard guard;

    for (size_t step = 1; step < 27; step++) {
        int taken = 0;
        start(&guard);
        for (int r = 0; r == 0 && taken < 100; taken++)
            for (size_t at = 0; at < 26 && r == 0; at += step)
                r = watch(&guard, frame + at, step < 26 - at ? step : 26 - at, NSEC_PER_SEC);
        assert_int_equal(taken, 6); /* ten resets pass, the eleventh is in the sixth pair */
    }
}

static void test_guard_counts_continuations_of_one_block(void **state)
{
    static const char first[] = "\0\0\x01\x01\0\0\0\0\x01x";
    static const char more[] = "\0\0\x01\x09\0\0\0\0\x01x";
    struct h2_guard guard;

    start(&guard);
    for (int block = 0; block < 20; block++) {
        assert_int_equal(watch(&guard, first, 10, 1), 0);
        assert_int_equal(watch(&guard, more, 10, 1), 0);
        assert_int_equal(watch(&guard, more, 10, 1), 0);
    }
    assert_int_equal(watch(&guard, more, 10, 1), ERR_LIMIT);
}

static void test_guard_lets_data_pay_for_window_updates(void **state)
{
    static const char update[] = "\0\0\x04\x08\0\0\0\0\x01wxyz";
    struct h2_guard guard;
    int taken = 0;

    start(&guard);
    h2_guard_credit(&guard, 16384);
    while (watch(&guard, update, 13, 1) == 0)
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
        cmocka_unit_test(test_guard_counts_frames_cut_anywhere),
        cmocka_unit_test(test_guard_counts_continuations_of_one_block),
        cmocka_unit_test(test_guard_lets_data_pay_for_window_updates),
        cmocka_unit_test(test_guard_takes_no_limit_as_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
